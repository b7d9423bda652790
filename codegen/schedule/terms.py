"""write_out(nest, order): a few terms of a sum or maximum in one body, where rows are added to.

    for a: for b: for n: m[u,v,n] = max(m[u,v,n], h[2u+a,2v+b,n])
    for n: m[u,v,n] = max(h[2u,2v,n], h[2u,2v+1,n], h[2u+1,2v,n], h[2u+1,2v+1,n])

A row in memory is loaded and stored once for all of these terms, which takes longer than a term.
A bound index of more values is cut into parts of a few: of 16 channels four are added at once.
More than six arrays in one loop LLVM no longer tells apart, and makes no vectors of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sympy import Add, Expr, Idx, Max, Min

from symbackprop.codegen.lowering import Nest
from symbackprop.notation import Op, extent

MOST = 6  # terms
PARTS = (4, 3, 2)  # terms of an index that has more values, if they divide their number
_JOINED = {"sum": Add, "max": Max, "min": Min}


def write_out(found: Nest, order: tuple[Idx, ...]) -> tuple[Nest, tuple[Idx, ...]]:
    """The nest with fewer bound indices, and the order of those that are left."""
    if found.op not in _JOINED or not order or order[-1] not in found.target.atoms(Idx):
        return found, order
    terms: list[dict[Idx, Expr]] = [{}]
    for index in _counters(found, order):
        length = int(extent(index))
        if length * len(terms) <= MOST:
            terms = [{**term, index: place} for place in range(length) for term in terms]
            order = tuple(i for i in order if i != index)
    index = next(_counters(found, order), None)
    if len(terms) == 1 and index is not None:
        length = next((part for part in PARTS if extent(index) % part == 0), 1)
        part = Idx(index.label, (0, extent(index) // length - 1))
        terms = [{index: part * length + place} for place in range(length)]
        order = tuple(part if i == index else i for i in order)
    over = tuple(i for i in order if i not in found.free)
    bodies = [found.body.xreplace(term) for term in terms]
    body = bodies[0] if len(bodies) == 1 else _JOINED[found.op](*bodies)
    op: Op = found.op if over or found.is_scatter else "map"
    return replace(found, body=body, over=over, op=op), order


def _counters(found: Nest, order: tuple[Idx, ...]) -> Iterator[Idx]:
    """The indices that only count the terms, innermost first."""
    for index in reversed(order):
        if (index in found.over and index not in found.target.atoms(Idx) and index.lower == 0
                and extent(index).is_Integer
                and not any(index in extent(i).atoms(Idx) for i in order)):
            yield index
