"""hoist(program): what a function gives for fewer indices than its loops is computed before them.

    f[n,j] = x[n,j]·exp(w[j])·b[j]          q[j] = exp(w[j]),        f[n,j] = x[n,j]·q[j]·b[j]
    L = Σ_{i,j} max(W[i,j], sigmoid(λ))     q = sigmoid(λ),          L = Σ_{i,j} max(W[i,j], q)

Functions are what costs: a product or a quotient alone stays where it is written.  LLVM takes
such a function out of the innermost loop at most, and not from behind a condition; where one
stays, its vectoriser follows every path through it, of which a nest of functions has
exponentially many (a body that fills three lines did not end).

Each function has an array of its own, and the product or sum around it stays as it is written:
t·exp(u) alone is 0 in float32 for t = 10⁻³⁰ and u = −46, and a·t·exp(u) with a = 10³⁰ is not.
A function of two axes of unknown length stays: it would fill N × N numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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

CHEAP = {Abs, Max, Min, Minus, sign, f.floor, f.ceiling, own.relu, own.leaky_relu}
COSTLY = {*CALLS, *REWRITTEN, *OF_INTEGERS, Pow} - CHEAP


def hoist(program: Program) -> Program:
    """The same values; no function is computed again for an index that it does not have."""
    made: list[Definition] = []
    known: dict[tuple[object, ...], Tensor] = {}
    for definition in program:
        made.extend([definition] if kinds(definition.body).isdisjoint(COSTLY)
                    else _Hoisting(definition, known).parts())
    return replace(program, definitions=tuple(made))


class _Hoisting:
    """One definition, and the new ones before it; `known`: the new ones so far, as spelled."""

    def __init__(self, definition: Definition, known: dict[tuple[object, ...], Tensor]) -> None:
        found = nest(definition)
        self.definition = definition
        self.loops = (*found.free, *found.over)
        self.known = known
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
        if node in self.whole and self._is_apart(node):
            return self._named(node)
        if _is_divisor(node) and node in self.whole and self._is_apart(below := 1/node):
            return 1/self._named(below)
        if self.known and _computes(node) and self.indices[node] <= set(self.loops):
            again = self._defined(node)
            if canonical(again) in self.known:
                return self.known[canonical(again)].at(*again.indices)
        args = [self._without(arg) for arg in node.args]
        return node if tuple(args) == node.args else node.func(*args)

    def _is_apart(self, node: Basic) -> bool:
        """Whether a node is a number of its own for fewer indices than the loops have."""
        carried = self.indices.get(node) or set(free_indices(node))
        return (isinstance(node, Expr) and carried <= set(self.loops)
                and _repeating(carried) < _repeating(self.loops)
                and sum(not extent(i).is_Integer for i in carried) < 2
                and not any(isinstance(factor, Iverson) or has_one_case(factor)
                            or _is_divisor(factor) for factor in Mul.make_args(node)))

    def _named(self, part: Expr) -> Expr:
        """The entry of the definition that a part has, which is a new one unless it is known."""
        number, part = part.as_coeff_Mul()
        new = self._defined(part)
        spelled = canonical(new)
        if spelled not in self.known:
            *before, last = _Hoisting(new, self.known).parts()
            if before:  # names are given in the order in which tensors are made
                last = replace(last, target=self._defined(part).target)
            self.made += [*before, last]
            self.known[spelled] = last.target
        return number*self.known[spelled].at(*new.indices)

    def _defined(self, part: Expr) -> Definition:
        found = set(free_indices(part))
        carried = tuple(i for i in self.loops if i in found)
        return temporary(part, carried, hint="q", where=self.definition.where)


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
