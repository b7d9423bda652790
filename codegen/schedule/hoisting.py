"""hoist(program): what a function gives for fewer indices than its loops is computed before them.

    f[n,j] = x[n,j]·exp(w[j])·b[j]          q[j] = exp(w[j])·b[j],   f[n,j] = x[n,j]·q[j]
    L = Σ_{i,j} max(W[i,j], sigmoid(λ))     q = sigmoid(λ),          L = Σ_{i,j} max(W[i,j], q)

Functions are what costs: a product or a quotient alone stays where it is written.  LLVM takes
such a function out of the innermost loop at most, and not from behind a condition; where one
stays, its vectoriser follows every path through it, of which a nest of functions has
exponentially many (a body that fills three lines did not end).
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Abs, Add, Basic, Expr, Idx, Integer, Max, Min, Mul, Pow, sign
from sympy import functions as f

from symbackprop import functions as own
from symbackprop.codegen.calls import CALLS, OF_INTEGERS, REWRITTEN
from symbackprop.codegen.lowering import nest
from symbackprop.codegen.stability import Minus
from symbackprop.conditions import joined_conditions
from symbackprop.functions import Iverson
from symbackprop.indexing import canonical, free_indices
from symbackprop.normal import kinds, postorder, temporary
from symbackprop.notation import Definition, Element, Program, Tensor, TensorSymbol

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

    def parts(self) -> list[Definition]:
        """The new definitions, and the one that reads them."""
        self._look()
        body = joined_conditions(self._without(self.definition.body))
        return [*self.made, replace(self.definition, body=body)]

    def _look(self) -> None:
        """The indices of each node, and whether functions are computed for it."""
        for node in postorder(self.definition.body):
            args = () if isinstance(node, (Element, TensorSymbol, Idx)) else node.args
            self.indices[node] = frozenset(free_indices(node) if not args else
                                           (i for arg in args for i in self.indices[arg]))
            if _computes(node) or any(arg in self.costly for arg in args):
                self.costly.add(node)

    def _without(self, node: Basic) -> Basic:
        """The node with names for its largest parts of fewer indices that compute functions."""
        if node not in self.costly:
            return node
        if self._is_apart(node):
            return self._named(node)
        if self.known and _computes(node) and self.indices[node] <= set(self.loops):
            again = self._defined(node)
            if canonical(again) in self.known:
                return self.known[canonical(again)].at(*again.indices)
        args = (self._collected(node) if isinstance(node, (Add, Mul))
                else [self._without(arg) for arg in node.args])
        return node if tuple(args) == node.args else node.func(*args)

    def _collected(self, node: Expr) -> list[Basic]:
        """The terms or factors; of those with the same indices one name, if one of them has."""
        groups: dict[frozenset[Idx], list[Expr]] = {}
        rest: list[Expr] = []
        for arg in node.args:
            whole = isinstance(arg, Iverson) or arg.is_number or _is_divisor(arg)
            (rest if whole else groups.setdefault(self.indices[arg], [])).append(arg)
        found = [self._without(arg) for arg in rest]
        for group in groups.values():
            if any(arg in self.costly and self._is_apart(arg) for arg in group):
                found.append(self._named(node.func(*group)))
            else:
                found += [self._without(arg) for arg in group]
        return found

    def _is_apart(self, node: Basic) -> bool:
        """Whether a node is a number of its own for fewer indices than the loops have."""
        factors = Mul.make_args(node)
        return (isinstance(node, Expr) and self.indices[node] < set(self.loops)
                and not any(isinstance(f, Iverson) or _is_divisor(f) for f in factors))

    def _named(self, part: Expr) -> Expr:
        """The entry of the definition that a part has, which is a new one unless it is known."""
        number, part = part.as_coeff_Mul()
        new = self._defined(part)
        spelled = canonical(new)
        if spelled not in self.known:
            self.known[spelled] = new.target
            self.made.append(new)
        return number*self.known[spelled].at(*new.indices)

    def _defined(self, part: Expr) -> Definition:
        found = set(free_indices(part))
        carried = tuple(i for i in self.loops if i in found)
        return temporary(part, carried, hint="q", where=self.definition.where)


def _computes(node: Basic) -> bool:
    """Whether a node is a function, or a root, of what is no constant."""
    is_power = isinstance(node, Pow) and isinstance(node.exp, Integer)
    return type(node) in COSTLY and not is_power and not node.is_number


def _is_divisor(node: Basic) -> bool:
    """Whether a node divides: its inverse may be infinite where a quotient is not."""
    return isinstance(node, Pow) and node.exp.is_number and node.exp.is_negative and (
        node.exp.is_Integer)
