"""Random values for random programs, in the domains of their functions and away from kinks."""

from __future__ import annotations

import itertools

import numpy as np
import sympy as sp

import symbackprop as sb
from symbackprop.drawing import drawn as drawn
from symbackprop.functions import leaky_relu, relu
from symbackprop.indexing import free_indices
from symbackprop.interpreter import Machine
from symbackprop.laws import Carried, Distribution
from symbackprop.notation import Program, Tensor

MARGIN = 2e-3
LARGEST = 30.0


class Watchful(Machine):
    """The interpreter, noting how near its values come to a kink and how large they grow."""

    def __init__(self) -> None:
        super().__init__(None)
        self.margin, self.largest = np.inf, 0.0

    def note(self, gap) -> None:
        gap = np.abs(np.asarray(gap, dtype=float))
        self.margin = min(self.margin, np.nanmin(gap, initial=np.inf))

    def node(self, node, arguments, grids, rank):
        match node:
            case sp.Abs() | sp.sign() | sp.Heaviside() | relu() | leaky_relu():
                self.note(arguments[0])
            case sp.Max() | sp.Min():
                for this, other in itertools.combinations(arguments, 2):
                    self.note(this - other)
            case sp.core.relational.Relational():
                if not _about_indices(node):
                    self.note(arguments[0] - arguments[1])
        found = super().node(node, arguments, grids, rank)
        if isinstance(node, sp.Expr):
            self.largest = max(self.largest, np.nanmax(np.abs(found), initial=0))
        return found

    def reduced(self, op, body, bounds, grids, rank):
        if op in ("max", "min"):
            inner, places = dict(grids), len(bounds)
            for index, low, high in reversed(bounds):
                steps = range(int(self.value(low, {}, 0)), int(self.value(high, {}, 0)) + 1)
                inner[index] = self.along(steps, rank)
                rank += 1
            full = np.broadcast_shapes(*(g.shape for g in inner.values()))
            value = np.broadcast_to(self.value(body, inner, rank), full)
            flat = np.sort(value.reshape(-1, *full[places:]), axis=0)
            if len(flat) > 1:
                self.note(np.diff(flat, axis=0)[-1 if op == "max" else 0])
            rank -= places
        return super().reduced(op, body, bounds, grids, rank)


def entries(tensor: Tensor, sizes: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    """Values for an input: a mask has zeros and ones, and what begins above zero stays there."""
    values = drawn(tensor, sizes, rng)
    match tensor.law:
        case Distribution(kind="bernoulli"):
            return (values > -0.5).astype(float)
        case Carried(initial=initial) if initial > 0:
            return initial*(0.5 + np.abs(values))
    return values


def _about_indices(condition) -> bool:
    return all(isinstance(side, (sp.Idx, sp.Integer)) for side in condition.args)


def bound(program: Program) -> bool:
    """Whether every index is bound: SymPy takes Piecewise out of a Sum inside of a Sum, k < 2
    with it, and leaves the k behind."""
    return all(set(free_indices(d.body)) <= set(d.indices) for d in program)


def sized(program: Program) -> bool:
    """Whether every size that is read is an axis of some input."""
    known = {axis for t in program.inputs for axis in t.axes}
    return all(size in known or not part.has(size) for d in program
               for part in (d.body, *d.target.axes) for size in (sb.size("N"), sb.size("M")))


def well_behaved(program: Program, values: dict[Tensor, np.ndarray], margin: float = MARGIN
                 ) -> bool:
    """Whether all values are finite, of moderate size and so far away from every kink."""
    watch = Watchful()
    with np.errstate(all="ignore"):
        watch.read(program, values)
        for definition in program:
            watch.define(definition)
    finite = all(np.isfinite(array).all() for array in watch.arrays.values())
    return finite and watch.margin > margin and watch.largest < LARGEST
