"""One statement for an entry, and the loop over all entries of arrays that are seen as flat.

    for entry in range((high - low)*256):
        W1_flat[entry] = W1_flat[entry] - rate*t3_flat[entry]

    for u in range(6):                                            a run: the last places of arrays
        h_flat, x_flat = along(h, (f, u)), along(x, (i, a + u, b))
        W_value = W[f, i, a, b]
        for entry in range(6*rows):
            h_flat[entry] += x_flat[entry]*W_value

LLVM makes whole vectors of such a loop if it sees that entries are counted from 0, and that what is
written lies where it is read, or elsewhere for sure.  So a part of an array is cut out before it is
seen as flat, arrays in the same memory have one name, and a number that lies in memory is read
before the loop: Adam's update of 784×256 weights took 505 µs without, and takes 83.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace

from sympy import Expr, Idx

from symbackprop.codegen.extents import count, ends
from symbackprop.codegen.ir import PART, Accumulate, Assign
from symbackprop.codegen.naming import distinct
from symbackprop.codegen.scalars import Scope
from symbackprop.notation import Element, elements_in

_UPDATES = {
    "sum": "{target} += {value}",
    "max": "{target} = maximum({target}, {value})",
    "min": "{target} = minimum({target}, {value})",
}


def assignment(statement: Assign | Accumulate, scope: Scope) -> str:
    """The line that stores an entry, or adds to it."""
    match statement:
        case Assign(target, value):
            return f"{scope.entry(target)} = {scope.value(value, target.tensor)}"
        case Accumulate(op, target, value, None):
            return _UPDATES[op].format(target=scope.entry(target), value=scope.real(value))
        case Accumulate(_, target, value, rest):
            pair = f"{scope.entry(target)}, {scope.entry(rest)}"
            return f"{pair} = " + (f"added({pair}, {scope.real(value)})" if value != 0
                                   else f"carried({pair})")


def flat_lines(indices: tuple[Idx, ...], body: Assign | Accumulate, scope: Scope) -> Iterator[str]:
    """One loop over all entries of a run; what stays where it is is read before it, and a sum that
    stays where it is is written after it."""
    runs, fixed = _met(indices, body, scope)
    named = {scope.places.get(e.tensor, e.tensor): scope.tensors[e.tensor] for e in runs}
    sources = {e: _source(e, indices, scope, named) for e in runs}
    kept = {source: e for e, source in sources.items()}  # what is written where it is read is one
    flat = distinct([f"{scope.tensors[e.tensor]}_flat" for e in kept.values()],
                    scope.tensors.values())
    called = dict(zip(kept, flat, strict=True))
    yield f"{', '.join(flat)} = {', '.join(called)}"
    values = dict(zip(fixed, distinct([f"{scope.tensors[e.tensor]}_value" for e in fixed],
                                      (*scope.tensors.values(), *flat)), strict=True))
    yield from (f"{value} = {scope.entry(e)}" for e, value in values.items())

    def seen(entries: Mapping[str, str]) -> Scope:
        names = {e: called[source] for e, source in sources.items()}
        read = {e: f"{entries.get(name, name)}[entry]" for e, name in names.items()}
        return replace(scope, runs={**values, **read})

    stop = count(indices, scope)
    if isinstance(body, Assign) or body.rest is None or isinstance(body.target, Element):
        yield f"for entry in range({stop}):"
        yield f"    {assignment(body, seen({}))}"
        yield from (f"{scope.entry(e)} = {values[e]}" for e in _written(body) if e in values)
        return
    register, rest = scope.entry(body.target), scope.entry(body.rest)
    yield f"for block in range(0, {stop}, {PART}):"
    begin, end, near = "block", f"min(block + {PART}, {stop})", {}
    if not re.fullmatch(r"[\d*]+", stop):  # LLVM knows no end, and asks for negative entries
        blocks = distinct([f"{name.removesuffix('_flat')}_block" for name in flat],
                          (*scope.tensors.values(), *flat))
        yield (f"    {', '.join(blocks)} = "
               + ", ".join(f"{name}[block:block + {PART}]" for name in flat))
        near = dict(zip(flat, blocks, strict=True))
        begin, end = "0", f"min({PART}, {stop} - block)"
    yield "    part = real(0)"
    yield f"    for entry in range({begin}, {end}):"
    yield f"        part += {seen(near).real(body.value)}"
    yield f"    {register}, {rest} = added({register}, {rest}, part)"


def _met(indices: tuple[Idx, ...], body: Assign | Accumulate, scope: Scope
         ) -> tuple[list[Expr], list[Expr]]:
    """The entries that a run steps through, and those that lie in memory and stay the same."""
    wanted = [*_written(body), *elements_in(body.value)]
    met = dict.fromkeys(e for e in wanted if e.tensor not in scope.scalars)
    runs = [e for e in met if e.atoms(Idx) & set(indices)]
    return runs, [e for e in met if e not in runs]


def _written(body: Assign | Accumulate) -> list[Expr]:
    """The entries that a statement writes: its target, and what its sum has lost."""
    rest = body.rest if isinstance(body, Accumulate) else None
    return [body.target, rest] if isinstance(rest, Element) else [body.target]


def _source(access: Expr, indices: tuple[Idx, ...], scope: Scope, named: Mapping[Hashable, str]
            ) -> str:
    """Where the run of an access begins, as an array of one axis."""
    first, end = ends(indices[0], scope)
    before = len(access.indices) - len(indices)
    start = access.indices[before] - indices[0]
    part = first != "0"  # from 0 on: else LLVM asks for negative ones
    tensor = access.tensor
    name = named[scope.places.get(tensor, tensor)] if part else scope.tensors[tensor]
    if not before and start == 0:
        return f"flat({name}{f'[{first}:{end}]' if part else ''})"
    places = [scope.integer(place) for place in access.indices[:before]]
    begin = [first] * part + ([scope.integer(start)] if start != 0 else [])
    places += [" + ".join(begin)] if begin else []
    comma = "," if len(places) == 1 else ""
    return f"along({name}, ({', '.join(places)}{comma}))"
