"""check(…): are the derived gradients those of the loss?  Answered by numbers alone.

    (L(w + h·v) − L(w − h·v))/2h  =  Σ ∂L/∂w ⊙ v  +  O(h²)

Both sides are evaluated by the interpreter at 60 digits: the right one from the derived program,
the left one from the program as declared, which no simplification has touched (`slopes`).  A
correct gradient shows an error near 1e-40, and one that is wrong in one coefficient does not.

v is one entry of w at a time, and a random direction through all entries where only a sample of
them is tried.  Gradients for which even that would take long, as in a deep net, move together: the
sum of their shares is compared, each error is measured by the share of its own gradient, and a
gradient that this leaves in doubt is compared by itself.  A tensor whose entries sum to one moves
along the simplex, e.g. v = e₀ − e₁; one-hot entries cannot move.  At a kink the slopes to both
sides differ, however small the step; there is nothing to compare with there, so other values are
drawn, and what stays at a kink is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import mpmath
import numpy as np

from symbackprop.drawing import SPREADS, inputs_drawn
from symbackprop.errors import DerivationError
from symbackprop.interpreter import Machine
from symbackprop.notation import Program, Tensor
from symbackprop.slopes import DIGITS, Point, directions, point_at
from symbackprop.tables import Table

__all__ = ["Check", "Row", "check"]

TOLERANCE = 1e-8
ENTRIES = 24  # of one gradient that are tried one by one
WORK = 300_000  # terms that are evaluated to try single entries
DRAWS, REDRAWS = 24, 4  # to find a finite loss; to leave kinks


class Place(NamedTuple):
    """Where a gradient fails: the entry, what was derived and what the differences say."""

    entry: str
    derived: float
    measured: float


@dataclass(frozen=True, slots=True)
class Row:
    """One gradient: how many of its entries were compared, and the worst relative error.

    entries: tried one by one, and all at once where these are fewer than size; kinks: how many of
    the trials met no derivative of the loss; error: None where nothing could be compared; wrong:
    the worst entry, where it disagrees; together: whether other gradients moved along; faint:
    whether all lies below what differences can see.
    """

    name: str
    entries: int
    kinks: int
    size: int
    error: float | None
    wrong: Place | None = None
    together: bool = False
    faint: bool = False

    @property
    def extent(self) -> str:
        """all 12; 24 of 64, and all at once along a random direction."""
        if self.error is None:
            return f"none of {self.size:,}"
        if self.entries == self.size:
            return f"all {self.size:,}"
        if not self.entries:
            return f"all {self.size:,} at once{', with others' * self.together}"
        return f"{self.entries:,} of {self.size:,}, and all at once"

    @property
    def verdict(self) -> str:
        """agrees, or what is wrong and where."""
        if self.wrong is not None:
            return (f"WRONG: {self.wrong.entry} is {self.wrong.derived:.6g}, "
                    f"finite differences give {self.wrong.measured:.6g}")
        if self.error is None:
            why = "too small" if self.faint else "at a kink" if self.kinks else "one-hot"
            return f"not compared: {why}"
        return "agrees" + (f" but for {self.kinks} at a kink" if self.kinks else "")


@dataclass(frozen=True, slots=True)
class Check:
    """The gradients against finite differences: a table; `float(check)` is the worst error."""

    rows: tuple[Row, ...]
    sizes: tuple[tuple[str, int], ...] = ()

    @property
    def kinks(self) -> int:
        """How many entries could not be compared since they lie at a kink."""
        return sum(row.kinks for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether something was compared, and every gradient agrees where it was."""
        return float(self) <= TOLERANCE

    def __float__(self) -> float:
        """The worst relative error of all; NaN where nothing could be compared."""
        return max((row.error for row in self.rows if row.error is not None), default=float("nan"))

    @property
    def table(self) -> Table:
        """Gradient, entries compared, worst relative error and verdict."""
        rows = tuple((row.name, row.extent, "" if row.error is None else f"{row.error:.1g}",
                      row.verdict) for row in self.rows)
        return Table(("gradient", "entries", "worst error", ""), rows)

    def __str__(self) -> str:
        at = "".join(f", {name} = {length}" for name, length in self.sizes)
        return f"central differences at {DIGITS} digits{at}\n{self.table}"

    __repr__ = __str__


def check(program: Program, backward: Program, gradients: Mapping[Tensor, Tensor],
          names: Mapping[Tensor, str], given: Mapping[Any, Any] | None = None, seed: int = 0
          ) -> Check:
    """The gradients that `backward` computes, against finite differences of the loss of `program`.

    given: arrays by name or tensor; what is missing is drawn, so that the loss is finite there and
    no entry lies at a kink, if such values are found.  Raises InputError for values that do not
    fit, DerivationError where the loss is finite nowhere.
    """
    given = {} if given is None else given
    rng, found = np.random.default_rng(seed), []
    with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
        for attempt in range(DRAWS):
            values = inputs_drawn(program, given, rng, SPREADS[attempt:attempt + 1] or SPREADS)
            point = point_at(program, values)
            if mpmath.isfinite(point.loss):
                rows = _rows(point, backward, gradients, names, rng)
                found.append(Check(rows, point.sizes))
                if not found[-1].kinks or len(found) == REDRAWS or len(values) == len(given):
                    return min(found, key=lambda check: check.kinks)
    if found:
        return min(found, key=lambda check: check.kinks)
    raise DerivationError(
        f"the loss {names[program.outputs[0]]} is finite at none of {DRAWS} random draws; give "
        "values at which it is, e.g. d.check({'x': …})")


def _rows(point: Point, backward: Program, gradients: Mapping[Tensor, Tensor],
          names: Mapping[Tensor, str], rng: np.random.Generator) -> tuple[Row, ...]:
    machine = Machine(DIGITS)
    machine.scalars = point.machine.scalars
    machine.arrays = {tensor: point.machine.arrays[tensor] for tensor in backward.inputs}
    for definition in backward:
        machine.define(definition)
    known = {tensor: machine.arrays[gradient] for tensor, gradient in gradients.items()}
    share = WORK // len(gradients)
    counts = {tensor: min(derived.size, ENTRIES, share // point.work(tensor))
              for tensor, derived in known.items()}
    large = {t: known[t] for t in known if not counts[t] and not _is_fixed(t)}
    joint = _together(point, large, rng) if len(large) > 1 else {}
    return tuple(
        Row(names[gradient], 0, 0, known[tensor].size, joint[tensor], together=True)
        if joint.get(tensor, 1) <= TOLERANCE else
        _row(point, tensor, known[tensor], names[gradient], counts[tensor], rng)
        for tensor, gradient in gradients.items())


def _is_fixed(tensor: Tensor) -> bool:
    return any(fact.kind == "one_hot" for fact in tensor.facts)


def _together(point: Point, derived: Mapping[Tensor, Any], rng: np.random.Generator
              ) -> dict[Tensor, float]:
    """All entries of all these gradients at once: the error of the sum, by the share of each."""
    moved = {t: next(directions(t, known.shape, 0, rng))[1] for t, known in derived.items()}
    shares = {t: np.sum(moved[t]*known) for t, known in derived.items()}
    slope = point.slope(moved)
    if not slope.smooth:
        return {}
    gap = abs(sum(shares.values()) - slope.value)
    return {t: _finite(gap/abs(share)) for t, share in shares.items()
            if abs(share)*TOLERANCE > point.noise}


def _row(point: Point, tensor: Tensor, derived: Any, name: str, count: int,
         rng: np.random.Generator) -> Row:
    """One gradient: some entries, and all at once where these are not all of them."""
    size = derived.size
    if _is_fixed(tensor):
        return Row(name, 0, 0, size, None)
    slopes = [(label, np.sum(direction*derived), point.slope({tensor: direction}))
              for label, direction in directions(tensor, derived.shape, count, rng)]
    smooth = [(label, ours, slope.value) for label, ours, slope in slopes if slope.smooth]
    kinks = len(slopes) - len(smooth)
    if not smooth:
        return Row(name, count, kinks, size, None)
    ours_largest = max(abs(ours) for _, ours, _ in smooth)
    largest = max(abs(theirs) for _, _, theirs in smooth)
    visible = point.noise/TOLERANCE
    if max(ours_largest, largest) < visible:
        is_zero = ours_largest <= point.rounding and largest <= point.noise
        return Row(name, count, kinks, size, 0.0 if is_zero else None, faint=True)
    floor = max(largest*mpmath.mpf(10)**-12, visible)
    errors = [(_finite(abs(ours - theirs)/max(abs(theirs), floor)), label, ours, theirs)
              for label, ours, theirs in smooth]
    error, label, ours, theirs = max(errors, key=lambda found: found[0])
    wrong = Place(label, float(ours), float(theirs)) if not error <= TOLERANCE else None
    return Row(name, count, kinks, size, error, wrong)


def _finite(error: Any) -> float:
    return float(error) if mpmath.isfinite(error) else float("inf")
