"""Changes of parameters that leave a loss as it is: a shift, or a scaling; found by definitions.

A shift W → W + c is carried through the program exactly: each definition gets its *change*
T(new) − T(old) as an expression, from those of what it reads.

    z[n,k] changes by c   ⇒   lse_k z changes by c   ⇒   z − lse z, and the loss, do not change

A scaling W → aᵖ·W, for every a > 0, is found as in dimensional analysis: every tensor has a
degree of homogeneity, terms of a sum have the same one, that of a product is the sum, what
stands in tanh or exp has degree 0.  These are linear equations in the parameters' degrees p.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush
from itertools import combinations

from sympy import Abs, Add, Expr, Idx, Integer, Max, Min, Mul, Piecewise, Pow, expand_mul, sign
from sympy.core.function import Application
from sympy.core.relational import Relational

from symbackprop.accurate import logaddexp
from symbackprop.dependence import Dependence
from symbackprop.functions import branches, leaky_relu, relu
from symbackprop.indexing import canonical, free_indices
from symbackprop.normal import postorder, temporary
from symbackprop.notation import Definition, Element, Program, Tensor, TensorSymbol
from symbackprop.rules.forms import weight
from symbackprop.rules.indices import summed

__all__ = ["Shift", "scalings", "shifts"]

LARGEST = 140  # the weight of a change
LONGEST = 16  # how many definitions may change
Degrees = dict[Tensor, Fraction]


@dataclass(slots=True)
class Shift:
    """tensor[…] → tensor[…] + by, and the change of every definition that changes.

    along: the indices of the tensor along which the same number is added; made: the
    definitions of sums that changes are written with.
    """

    tensor: Tensor
    along: tuple[Idx, ...]
    by: Expr
    changes: dict[Tensor, tuple[Definition, Expr]] = field(default_factory=dict)
    made: dict[tuple[object, ...], Definition] = field(default_factory=dict)

    def carried(self, network: Dependence) -> bool:
        """Whether the change of every definition could be written, and the outputs' is 0."""
        waiting = list(network.readers.get(self.tensor, ()))
        done: set[int] = set()
        while waiting:
            place = heappop(waiting)
            if place in done:
                continue
            done.add(place)
            definition = network.program.definitions[place]
            change = self._of(definition, network.elements[place])
            if change is None or weight(change) > LARGEST or len(self.changes) >= LONGEST:
                return False
            if change != 0:
                self.changes[definition.target] = (definition, change)
                for reader in network.readers.get(definition.target, ()):
                    heappush(waiting, reader)
        return not any(output in self.changes for output in network.program.outputs)

    def _of(self, definition: Definition, elements: Sequence[Expr]) -> Expr | None:
        moved = {e: e + change for e in elements if (change := self._at(e)) != 0}
        if not moved:
            return Integer(0)
        for node in definition.body.atoms(logaddexp, Max, Min):
            changes = {expand_mul(arg.xreplace(moved) - arg) for arg in node.args}
            if len(changes) == 1:  # max(f + c, g + c) = max(f, g) + c
                moved[node] = node + changes.pop()
        change = definition.body.xreplace(moved) - definition.body
        known = definition.body.atoms(Application).union(
            *(value.atoms(Application) for value in moved.values()))
        if not change.atoms(Application) <= known:
            return None  # tanh(z + c) − tanh(z): nothing further on would undo it
        if weight(change) <= LARGEST:
            change = expand_mul(change)
        return self._reduced(definition, change)

    def _at(self, element: Expr) -> Expr:
        """The change of an element that a body reads."""
        tensor = element.tensor
        if tensor is self.tensor:
            letters, change = tensor.letters, self.by
        elif tensor in self.changes:
            definition, change = self.changes[tensor]
            letters = definition.indices
        else:
            return Integer(0)
        indices = element.indices if isinstance(element, Element) else ()
        return change.xreplace(dict(zip(letters, indices, strict=True)))

    def _reduced(self, definition: Definition, change: Expr) -> Expr | None:
        """The change of a reduction from that of its body."""
        if change == 0 or definition.op == "map":
            return change
        if definition.op == "sum":
            return self._summed(definition, change)
        moving = set(definition.over) & set(free_indices(change))
        return None if moving else change  # max, min and lse of f + c are c more

    def _summed(self, definition: Definition, change: Expr) -> Expr:
        total = summed(Definition(definition.target, definition.indices, change,
                                  definition.over, "sum", definition.where))
        if total.op == "map":
            return total.body
        letters = tuple(i for i in free_indices(total.body) if i not in total.over)
        new = temporary(total.body, letters, total.over, "sum", "u", definition.where)
        key = (*canonical(new), new.indices)
        return self.made.setdefault(key, new).element


def shifts(network: Dependence, tensor: Tensor, most: int) -> Iterator[Shift]:
    """The shifts of a parameter that the outputs are proven not to see, the widest ones.

    First any shift at all (the parameter has no effect), then those that are constant along
    one axis, along two, … up to `most`; one that is part of a wider one is not given.
    """
    found: list[tuple[Idx, ...]] = []
    for number in range(most + 1):
        for along in combinations(tensor.letters, number):
            if any(set(wider) <= set(along) for wider in found):
                continue
            letters = tuple(i for i in tensor.letters if i not in along)
            by = Tensor("c", tuple(tensor.axes[tensor.letters.index(i)] for i in letters),
                        letters, "parameter")
            shift = Shift(tensor, along, by.at(*letters))
            if shift.carried(network):
                found.append(along)
                yield shift


def scalings(program: Program) -> list[Degrees]:
    """Independent scalings of parameters, tensor → power p of W → aᵖ·W, that change no output."""
    system = _Degrees({t: {t: Fraction(1)} for t in program.inputs if t.role == "parameter"})
    for definition in program:
        system.define(definition)
    for output in program.outputs:
        system.zero(system.known.get(output, {}))
    return system.solutions()


@dataclass(slots=True)
class _Degrees:
    """The degree of each tensor as a linear form in the parameters' degrees, and equations."""

    known: dict[Tensor, Degrees]
    solved: dict[Tensor, Degrees] = field(default_factory=dict)

    def define(self, definition: Definition) -> None:
        """The degree of one more tensor; a log-sum-exp is of degree 0 like what is in it."""
        nodes: dict[Expr, Degrees | None] = {}
        for node in postorder(definition.body):
            nodes[node] = self._of_node(node, nodes)
        degree = nodes[definition.body] or {}
        if definition.op == "lse":
            degree = self.zero(degree)
        self.known[definition.target] = degree

    def zero(self, form: Degrees) -> Degrees:
        """Adds the equation form = 0, solved for one of its parameters."""
        form = self._with_solved(form)
        if form:
            pivot = max(form, key=lambda t: t.serial)
            row = _scaled({t: c for t, c in form.items() if t is not pivot}, -1 / form[pivot])
            for tensor, other in self.solved.items():
                if pivot in other:
                    rest = {t: c for t, c in other.items() if t is not pivot}
                    self.solved[tensor] = _plus(rest, _scaled(row, other[pivot]))
            self.solved[pivot] = row
        return {}

    def _with_solved(self, form: Degrees) -> Degrees:
        total: Degrees = {}
        for tensor, number in form.items():
            total = _plus(total, _scaled(self.solved.get(tensor, {tensor: Fraction(1)}), number))
        return total

    def _of_node(self, node: Expr, nodes: Mapping[Expr, Degrees | None]) -> Degrees | None:
        """The degree of a node; None for 0, which has every degree."""
        if isinstance(node, (Element, TensorSymbol)):
            return self.known.get(node.tensor, {})
        if node == 0:
            return None
        parts = [nodes[arg] for arg in node.args if arg in nodes]
        match node:
            case Mul():
                return _product(parts)
            case Pow() if node.args[1].is_Rational:
                power = node.args[1]
                return _scaled(parts[0] or {}, Fraction(int(power.p), int(power.q)))
            case Add() | Max() | Min():
                return self._equal(parts)
            case Relational() | sign():
                self._equal(parts)
                return {}
            case relu() | Abs():
                return parts[0]
            case leaky_relu():
                self.zero(parts[1] or {})
                return parts[0]
            case Piecewise():
                return self._equal([nodes[value] for value, _ in branches(node)])
        for part in parts:
            self.zero(part or {})
        return {}

    def _equal(self, parts: Sequence[Degrees | None]) -> Degrees | None:
        forms = [part for part in parts if part is not None]
        for form in forms[1:]:
            self.zero(_plus(form, _scaled(forms[0], Fraction(-1))))
        return forms[0] if forms else None

    def solutions(self) -> list[Degrees]:
        """A basis of all degrees that obey the equations, few parameters in each."""
        basis = []
        free = [t for t, form in self.known.items() if form == {t: 1} and t not in self.solved]
        for parameter in free:
            solution = {parameter: Fraction(1)}
            solution |= {t: row[parameter] for t, row in self.solved.items() if parameter in row}
            basis.append(solution)
        return [_ordered(solution) for solution in _sparser(basis)]


def _product(parts: Sequence[Degrees | None]) -> Degrees | None:
    total: Degrees = {}
    for part in parts:
        if part is None:
            return None
        total = _plus(total, part)
    return total


def _sparser(basis: list[Degrees]) -> list[Degrees]:
    """Neighbours taken from each other where fewer parameters are left."""
    for place, solution in enumerate(basis):
        for other in basis[place + 1 :]:
            best = min((solution, _plus(solution, _scaled(other, Fraction(-1))),
                        _plus(solution, other)), key=len)
            if len(best) < len(solution):
                basis[place] = solution = best
    return basis


def _ordered(solution: Degrees) -> Degrees:
    return dict(sorted(solution.items(), key=lambda pair: pair[0].serial))


def _plus(first: Degrees, second: Degrees) -> Degrees:
    total = dict(first)
    for tensor, number in second.items():
        total[tensor] = total.get(tensor, Fraction(0)) + number
    return {t: c for t, c in total.items() if c != 0}


def _scaled(form: Degrees, number: Fraction) -> Degrees:
    return {t: number * c for t, c in form.items() if number != 0}
