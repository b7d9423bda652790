"""hoist(program): what a function gives for fewer indices than its loops is computed before them,
where an array of these indices has room.

    f[n,j] = x[n,j]·exp(w[j])·b[j]          q[j] = exp(w[j]),        f[n,j] = x[n,j]·q[j]·b[j]
    L = Σ_{i,j} max(W[i,j], sigmoid(λ))     q = sigmoid(λ),          L = Σ_{i,j} max(W[i,j], q)

Functions are what costs: a product or a quotient alone stays where it is written.  LLVM takes
such a function out of the innermost loop at most, and not from behind a condition; where one
stays, its vectoriser follows every path through it, of which a nest of functions has
exponentially many (a body that fills three lines did not end).

Each function has an array of its own, and the product or sum around it stays as it is written:
t·exp(u) alone is 0 in float32 for t = 10⁻³⁰ and u = −46, and a·t·exp(u) with a = 10³⁰ is not.
An array has room if the program holds one that is as long, or if it has few entries: a function
of 40,000 × 40,000 numbers under a sum would fill 6 GB, for a result that is one number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod

from sympy import Abs, Basic, Expr, Idx, Integer, Max, Min, Mul, Pow, sign
from sympy import functions as f

from symbackprop import functions as own
from symbackprop.codegen.calls import CALLS, OF_INTEGERS, REWRITTEN
from symbackprop.codegen.lowering import nest
from symbackprop.codegen.stability import Minus
from symbackprop.conditions import has_one_case, joined_conditions
from symbackprop.functions import Iverson
from symbackprop.indexing import canonical, free_indices
from symbackprop.normal import kinds, postorder, temporary
from symbackprop.notation import Definition, Element, Program, Tensor, TensorSymbol, extent

Room = dict[tuple[Expr, ...], int]  # entries by the axes of unknown length

CHEAP = {Abs, Max, Min, Minus, sign, f.floor, f.ceiling, own.relu, own.leaky_relu}
COSTLY = {*CALLS, *REWRITTEN, *OF_INTEGERS, Pow} - CHEAP
FEW = 2**16  # entries
UNKNOWN = 2**9  # what an axis of unknown length counts for: N × N is not few


def hoist(program: Program) -> Program:
    """The same values; where there is room, no function is computed again for an index that it
    does not have."""
    room = _room(program)
    made: list[Definition] = []
    known: dict[tuple[object, ...], Tensor] = {}
    for definition in program:
        made.extend([definition] if kinds(definition.body).isdisjoint(COSTLY)
                    else _Hoisting(definition, known, room).parts())
    return replace(program, definitions=tuple(made))


class _Hoisting:
    """One definition, and the new ones before it; `known`: the new ones so far, as spelled."""

    def __init__(self, definition: Definition, known: dict[tuple[object, ...], Tensor],
                 room: Room) -> None:
        found = nest(definition)
        self.definition = definition
        self.loops = (*found.free, *found.over)
        self.known, self.room = known, room
        self.made: list[Definition] = []
        self.indices: dict[Basic, frozenset[Idx]] = {}
        self.costly: set[Basic] = set()
        self.whole: set[Basic] = set()

    def parts(self) -> list[Definition]:
        """The new definitions, and the one that reads them."""
        self._look()
        body = joined_conditions(self._without(self.definition.body))
        return [*self.made, replace(self.definition, body=body)]

    def _look(self) -> None:
        """The indices of each node, whether functions are in it, and one that has all of them."""
        for node in postorder(self.definition.body):
            args = () if isinstance(node, (Element, TensorSymbol, Idx)) else node.args
            found = self.indices[node] = frozenset(free_indices(node) if not args else
                                                   (i for arg in args for i in self.indices[arg]))
            if _computes(node) or any(arg in self.costly for arg in args):
                self.costly.add(node)
            if _computes(node) or any(arg in self.whole and self.indices[arg] == found
                                      for arg in args):
                self.whole.add(node)

    def _without(self, node: Basic) -> Basic:
        """The node with names for its largest parts of fewer indices that compute functions."""
        if node not in self.costly:
            return node
        if node in self.whole and self._has_room(self.indices[node]):
            if _is_apart(node):
                return self._named(node)
            if _is_divisor(node) and _is_apart(1/node):
                return 1/self._named(1/node)
        if self.known and _computes(node) and self.indices[node] <= set(self.loops):
            again = self._defined(node)
            if canonical(again) in self.known:
                return self.known[canonical(again)].at(*again.indices)
        args = [self._without(arg) for arg in node.args]
        return node if tuple(args) == node.args else node.func(*args)

    def _has_room(self, carried: frozenset[Idx]) -> bool:
        """Whether an array of these indices, which are fewer than the loops', is not too long."""
        unknown, entries = _length(extent(i) for i in carried)
        return (carried <= set(self.loops) and _repeating(carried) < _repeating(self.loops)
                and entries <= self.room.get(unknown, _few(unknown)))

    def _named(self, part: Expr) -> Expr:
        """The entry of the definition that a part has, which is a new one unless it is known."""
        number, part = part.as_coeff_Mul()
        new = self._defined(part)
        spelled = canonical(new)
        if spelled not in self.known:
            *before, last = _Hoisting(new, self.known, self.room).parts()
            if before:  # names are given in the order in which tensors are made
                last = replace(last, target=self._defined(part).target)
            self.made += [*before, last]
            self.known[spelled] = last.target
        return number*self.known[spelled].at(*new.indices)

    def _defined(self, part: Expr) -> Definition:
        found = set(free_indices(part))
        carried = tuple(i for i in self.loops if i in found)
        return temporary(part, carried, hint="q", where=self.definition.where)


def _room(program: Program) -> Room:
    """The entries of the longest array of each kind that a program holds, and at least a few."""
    room: Room = {}
    for tensor in (*program.inputs, *(definition.target for definition in program)):
        unknown, entries = _length(tensor.axes)
        room[unknown] = max(entries, room.get(unknown, _few(unknown)))
    return room


def _length(axes: Iterable[Expr]) -> tuple[tuple[Expr, ...], int]:
    """The axes of unknown length, in one order, and the product of the others."""
    axes = sorted(axes, key=str)
    return (tuple(a for a in axes if not a.is_Integer), prod(int(a) for a in axes if a.is_Integer))


def _few(unknown: tuple[Expr, ...]) -> int:
    return int(FEW // UNKNOWN**len(unknown))


def _is_apart(node: Basic) -> bool:
    """Whether a node is a number of its own, which is no case of a condition and no inverse."""
    return isinstance(node, Expr) and not any(
        isinstance(factor, Iverson) or has_one_case(factor) or _is_divisor(factor)
        for factor in Mul.make_args(node))


def _repeating(indices: Iterable[Idx]) -> set[Idx]:
    """The indices that have more than one value."""
    return {i for i in indices if extent(i) != 1}


def _computes(node: Basic) -> bool:
    """Whether a node is a function, or a root, of what is no constant."""
    is_power = isinstance(node, Pow) and isinstance(node.exp, Integer)
    return type(node) in COSTLY and not is_power and not node.is_number


def _is_divisor(node: Basic) -> bool:
    """Whether a node divides by a power whose inverse may be infinite where a quotient is not."""
    return isinstance(node, Pow) and bool(node.exp.is_number and node.exp <= -1)
