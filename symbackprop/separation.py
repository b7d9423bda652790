"""A penalty as a sum of terms that each read one entry, or one block through its norm.

    λ Σ_{i,j} |W[i,j]|                  one term:  λ·|w|  of every entry
    μ Σ_j √(Σ_i W[i,j]²)                one term:  μ·w    of the norm of every column
    Σ_{i,j} (|W[i,j]| + W[i,j]²)        two terms of every entry

The sums are taken apart by linearity alone; what a term does to an entry or a norm is then a
function of one variable w, and may be anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sympy import Add, And, Basic, Eq, Expr, Idx, Integer, Mul, S, Sum, Symbol
from sympy.logic.boolalg import Boolean

from symbackprop.broadcasting import letters_for
from symbackprop.errors import DerivationError
from symbackprop.indexing import bound_indices, free_indices, replace_indices, unshadowed
from symbackprop.minimising import w
from symbackprop.notation import (
    Definition,
    Element,
    Reduction,
    Tensor,
    TensorSymbol,
    elements_in,
    tensors_in,
)
from symbackprop.reductions import reduced

__all__ = ["Block", "Term", "inlined", "separated"]

Limits = tuple[tuple[Idx, Expr, Expr], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Entries of a tensor that are read together: all along the inner axes; one by one where there
    are none.  where: which entries these are, and centre: from what they are counted, w − centre,
    over the tensor's own letters."""

    tensor: Tensor
    inner: tuple[int, ...] = ()
    where: Boolean = S.true
    centre: Expr = S.Zero

    @property
    def letters(self) -> tuple[Idx, ...]:
        """An index for each axis, no two alike."""
        return letters_for(self.tensor.axes, [self.tensor])

    @property
    def outer(self) -> tuple[Idx, ...]:
        """The letters of which there is a block for each value."""
        return tuple(i for axis, i in enumerate(self.letters) if axis not in self.inner)

    @property
    def along(self) -> tuple[Idx, ...]:
        """The letters that run within a block."""
        return tuple(self.letters[axis] for axis in self.inner)


@dataclass(frozen=True, slots=True)
class Term:
    """Σ function(w), where w is an entry of the block's tensor, or the norm of the blocks, each
    counted from its centre."""

    function: Expr
    blocks: tuple[Block, ...]

    @property
    def is_norm(self) -> bool:
        """Whether w is a norm, and no entry."""
        return len(self.blocks) > 1 or bool(self.blocks[0].inner)


def inlined(expr: Expr, known: Mapping[Tensor, Definition] | None = None) -> Expr:
    """The expression with every defined tensor in it written out, as known or as declared."""
    known = known or {}
    while True:
        found = {e: known.get(e.tensor, e.tensor.definition) for e in elements_in(expr)}
        defined = {e: definition for e, definition in found.items() if definition is not None}
        if not defined:
            return expr
        written = {}
        for element, definition in defined.items():
            body = reduced(definition.op, definition.body, definition.over)
            places = getattr(element, "indices", ())
            written[element] = replace_indices(
                body, dict(zip(definition.indices, places, strict=True)))
        expr = expr.xreplace(written)


def separated(expr: Expr) -> tuple[Term, ...]:
    """The terms of a penalty or constraint, written in parameters, hypers and fixed data.

    Raises DerivationError for a part that reads several entries, and not through their norm.
    """
    return tuple(_term(limits, body) for limits, body in _addends(expr, ())
                 if _parameters(body))


def _parameters(expr: Expr) -> list[Expr]:
    return [e for e in elements_in(expr) if e.tensor.role == "parameter"]


def _addends(expr: Expr, limits: Limits) -> Iterator[tuple[Limits, Expr]]:
    """Σ over the limits of bodies that are no sums themselves."""
    if isinstance(expr, Add):
        for part in expr.args:
            yield from _addends(part, limits)
        return
    if isinstance(expr, Sum):
        clear = unshadowed(expr, [index for index, _, _ in limits])
        yield from _addends(clear.function, (*limits, *map(tuple, clear.limits)))
        return
    if isinstance(expr, Mul):
        reading = [factor for factor in expr.args if _parameters(factor)]
        if len(reading) == 1 and isinstance(reading[0], (Add, Sum, Mul)):
            clear = unshadowed(reading[0], free_indices(expr))
            rest = Mul(*(factor for factor in expr.args if factor is not reading[0]))
            for inner, body in _addends(clear, limits):
                yield inner, rest * body
            return
    yield limits, expr


def _term(limits: Limits, body: Expr) -> Term:
    inside, free = _sums_of_squares(body), _outside_sums(body)
    if len(free) == 1 and not inside:
        (element,) = free
        letters = _Letters(element, limits)
        return Term(letters.written(body.xreplace({element: w})), (letters.block(),))
    return _norm(limits, body, inside, free)


def _outside_sums(body: Expr) -> list[Expr]:
    """The entries of parameters that stand in no sum, maximum or minimum."""
    stack: list[Basic] = [body]
    found: dict[Expr, None] = {}
    while stack:
        node = stack.pop()
        if isinstance(node, (Sum, Reduction)):
            continue
        if isinstance(node, (Element, TensorSymbol)):
            if node.tensor.role == "parameter":
                found[node] = None
            continue
        stack.extend(reversed(node.args))
    return list(found)


def _sums_of_squares(body: Expr) -> list[Expr]:
    """The sums and other reductions that read parameters."""
    return [node for node in sorted(body.atoms(Sum, Reduction), key=str) if _parameters(node)]


def _norm(limits: Limits, body: Expr, sums: list[Expr], free: list[Expr]) -> Term:
    """A term that reads sums of squares, and squares of entries, and of these their sum only."""
    names = " and ".join(map(str, dict.fromkeys(_parameters(body))))
    refused = DerivationError(f"{body} reads {names} together: it does not separate into functions "
                              "of one entry, or of the norm of a block")
    function = body
    parts: list[Expr] = []
    found: list[_Letters] = []
    for node in (*sums, *(entry**2 for entry in free)):
        parts.append(Symbol(f"q{len(parts)}", nonnegative=True))
        scale, letters = (S.One, _Letters(node.base, limits)) if node.is_Pow else (
            _square(node, limits))
        function = function.xreplace({node: scale * parts[-1]})
        found.append(letters)
    blocks = tuple(letters.block() for letters in found)
    total = Symbol("q", nonnegative=True)
    function = function.xreplace({parts[0]: total - Add(*parts[1:])})
    function = function.expand() if function.has(*parts) else function
    apart = len({block.tensor for block in blocks}) < len(blocks)
    if function.has(*parts, *free) or apart or len({block.outer for block in blocks}) > 1:
        raise refused
    return Term(found[0].written(function.xreplace({total: w**2})), blocks)


def _square(node: Expr, limits: Limits) -> tuple[Expr, _Letters]:
    """a and the letters of the sum a·Σ (W[…] − c)²; raises DerivationError for another one."""
    entries = list(dict.fromkeys(_parameters(node)))
    inner = tuple(map(tuple, node.limits)) if isinstance(node, Sum) else ()
    if len(entries) == 1 and inner:
        body = node.function.expand()
        scale, slope = body.coeff(entries[0], 2), body.coeff(entries[0], 1)
        centre = (-slope / (2 * scale)).expand() if scale != 0 else S.Zero
        exact = (scale * (entries[0] - centre)**2 - body).expand() == 0
        if exact and not _parameters(scale + centre) and scale != 0 and not set(
                free_indices(scale)) & set(bound_indices(node)):
            return scale, _Letters(entries[0], limits, inner, centre)
    raise DerivationError(f"{node} is no sum of squares of one parameter: the penalty does not "
                          "separate into functions of one entry, or of the norm of a block")


@dataclass(slots=True)
class _Letters:
    """How the indices of a term are the letters of the tensor that it reads an entry of."""

    element: Expr
    outer: Limits
    along: Limits = ()
    centre: Expr = S.Zero
    new: dict[Idx, Expr] = field(default_factory=dict)
    where: Boolean = S.true
    inner: tuple[int, ...] = ()
    times: Expr = S.One

    def __post_init__(self) -> None:
        tensor = self.element.tensor
        letters = letters_for(tensor.axes, [tensor])
        bounds = {index: (low, high) for index, low, high in (*self.outer, *self.along)}
        inside = {index for index, _, _ in self.along}
        places = getattr(self.element, "indices", ())
        for axis, (place, letter) in enumerate(zip(places, letters, strict=True)):
            index = next(iter(free_indices(place)), None)
            if index is None and place.is_Integer:
                self.where = And(self.where, Eq(letter, place))
                continue
            shift = place - index if index in bounds and index not in self.new else None
            if shift is None or not isinstance(shift, Integer):
                raise DerivationError(f"{self.element} is read at {place}, which is no index of "
                                      "its own for that axis: the penalty does not separate")
            low, high = (end + shift for end in bounds[index])
            if (low, high) != (0, tensor.axes[axis] - 1):
                self.where = And(self.where, letter >= low, letter <= high)
            self.new[index] = letter - shift
            self.inner += (axis,) if index in inside else ()
        for index, (low, high) in bounds.items():
            self.times *= 1 if index in self.new else high - low + 1

    def block(self) -> Block:
        """The block that the element stands for."""
        return Block(self.element.tensor, self.inner, self.where, self._moved(self.centre))

    def written(self, function: Expr) -> Expr:
        """A function of w over the letters of the tensor."""
        if any(t.role == "parameter" for t in tensors_in(function)):
            raise DerivationError(f"{function} reads two parameters: it does not separate")
        return self.times * self._moved(function)

    def _moved(self, function: Expr) -> Expr:
        unused = [i for i, _, _ in (*self.outer, *self.along) if i not in self.new]
        if set(unused) & set(free_indices(function)):
            raise DerivationError(f"{self.element} is read for every {unused[0]}, each time "
                                  "otherwise: the penalty does not separate; take the sum over "
                                  f"{unused[0]} of its factor alone")
        return replace_indices(function, self.new)
