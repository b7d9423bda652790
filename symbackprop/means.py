"""What all losses share: the mean over samples of sums over outputs, of equal shapes.

    1/N Σ_n w[n]·Σ_k f(ŷ[n,k], y[n,k])      N is the extent of the first axis, w weighs samples
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sympy import Expr, Idx, Sum

from symbackprop.arrays import Array, made, operand, read
from symbackprop.broadcasting import is_scalar, letters_for, scalar_operand, shown
from symbackprop.errors import DeclarationError
from symbackprop.laws import RANGES
from symbackprop.notation import extent

__all__ = ["averaged", "in_range", "mean_of", "mean_over", "one_sample", "placed", "scalar_of",
           "with_last"]


def mean_of(name: str, prediction: Any, target: Any, each: Callable[[Expr, Expr], Expr],
            sample_weights: Any = None, one: bool = False, last: int = -1) -> Expr:
    """The mean over samples of the sum over outputs of each(ŷ, y); one: there is one sample.

    last: an axis that is not that of the samples, which are counted along the first of the others.
    """
    p, y = operand(prediction), operand(target)
    if not isinstance(p, Array) and not isinstance(y, Array):
        if sample_weights is not None:
            raise DeclarationError(f"{name}: {p} and {y} are one sample, which has no "
                                   "sample_weights; multiply the loss by a number")
        return each(p, y)
    if not isinstance(p, Array) or not isinstance(y, Array) or p.axes != y.axes:
        raise DeclarationError(
            f"{name}: prediction and target need equal shapes; the prediction is {shown(p)}, "
            f"the target {shown(y)}; nothing is broadcast in a loss"
        )
    letters = letters_for(p.axes, [p, y])
    body = each(read(p, letters), read(y, letters))
    return averaged(name, with_last(letters, last), body, sample_weights, one)


def with_last(letters: tuple[Idx, ...], axis: int) -> tuple[Idx, ...]:
    """The letters with that of one axis behind the others."""
    return (*placed(letters, axis), letters[axis])


def placed(places: Sequence[Any], axis: int, *put: Any) -> tuple[Any, ...]:
    """The places but for one, and what is put there."""
    at = axis % len(places)
    return (*places[:at], *put, *places[at + 1:])


def averaged(name: str, letters: tuple[Idx, ...], body: Expr, sample_weights: Any = None,
             one: bool = False) -> Expr:
    """1/N Σ w[n]·body over all letters, the first of which runs over the samples; a new L."""
    whole: Expr = made((), mean_over(name, letters, body, sample_weights, one))
    return whole


def mean_over(name: str, letters: tuple[Idx, ...], body: Expr, sample_weights: Any = None,
              one: bool = False) -> Expr:
    """1/N Σ w[n]·body as an expression."""
    if sample_weights is not None:
        body = body * _weight(name, sample_weights, letters, one)
    coefficient, rest = body.as_coeff_Mul()
    total: Expr = coefficient * Sum(rest, *letters)
    return total if one else total / extent(letters[0])


def _weight(name: str, given: Any, letters: tuple[Idx, ...], one: bool) -> Expr:
    samples = extent(letters[0])
    if one or not isinstance(given, Array) or given.axes != (samples,):
        what = "there is one sample" if one else f"there are {samples} samples"
        raise DeclarationError(f"{name}: sample_weights are a tensor with one number for each "
                               f"sample, and {what}; found {shown(given)}; write e.g. "
                               f"sb.data('w', {samples})")
    return read(given, letters[:1])


def one_sample(target: Any) -> bool:
    """Whether the target is a vector of classes: its only axis was declared one-hot or simplex."""
    return isinstance(target, Array) and target.rank == 1 and any(
        fact.kind in ("one_hot", "simplex") for fact in target.facts)


def scalar_of(name: str, given: Any) -> Expr:
    """A number, hyper or expression that a loss is written with."""
    if isinstance(given, (Array, str)) or not is_scalar(given):
        raise DeclarationError(f"{name} is a number or a hyper, not {shown(given)}")
    return scalar_operand(given)


def in_range(name: str, given: Any, kind: str) -> Expr:
    """A number of that row of `RANGES`, or a hyper; DeclarationError for another number."""
    number = scalar_of(name, given)
    if number.is_number and not (number.is_real and RANGES[kind].fits(number)):
        raise DeclarationError(f"{name} must be {RANGES[kind].words}, not {given!r}")
    return number
