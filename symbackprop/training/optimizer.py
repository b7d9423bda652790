"""What every optimizer is: a rule, the numbers that its letters stand for, and a formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from sympy import Symbol

from symbackprop.broadcasting import finite_number
from symbackprop.errors import TrainingError
from symbackprop.training.letters import in_range, sign
from symbackprop.training.loop import Between, History, Task, train
from symbackprop.training.progress import Bar
from symbackprop.training.rules import Rule, counted, epoch, is_weight, known_letter, t
from symbackprop.training.schedules import Schedule, as_schedule

__all__ = ["Number", "Optimizer", "number_fields", "with_schedules"]

Number = float | Schedule

COUNTS = (t, epoch)
LOOKED_AT = (0, 1, 10, 100, 1000)  # steps whose values are checked before anything runs
_OFTEN = {is_weight: "[weight] = 1 for a weight, 0 for a bias or scale"}


@dataclass(frozen=True, slots=True, repr=False)
class Optimizer:
    """A frozen value: `rule` is what one step does, `values` are the numbers of its letters.

    full_batch: whether a step is over all rows.  The fields that are numbers are letters of the
    rule by the same names; a field that is a schedule is assigned at the beginning of the rule.
    """

    full_batch: ClassVar[bool] = False

    @property
    def rule(self) -> Rule:
        """The assignments of one step."""
        raise TrainingError(f"{type(self).__name__} has no rule")

    @property
    def settings(self) -> dict[str, Number]:
        """The fields that are numbers or schedules, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value if isinstance(value, Schedule) else float(value)
                for name, value in found.items() if is_number_field(value)}

    @property
    def values(self) -> Mapping[str, float]:
        """letter -> number, for all letters of the rule and perhaps more."""
        return values_of(self.settings)

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of what `changed` takes."""
        return tuple(field.name for field in fields(self))

    def changed(self, name: str, value: Any) -> Optimizer:
        """The same optimizer with another value of a field, which is checked as at the first."""
        return replace(self, **{name: value})

    def scheduled(self, rule: Rule) -> Rule:
        """The rule, with each field that is a schedule assigned in front."""
        return with_schedules(rule, self.settings)

    def drive(self, task: Task, between: Between, bar: Bar) -> History:
        """All epochs of a fit, step after step; the history."""
        return train(task.plan, task.steps, between, bar)

    def formula(self) -> str:
        """The rule as mathematics, a line for each assignment, and what its letters are."""
        rule = self.rule
        letters = [f"{sign(s.name)} = {s.name} = {self.values[s.name]:g}"
                   if sign(s.name) != s.name else f"{s.name} = {self.values[s.name]:g}"
                   for s in rule.numbers if s.name in self.values]
        read = {s for _, body in rule.assignments for s in body.free_symbols}
        letters += [words for s, words in _OFTEN.items() if s in read]
        return f"{rule}\nwhere {', '.join(letters)}" if letters else str(rule)

    def __repr__(self) -> str:
        """What is not as it is by default, e.g. SGD(rate=0.1, momentum=0.9)."""
        own = sorted(fields(self), key=lambda field: bool(field.kw_only))
        given = ((field, getattr(self, field.name)) for field in own)
        shown = (f"{f.name}={value!r}" for f, value in given if value != f.default)
        return f"{type(self).__name__}({', '.join(shown)})"


def is_number_field(value: Any) -> bool:
    """Whether a field holds a number or a schedule, rather than a choice or another optimizer."""
    return isinstance(value, Schedule) or finite_number(value) is not None


def number_fields(optimizer: Any) -> None:
    """Check every field in place: numbers become floats, expressions of t schedules.

    Raises TrainingError, naming the field, for what is not in its range.
    """
    owner = type(optimizer).__name__
    for field in fields(optimizer):
        value = getattr(optimizer, field.name)
        if field.type == "bool":
            if not isinstance(value, bool):
                raise TrainingError(f"{owner}: {field.name} must be True or False, found {value!r}")
            continue
        object.__setattr__(optimizer, field.name, number_or_schedule(owner, field.name, value))


def number_or_schedule(owner: str, name: str, value: Any) -> Number:
    """A number in the letter's range as a float, or a schedule in it; or a TrainingError."""
    if isinstance(value, Schedule) or getattr(value, "free_symbols", None):
        return stays_in_range(owner, name, as_schedule(value, f"{owner}: {name}"))
    return in_range(owner, name, value)


def stays_in_range(owner: str, name: str, schedule: Schedule) -> Schedule:
    """The schedule, whose values after 0, 1, 10, … steps are in the letter's range.

    It may come to 0, or begin there, where a plain number must be above 0.  Raises TrainingError,
    naming the step, for a value that is not.
    """
    read = schedule.expression.free_symbols & {t, epoch}
    counted = "epoch" if read == {epoch} else "t"
    for count in LOOKED_AT:  # where both are read, nobody knows yet how many steps an epoch has
        value = schedule(count, 0 if len(read) == 2 else count)
        if value == 0 or (value == math.inf and count > 100):
            continue  # at its end, or far beyond any training
        try:
            in_range(owner, name, value)
        except TrainingError as error:
            raise TrainingError(f"{error} at {counted} = {count} of {schedule.formula()}; keep it "
                                "in its range, with Max and Min of SymPy") from error
    if schedule(0, 0) == 0 and not read:
        in_range(owner, name, 0.0)
    return schedule


def with_schedules(rule: Rule, given: Mapping[str, Number]) -> Rule:
    """The rule with each letter that has a schedule assigned in front, and a count of steps.

    A letter of a schedule is called after the field: rate_start, rate_length.
    """
    made = []
    for name, value in given.items():
        if isinstance(value, Schedule):
            letters = {s: own_letter(name, s) for s in value.expression.free_symbols}
            made.append((known_letter(name), value.expression.xreplace(letters)))
    return counted(Rule((*made, *rule.assignments)))


def own_letter(name: str, symbol: Symbol) -> Symbol:
    """The letter of a schedule within a rule."""
    known = known_letter(symbol.name)
    return known if known in COUNTS else known_letter(f"{name}_{symbol.name}")


def values_of(given: Mapping[str, Number]) -> dict[str, float]:
    """The numbers of these fields, and those of the schedules among them."""
    found: dict[str, float] = {}
    for name, value in given.items():
        if isinstance(value, Schedule):
            found |= {f"{name}_{letter}": number for letter, number in value.numbers}
        else:
            found[name] = value
    return found
