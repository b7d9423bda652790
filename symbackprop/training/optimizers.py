"""Optimizers: each is a short list of SymPy assignments, compiled with the network it trains.

    SGD        w ← w − rate·g
    momentum   v ← momentum·v + g                                          (torch's convention)
               w ← w − rate·v
    Adam       t ← t + 1                                     Kingma & Ba 2015, arXiv:1412.6980
               m ← beta1·m + (1 − beta1)·g
               v ← beta2·v + (1 − beta2)·g²
               w ← w − rate/(1 − beta1ᵗ)·m / (√v/√(1 − beta2ᵗ) + epsilon)

Assignments happen in order and read what is newest.  In a rule w is one entry of a parameter and
g the gradient there.  What the rule reads before it assigns it is *state*: it starts at zero and
is carried from step to step.  What depends on w or g has one entry for each entry of the
parameter; the rest (t) is one number for all.  The other letters are fields of the optimizer:
run-time numbers, so that another rate or momentum never recompiles.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from sympy import Expr, Symbol, sqrt, symbols

from symbackprop.broadcasting import finite_number
from symbackprop.errors import TrainingError

__all__ = ["SGD", "Adam", "Optimizer", "Rule"]

Assignment = tuple[Symbol, Expr]

w, g, m, v, t = symbols("w g m v t", real=True)
rate, momentum, beta1, beta2, epsilon = symbols("rate momentum beta1 beta2 epsilon", positive=True)


@dataclass(frozen=True, slots=True)
class Rule:
    """The assignments of one step; two optimizers with equal rules share one compiled kernel."""

    assignments: tuple[Assignment, ...]

    @property
    def targets(self) -> tuple[Symbol, ...]:
        """All symbols that are assigned, in order."""
        return tuple(dict.fromkeys(target for target, _ in self.assignments))

    @property
    def states(self) -> tuple[Symbol, ...]:
        """Assigned symbols, other than w, that are read before they are assigned."""
        assigned: set[Symbol] = set()
        found: dict[Symbol, None] = {}
        for target, body in self.assignments:
            early = body.free_symbols - assigned - {w, g}
            found.update(dict.fromkeys(s for s in self.targets if s in early))
            assigned.add(target)
        return tuple(found)

    @property
    def numbers(self) -> tuple[Symbol, ...]:
        """The symbols that are never assigned: fields of the optimizer, in order of name."""
        read = {s for _, body in self.assignments for s in body.free_symbols}
        return tuple(sorted(read - {w, g, *self.targets}, key=str))

    @property
    def elementwise(self) -> frozenset[Symbol]:
        """w, g and every symbol that depends on them: one entry for each of the parameter."""
        known = {w, g}
        for _ in self.assignments:
            known |= {target for target, body in self.assignments if known & body.free_symbols}
        return frozenset(known)

    def __str__(self) -> str:
        return "\n".join(f"{target} ← {body}" for target, body in self.assignments)


class Optimizer(Protocol):
    """Anything with a rule whose free letters are attributes that hold numbers."""

    @property
    def rule(self) -> Rule:
        """The assignments of one step."""


@dataclass(frozen=True, slots=True)
class SGD:
    """w ← w − rate·g; with momentum v ← momentum·v + g, w ← w − rate·v.

    rate > 0; 0 ≤ momentum < 1.  Raises TrainingError for anything else.

    >>> print(SGD(0.1, momentum=0.9).rule)
    v ← g + momentum*v
    w ← -rate*v + w
    """

    rate: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _check(self, rate=_POSITIVE, momentum=_FRACTION)

    @property
    def rule(self) -> Rule:
        """One assignment without momentum, two with it."""
        if self.momentum == 0:
            return Rule(((w, w - rate * g),))
        return Rule(((v, momentum * v + g), (w, w - rate * v)))


@dataclass(frozen=True, slots=True)
class Adam:
    """Steps of about the rate, whatever the scale of the gradient (Kingma & Ba 2015, algorithm 1).

    rate > 0; 0 ≤ beta1, beta2 < 1; epsilon > 0.  Raises TrainingError for anything else.

    >>> print(Adam().rule.states)
    (t, m, v)
    """

    rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _check(self, rate=_POSITIVE, beta1=_FRACTION, beta2=_FRACTION, epsilon=_POSITIVE)

    @property
    def rule(self) -> Rule:
        """Moments of the gradient, their bias corrections, and the step."""
        first, second = Symbol("first", real=True), Symbol("second", real=True)
        return Rule((
            (t, t + 1),
            (first, rate / (1 - beta1**t)),
            (second, sqrt(1 - beta2**t)),
            (m, beta1 * m + (1 - beta1) * g),
            (v, beta2 * v + (1 - beta2) * g**2),
            (w, w - first * m / (sqrt(v) / second + epsilon)),
        ))


_POSITIVE = ("a number above 0", lambda value: value > 0)
_FRACTION = ("a number from 0 up to, but not including, 1", lambda value: 0 <= value < 1)


def _check(optimizer: SGD | Adam, **expected: tuple[str, object]) -> None:
    name = type(optimizer).__name__
    for field in fields(optimizer):
        words, fits = expected[field.name]
        value = getattr(optimizer, field.name)
        number = finite_number(value)
        if number is None or not fits(number):  # type: ignore[operator]
            raise TrainingError(f"{name}: {field.name} must be {words}, found {value!r}")
        object.__setattr__(optimizer, field.name, number)
