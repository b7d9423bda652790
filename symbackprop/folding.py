"""Unnamed temporaries of array notation are written into the one definition that reads them.

    t1[n,j] = Σ_i x[n,i]·W[i,j],  h[n,j] = tanh(t1[n,j] + b[j])   ⇒   h[n,j] = tanh(Σ_i … + b[j])

so that sb.tanh(x @ W + b) becomes what one writes by hand.  A temporary is folded if it is read
once, by exactly the indices that run at that place (else it would be computed again and again),
and the body stays small.  So Σ_i t[i,i] of t = A @ B becomes Σ_i Σ_k A[i,k]·B[k,i], which costs a
diagonal instead of a matrix product.  Layers' own z, h, p and all that the user named are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sympy import Basic, Idx, Piecewise, Sum

from symbackprop.indexing import bound_indices, replace_indices
from symbackprop.notation import Definition, Element, Reduction, Tensor, TensorSymbol

_HINTS = frozenset({"t", "L", "R"})
_MOST_NODES = 80  # of a body with axes; a loss is longer: it is read as a whole
_MOST_NODES_OF_SCALARS = 800


def fold(definitions: Sequence[Definition], keep: Iterable[Tensor] = ()) -> tuple[Definition, ...]:
    """The same definitions without the temporaries that are read once; those in `keep` stay.

    >>> import symbackprop as sb
    >>> x, w = sb.data("x", 4), sb.parameter("w", 4)
    >>> print(sb.program((x*w).sum()))
    L = Σ_i x[i]·w[i]
    """
    wanted = frozenset(keep)
    reads = _reads(definitions)
    folded: dict[Tensor, Definition] = {}
    gone: set[Tensor] = set()
    for definition in definitions:
        body, size = definition.body, _nodes(definition.body)
        for element in _places(definition):
            tensor = element.tensor
            made = folded.get(tensor)
            if made is None or tensor in wanted or reads[tensor] != 1 or not _temporary(made):
                continue
            extra = _nodes(made.body)
            most = _MOST_NODES if definition.indices else _MOST_NODES_OF_SCALARS
            if size + extra > most or _binds(made.body, element) or _lifts(made.body, body):
                continue
            indices = element.indices if isinstance(element, Element) else ()
            mapping = dict(zip(made.indices, indices, strict=True))
            body = body.xreplace({element: replace_indices(made.body, mapping)})
            size += extra
            gone.add(tensor)
        folded[definition.target] = replace(definition, body=body)
    return tuple(d for d in folded.values() if d.target not in gone)


def _temporary(definition: Definition) -> bool:
    tensor = definition.target
    return tensor.name is None and tensor.hint in _HINTS and definition.op == "map"


def _reads(definitions: Sequence[Definition]) -> dict[Tensor, int]:
    """How often each tensor is read, in all definitions."""
    counts: dict[Tensor, int] = {}
    for definition in definitions:
        stack: list[Basic] = [definition.body]
        seen: set[Basic] = set()
        while stack:
            node = stack.pop()
            if isinstance(node, (Element, TensorSymbol)):
                counts[node.tensor] = counts.get(node.tensor, 0) + 1
                stack.extend(node.args[1:])
            elif node not in seen:
                seen.add(node)
                stack.extend(node.args)
    return counts


def _places(definition: Definition) -> list[Element | TensorSymbol]:
    """The accesses whose indices are exactly those that run where they stand."""
    found: dict[Element | TensorSymbol, None] = {}
    running = frozenset((*definition.indices, *definition.over))
    stack: list[tuple[Basic, frozenset[Idx]]] = [(definition.body, running)]
    seen = set()
    while stack:
        node, running = stack.pop()
        if isinstance(node, TensorSymbol):
            if not running:
                found[node] = None
        elif isinstance(node, Element):
            if frozenset(node.indices) == running:  # of t[i,i], the diagonal alone is computed
                found[node] = None
            stack.extend((index, running) for index in node.indices)
        elif (node, running) not in seen:
            seen.add((node, running))
            if isinstance(node, (Sum, Reduction)):
                running |= frozenset(bound_indices(node))
                stack.append((node.args[0], running))
            else:
                stack.extend((arg, running) for arg in reversed(node.args))
    return list(found)


def _binds(body: Basic, element: Element | TensorSymbol) -> bool:
    """Whether a sum in the body runs over a letter that the element is read with."""
    letters = {str(index) for index in element.args[1:]}
    sums = body.atoms(Sum) | body.atoms(Reduction)
    return any(str(index) in letters for node in sums for index in bound_indices(node))


def _lifts(inner: Basic, outer: Basic) -> bool:
    """Whether SymPy would move a Piecewise out of a sum within a sum, which changes its meaning."""
    return inner.has(Piecewise) and _depth(inner) + _depth(outer) > 1


def _depth(body: Basic) -> int:
    """How many sums and maxima stand within each other."""
    deepest, stack = 0, [(body, 0)]
    while stack:
        node, depth = stack.pop()
        depth += isinstance(node, (Sum, Reduction))
        deepest = max(deepest, depth)
        stack.extend((arg, depth) for arg in node.args)
    return deepest


def _nodes(body: Basic) -> int:
    count, stack = 0, [body]
    while stack and count <= _MOST_NODES_OF_SCALARS:
        node = stack.pop()
        count += 1
        if not isinstance(node, (Element, TensorSymbol)):
            stack.extend(node.args)
    return count
