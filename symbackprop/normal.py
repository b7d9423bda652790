"""normalise(program): every Sum, Maximum and Minimum becomes a definition of its own.

    h[n,j] = tanh(Σ_i x[n,i]·W[i,j] + b[j])

becomes   s[n,j] = Σ_i x[n,i]·W[i,j],   z[n,j] = s[n,j] + b[j],   h[n,j] = tanh(z[n,j]):

bodies are scalar maps, so that the reverse sweep, the rules and the kernels have one case each.
The argument of a nonlinear function that holds a sum gets a name too: its adjoint is the
sensitivity δ of the textbooks.  A body that is nested deeper than `DEPTH` is cut into
definitions (SymPy's own recursions fail beyond a few hundred levels), and so is a part larger
than `SHARED_SIZE` that is read twice: a = sin(a) + a, forty times, has 2^40 paths.  All walks
use explicit stacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from sympy import (
    Add,
    Eq,
    Expr,
    Function,
    Idx,
    Integer,
    KroneckerDelta,
    Mul,
    Pow,
    Sum,
    Symbol,
)

from symbackprop.arrays import Array
from symbackprop.functions import Iverson
from symbackprop.indexing import bound_indices, free_indices, fresh, limits, replace_indices
from symbackprop.notation import (
    Definition,
    Element,
    Op,
    Program,
    Reduction,
    TensorSymbol,
    elements_in,
    extent,
)

DEPTH = 24
SHARED_SIZE = 40
_LETTERS_FROM = {"data": 0, "intermediate": 1}  # a new tensor is indexed as the samples are


def normalise(program: Program) -> Program:
    """The same tensors, with reductions at the root of definitions only, and shallow bodies."""
    definitions = [d for old in program for d in _normalised(old)]
    return replace(program, definitions=tuple(definitions))


def temporary(body: Expr, letters: tuple[Idx, ...], over: tuple[Idx, ...] = (), op: Op = "map",
              hint: str = "t", where: str = "?") -> Definition:
    """A definition of a new, unnamed tensor."""
    axes = tuple(extent(i) for i in letters)
    target = Array(None, axes, letters, "intermediate", hint=hint, where=where)
    return Definition(target, letters, body, over, op, where)


def letters_of(body: Expr, known: tuple[Idx, ...], over: tuple[Idx, ...] = ()) -> tuple[Idx, ...]:
    """The free indices of a body: those known first, others in the order of data, then weights."""
    read = sorted(elements_in(body), key=lambda e: (_LETTERS_FROM.get(e.tensor.role, 2),
                                                    e.tensor.serial))
    free = dict.fromkeys(i for part in (*read, body) for i in free_indices(part))
    found = [i for i in free if i not in over]
    return tuple([i for i in known if i in found] + [i for i in found if i not in known])


def _normalised(definition: Definition) -> list[Definition]:
    if definition.op == "map" and not _needs_work(definition.body):
        return [definition]
    flattening = _Flattening(definition)
    body = flattening.flatten(definition.body)
    last = flattening.made[-1] if flattening.made else None
    if definition.op == "map" and last is not None and body == last.element:
        if definition.indices == last.indices and not flattening.compares(last):
            flattening.made.pop()
            return [*flattening.made,
                    replace(definition, body=last.body, over=last.over, op=last.op)]
    return [*flattening.made, replace(definition, body=body)]


def _needs_work(body: Expr) -> bool:
    heights: dict[Expr, int] = {}
    sizes: dict[Expr, int] = {}
    for node in postorder(body):
        if isinstance(node, (Sum, Reduction, KroneckerDelta)):
            return True
        _measure(node, heights, sizes)
    return heights[body] > DEPTH or sizes[body] > SHARED_SIZE


def _measure(node: Expr, heights: dict[Expr, int], sizes: dict[Expr, int]) -> None:
    """The height of a node, and its size as a tree, in which what is shared counts each time."""
    leaf = isinstance(node, (Element, TensorSymbol, Idx))
    args = () if leaf else node.args
    heights[node] = 1 + max((heights.get(arg, 0) for arg in args), default=0)
    sizes[node] = 1 + sum(sizes.get(arg, 0) for arg in args)


@lru_cache(4096)
def postorder(expr: Expr) -> tuple[Expr, ...]:
    """Each distinct node once, after its arguments; elements and indices count as leaves."""
    order, stack, seen = [], [(expr, False)], set()
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            if not node.args or isinstance(node, (Element, TensorSymbol, Idx, Symbol)):
                order.append(node)
            else:
                stack.append((node, True))
                stack.extend((arg, False) for arg in reversed(node.args))
    return tuple(order)


@lru_cache(4096)
def kinds(expr: Expr) -> frozenset[type]:
    """The types of all nodes of an expression."""
    return frozenset(map(type, postorder(expr)))


@dataclass(slots=True)
class _Flattening:
    """The definitions that one body is cut into, in order; nodes are rewritten bottom up."""

    parent: Definition
    made: list[Definition] = field(default_factory=list)
    holds_sum: set[Expr] = field(default_factory=set)
    affine: dict[Expr, Expr] = field(default_factory=dict)  # by its name, each z and r

    def flatten(self, body: Expr) -> Expr:
        """The body without reductions; what is too deep, or large and shared, gets a name."""
        body = from_zero(body)
        order = postorder(body)
        parents = Counter(arg for node in order for arg in dict.fromkeys(node.args))
        new: dict[Expr, Expr] = {}
        heights: dict[Expr, int] = {}
        sizes: dict[Expr, int] = {}
        for node in order:
            made = new[node] = self._rebuilt(node, new)
            _measure(made, heights, sizes)
            too_deep = heights[made] > DEPTH
            shared = parents[node] > 1 and sizes[made] > SHARED_SIZE
            if (too_deep or shared) and isinstance(made, Expr):
                new[node] = self._named(made, "t")
                _measure(new[node], heights, sizes)
        return self._by_names(new[body])

    def _by_names(self, body: Expr) -> Expr:
        """z·tanh(z) for (s + b)·tanh(z), where z = s + b got its name as an argument of tanh."""
        named: list[tuple[Expr, Expr]] = []
        for place, definition in enumerate(self.made):
            self.made[place] = replace(definition, body=read_by_names(definition.body, named))
            if definition.element in self.affine:
                named.append((definition.body, definition.element))
        return read_by_names(body, named)

    def compares(self, reduction: Definition) -> bool:
        """A maximum over a temporary: the derivative compares these two, so both are ours."""
        read = {d.target for d in self.made}
        return reduction.op in ("max", "min") and reduction.body.tensor in read

    def _rebuilt(self, node: Expr, new: dict[Expr, Expr]) -> Expr:
        match node:
            case Sum() | Reduction():
                op = "sum" if isinstance(node, Sum) else node.op
                return self._reduced(new[node.function], bound_indices(node), op)
            case Element() | TensorSymbol() | Idx() | Symbol():
                return node
            case KroneckerDelta():
                return Iverson(Eq(new[node.args[0]], new[node.args[1]]))
        if not node.args:
            return node
        args = [new.get(arg, arg) for arg in node.args]
        if isinstance(node, Function) and len(args) == 1 and self._pre_activation(args[0]):
            sign = -1 if args[0].could_extract_minus_sign() else 1  # exp(−Σ − b): z = Σ + b
            args = [sign * self._affine(sign * args[0], "z")]
        elif isinstance(node, Pow) and isinstance(args[0], Add) and self._pre_activation(args[0]):
            args = [self._affine(args[0], "r"), *args[1:]]  # the residual of a square
        return node if tuple(args) == node.args else node.func(*args)

    def _reduced(self, body: Expr, over: tuple[Idx, ...], op: Op) -> Expr:
        if op in ("max", "min") and not isinstance(body, Element):
            body = self._named(body, "t")  # its derivative compares body and maximum: one number
        definition = self._new(body, over, op, "s")
        self.holds_sum.add(definition.element)
        return definition.element

    def _pre_activation(self, arg: Expr) -> bool:
        """An affine argument with a sum in it: worth a name, since its adjoint is a δ."""
        if not isinstance(arg, (Add, Mul)):
            return False
        return any(t in self.holds_sum for t in _summands(arg))

    def _affine(self, total: Expr, hint: str) -> Expr:
        """The one name of a pre-activation or residual, however often it is an argument."""
        known = next((name for name, known in self.affine.items() if known == total), None)
        name = known or self._named(total, hint)
        self.affine[name] = total
        return name

    def _named(self, expr: Expr, hint: str) -> Expr:
        return self._new(expr, (), "map", hint).element

    def _new(self, body: Expr, over: tuple[Idx, ...], op: Op, hint: str) -> Definition:
        letters = letters_of(body, self.parent.indices, over)
        definition = temporary(body, letters, over, op, hint, self.parent.where)
        self.made.append(definition)
        return definition


def from_zero(body: Expr) -> Expr:
    """Σ_{i=0}^{3} x[i + 1] for Σ_{i=1}^{4} x[i]: what is bound runs from 0 to its last value."""
    new: dict[Expr, Expr] = {}
    for node in postorder(body):
        args = tuple(new.get(arg, arg) for arg in node.args)
        made = node if args == node.args or node.is_Atom else node.func(*args)
        new[node] = _begun(made) if isinstance(made, (Sum, Reduction)) else made
    return new[body]


def _begun(node: Expr) -> Expr:
    """A reduction with an index of its own for each limit (i, lo, hi) but (i, 0, last)."""
    function, over = node.args[0], []
    for index, lower, upper in limits(node):
        if (lower, upper) != (0, index.upper):
            others = [i for i in free_indices(function) if i != index]
            own = fresh(Idx(index.label, upper - lower + 1), others)
            function = replace_indices(function, {index: own + lower})
            index = own
        over.append(index)
    return node if tuple(over) == bound_indices(node) else node.func(function, *over)


def read_by_names(body: Expr, named: Sequence[tuple[Expr, Expr]]) -> Expr:
    """The body with c·z for the terms of c·(s + b), a number c, in every sum that has them."""
    new: dict[Expr, Expr] = {}
    for node in postorder(body) if named else ():
        args = tuple(new.get(arg, arg) for arg in node.args)
        made = node if args == node.args or node.is_Atom else node.func(*args)
        for total, name in named if isinstance(made, Add) else ():
            made = _with_name(made, total, name)
        new[node] = made
    return new.get(body, body)


def _with_name(node: Expr, total: Expr, name: Expr) -> Expr:
    terms, wanted = node.as_coefficients_dict(), total.as_coefficients_dict()
    first = next(iter(wanted))
    number = terms.get(first, Integer(0)) / wanted[first]
    if number == 0 or any(terms.get(t, 0) != number * c for t, c in wanted.items()):
        return node
    return Add(*(t * c for t, c in terms.items() if t not in wanted), number * name)


def _summands(arg: Expr) -> list[Expr]:
    return [factor for term in Add.make_args(arg) for factor in Mul.make_args(term)]


