"""Rule: one training step as SymPy assignments, in order; each reads what is newest.

    SGD        w ← w − rate·g
    momentum   v ← momentum·v + g
               w ← w − rate·v
    clipping   norm ← √(total(g²)),  g ← g·min(1, limit/(norm + 1e-6))

w is an entry of a parameter and g the gradient there; `total` adds up over the entries of one
parameter, `grand_total` over those of all.  What is read before it is assigned, or read by nobody,
is *state*: it starts at zero and is carried from step to step.  How many numbers a letter stands
for is its scope: one for each entry (w, g, and what depends on them), one for each parameter (a
total), or one for all (t).  Letters that are never assigned are run-time numbers, so that another
rate or momentum never recompiles.  A few letters are given a value by whoever runs the rule:

    is_weight         1 for a weight, 0 for a bias or scale
    factor            what `fit(…, rates=…)` multiplies the rate of a parameter by
    epoch             epochs made so far, ⌊t/steps_per_epoch⌋
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sympy import Expr, Function, Symbol, floor, preorder_traversal, symbols

from symbackprop.errors import TrainingError
from symbackprop.training.letters import shown, sign

__all__ = ["ALL", "ENTRY", "PARAMETER", "Assignment", "Rule", "counted", "epoch", "factor", "g",
           "grand_total", "is_weight", "known_letter", "letters", "rate", "scaled",
           "steps_per_epoch", "t", "total", "w"]

Assignment = tuple[Symbol, Expr]
ALL, PARAMETER, ENTRY = range(3)

w, g, t, epoch, is_weight = symbols("w g t epoch is_weight", real=True)
rate, factor, steps_per_epoch = symbols("rate factor steps_per_epoch", positive=True)
_GIVEN = {w: ENTRY, g: ENTRY, is_weight: PARAMETER, factor: PARAMETER}
_KNOWN = {s.name: s for s in (w, g, t, epoch, is_weight, rate, factor, steps_per_epoch)}


class total(Function):  # type: ignore[misc]  # noqa: N801  written like this in rules
    """total(body): the sum over all entries of a parameter."""

    nargs = 1
    is_real = True


class grand_total(Function):  # type: ignore[misc]  # noqa: N801
    """grand_total(body): the sum over all entries of all parameters that are trained."""

    nargs = 1
    is_real = True


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
        """Assigned symbols that are read before they are assigned, then those read by nobody."""
        assigned: set[Symbol] = set()
        found: dict[Symbol, None] = {}
        read: set[Symbol] = set()
        for target, body in self.assignments:
            early = body.free_symbols - assigned - {w, g}
            found.update(dict.fromkeys(s for s in self.targets if s in early))
            read |= body.free_symbols
            assigned.add(target)
        found.update(dict.fromkeys(s for s in self.targets if s not in read | {w, g}))
        return tuple(found)

    @property
    def numbers(self) -> tuple[Symbol, ...]:
        """The symbols that are never assigned: fields of the optimizer, in order of name."""
        read = {s for _, body in self.assignments for s in body.free_symbols}
        return tuple(sorted(read - {*_GIVEN, *self.targets}, key=str))

    @property
    def scopes(self) -> Mapping[Symbol, int]:
        """ENTRY, PARAMETER or ALL for every symbol."""
        known = {**dict.fromkeys((*self.numbers, *self.targets), ALL), **_GIVEN}
        for _ in self.assignments:
            for target, body in self.assignments:
                known[target] = max(known[target], scope(body, known))
        return known

    @property
    def elementwise(self) -> frozenset[Symbol]:
        """The symbols with a value for each entry of a parameter."""
        return frozenset(s for s, found in self.scopes.items() if found == ENTRY)

    def __str__(self) -> str:
        numbers = (*self.numbers, factor, is_weight)
        return "\n".join(f"{sign(target.name)} ← {shown(body, numbers)}"
                         for target, body in self.assignments)


def scope(body: Expr, known: Mapping[Symbol, int]) -> int:
    """How many values a body has: for each ENTRY, for each PARAMETER, or one for ALL."""
    if isinstance(body, Symbol):
        return known.get(body, ALL)
    if isinstance(body, (total, grand_total)):
        return PARAMETER if isinstance(body, total) else ALL
    return max((scope(arg, known) for arg in body.args), default=ALL)


def totals_in(body: Expr) -> tuple[Expr, ...]:
    """The totals of a body that stand in no other one, in order."""
    found: dict[Expr, None] = {}
    walk = preorder_traversal(body)
    for node in walk:
        if isinstance(node, (total, grand_total)):
            found[node] = None
            walk.skip()
    return tuple(found)


def known_letter(name: str) -> Symbol:
    """The one symbol of a name: what rules mean by it does not depend on its assumptions."""
    return _KNOWN.get(name, Symbol(name, real=True))


def letters(names: str) -> tuple[Symbol, ...]:
    """The symbols of several names."""
    return tuple(map(known_letter, names.split()))


def counted(rule: Rule) -> Rule:
    """The rule with a count of its steps, and of epochs, where it reads them and has none."""
    read = {s for _, body in rule.assignments for s in body.free_symbols}
    counting = (epoch, floor(t / steps_per_epoch))
    made = tuple(a for a in rule.assignments if a != counting)
    if epoch in read and all(target != epoch for target, _ in made):
        made = (counting, *made)
        read.add(t)
    if t in read and t not in rule.targets:
        made = (*made, (t, t + 1))
    return replace(rule, assignments=made)


def scaled(rule: Rule) -> Rule:
    """The rule with rate·factor for the rate: a factor for each parameter.

    Raises TrainingError for a rule that has no letter `rate`.
    """
    if not any(rate in body.free_symbols for _, body in rule.assignments):
        raise TrainingError("rates: this optimizer's rule has no letter `rate` that a factor "
                            f"could multiply; it reads\n{rule}")
    return replace(rule, assignments=tuple(
        (target, body if target == rate else body.xreplace({rate: rate * factor}))
        for target, body in rule.assignments))
