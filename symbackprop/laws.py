"""What is known of a tensor besides its formula: how noise is drawn, a state goes on, and what
stands at inference.

    Law ::= Distribution(kind, parameters)      of noise: what its entries are drawn from
          | Carried(initial, following)         of a state: its first value, the tensor of the next
          | AtInference(body)                   of an intermediate: the body outside of training
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympy import Expr, Integer

if TYPE_CHECKING:
    from symbackprop.notation import Tensor

__all__ = ["MEANS", "PARAMETERS", "AtInference", "Carried", "Distribution", "Law"]

MEANS: dict[str, Callable[..., Expr]] = {
    "bernoulli": lambda probability: probability,
    "gaussian": lambda mean, deviation: mean,
    "uniform": lambda low, high: (low + high) / Integer(2),
}

#: How many numbers each kind of distribution has.
PARAMETERS = {"bernoulli": 1, "gaussian": 2, "uniform": 2}


@dataclass(frozen=True, slots=True)
class Distribution:
    """What the entries of a noise are drawn from, each by itself: a kind of `MEANS`, and numbers.

    parameters: scalar expressions of hypers, so that another strength never recompiles.
    """

    kind: str
    parameters: tuple[Expr, ...]

    @property
    def mean(self) -> Expr:
        """What stands for the noise at inference."""
        return MEANS[self.kind](*self.parameters)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.parameters))})"


@dataclass(frozen=True, slots=True)
class Carried:
    """A state begins at a number and is, after each training step, what `following` was in it."""

    initial: float
    following: Tensor


@dataclass(frozen=True, slots=True)
class AtInference:
    """The body that stands for a definition's own outside of training, in its own indices."""

    body: Expr


Law = Distribution | Carried | AtInference
