"""check(…): are the derived gradients those of the loss?  Answered by numbers alone.

    (L(w + h·v) − L(w − h·v))/2h  =  Σ ∂L/∂w ⊙ v  +  O(h²)

Both sides are evaluated by the interpreter at 60 digits: the right one from the derived program,
the left one from the program as declared, which no simplification has touched.  With h = 1e-20
truncation (h²) and rounding (1e-60/h) both lie near 1e-40, so a correct gradient shows an error
far below 1e-8, and one that is wrong in one coefficient does not.

v is one entry of w at a time, and a random direction through all entries where only a sample of
them is tried.  A tensor whose entries sum to one moves along the simplex, e.g. v = e₀ − e₁; one-hot
entries cannot move.  At a kink the slopes to both sides differ, however small the step; there is
nothing to compare with there, so other values are drawn, and what stays at a kink is reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import mpmath
import numpy as np
from sympy import Idx

from symbackprop.dependence import Dependence
from symbackprop.drawing import SPREADS, inputs_drawn
from symbackprop.errors import DerivationError
from symbackprop.interpreter import Machine
from symbackprop.notation import Program, Tensor, extent
from symbackprop.tables import Table

__all__ = ["Check", "Row", "check"]

DIGITS, STEP = 60, "1e-20"
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
    the worst entry, where it disagrees.
    """

    name: str
    entries: int
    kinks: int
    size: int
    error: float | None
    wrong: Place | None = None

    @property
    def extent(self) -> str:
        """all 12; 24 of 64, and all at once along a random direction."""
        if self.entries == self.size:
            return f"all {self.size:,}"
        if not self.entries:
            return f"all {self.size:,} at once"
        return f"{self.entries:,} of {self.size:,}, and all at once"

    @property
    def verdict(self) -> str:
        """agrees, or what is wrong and where."""
        if self.wrong is not None:
            return (f"WRONG: {self.wrong.entry} is {self.wrong.derived:.6g}, "
                    f"finite differences give {self.wrong.measured:.6g}")
        if self.error is None:
            return "not compared: at a kink" if self.kinks else "not compared: one-hot"
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


class Slope(NamedTuple):
    """A derivative along a direction; smooth is False where those to both sides differ."""

    value: Any
    smooth: bool


@dataclass(slots=True)
class Point:
    """A program at values of its inputs, and its loss nearby."""

    program: Program
    machine: Machine
    depends: Dependence

    @property
    def loss(self) -> Any:
        """The loss at this point."""
        return self.machine.arrays[self.program.outputs[0]].item()

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        """The symbolic sizes at this point, by name."""
        symbols = self.machine.scalars.items()
        return tuple((str(s), int(value)) for s, value in symbols if s.is_integer)

    def work(self, tensor: Tensor) -> int:
        """About how many terms are evaluated where one tensor changes."""
        terms = 1
        for place in self.depends.downstream([tensor]):
            definition = self.program.definitions[place]
            letters = {*definition.indices, *definition.over, *definition.body.atoms(Idx)}
            terms += math.prod(sorted(self.machine.length(extent(letter)) for letter in letters))
        return terms

    def nearby(self, tensor: Tensor, array: Any) -> Any:
        """The loss where one tensor has other values; only what depends on it is evaluated."""
        machine = Machine(DIGITS)
        machine.scalars = self.machine.scalars
        machine.arrays = {**self.machine.arrays, tensor: array}
        for place in self.depends.downstream([tensor]):
            machine.define(self.program.definitions[place])
        return np.asarray(machine.arrays[self.program.outputs[0]], dtype=object).item()

    def slope(self, tensor: Tensor, direction: Any) -> Slope:
        """(L(w + h·v) − L(w − h·v))/2h; at a kink the gap of both sides does not shrink with h."""
        here, step = self.machine.arrays[tensor], mpmath.mpf(STEP)
        above, below, gap = self._sides(tensor, here, direction, step)
        middle, size = (above + below)/2, max(abs(above), abs(below))
        if not mpmath.isfinite(middle):
            return Slope(middle, False)
        if gap <= size*mpmath.sqrt(step):
            return Slope(middle, True)
        return Slope(middle, self._sides(tensor, here, direction, step/4)[2] < gap/2)

    def _sides(self, tensor: Tensor, here: Any, direction: Any, step: Any) -> tuple[Any, Any, Any]:
        above = (self.nearby(tensor, here + step*direction) - self.loss)/step
        below = (self.loss - self.nearby(tensor, here - step*direction))/step
        return above, below, abs(above - below)


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
            point = _point(program, values)
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


def _point(program: Program, values: Mapping[Any, Any]) -> Point:
    machine = Machine(DIGITS)
    machine.read(program, values)
    for definition in program:
        machine.define(definition)
    return Point(program, machine, Dependence(program))


def _rows(point: Point, backward: Program, gradients: Mapping[Tensor, Tensor],
          names: Mapping[Tensor, str], rng: np.random.Generator) -> tuple[Row, ...]:
    machine = Machine(DIGITS)
    machine.scalars = point.machine.scalars
    machine.arrays = {tensor: point.machine.arrays[tensor] for tensor in backward.inputs}
    for definition in backward:
        machine.define(definition)
    share = WORK // len(gradients)
    return tuple(_row(point, tensor, machine.arrays[gradient], names[gradient], share, rng)
                 for tensor, gradient in gradients.items())


def _row(point: Point, tensor: Tensor, derived: Any, name: str, share: int,
         rng: np.random.Generator) -> Row:
    """One gradient: some entries, and all at once where these are not all of them."""
    size = derived.size
    if any(fact.kind == "one_hot" for fact in tensor.facts):
        return Row(name, 0, 0, size, None)
    count = min(size, ENTRIES, share // point.work(tensor))
    slopes = [(label, np.sum(direction*derived), point.slope(tensor, direction))
              for label, direction in _directions(tensor, derived.shape, count, rng)]
    smooth = [(label, ours, slope.value) for label, ours, slope in slopes if slope.smooth]
    kinks = len(slopes) - len(smooth)
    if not smooth:
        return Row(name, count, kinks, size, None)
    largest = max(abs(theirs) for _, _, theirs in smooth)
    floor = max(largest*mpmath.mpf(10)**-12, max(1, abs(point.loss))*mpmath.mpf(10)**-11)
    errors = [(_error(ours, theirs, floor), label, ours, theirs) for label, ours, theirs in smooth]
    error, label, ours, theirs = max(errors, key=lambda found: found[0])
    wrong = Place(label, float(ours), float(theirs)) if not error <= TOLERANCE else None
    return Row(name, count, kinks, size, error, wrong)


def _error(ours: Any, theirs: Any, floor: Any) -> float:
    found = abs(ours - theirs)/max(abs(theirs), floor)
    return float(found) if mpmath.isfinite(found) else float("inf")


def _directions(tensor: Tensor, shape: tuple[int, ...], count: int, rng: np.random.Generator
                ) -> Iterator[tuple[str, Any]]:
    """Some entries one by one, then all at once; where entries sum to one, so do they after."""
    size = math.prod(shape)
    for number in sorted(rng.choice(size, count, replace=False)):
        entry = tuple(int(i) for i in np.unravel_index(number, shape))
        alone = np.zeros(shape)
        alone[entry] = 1
        yield f"[{','.join(map(str, entry))}]" if entry else "it", _tangent(tensor, alone)
    if count < size:
        lengths = rng.choice([-1, 1], shape)*rng.uniform(0.5, 1, shape)
        yield "the sum along a direction", _tangent(tensor, lengths)


def _tangent(tensor: Tensor, direction: Any) -> Any:
    """A direction, in exact numbers, along which a simplex is not left."""
    exact = np.asarray(np.frompyfunc(mpmath.mpf, 1, 1)(direction), dtype=object)
    for fact in tensor.facts:
        if fact.kind == "simplex":
            exact = exact - np.roll(exact, 1, axis=fact.axes[0])
    return exact
