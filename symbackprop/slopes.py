"""The slope of a loss along a direction, by central differences at 60 digits.

    (L(w + h·v) − L(w − h·v))/2h  =  Σ ∂L/∂w ⊙ v  +  O(h²)

With h = 1e-20 truncation (h²) and rounding (1e-60/h) both lie near 1e-40.  At a kink the slopes
to both sides differ, however small the step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import mpmath
import numpy as np
from sympy import Idx

from symbackprop.dependence import Dependence
from symbackprop.interpreter import Machine
from symbackprop.notation import Program, Tensor, extent

__all__ = ["DIGITS", "Point", "Slope", "directions", "point_at"]

DIGITS, STEP = 60, "1e-20"
BEGUN = 200  # terms that take as long as a definition without any
NOISE = "1e-38"  # of a slope, by the largest value at the point: 1e-60/STEP, and room for sums

Directions = Mapping[Tensor, Any]  # what moves, and how fast each entry of it does


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
    terms: dict[int, int] = field(default_factory=dict)  # of each definition
    largest: Any = None  # of all values at this point

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
        return 1 + sum(self._terms(place) for place in self.depends.downstream([tensor]))

    def _terms(self, place: int) -> int:
        if place not in self.terms:
            definition = self.program.definitions[place]
            letters = {*definition.indices, *definition.over, *definition.body.atoms(Idx)}
            self.terms[place] = BEGUN + math.prod(self.machine.length(extent(i)) for i in letters)
        return self.terms[place]

    def nearby(self, changed: Mapping[Tensor, Any]) -> Any:
        """The loss where some tensors have other values; only what depends on them is evaluated."""
        machine = Machine(DIGITS)
        machine.scalars = self.machine.scalars
        machine.arrays = {**self.machine.arrays, **changed}
        for place in self.depends.downstream(list(changed)):
            machine.define(self.program.definitions[place])
        return np.asarray(machine.arrays[self.program.outputs[0]], dtype=object).item()

    def slope(self, directions: Directions) -> Slope:
        """(L(w + h·v) − L(w − h·v))/2h; at a kink the slopes to both sides stay apart as h → 0.

        Of a smooth loss they are L″·h apart.  Gap and middle at h = 0 follow from those at h and
        h/4, whatever L″ is to either side (Richardson 1911); that is asked where it may matter.
        """
        step = mpmath.mpf(STEP)
        above, below = self._sides(directions, step)
        middle, size = (above + below)/2, max(abs(above), abs(below))
        if not mpmath.isfinite(middle):
            return Slope(middle, False)
        if abs(above - below) <= size*mpmath.sqrt(step) and size > mpmath.sqrt(step):
            return Slope(middle, True)
        nearer, other = self._sides(directions, step/4)
        above, below = (4*nearer - above)/3, (4*other - below)/3
        middle, gap = (above + below)/2, abs(above - below)
        return Slope(middle, bool(gap <= max(self.noise, abs(middle)*mpmath.sqrt(step))))

    @property
    def noise(self) -> Any:
        """Differences below this are rounding of what the loss is computed from."""
        if self.largest is None:
            entries = (abs(e) for array in self.machine.arrays.values() for e in array.flat)
            self.largest = max((e for e in entries if mpmath.isfinite(e)), default=0)
        return max(1, self.largest)*mpmath.mpf(NOISE)

    @property
    def rounding(self) -> Any:
        """What is below this is zero but for rounding."""
        return self.noise*mpmath.mpf(STEP)

    def _sides(self, directions: Directions, step: Any) -> tuple[Any, Any]:
        return ((self._moved(directions, step) - self.loss)/step,
                (self.loss - self._moved(directions, -step))/step)

    def _moved(self, directions: Directions, step: Any) -> Any:
        return self.nearby({tensor: self.machine.arrays[tensor] + step*direction
                            for tensor, direction in directions.items()})


def point_at(program: Program, values: Mapping[Any, Any]) -> Point:
    """The program evaluated at values of its inputs; InputError for values that do not fit."""
    machine = Machine(DIGITS)
    machine.read(program, values)
    for definition in program:
        machine.define(definition)
    return Point(program, machine, Dependence(program))


def directions(tensor: Tensor, shape: tuple[int, ...], count: int, rng: np.random.Generator
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
