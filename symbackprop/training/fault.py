"""The first number of a training step that is not finite: the definition that made it, from what.

The definitions of the compiled step are evaluated one after the other, in the dtype of the kernel
and in its stable form, so that e.g. a softmax is not blamed for an exp that is never computed.
Within the first one that is not finite everywhere, the innermost operation is named whose
arguments still were.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Basic, Expr, Idx, Piecewise, Symbol

from symbackprop.codegen.stability import Minus, formula, stabilise
from symbackprop.interpreter import Machine
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Tensor,
    TensorSymbol,
    elements_in,
    extent,
)
from symbackprop.printing.text import formula as written

__all__ = ["Fault", "first_fault"]

Array = NDArray[Any]
Grids = dict[Expr, Array]
LARGEST = 1 << 23  # numbers in one piece of a definition's grid


@dataclass(frozen=True, slots=True)
class Fault:
    """line: the formula; where: its declaration; place: index and its value, counted from 0;
    value: inf or nan; made: the operation within, or ""; entered: entries and their values."""

    line: str
    where: str
    place: tuple[tuple[str, int], ...]
    value: float
    made: str
    entered: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        at = ", ".join(f"{index} = {number}" for index, number in self.place)
        inside = f", in {self.made}" if self.made else ""
        read = ", ".join(f"{entry} = {value:.6g}" for entry, value in self.entered)
        origin = f"declared at {self.where}" if ":" in self.where else f"of {self.where}"
        return (f"the first number that is not finite: {self.line} ({origin}) "
                f"became {self.value:g}{f' at {at}' if at else ''}{inside}"
                f"{f', where {read}' if read else ''}")


def first_fault(program: Program, values: Mapping[Tensor, Any], dtype: str,
                names: Mapping[Tensor, str]) -> Fault | None:
    """The first definition of a step, in normal form, that is not finite for these values.

    values: an array for each input of the program.  None where every definition is finite, or
    where a value is missing.
    """
    stable = stabilise(program)
    if any(tensor not in values for tensor in stable.inputs):
        return None
    names = {**stable.names, **names}
    with np.errstate(all="ignore"):
        machine = Narrow(stable, values, dtype)
        for definition in stable:
            plain = replace(definition, body=definition.body.replace(Minus, lambda a, b: a - b))
            machine.define(plain)
            finite = np.isfinite(machine.arrays[definition.target])
            if not finite.all():
                place = tuple(map(int, np.argwhere(~finite)[0]))
                return machine.blamed(plain, place, formula(definition, names), names)
    return None


class Narrow(Machine):
    """The interpreter in the dtype of a kernel, a piece of a large grid at a time."""

    def __init__(self, program: Program, values: Mapping[Tensor, Any], dtype: str) -> None:
        super().__init__(None)
        self.dtype = np.dtype(dtype)
        for tensor, value in values.items():
            array = np.asarray(value)
            self.arrays[tensor] = array if array.dtype.kind in "iu" else array.astype(self.dtype)
        for tensor in (*program.inputs, *program.inputs):  # twice: 2·N may stand before N
            self.fit(tensor, program.names)

    def number(self, node: Expr) -> Array:
        """A number of SymPy, rounded to the dtype."""
        return super().number(node).astype(self.dtype)

    def along(self, steps: range, after: int) -> Array:
        """The numbers of a range along one axis."""
        return super().along(steps, after).astype(self.dtype)

    def define(self, definition: Definition) -> None:
        """target[indices] = op_over body, in pieces along the first index."""
        shape = tuple(self.length(axis) for axis in definition.target.axes)
        found = np.empty(shape, self.dtype)
        terms = math.prod(self.length(extent(index)) for index in definition.over)
        rows = max(1, LARGEST // max(1, terms * math.prod(shape[1:])))
        bounds = [(index, index.lower, index.upper) for index in definition.over]
        for start in range(0, shape[0] if shape else 1, rows):
            part: Any = slice(start, start + rows) if shape else ()
            ranges = [range(length) for length in shape]
            ranges[:1] = [steps[start:start + rows] for steps in ranges[:1]]
            grids = {index: self.along(ranges[place], len(shape) - place - 1)
                     for place, index in enumerate(definition.indices)}
            found[part] = (
                self.reduced(definition.op, definition.body, bounds, grids, len(shape))
                if definition.over else self.value(definition.body, grids, len(shape)))
        self.arrays[definition.target] = found

    def blamed(self, definition: Definition, place: tuple[int, ...], line: str,
               names: Mapping[Tensor, str]) -> Fault:
        """What made the entry at this place of a definition."""
        grids: Grids = {index: np.asarray(number, self.dtype)
                        for index, number in zip(definition.indices, place, strict=True)}
        at = [(str(index), number) for index, number in zip(definition.indices, place, strict=True)]
        value = float(self.arrays[definition.target][place])
        node, inner = self._term(definition, grids)
        if node is None:
            return Fault(line, definition.where, tuple(at), value, "a sum of finite terms", ())
        node, grids = self._innermost(node, {**grids, **inner}), {**grids, **inner}
        at += [(str(index), int(number)) for index, number in inner.items() if node.has(index)]
        read = tuple((str(written(entry, names)), float(self.value(entry, grids, 0)))
                     for entry in elements_in(node))
        whole = node == definition.body
        return Fault(line, definition.where, tuple(at), value,
                     "" if whole else str(written(node, names)), read[:6])

    def _term(self, definition: Definition, grids: Grids) -> tuple[Expr | None, Grids]:
        """The body, and where the definition is a reduction, the first of its terms that is not
        finite; None where all terms are."""
        if not definition.over:
            return definition.body, {}
        lengths = [self.length(extent(index)) for index in definition.over]
        inner = {index: self.along(range(n), len(lengths) - k - 1)
                 for k, (index, n) in enumerate(zip(definition.over, lengths, strict=True))}
        terms = np.broadcast_to(
            self.value(definition.body, {**grids, **inner}, len(lengths)), lengths)
        bad = np.argwhere(~np.isfinite(terms))
        if not len(bad):
            return None, {}
        return definition.body, {index: np.asarray(number, self.dtype)
                                 for index, number in zip(definition.over, bad[0], strict=True)}

    def _innermost(self, node: Expr, grids: Grids) -> Expr:
        """The operation below a node that made the number: its own arguments are finite."""
        while True:
            bad = [part for part in self._parts(node, grids)
                   if not np.isfinite(self.value(part, grids, 0)).all()]
            if not bad:
                return node
            node = bad[0]

    def _parts(self, node: Basic, grids: Grids) -> Iterator[Expr]:
        """The arguments of an operation; of a Piecewise the branch that is taken."""
        if isinstance(node, (Element, TensorSymbol, Symbol, Idx)):
            return
        if isinstance(node, Piecewise):
            yield from [branch for branch, condition in node.args
                        if self.value(condition, grids, 0).all()][:1]
            return
        yield from (part for part in node.args if isinstance(part, Expr))
