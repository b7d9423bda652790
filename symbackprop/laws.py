"""What is known of a tensor besides its formula: how noise is drawn, a state goes on, and what
stands at inference.

    Law ::= Distribution(kind, parameters)      of noise: what its entries are drawn from
          | Carried(initial, following)         of a state: its first values, the tensor of the next
          | AtInference(body)                   of an intermediate: the body outside of training
          | Asks((expression, range), …)        of an intermediate or a hyper: numbers it needs
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympy import Expr, Integer, log, sqrt

from symbackprop.functions import Iverson, costurn

if TYPE_CHECKING:
    from symbackprop.notation import Tensor

__all__ = ["KINDS", "RANGES", "Asks", "AtInference", "Carried", "Distribution", "Initial", "Kind",
           "Law", "Range"]

Initial = float | tuple["Initial", ...]
Unit = Callable[[int], Expr]  # the number in [0, 1) of a pair of words


@dataclass(frozen=True, slots=True)
class Kind:
    """A row: what stands for such noise at inference, and how an entry is drawn.

    count: how many numbers there are; mean: of them; entry: of numbers in [0, 1) and them;
    words, fits: what they must be.
    """

    count: int
    mean: Callable[..., Expr]
    entry: Callable[..., Expr]
    words: str
    fits: Callable[..., bool]


KINDS = {
    "bernoulli": Kind(
        1, lambda probability: probability,
        lambda unit, probability: Iverson(unit(0) < probability),
        "a probability from 0 to 1", lambda probability: 0 <= probability <= 1),
    "gaussian": Kind(
        2, lambda mean, deviation: mean,
        lambda unit, mean, deviation: (  # Box & Muller 1958
            mean + deviation*sqrt(-2*log(1 - unit(0)))*costurn(unit(1))),
        "a standard deviation of at least 0", lambda mean, deviation: deviation >= 0),
    "uniform": Kind(
        2, lambda low, high: (low + high) / Integer(2),
        lambda unit, low, high: low + (high - low)*unit(0),
        "low at most high", lambda low, high: low <= high),
}


@dataclass(frozen=True, slots=True)
class Range:
    """A row: numbers in words, and whether a number is one of them."""

    words: str
    fits: Callable[[float], bool]


RANGES = {
    "real": Range("a finite real number", lambda v: True),
    "share": Range("a number from 0 to 1", lambda v: 0 <= v <= 1),
    "below_one": Range("a number from 0 up to, but not including, 1", lambda v: 0 <= v < 1),
    "not_negative": Range("a number of at least 0", lambda v: v >= 0),
    "positive": Range("a number above 0", lambda v: v > 0),
}


@dataclass(frozen=True, slots=True)
class Distribution:
    """What the entries of a noise are drawn from, each by itself: a kind of `KINDS`, and numbers.

    parameters: scalar expressions of hypers, so that another strength never recompiles.
    """

    kind: str
    parameters: tuple[Expr, ...]

    @property
    def mean(self) -> Expr:
        """What stands for the noise at inference."""
        return KINDS[self.kind].mean(*self.parameters)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.parameters))})"


@dataclass(frozen=True, slots=True)
class Carried:
    """A state begins at `initial` and is, after each training step, what `following` was in it.

    initial: one number, or one for each entry, as nested tuples of the state's shape.
    """

    initial: Initial
    following: Tensor


@dataclass(frozen=True, slots=True)
class AtInference:
    """The body that stands for a definition's own outside of training, in its own indices."""

    body: Expr


@dataclass(frozen=True, slots=True)
class Asks:
    """Expressions of hypers that must lie in a row of `RANGES` wherever the tensor is computed."""

    conditions: tuple[tuple[Expr, str], ...]


Law = Distribution | Carried | AtInference | Asks
