"""Noise and states: what is drawn anew in every training step, and what is carried to the next.

    m = noise("m", n, j, distribution=bernoulli(0.8))            0 or 1, drawn for every sample
    r = state("r", j, init=0, update=lambda r: 0.9*r[j] + 0.1*mean[j])

Both are read like data, and for a derivative they are data.  `fit` draws the noise from a
counter-based generator and updates the states; at inference (`inference`) noise is its mean, and
states stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Expr, Float, Idx, Symbol

from symbackprop.arrays import Array
from symbackprop.broadcasting import finite_number, is_scalar, scalar_operand
from symbackprop.declare import attach, declare, scalar, tensor_of
from symbackprop.errors import DeclarationError, where
from symbackprop.indexing import free_indices
from symbackprop.laws import RANGES, Carried, Distribution, Initial
from symbackprop.notation import Tensor, elements_in, tensors_in

__all__ = ["bernoulli", "carry", "gaussian", "initial_of", "noise", "state", "strength", "uniform",
           "without_noise"]

def bernoulli(probability: Any) -> Distribution:
    """1 with this probability, else 0; a number from 0 to 1, or an expression of hypers.

    A number becomes a hyper, so that another probability never recompiles.  Raises DeclarationError
    for anything else.

    >>> print(bernoulli(0.8))
    bernoulli(keep)
    """
    kept = strength(probability, "keep", "bernoulli: the probability", "share")
    return Distribution("bernoulli", (kept,))


def gaussian(mean: Any = 0, deviation: Any = 1) -> Distribution:
    """Normally distributed with this mean and standard deviation (≥ 0), numbers or hypers.

    Numbers become hypers, but for a mean of 0.  Raises DeclarationError for anything else.
    """
    centre = strength(mean, "mean", "gaussian: the mean") if mean != 0 else scalar_operand(0)
    spread = strength(deviation, "std", "gaussian: the standard deviation", "not_negative")
    return Distribution("gaussian", (centre, spread))


def uniform(low: Any = 0, high: Any = 1) -> Distribution:
    """Uniformly distributed from low up to high, numbers or hypers; raises DeclarationError else.

    Numbers become hypers.
    """
    ends = strength(low, "low", "uniform: low"), strength(high, "high", "uniform: high")
    first, last = (getattr(getattr(e, "tensor", None), "default", None) for e in ends)
    if first is not None and last is not None and first > last:
        raise DeclarationError(f"uniform({low!r}, {high!r}): low must not be above high")
    return Distribution("uniform", ends)


def noise(name: str, *axes: Any, distribution: Distribution) -> Any:
    """An array of random numbers that `fit` draws anew in every step; data to a derivative.

    axes: Idx, sizes or ints; along the batch each sample has entries of its own, and they depend on
    the seed of fit, the sample, the epoch and the place alone.  A noise without the batch among its
    axes, e.g. on weights, is drawn once for each step.  A call of a compiled function takes an
    array by the name of the noise; at inference it is its mean.
    Raises DeclarationError for a distribution that is none.

    >>> import symbackprop as sb
    >>> n, j = sb.indices("n j", sb.size("N"), 32)
    >>> h, m = sb.data("h", n, j), noise("m", n, j, distribution=bernoulli(0.8))
    >>> print(sb.program(sb.define("d", (n, j), h[n, j]*m[n, j])))
    d[n,j] = h[n,j]·m[n,j]
    """
    if not isinstance(distribution, Distribution):
        raise DeclarationError(
            f"noise({name!r}, …): {distribution!r} is no distribution; write "
            "distribution=sb.bernoulli(0.8), sb.gaussian(0, 0.1) or sb.uniform(-1, 1)")
    made = declare(name, axes, "noise", ())
    tensor = tensor_of(made)
    tensor.law = distribution
    return made


def state(name: str, *axes: Any, init: Any = 0, update: Any) -> Any:
    """An array that begins at `init` and takes its next value at the end of each training step.

    axes: Idx, sizes or ints; init: a number, or an array of the state's shape; update: the next
    value, an expression in the letters of the axes (a tensor of this shape), or a function that is
    given the state and returns that.  It may read whatever the network computes in the step.
    `model.states` holds the present arrays.  A state is part of a Model only if loss, outputs or
    another state's update read it, e.g. as an output.
    Raises DeclarationError for an init that is neither a finite number nor an array of such with
    the shape of the state, and an update that does not fit.

    >>> import symbackprop as sb
    >>> n, j = sb.indices("n j", sb.size("N"), 3)
    >>> x = sb.data("x", n, j)
    >>> mean = x.mean(axis=0)
    >>> running = state("running", j, update=lambda r: 0.9*r[j] + 0.1*mean[j])
    """
    made = declare(name, axes, "state", ())
    initial = initial_of(tensor_of(made), init)
    carry(tensor_of(made), initial, _applied(update, made) if _is_function(update) else update)
    return made


def initial_of(tensor: Tensor, given: Any) -> Initial:
    """A number, or the entries of an array of the state's shape; raises DeclarationError else."""
    found = _entries(given, tensor.axes)
    if found is None:
        raise DeclarationError(
            f"state({tensor.name!r}, …): init must be a finite number, or an array of such with "
            f"the shape {tensor.axes} of the state, not {given!r}")
    return found


def _entries(given: Any, axes: tuple[Expr, ...]) -> Initial | None:
    """One number for all entries, or nested tuples of just this shape; None for anything else."""
    given = given.tolist() if hasattr(given, "tolist") else given  # an array of whichever library
    number = finite_number(given)
    if number is not None or not axes or not isinstance(given, list | tuple):
        return number
    if axes[0] != len(given):
        return None
    found = [_entries(one, axes[1:]) for one in given]
    whole = len(axes) == 1 or all(isinstance(one, tuple) for one in found)
    return tuple(one for one in found if one is not None) if whole and None not in found else None


def carry(tensor: Tensor, initial: Initial, update: Any) -> None:
    """The state begins at `initial` and goes on with this update."""
    what = f"state({tensor.name!r}, …, update=…)"
    if isinstance(update, Array):
        if update.axes != tensor.axes:
            raise DeclarationError(f"{what}: the update has the shape {update.axes}, the state "
                                   f"{tensor.axes}; they must be equal")
        update = update.at(*tensor.letters)
    body = scalar(update, what, "; write an expression, or a function of the state, e.g. "
                  "update=lambda r: 0.9*r[j] + 0.1*mean[j]")
    for index in free_indices(body):
        if index not in tensor.letters:
            letters = ", ".join(map(str, tensor.letters)) or "none"
            raise DeclarationError(f"{what}: the index {index} is none of the state's own "
                                   f"({letters}); sum over it, or use the state's index")
    following = attach(None, tensor.axes, tensor.letters, body,
                       hint=f"{tensor.name or tensor.hint}_next", numbered=False)
    tensor.law = Carried(initial if isinstance(initial, tuple) else float(initial),
                         tensor_of(following))


def without_noise(body: Expr) -> Expr:
    """The body with every noise replaced by its mean."""
    means = {e: e.tensor.law.mean for e in elements_in(body)
             if isinstance(e.tensor.law, Distribution)}
    return body.xreplace(means) if means else body


def strength(given: Any, hint: str, what: str, kind: str = "real") -> Expr:
    """A number of a row of `RANGES` as a hyper with that default; hypers, or an expression of such,
    as they are: what uses them asks for the row again (`Distribution`, `Asks`)."""
    words = RANGES[kind].words
    if isinstance(given, Tensor):
        raise DeclarationError(f"{what} must be {words} or a hyper, not the tensor "
                               f"{given.name or given.hint}")
    if isinstance(given, Expr) and not given.is_number:
        _check_hypers(given, what)
        return given
    number = finite_number(float(Float(given)) if _is_real(given) else given)
    if number is None or not RANGES[kind].fits(number):
        raise DeclarationError(f"{what} must be {words} or a hyper, not {given!r}")
    tensor = Array(None, (), (), "hyper", hint=hint, numbered=False, where=where())
    tensor.default = number
    return tensor.symbol


def _is_real(given: Any) -> bool:
    return isinstance(given, Expr) and bool(given.is_real and given.is_finite)


def _check_hypers(given: Expr, what: str) -> None:
    plain = {str(s) for s in given.free_symbols if type(s) is Symbol or isinstance(s, Idx)}
    others = [t.name or t.hint for t in tensors_in(given) if t.role != "hyper"]
    for name in (*sorted(plain), *others):
        raise DeclarationError(f"{what} must be a number or an expression of hypers; it reads "
                               f"{name}: write e.g. {name} = sb.hyper({name!r}, 0.5)")


def _applied(update: Callable[[Any], Any], state: Any) -> Any:
    """What the function makes of the state, or an error that says what it is given."""
    try:
        return update(state)
    except DeclarationError:
        raise
    except TypeError as error:
        raise DeclarationError(
            f"state({tensor_of(state).name!r}, …, update=…): the function cannot be called with "
            f"the state ({error}); write e.g. update=lambda r: 0.9*r[j] + 0.1*mean[j]") from error


def _is_function(update: Any) -> bool:
    return callable(update) and not is_scalar(update) and not isinstance(update, Tensor)
