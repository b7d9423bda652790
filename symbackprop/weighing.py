"""Weights: what reads a parameter says that it is one, what enters a unit, what leaves an input.

    Σ_i x[n,i]·W[i,j]                          a unit j:    all i        an input i:   all j
    Σ_{c,a} x[n,c,s·u + a]·W[f,c,a]            a channel f: all c and a  a channel c:  all f and a
    E[w[n],d]                                  the vector of a label, for both: all d

What enters a unit is summed in the product that reads a weight.  Of the letters that are summed,
those that stand alone in what the weight meets are its inputs; an a that slides, s·u + a, belongs
to every place.  No layer is known by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sympy import Basic, Expr, Idx, Mul, Sum

from symbackprop.broadcasting import axes_of
from symbackprop.errors import DeclarationError
from symbackprop.indexing import bound_indices, free_indices
from symbackprop.notation import (
    Definition,
    Element,
    Reduction,
    Tensor,
    elements_in,
    tensors_in,
)
from symbackprop.randomness import without_noise

__all__ = ["check_axis", "group", "weights"]

Letters = frozenset[Idx]


def weights(definitions: Iterable[Definition]) -> tuple[Tensor, ...]:
    """The parameters that stand in a product inside a sum over one of their own indices.

    So does, with the one-hot rows of the labels, an embedding that is read by a gather.  The other
    parameters are biases and scales.

    >>> import symbackprop as sb
    >>> x, W, b = sb.data("x", sb.size("N"), 64), sb.parameter("W", 64, 32), sb.parameter("b", 32)
    >>> weights(sb.program(sb.tanh(x @ W + b)))
    (<parameter W[i, j]>,)
    """
    found: dict[Tensor, None] = {}
    for definition in definitions:
        found.update((element.tensor, None) for element, *_ in _factors(definition))
        found.update((element.tensor, None) for element in _gathers(definition))
    return tuple(sorted((t for t in found if t.role == "parameter"), key=lambda t: t.serial))


def check_axis(axis: Any, spoken: str) -> None:
    """Raises DeclarationError for a word that says of no group what it is."""
    if isinstance(axis, str) and axis not in ("unit", "input"):
        raise DeclarationError(f'{spoken}: axis must be "input" or "unit", an int or a tuple of '
                               f"ints, not {axis!r}")


def group(axis: Any, tensor: Tensor, definitions: Sequence[Definition], spoken: str
          ) -> tuple[int, ...]:
    """The axes along which a group of entries lies: "unit", all that enters one; "input", all that
    leaves one; or those that are given by positions.

    Both follow from the first definition that says something; where none does, the tensor is taken
    for W[inputs …, outputs].  A vector is one group.
    Raises DeclarationError for an axis that there is none of.

    >>> import symbackprop as sb
    >>> K = sb.parameter("K", 8, 3, 5)
    >>> p = sb.program(sb.layers.convolution(sb.data("x", sb.size("N"), 3, 28), 8, 5, weight=K))
    >>> group("unit", K, p, "a norm"), group("input", K, p, "a norm")
    ((1, 2), (0, 2))
    """
    if not isinstance(axis, str):
        return axes_of(axis, tensor.rank, spoken)
    whole = tuple(range(tensor.rank))
    found = (use for definition in definitions for use in _uses(tensor, definition))
    entering, inputs = next(found, (whole[:-1], whole[:-1]))
    chosen = entering if axis == "unit" else tuple(a for a in whole if a not in inputs)
    return chosen or whole


def _uses(tensor: Tensor, definition: Definition
          ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The axes that enter a unit, and those of the inputs, wherever a definition reads a tensor."""
    for element in _gathers(definition):
        if element.tensor is tensor:
            chosen = tuple(a for a, index in enumerate(element.indices) if index.has(Element))
            yield tuple(a for a in range(tensor.rank) if a not in chosen), chosen
    for element, product, summed in _factors(definition):
        met = [e for factor in product.args for e in elements_in(factor)
               if e.tensor is not tensor and e.tensor.role != "hyper" and isinstance(e, Element)
               and element not in _through_products(factor)]
        if element.tensor is tensor and met:
            slides = {letter for e in met for index in e.indices
                      if len(index.atoms(Idx)) > 1 for letter in index.atoms(Idx)}
            yield _axes(element, summed), _axes(element, summed - slides)


def _axes(element: Element, letters: Letters) -> tuple[int, ...]:
    return tuple(a for a, index in enumerate(element.indices) if index.atoms(Idx) & letters)


def _gathers(definition: Definition) -> Iterator[Element]:
    """The reads at indices that are data themselves."""
    for element in elements_in(definition.body):
        if any(index.has(Element) for index in element.args[1:]):
            yield element


def _factors(definition: Definition) -> Iterator[tuple[Element, Mul, Letters]]:
    """The factors of products inside sums over one of their indices, each with its product and the
    letters of the innermost sum around it."""
    over = frozenset(definition.over if definition.op == "sum" else ())
    body = without_noise(definition.body)  # with noise on it a weight is one still
    stack: list[tuple[Basic, Letters, Letters, bool]] = [(body, over, over, True)]
    seen: set[tuple[Basic, Letters, Letters, bool]] = set()
    while stack:
        place = stack.pop()
        if place in seen:
            continue
        seen.add(place)
        node, bound, own, nested = place
        if isinstance(node, (Sum, Reduction)):
            inner = frozenset(bound_indices(node)) if isinstance(node, Sum) else frozenset()
            stack.append((node.args[0], bound | inner, own | inner if nested else inner, True))
            continue
        if isinstance(node, Mul) and sum(bool(tensors_in(f)) for f in node.args) > 1:
            for element in (e for factor in node.args for e in _through_products(factor)):
                if bound.intersection(free_indices(element)):
                    yield element, node, own
        stack.extend((arg, bound, own, False) for arg in node.args)


def _through_products(factor: Expr) -> Iterator[Element]:
    """The element that a factor is; for an unnamed product such as W*mask, the elements in it."""
    if not isinstance(factor, Element):
        return
    yield factor
    definition = factor.tensor.definition
    if definition is None or factor.tensor.name is not None or definition.op != "map":
        return
    body = without_noise(definition.body)
    inside = body.args if isinstance(body, Mul) else (body,)
    mapping = dict(zip(definition.indices, factor.indices, strict=True))
    for part in inside:
        if isinstance(part, Element) and set(definition.indices) <= set(part.indices):
            yield part.xreplace(mapping)
