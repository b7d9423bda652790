"""Unnamed products and sums of array notation stand in a gradient as what they are: X W − Y for t1.

    t1 = x @ W − y,  L = (t1*t1).sum()      ∂L/∂W = 2 Xᵀ (X W − Y)      rather than 2 Xᵀ T1

Nobody called it t1, so a reader would have to look it up.  What the user named keeps its name,
and so does what is long, or is neither a sum of products nor a function of one tensor.
"""

from __future__ import annotations

from collections.abc import Collection

from sympy import Add, Expr, Function, Idx, Integer, Mul, Number, Pow, Sum, Symbol

from symbackprop.indexing import bound_indices, replace_indices, unshadowed
from symbackprop.normal import postorder
from symbackprop.notation import Definition, Element, Tensor, TensorSymbol, elements_in
from symbackprop.printing.index import right_hand_side
from symbackprop.rules.sums import with_factors_outside

LONGEST = 8  # tensors that stand for one
DEEPEST = 8


def spelled_out(definition: Definition, names: Collection[Tensor]) -> Definition:
    """The definition of an adjoint with temporaries written out; names: those of all lines."""
    if definition.adjoint_of is None:
        return definition
    body = right_hand_side(definition)
    taken = {*definition.indices, *_bound(body)}
    contents = {element: _at(element, found, taken) for element in elements_in(body)
                if (found := _content(element.tensor, names, DEEPEST)) is not None}
    if not contents:
        return definition
    written = with_factors_outside(body.xreplace(contents))
    return Definition(definition.target, definition.indices, written,
                      where=definition.where, adjoint_of=definition.adjoint_of)


def _at(element: Expr, content: Expr, taken: Collection[Idx]) -> Expr:
    places = element.indices if isinstance(element, Element) else ()
    mapping = dict(zip(element.tensor.definition.indices, places, strict=True))
    return unshadowed(replace_indices(content, mapping), taken)


def _content(tensor: Tensor, names: Collection[Tensor], depth: int) -> Expr | None:
    """A short sum of products of what has a name; None where the tensor is no such temporary."""
    made = tensor.definition
    if made is None or tensor.name is not None or tensor.hint != "t" or not tensor.axes:
        return None
    if made.op != "map" or not depth or not _plain(made.body):
        return None
    taken, contents = {*made.indices, *_bound(made.body)}, {}
    for element in elements_in(made.body):
        found = _content(element.tensor, names, depth - 1)
        if found is not None:
            contents[element] = _at(element, found, taken)
        elif element.tensor not in names:
            return None
    body = made.body.xreplace(contents)
    return body if len(elements_in(body)) <= LONGEST else None


def _plain(body: Expr) -> bool:
    """Whether this is a sum of products, or a function or power of one entry: exp(x[i])."""
    if isinstance(body, (Function, Pow)) and all(
            isinstance(arg, (Element, Integer)) for arg in body.args):
        return True
    kinds = (Add, Mul, Sum, Number, Element, TensorSymbol)
    return all(isinstance(node, kinds) or (isinstance(node, Symbol) and node.is_positive)
               for node in postorder(body) if isinstance(node, Expr) and not isinstance(node, Idx))


def _bound(body: Expr) -> set[Idx]:
    return {index for node in postorder(body) if isinstance(node, Sum)
            for index in bound_indices(node)}
