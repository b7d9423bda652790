"""write_out(nest, order): a few terms of a sum or maximum in one body, where rows are added to.

    for a: for b: for n: m[u,v,n] = max(m[u,v,n], h[2u+a,2v+b,n])
    for n: m[u,v,n] = max(h[2u,2v,n], h[2u,2v+1,n], h[2u+1,2v,n], h[2u+1,2v+1,n])

A row in memory is loaded and stored once for all of these terms, which takes longer than a term.
A bound index of more values is cut into parts of a few: of 16 channels four are added at once.
More than six arrays beside one that is written LLVM no longer tells apart, and makes no vectors.
A sum along rows, Σ_{u,v,n} x[u,v,n]·y[u,v,n], has several rows in one loop: what begins and ends
a loop takes as long as ten vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sympy import Add, Expr, Idx, Max, Min

from symbackprop.codegen.ir import Assign
from symbackprop.codegen.lowering import Nest
from symbackprop.codegen.schedule.flattening import is_run
from symbackprop.notation import Op, extent

MOST = 6  # terms, beside a row that is written
PARTS = (4, 3, 2)  # terms of an index that has more values, if they divide their number
LONG = 8  # terms of a sum along rows
_JOINED = {"sum": Add, "max": Max, "min": Min}


def write_out(found: Nest, order: tuple[Idx, ...]) -> tuple[Nest, tuple[Idx, ...]]:
    """The nest with fewer bound indices, and the order of those that are left."""
    if found.op not in _JOINED or not order:
        return found, order
    is_filled = order[-1] in found.target.atoms(Idx)
    if not is_filled and extent(order[-1]).is_Integer:
        return found, order
    most, parts = (MOST, PARTS) if is_filled else (LONG, tuple(range(LONG, 1, -1)))
    terms: list[dict[Idx, Expr]] = [{}]
    for index in _counters(found, order):
        length = int(extent(index))
        if length * len(terms) <= most:
            terms = [{**term, index: place} for place in range(length) for term in terms]
            order = tuple(i for i in order if i != index)
    index = next(_counters(found, order), None)
    if len(terms) == 1 and index is not None:
        length = next((part for part in parts if extent(index) % part == 0), 1)
        part = Idx(index.label, (0, extent(index) // length - 1))
        terms = [{**terms[0], index: part * length + place} for place in range(length)]
        order = tuple(part if i == index else i for i in order)
    over = tuple(i for i in order if i not in found.free)
    bodies = [found.body.xreplace(term) for term in terms]
    body = bodies[0] if len(bodies) == 1 else _JOINED[found.op](*bodies)
    op: Op = found.op if over or found.is_scatter else "map"
    return replace(found, body=body, over=over, op=op), order


def _counters(found: Nest, order: tuple[Idx, ...]) -> Iterator[Idx]:
    """The indices that only count the terms and do not run along rows, innermost first."""
    alone = Assign(found.target, found.body)
    run = next((order[place:] for place in range(len(order)) if is_run(alone, order[place:])), ())
    for index in reversed(order):
        if (index in found.over and index not in (*found.target.atoms(Idx), *run, order[-1])
                and index.lower == 0 and extent(index).is_Integer):
            yield index
