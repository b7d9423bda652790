"""The reverse sweep: the adjoint of every tensor between a loss and what it is differentiated by.

    T[t] = op_{o} f(A[e], …)   gives   Ā[a] += Σ_{t,o not in e} T̄[t] · ∂f/∂A[e] · Π_d [a_d = e_d]

An index that the access A[e] carries plainly is renamed to the letter of that axis (the bracket
is contracted); a repeated, shifted, strided or gathered index keeps its bracket, and the kernel
turns it into a scatter.  For a maximum, ∂T/∂f = [f = T]/(number of ties); for a log-sum-exp,
exp(f − T).  Every (definition, access) pair is visited once, so the work is linear in the
program however many paths there are (Rumelhart, Hinton & Williams 1986; lectures 000 and 002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sympy import Add, Eq, Expr, Idx, Integer, Mul, Piecewise, exp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanFunction

from symbackprop.functions import Iverson, branches, masked
from symbackprop.indexing import fresh
from symbackprop.normal import postorder, temporary
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Tensor,
    elements_in,
    extent,
)
from symbackprop.rules.derivatives import local_derivative


def adjoints(program: Program, loss: Tensor, wrt: Sequence[Tensor]
             ) -> tuple[tuple[Definition, ...], dict[Tensor, Tensor]]:
    """The definitions of the adjoints, in order, and the adjoint tensor of each tensor of `wrt`.

    program is in normal form; a tensor of `wrt` that it does not read has the adjoint 0.
    """
    sweep = _Sweep(_depending(program, wrt))
    sweep.terms[loss] = [Integer(1)]
    for definition in reversed(program.definitions):
        if definition.target in sweep.active and definition.target in sweep.terms:
            sweep.through(definition)
    for tensor in wrt:
        sweep.terms.setdefault(tensor, [])
    found = {t: sweep.adjoint(t) for t in wrt}
    return tuple(sweep.made), found


def partial_derivatives(body: Expr, output: Expr, wanted: Sequence[Expr]) -> dict[Expr, Expr]:
    """∂body/∂element for the wanted elements; the body's own value is written as `output`.

    Reverse mode inside the body, without recursion: each node's adjoint is the sum over its
    parents, so the result is factored as the chain rule gives it and never expanded.
    """
    order = postorder(body)
    wanted_set = set(wanted)
    active = set()
    for node in order:
        if isinstance(node, (Relational, BooleanFunction)):
            continue  # a condition has no derivative
        if node in wanted_set or any(arg in active for arg in node.args):
            active.add(node)
    sums: dict[Expr, list[Expr]] = {body: [Integer(1)]}
    for node in reversed(order):
        if node not in active or node not in sums or node in wanted_set:
            continue
        adjoint = Add(*sums[node])
        for child, factor in _local(node, output if node == body else node, active):
            sums.setdefault(child, []).append(adjoint * factor)
    return {e: Add(*sums.get(e, [])) for e in wanted}


def _local(node: Expr, value: Expr, active: set[Expr]) -> list[tuple[Expr, Expr]]:
    if isinstance(node, Piecewise):
        return [(branch, masked(node, place)) for place, (branch, _) in enumerate(branches(node))
                if branch in active]
    pairs = []
    for place, arg in enumerate(node.args):
        if arg in active:
            factor = local_derivative(node, place)
            pairs.append((arg, factor.xreplace({node: value}) if value != node else factor))
    return pairs


def _depending(program: Program, wrt: Sequence[Tensor]) -> set[Tensor]:
    """The tensors that depend on one of `wrt`, these included."""
    active = set(wrt)
    for definition in program:
        if any(e.tensor in active for e in elements_in(definition.body)):
            active.add(definition.target)
    return active


@dataclass(slots=True)
class _Sweep:
    """The state of one reverse sweep: the terms of each adjoint so far, and what was defined."""

    active: set[Tensor]
    terms: dict[Tensor, list[Expr]] = field(default_factory=dict)
    made: list[Definition] = field(default_factory=list)
    known: dict[Tensor, Tensor] = field(default_factory=dict)

    def adjoint(self, tensor: Tensor) -> Tensor:
        """T̄ as a tensor, defined from its terms at first request."""
        if tensor not in self.known:
            body = Add(*self.terms[tensor])
            new = temporary(body, tensor.letters, hint="δ", where=tensor.where)
            made = Definition(new.target, new.indices, body, where=new.where, adjoint_of=tensor)
            self.made.append(made)
            self.known[tensor] = made.target
        return self.known[tensor]

    def through(self, definition: Definition) -> None:
        """Adds what the adjoint of one definition gives to the adjoints of what it reads."""
        wanted = [e for e in elements_in(definition.body) if e.tensor in self.active]
        if not wanted:
            return
        target = definition.target
        mapping = dict(zip(target.letters, definition.indices, strict=True))
        outer = self.adjoint(target).at(*(mapping[i] for i in target.letters))
        outer = outer * self._through_reduction(definition)
        output = definition.element if definition.op == "map" else definition.body
        partials = partial_derivatives(definition.body, output, wanted)
        for access, partial in partials.items():
            self._add(definition, access, outer * partial)

    def _through_reduction(self, definition: Definition) -> Expr:
        match definition.op:
            case "max" | "min":
                attained = Iverson(Eq(definition.body, definition.element))
                count = temporary(attained, definition.indices, definition.over, "sum",
                                  where=definition.where)
                self.made.append(count)
                return attained / count.element
            case "lse":
                return exp(definition.body - definition.element)
            case _:
                return Integer(1)

    def _add(self, definition: Definition, access: Expr, term: Expr) -> None:
        tensor = access.tensor
        renaming, brackets = _contracted(definition, access)
        taken = [*tensor.letters, *renaming]
        over = []
        for index in (*definition.indices, *definition.over):
            if index not in renaming:
                renaming[index] = fresh(index, taken)
                taken.append(renaming[index])
                over.append(renaming[index])
        body = Mul(term, *brackets).xreplace(renaming)
        terms = self.terms.setdefault(tensor, [])
        if over and body != 0:
            total = temporary(body, tensor.letters, tuple(over), "sum", where=definition.where)
            self.made.append(total)
            terms.append(total.element)
        else:
            terms.append(body)


def _contracted(definition: Definition, access: Expr) -> tuple[dict[Idx, Expr], list[Expr]]:
    """How the letters of A's axes replace indices of the definition, and the brackets that stay.

    The brackets compare a letter of A (already new) with an expression in old indices, so the
    letter must not be renamed again: it is protected by a renaming of clashing old indices only.
    """
    renaming: dict[Idx, Expr] = {}
    brackets: list[Expr] = []
    if not isinstance(access, Element):
        return renaming, brackets
    pool = {*definition.indices, *definition.over}
    pending = []
    for letter, index in zip(access.tensor.letters, access.indices, strict=True):
        plain = isinstance(index, Idx) and index in pool and extent(index) == extent(letter)
        if plain and index not in renaming:
            renaming[index] = letter
        else:
            pending.append((letter, index))
    for letter, index in pending:
        if extent(letter) == 1:
            continue  # the one place of an axis of keepdims
        marked = fresh(letter, [*pool, *access.tensor.letters])
        brackets.append(Iverson(Eq(marked, index)))
        renaming[marked] = letter
    return renaming, brackets
