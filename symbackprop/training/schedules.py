"""Schedules: a number of an optimizer as a formula of the steps made so far.

    optimizer = sb.optimizers.SGD(sb.schedules.cosine(0.1, steps=1000), momentum=0.9)

    constant      start
    step          start·factor^⌊t/length⌋
    exponential   start·factor^(t/length)
    cosine        least + (start − least)·(1 + cos(π·min(1, t/length)))/2
    inverse       start/(1 + t/length)
    warmup        schedule(max(0, t − warmup))·min(1, (t + 1)/warmup)

t is 0 in the first step of a `fit`.  A length is given in steps, or in epochs: then t is the number
of epochs made so far.  Anything else is written in SymPy, `custom(expression, numbers…)`.  The
numbers of a schedule are run-time numbers: other values never recompile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympy import Expr, Float, Max, Min, Symbol, cos, floor, pi

from symbackprop.broadcasting import finite_number
from symbackprop.errors import TrainingError
from symbackprop.training.letters import shown, unused
from symbackprop.training.rules import epoch, known_letter, t

__all__ = ["Schedule", "constant", "cosine", "custom", "epoch", "exponential", "inverse", "step",
           "t", "warmup"]

start, decay, length, least = (Symbol(name, positive=True)
                               for name in ("start", "factor", "length", "least"))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A formula in t, the steps made so far, or in epoch; `numbers` are the letters' values.

    schedule(t) is its value after t steps, for a look at it.

    >>> halving = step(0.1, factor=0.5, steps=10)
    >>> [halving(t) for t in (0, 9, 10, 25)]
    [0.1, 0.1, 0.05, 0.025]
    """

    expression: Expr
    numbers: tuple[tuple[str, float], ...] = ()

    def __call__(self, steps: float, epochs: float = 0) -> float:
        """The value after so many steps and whole epochs; NaN where it is no real number.

        Raises TrainingError for steps or epochs that are no finite number.
        """
        for name, given in (("steps", steps), ("epochs", epochs)):
            if finite_number(given) is None:
                raise TrainingError(f"schedule(steps, epochs): {name} must be one finite number, "
                                    f"found {given!r}; for several write "
                                    "[schedule(t) for t in range(100)]")
        values = {known_letter(name): value for name, value in self.numbers}
        signs = {s: values.get(known_letter(s.name)) for s in self.expression.free_symbols}
        found = self.expression.xreplace(
            {s: Float(v) for s, v in signs.items() if v is not None}
            | {t: Float(float(steps)), epoch: Float(float(epochs))})
        try:
            return float(found)
        except TypeError:  # a complex number, or 1/0
            return math.nan
        except OverflowError:
            return math.inf if found > 0 else -math.inf

    def formula(self) -> str:
        """The formula, and what its letters are.

        >>> print(inverse(0.1, steps=50).formula())
        start/(1 + t/length)   where length = 50, start = 0.1
        """
        letters = [s for s in self.expression.free_symbols if s not in (t, epoch)]
        values = ", ".join(f"{name} = {value:g}" for name, value in sorted(self.numbers))
        return shown(self.expression, letters) + (f"   where {values}" if values else "")

    __str__ = formula

    def __repr__(self) -> str:
        return f"Schedule({self.formula().replace('   ', ' ')})"


def constant(value: float) -> Schedule:
    """The same number at every step."""
    return Schedule(start, (("start", _number("constant", "value", value)),))


def step(value: float, factor: float = 0.1, steps: float | None = None,
         epochs: float | None = None) -> Schedule:
    """value·factor^⌊t/length⌋: multiplied by the factor every so many steps, or epochs."""
    made, every = _length("step", steps, epochs)
    return Schedule(start * decay**floor(made / length),
                    (("factor", _above("step", "factor", factor)), ("length", every),
                     ("start", _number("step", "value", value))))


def exponential(value: float, factor: float, steps: float | None = None,
                epochs: float | None = None) -> Schedule:
    """value·factor^(t/length): by the factor in so many steps (one by default), or epochs."""
    steps = 1 if steps is None and epochs is None else steps
    made, every = _length("exponential", steps, epochs)
    return Schedule(start * decay**(made / length),
                    (("factor", _above("exponential", "factor", factor)), ("length", every),
                     ("start", _number("exponential", "value", value))))


def cosine(value: float, steps: float | None = None, epochs: float | None = None,
           least: float = 0.0) -> Schedule:
    """From the value down to `least` along half a cosine, and no further (Loshchilov & Hutter 2017,
    arXiv:1608.03983, without restarts)."""
    made, every = _length("cosine", steps, epochs)
    low = Symbol("least", real=True)
    return Schedule(low + (start - low) * (1 + cos(pi * Min(1, made / length))) / 2,
                    (("least", _number("cosine", "least", least)), ("length", every),
                     ("start", _number("cosine", "value", value))))


def inverse(value: float, steps: float | None = None, epochs: float | None = None) -> Schedule:
    """value/(1 + t/length), as in Robbins & Monro 1951: half the value after `length`."""
    made, every = _length("inverse", steps, epochs)
    return Schedule(start / (1 + made / length),
                    (("length", every), ("start", _number("inverse", "value", value))))


def warmup(schedule: Any, steps: float | None = None, epochs: float | None = None) -> Schedule:
    """The value rises in equal steps from value/length, then the wrapped schedule begins.

    schedule: a Schedule, a number, or an expression of t.  Where the warm-up counts in steps and
    the schedule in epochs, or the other way round, the schedule is multiplied and not moved.

    >>> [warmup(0.1, steps=4)(t) for t in (0, 1, 3, 9)]
    [0.025, 0.05, 0.1, 0.1]
    """
    made, every = _length("warmup", steps, epochs)
    inner = as_schedule(schedule, "warmup: schedule")
    name = unused("warmup", dict(inner.numbers))
    during = Symbol(name, positive=True)
    moved = inner.expression.xreplace({made: Max(0, made - during)})
    return Schedule(moved * Min(1, (made + 1) / during), (*inner.numbers, (name, every)))


def custom(expression: Any, **numbers: float) -> Schedule:
    """Any SymPy expression of `schedules.t` and `schedules.epoch`; its other letters are numbers.

    Decimal numbers in the expression become letters too; whole numbers and fractions belong to the
    formula.  Raises TrainingError for a letter without a value, or a value without a letter.

    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> custom(a/(1 + b*t)**2, a=0.1, b=0.5)(2)
    0.025
    """
    if not isinstance(expression, Expr):
        raise TrainingError("schedules.custom: expected a SymPy expression of sb.schedules.t, "
                            f"found {expression!r}")
    letters = {s: known_letter(s.name) for s in expression.free_symbols}
    found = expression.xreplace(letters)
    for name, value in numbers.items():
        if known_letter(name) not in letters.values() or known_letter(name) in (t, epoch):
            raise TrainingError(f"schedules.custom: the expression {expression} does not read "
                                f"the number {name}")
        numbers[name] = _number("custom", name, value)
    for letter in sorted(letters.values(), key=str):
        if letter.name not in numbers and letter not in (t, epoch):
            raise TrainingError(f"schedules.custom: the letter {letter} of {expression} has no "
                                f"value; write custom(…, {letter}=0.1), and sb.schedules.t for "
                                "the steps made so far")
    named, decimals = _without_decimals(found, dict(numbers))
    return Schedule(named, tuple(sorted((numbers | decimals).items())))


def as_schedule(given: Any, spoken: str) -> Schedule:
    """A schedule as it is, a number as a constant one, an expression of t as a custom one."""
    if isinstance(given, Schedule):
        return given
    if finite_number(given) is not None:
        return constant(given)
    if isinstance(given, Expr) and given.free_symbols:
        return custom(given)
    raise TrainingError(f"{spoken} must be a number, a schedule such as "
                        f"sb.schedules.cosine(0.1, steps=1000), or a SymPy expression of "
                        f"sb.schedules.t; found {given!r}")


def _without_decimals(expr: Expr, taken: Mapping[str, float]) -> tuple[Expr, dict[str, float]]:
    """The expression with a letter for each decimal number, and the letters' values."""
    values: dict[str, float] = {}

    def walked(node: Expr) -> Expr:
        if isinstance(node, Float):
            name = unused("number", {**taken, **values})
            values[name] = _number("custom", "a number", float(node))
            return Symbol(name, real=True)
        return node.func(*map(walked, node.args)) if node.args else node

    return walked(expr), values


def _length(owner: str, steps: Any, epochs: Any) -> tuple[Symbol, float]:
    """What is counted, and how many of it."""
    if (steps is None) == (epochs is None):
        raise TrainingError(f"schedules.{owner}: give the length as steps=… or as epochs=…, one "
                            "of the two")
    name, given = ("steps", steps) if epochs is None else ("epochs", epochs)
    return (t if epochs is None else epoch), _above(owner, name, given)


def _number(owner: str, name: str, value: Any) -> float:
    number = finite_number(value)
    if number is None:
        raise TrainingError(f"schedules.{owner}: {name} must be a finite number, found {value!r}")
    return number


def _above(owner: str, name: str, value: Any) -> float:
    number = _number(owner, name, value)
    if not number > 0 or math.isinf(number):
        raise TrainingError(f"schedules.{owner}: {name} must be a number above 0, found {value!r}")
    return number
