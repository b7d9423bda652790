"""inline(program): a temporary map that is read once is computed where it is read.

    t[n,k] = d[n,k] − s[n],  L = Σ_{n,k} y[n,k]·t[n,k]   →   L = Σ_{n,k} y[n,k]·(d[n,k] − s[n])

Only where nothing is computed twice: the reader's loops are those of the temporary.  Operands of
a matrix product stay, and so does everything that the user named.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sympy import Expr, Idx

from symbackprop.codegen.lowering import nest
from symbackprop.codegen.schedule.products import product
from symbackprop.conditions import joined_conditions
from symbackprop.notation import Definition, Element, Program, Tensor, elements_in
from symbackprop.rules.forms import weight

HEAVIEST = 60


def inline(program: Program) -> Program:
    """The same outputs by fewer definitions."""
    wanted = {*program.outputs, *(t for pair in program.updates for t in pair)}
    reads = Counter(e.tensor for d in program for e in elements_in(d.body))
    held: dict[Tensor, Definition] = {}
    made: list[Definition] = []
    for definition in program:
        definition = _with_held(definition, held)
        target = definition.target
        if target.name is None and target not in wanted and reads[target] == 1 and (
                _may_move(definition)):
            held[target] = definition
        else:
            made.append(definition)
    return replace(program, definitions=tuple(_restored(made, held)))


def _may_move(definition: Definition) -> bool:
    found = nest(definition)
    return definition.op == "map" and not found.is_scatter and bool(definition.indices)


def _with_held(definition: Definition, held: dict[Tensor, Definition]) -> Definition:
    """The definition with held temporaries written out where that repeats no work."""
    body = definition.body
    for element in elements_in(definition.body):
        source = held.get(element.tensor)
        if source is None or product(definition) is not None:
            continue
        if _covers(element, definition) and weight(body) + weight(source.body) <= HEAVIEST:
            moved = dict(zip(source.indices, element.indices, strict=True))
            body = body.xreplace({element: source.body.xreplace(moved)})
    return replace(definition, body=joined_conditions(body))


def _covers(element: Expr, reader: Definition) -> bool:
    found = nest(reader)
    indices = element.indices if isinstance(element, Element) else ()
    return (all(isinstance(i, Idx) for i in indices) and len(set(indices)) == len(indices)
            and set(indices) == {*found.free, *found.over})


def _restored(made: list[Definition], held: dict[Tensor, Definition]) -> list[Definition]:
    """The definitions with those held ones put back, before their reader, that are still read."""
    found: list[Definition] = []
    for definition in made:
        stack = [definition]
        pending: list[Definition] = []
        while stack:
            current = stack.pop()
            pending.append(current)
            stack.extend(held[e.tensor] for e in elements_in(current.body) if e.tensor in held)
        found.extend(reversed(pending))
    return found
