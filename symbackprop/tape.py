"""The tape: every elementary operation of a program at given numbers, and the reverse sweep on it.

Each entry of each tensor is a *cell*, a vertex with a name; between the cells stand the vertices of
the operations that its body is cut into.  An adjoint is the sum over the users of a vertex of
their adjoint times their local derivative; a zero is strong, so that what is undefined in a
branch that is not taken never leaks.  Bodies are walked by an explicit stack.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from symbackprop.functions import Iverson, branches
from symbackprop.indexing import bound_indices, free_indices, limits
from symbackprop.normal import postorder
from symbackprop.notation import Definition, Element, Program, Reduction, TensorSymbol
from symbackprop.operations import Number, Operation, evaluated, operation, partials, value_of
from symbackprop.printing.index import right_hand_side
from symbackprop.printing.text import text

__all__ = ["Cell", "Tape", "Vertex", "recorded", "slopes", "work"]

Cell = tuple[Any, tuple[int, ...]]  # a tensor or plain symbol, and the place in it
Env = Mapping[sp.Idx, int]


@dataclass(frozen=True, slots=True)
class Vertex:
    """One operation: the numbers of its operands on the tape, ∂value/∂operand for each."""

    made: Operation
    operands: tuple[int, ...]
    value: Number
    partials: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True)
class Tape:
    """Vertices in an order in which operands stand before; adjoints are those of the last one."""

    vertices: tuple[Vertex, ...]
    cells: dict[Cell, int]
    adjoints: tuple[Number, ...]

    @property
    def last(self) -> int:
        """The vertex of the loss."""
        return len(self.vertices) - 1

    def reached(self) -> tuple[int, ...]:
        """The vertices that the loss is computed from, in order."""
        wanted = {self.last}
        for number in range(self.last, -1, -1):
            if number in wanted:
                wanted.update(self.vertices[number].operands)
        return tuple(sorted(wanted))

    def local(self, number: int, stops: frozenset[int]) -> dict[int, Number]:
        """∂vertex/∂stop for the stops that it reads with no other stop in between."""
        sums: dict[int, Number] = {number: Fraction(1)}
        found: dict[int, Number] = {}
        waiting = [-number]
        while waiting:
            current = -heappop(waiting)
            through = sums[current]
            vertex = self.vertices[current]
            for operand, partial in zip(vertex.operands, vertex.partials, strict=True):
                if operand not in sums:
                    sums[operand] = Fraction(0)
                    if operand not in stops:
                        heappush(waiting, -operand)
                sums[operand] += times(through, partial)
                if operand in stops:
                    found[operand] = sums[operand]
        return dict(sorted(found.items()))


def times(adjoint: Number, partial: Number) -> Number:
    """A product in which zero is strong: 0·∞ = 0."""
    return Fraction(0) if adjoint == 0 or partial == 0 else adjoint * partial


def recorded(program: Program, cells: Mapping[Cell, Number],
             symbols: Mapping[sp.Symbol, Number]) -> Tape:
    """The tape of a program whose last definition is the loss; cells: the value of every input
    entry; symbols: sizes, and what else stands in bodies as a plain symbol."""
    recorder = _Recorder(dict(symbols))
    for cell, value in cells.items():
        recorder.cells[cell] = recorder.leaf(value)
    for definition in program:
        recorder.define(definition)
    vertices = tuple(recorder.vertices)
    adjoints: list[Number] = [Fraction(0)] * len(vertices)
    adjoints[-1] = Fraction(1)
    for number in range(len(vertices) - 1, -1, -1):
        vertex = vertices[number]
        if adjoints[number] != 0:
            for operand, partial in zip(vertex.operands, vertex.partials, strict=True):
                adjoints[operand] += times(adjoints[number], partial)
    return Tape(vertices, recorder.cells, tuple(adjoints))


def slopes(definition: Definition, entries: Sequence[tuple[int, ...]], wanted: Cell,
           cells: Mapping[Cell, Number], symbols: Mapping[sp.Symbol, Number]) -> list[Number]:
    """∂entry/∂wanted for some entries of a definition; cells: what it reads."""
    recorder = _Recorder(dict(symbols))
    for cell, value in cells.items():
        recorder.cells[cell] = recorder.leaf(value)
    stop = recorder.cells[wanted]
    recorder.define(definition, entries)
    tape = Tape(tuple(recorder.vertices), recorder.cells, ())
    return [tape.local(tape.cells[definition.target, entry], frozenset({stop})).get(
        stop, Fraction(0)) for entry in entries]


def work(program: Program, symbols: Mapping[sp.Symbol, Number]) -> int:
    """About how many vertices the tape of a program will have."""
    total = 0
    for definition in program:
        body = right_hand_side(definition)
        sizes: dict[sp.Basic, int] = {}
        for node in postorder(body):
            inside = 1 + sum(sizes.get(arg, 0) for arg in node.args)
            if isinstance(node, (sp.Sum, Reduction)):
                inside = sizes[node.args[0]]
                for _, low, high in _limits(node, {}, symbols):
                    inside *= max(high - low + 1, 0)
            sizes[node] = inside
        entries = 1
        for axis in definition.target.axes:
            entries *= int(evaluated(axis, symbols))
        total += entries * sizes[body]
    return total


@dataclass(slots=True)
class _Recorder:
    """What is on the tape so far; `known` holds the parts of the present definition."""

    symbols: dict[sp.Symbol, Number]
    vertices: list[Vertex] = field(default_factory=list)
    cells: dict[Cell, int] = field(default_factory=dict)
    known: dict[Any, int] = field(default_factory=dict)
    owned: set[int] = field(default_factory=set)
    free: dict[sp.Basic, tuple[sp.Idx, ...]] = field(default_factory=dict)

    def leaf(self, value: Number, label: str = "") -> int:
        self.vertices.append(Vertex(Operation(label, (), "leaf"), (), value))
        return len(self.vertices) - 1

    def define(self, definition: Definition, entries: Iterable[tuple[int, ...]] | None = None
               ) -> None:
        """Records entries of a definition (all), each root always as a vertex of its own."""
        self.known, body = {}, right_hand_side(definition)
        extents = [int(evaluated(axis, self.symbols)) for axis in definition.target.axes]
        for entry in itertools.product(*map(range, extents)) if entries is None else entries:
            env = dict(zip(definition.indices, entry, strict=True))
            found = self.vertex(body, env)
            self.cells[definition.target, entry] = self.named(found)

    def named(self, found: int) -> int:
        """A copy of a vertex that other parts do not read."""
        vertex = self.vertices[found]
        if found in self.owned or not vertex.operands:
            same = Operation("=", (sp.S.Zero,), "sum")
            vertex = Vertex(same, (found,), vertex.value, (Fraction(1),))
        self.vertices.append(vertex)
        self.owned.add(len(self.vertices) - 1)
        return len(self.vertices) - 1

    def vertex(self, body: sp.Expr, env: Env) -> int:
        """The vertex of an expression, and before it those of its parts."""
        stack: list[tuple[sp.Basic, Env]] = [(body, env)]
        while stack:
            node, here = stack[-1]
            key = self.key(node, here)
            if key not in self.known:
                below = list(self.below(node, here))
                missing = [part for part in below if self.key(*part) not in self.known]
                if missing:
                    stack.extend(reversed(missing))
                    continue
                self.known[key] = self.made(node, here, [self.known[self.key(*part)]
                                                         for part in below])
            stack.pop()
        return self.known[self.key(body, env)]

    def key(self, node: sp.Basic, env: Env) -> Any:
        if node not in self.free:
            self.free[node] = free_indices(node)
        return node, tuple(env[index] for index in self.free[node])

    def below(self, node: sp.Basic, env: Env) -> Iterator[tuple[sp.Basic, Env]]:
        """The parts that must be on the tape before a node, with the indices they stand at."""
        match node:
            case sp.Idx() | sp.Symbol() | sp.Number() | sp.NumberSymbol():
                return
            case sp.Sum() | Reduction():
                ranges = [range(low, high + 1) for _, low, high
                          in _limits(node, env, self.symbols)]
                letters = bound_indices(node)
                for entry in itertools.product(*ranges):
                    yield node.args[0], {**env, **dict(zip(letters, entry, strict=True))}
            case sp.Piecewise():
                for branch, condition in branches(node):
                    yield branch, env
                    yield from ((part, env) for part in _compared(condition))
            case Iverson():
                yield from ((part, env) for part in _compared(node))
            case Element():
                yield from ((index, env) for index in node.indices)
            case _:
                yield from ((part, env) for part in operation(node).operands)

    def made(self, node: sp.Basic, env: Env, below: list[int]) -> int:
        """The vertex of one node, given those of its parts."""
        match node:
            case sp.Idx():
                return self.leaf(Fraction(env[node]))
            case TensorSymbol():
                return self.cells[node.tensor, ()]
            case sp.Symbol() if (node, ()) in self.cells:
                return self.cells[node, ()]
            case Element():
                entry = tuple(int(self.vertices[number].value) for number in below)
                inside = self.cells.get((node.tensor, entry))
                return self.leaf(float("nan")) if inside is None else inside
            case sp.Piecewise():
                return self.cases(node, below)
            case Iverson():
                return self.leaf(evaluated(node, self.compared(node, below)))
            case sp.Symbol() | sp.Number() | sp.NumberSymbol():
                return self.leaf(evaluated(node, self.symbols), text(node, {}))
            case sp.Sum():
                return self.operate(Operation("+", (sp.S.Zero,) * len(below), "sum"), below)
            case Reduction():
                label = "log Σ exp" if node.op == "lse" else node.op
                return self.operate(Operation(label, (sp.S.Zero,) * len(below), node.op), below)
        return self.operate(operation(node), below)

    def operate(self, made: Operation, below: list[int]) -> int:
        values = [self.vertices[number].value for number in below]
        value = value_of(made, values)
        self.vertices.append(Vertex(made, tuple(below), value, partials(made, values, value)))
        return len(self.vertices) - 1

    def cases(self, node: sp.Piecewise, below: list[int]) -> int:
        """A Piecewise: it reads its branches, and is the first one whose condition holds."""
        remaining, operands, chosen = list(below), [], None
        for number, (_, condition) in enumerate(branches(node)):
            operands.append(remaining.pop(0))
            count = len(_compared(condition))
            parts, remaining = remaining[:count], remaining[count:]
            if chosen is None and evaluated(condition, self.compared(condition, parts)):
                chosen = number
        value = float("nan") if chosen is None else self.vertices[operands[chosen]].value
        slopes = tuple(Fraction(int(k == chosen)) for k in range(len(operands)))
        made = Operation("cases", tuple(branch for branch, _ in branches(node)), "cases")
        self.vertices.append(Vertex(made, tuple(operands), value, slopes))
        return len(self.vertices) - 1

    def compared(self, condition: sp.Basic, below: list[int]) -> dict[sp.Basic, Any]:
        parts = _compared(condition)
        return {part: self.vertices[number].value
                for part, number in zip(parts, below, strict=True)}


def _compared(condition: sp.Basic) -> list[sp.Expr]:
    """What a condition compares, in order."""
    found: dict[sp.Expr, None] = {}
    stack = [condition]
    while stack:
        node = stack.pop()
        if isinstance(node, Relational):
            found |= dict.fromkeys(node.args)
        else:
            stack.extend(reversed(node.args))
    return list(found)


def _limits(node: sp.Expr, env: Env, symbols: Mapping[Any, Any]
            ) -> list[tuple[sp.Idx, int, int]]:
    """(index, first, last) for each bound index, as numbers."""
    known = {**symbols, **{index: Fraction(at) for index, at in env.items()}}
    return [(index, int(evaluated(low, known)), int(evaluated(high, known)))
            for index, low, high in limits(node)]

