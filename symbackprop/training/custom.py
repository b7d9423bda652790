"""Custom: update rules in SymPy, in the very form of the built-in optimizers.

    w, g = sb.optimizers.w, sb.optimizers.g
    v, mu, rate = sympy.symbols("v mu rate")
    heavy_ball = sb.optimizers.Custom((v, mu*v - rate*g), (w, w + v), mu=0.9, rate=0.1)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympy import Basic, Expr, I, Symbol, nan, oo, zoo
from sympy.core.function import AppliedUndef
from sympy.logic.boolalg import Boolean

from symbackprop.arrays import Array
from symbackprop.broadcasting import is_scalar, scalar_operand
from symbackprop.errors import DeclarationError, TrainingError
from symbackprop.notation import elements_in
from symbackprop.training.optimizer import Number, Optimizer, number_or_schedule, with_schedules
from symbackprop.training.rules import (
    Assignment,
    Rule,
    counted,
    epoch,
    factor,
    g,
    grand_total,
    is_weight,
    known_letter,
    steps_per_epoch,
    t,
    total,
    w,
)

__all__ = ["Custom"]

_GIVEN = (g, is_weight, factor, epoch, steps_per_epoch)
_SHOWN = "write e.g. Custom((v, mu*v + g), (w, w - rate*v), mu=0.9, rate=0.1)"
_WRONG = (nan, oo, -oo, zoo, I)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Custom(Optimizer):
    """Assignments (letter, SymPy expression) in order, and a number for each letter that is free.

    w: an entry of a parameter; g: its gradient; any other letter that is assigned is state if it is
    read before, and starts at 0; all others are numbers, or schedules, given by name.
    `total(body)` and `grand_total(body)` add up over the entries of a parameter, and of all.
    Letters are known by their names.  `is_weight`, `epoch` and `t` mean what they do in the
    built-in rules.

    Raises TrainingError for a rule that assigns no w or reads no g, a letter that has no number, a
    number that no letter has, and whatever is no real SymPy expression.

    >>> from sympy import symbols
    >>> w, g, v, mu, rate = symbols("w g v mu rate")
    >>> print(Custom((v, mu*v - rate*g), (w, w + v), mu=0.9, rate=0.1).formula())
    v ← mu·v − η·g
    w ← v + w
    where mu = 0.9, η = rate = 0.1
    """

    assignments: tuple[Assignment, ...]
    numbers: tuple[tuple[str, Number], ...]

    def __init__(self, *assignments: tuple[Any, Any], **numbers: Number) -> None:
        made = Rule(tuple(_assignment(given) for given in assignments))
        _check(made)
        _check_numbers(counted(made), numbers)
        checked = tuple((name, number_or_schedule("Custom", name, value))
                        for name, value in numbers.items())
        object.__setattr__(self, "assignments", made.assignments)
        object.__setattr__(self, "numbers", checked)

    @property
    def rule(self) -> Rule:
        """The assignments of one step."""
        return with_schedules(Rule(self.assignments), self.settings)

    @property
    def settings(self) -> dict[str, Number]:
        """The numbers and schedules by letter."""
        return dict(self.numbers)

    @property
    def choices(self) -> tuple[str, ...]:
        """The letters that are numbers."""
        return tuple(self.settings)

    def changed(self, name: str, value: Any) -> Custom:
        """The same rule with another number for a letter."""
        return Custom(*self.assignments, **{**self.settings, name: value})

    def __repr__(self) -> str:
        parts = [f"({target}, {body})" for target, body in self.assignments]
        return f"Custom({', '.join([*parts, *(f'{n}={v!r}' for n, v in self.numbers)])})"


def _assignment(given: Any) -> Assignment:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise TrainingError(f"Custom: expected assignments (letter, expression), found {given!r}; "
                            f"{_SHOWN}")
    target, body = given
    if not isinstance(target, Symbol) or elements_in(target):
        raise TrainingError(f"Custom: {target!r} cannot be assigned to; the letter on the left is "
                            "a SymPy symbol that you make, sympy.symbols('v')")
    letter = known_letter(target.name)
    if letter in _GIVEN and letter != g:
        raise TrainingError(f"Custom: {letter} is given to the rule and cannot be assigned; use "
                            "another letter")
    return letter, _body(target, body)


def _body(target: Symbol, body: Any) -> Expr:
    """The expression, its letters known by their names."""
    spoken = f"Custom: {target} ← {body}"
    if isinstance(body, Array) or (isinstance(body, Basic) and elements_in(body)):
        raise TrainingError(f"{spoken}: a rule speaks of letters, not of tensors; w is an entry of "
                            "any parameter and g its gradient")
    if not is_scalar(body) or (isinstance(body, Boolean) and not isinstance(body, Symbol)):
        raise TrainingError(f"{spoken}: {body!r} is not a scalar SymPy expression; {_SHOWN}")
    try:
        expr = scalar_operand(body)
    except DeclarationError as error:
        raise TrainingError(f"{spoken}: {error}") from error
    if expr.has(*_WRONG) or expr.is_real is False:
        raise TrainingError(f"{spoken} is not a real number")
    if unknown := sorted(map(str, expr.atoms(AppliedUndef))):
        raise TrainingError(f"{spoken}: {', '.join(unknown)} has no value; use functions that are "
                            "known to SymPy or symbackprop")
    letters = {s: known_letter(s.name) for s in expr.free_symbols if isinstance(s, Symbol)}
    return expr.xreplace(letters)


def _check(rule: Rule) -> None:
    """Raises TrainingError for a rule that cannot train, in the letters of the user."""
    read = {s for _, body in rule.assignments for s in body.free_symbols}
    if w not in rule.targets:
        assigned = ", ".join(map(str, rule.targets)) or "nothing"
        raise TrainingError(f"Custom: the rule assigns {assigned}, but never w, so that nothing "
                            f"would be trained; {_SHOWN}")
    if g not in read:
        raise TrainingError(f"Custom: no assignment reads g, the gradient; {_SHOWN}")
    if unread := [str(s) for s in rule.targets if s not in {g, *_needed(rule)}]:
        raise TrainingError(f"Custom: {unread[0]} is assigned, but w does not depend on it")
    if t in rule.targets and (t, t + 1) not in rule.assignments:
        raise TrainingError("Custom: t counts the steps; write (t, t + 1), leave it to us, or use "
                            "another letter")
    for target, body in rule.assignments:
        for part in (p for p in body.atoms(total, grand_total) if len(p.args) != 1):
            raise TrainingError(f"Custom: {target} ← {body}: {part} takes one expression")


def _needed(rule: Rule) -> set[Symbol]:
    """The letters that w depends on."""
    found = {w}
    for _ in rule.assignments:
        found |= {s for target, body in rule.assignments if target in found
                  for s in body.free_symbols}
    return found


def _check_numbers(rule: Rule, numbers: Mapping[str, Any]) -> None:
    """Every letter that is never assigned has a number, and every number a letter."""
    wanted = [s.name for s in rule.numbers if s not in _GIVEN]
    for name in wanted:
        if name not in numbers:
            raise TrainingError(f"Custom: the letter {name} is never assigned, so it is a number, "
                                f"and has no value; write Custom(…, {name}=0.1)")
    for name in numbers:
        if name not in wanted:
            known = ", ".join(wanted) or "none"
            raise TrainingError(f"Custom: the rule has no letter {name} that waits for a number; "
                                f"it has {known}")
