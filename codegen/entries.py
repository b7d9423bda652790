"""One statement for an entry, and the loop over all entries of arrays that are seen as flat.

    for entry in range((high - low)*256):
        W1_flat[entry] = W1_flat[entry] - rate*t3_flat[entry]

LLVM makes whole vectors of such a loop if it sees that entries are counted from 0, and that what is
written lies where it is read, or elsewhere for sure.  So a part of an array is cut out before it is
seen as flat, arrays in the same memory have one name, and a number that lies in memory is read
before the loop: Adam's update of 784×256 weights took 505 µs without, and takes 83.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sympy import Idx

from symbackprop.codegen.extents import count, ends
from symbackprop.codegen.ir import PART, Accumulate, Assign
from symbackprop.codegen.naming import distinct
from symbackprop.codegen.scalars import Scope
from symbackprop.notation import Element, elements_in, tensors_in

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
    """One loop over all entries; what is read and written at [i,j] is seen as flat."""
    wanted = [body.target, *elements_in(body.value)]
    tensors = dict.fromkeys(e.tensor for e in wanted if isinstance(e, Element))
    first, end = ends(indices[0], scope)
    part = "" if first == "0" else f"[{first}:{end}]"  # from 0 on: else LLVM asks for negative ones
    places = {t: scope.places.get(t, t) if part else t for t in tensors}
    kept = {place: t for t, place in places.items()}  # what is written where it is read is one
    names = [scope.tensors[t] for t in kept.values()]
    flat = distinct([f"{name}_flat" for name in names], scope.tensors.values())
    yield f"{', '.join(flat)} = {', '.join(f'flat({name}{part})' for name in names)}"
    called = dict(zip(kept, flat, strict=True))
    numbers = [t for t in tensors_in(body.value) if not t.rank and t not in scope.scalars]
    values = dict(zip(numbers, distinct([f"{scope.tensors[t]}_value" for t in numbers],
                                        (*scope.tensors.values(), *flat)), strict=True))
    yield from (f"{value} = {scope.tensors[t]}[()]" for t, value in values.items())
    seen = replace(scope, scalars=scope.scalars | {*values}, flat="entry", tensors={
        **scope.tensors, **values, **{t: called[place] for t, place in places.items()}})
    stop = count(indices, scope)
    if isinstance(body, Assign) or body.rest is None:
        yield f"for entry in range({stop}):"
        yield f"    {assignment(body, seen)}"
        return
    register, rest = scope.entry(body.target), scope.entry(body.rest)
    yield f"for block in range(0, {stop}, {PART}):"
    begin, end = "block", f"min(block + {PART}, {stop})"
    if not re.fullmatch(r"[\d*]+", stop):  # LLVM knows no end, and asks for negative entries
        blocks = distinct([f"{name}_block" for name in names], (*scope.tensors.values(), *flat))
        yield (f"    {', '.join(blocks)} = "
               + ", ".join(f"{name}[block:block + {PART}]" for name in flat))
        near = dict(zip(flat, blocks, strict=True))
        seen = replace(seen, tensors={t: near.get(name, name) for t, name in seen.tensors.items()})
        begin, end = "0", f"min({PART}, {stop} - block)"
    yield "    part = real(0)"
    yield f"    for entry in range({begin}, {end}):"
    yield f"        part += {seen.real(body.value)}"
    yield f"    {register}, {rest} = added({register}, {rest}, part)"
