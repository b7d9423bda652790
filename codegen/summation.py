"""Long sums, added up so that float32 keeps its digits.

    total = rest = 0
    for block in range(0, N, 128):          a part of 128 terms, added as usual
        part = 0
        for n in …: part += …
        total, rest = added(total, rest, part)

One float32 register for 200,000 equal terms is off by 1e-2: past 2²⁴ units of what is added, it
stands still.  So a long sum is cut into parts that are added as usual, and fast; parts are
added with what the last addition has rounded off (Kahan), which costs four operations a part.
A sum that runs in memory, row after row, keeps a `rest` for each of its entries, to which a block
of rows is added as usual; then the rest goes over into the total, but for what that rounds off.
Plain sums of parts (two levels) were tried: for 200,000 equal terms 1e-5 remained.

What is short stays as it is: a sum over a few values inside of other loops is no place for this.
The form of a total of rank 0 depends on its indices and not on their extents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sympy import Expr, Idx, Integer, S, Symbol

from symbackprop.codegen.ir import Accumulate, Assign, Blocks, Loop, Statement
from symbackprop.notation import Op, Tensor, TensorSymbol, extent

MOST_GROUPS = 8
GROUPS = Symbol("‹groups›", integer=True, positive=True)  # of tiles: a few; no size of the user's
ROWS = Symbol("‹rows›", integer=True, positive=True)  # of one tile: few enough to be added singly
BLOCK = 128  # terms that are added one by one
CARRIED = 64  # rows that are added in memory one by one
LONGEST = 4096  # terms that one register takes, where they are added in lanes
ACCUMULATORS: dict[Op, TensorSymbol] = {
    "sum": Tensor("total", (), (), "intermediate").symbol,
    "max": Tensor("largest", (), (), "intermediate").symbol,
    "min": Tensor("smallest", (), (), "intermediate").symbol,
}
PART = Tensor("part", (), (), "intermediate").symbol
_FEW = {GROUPS: Integer(MOST_GROUPS), ROWS: Integer(BLOCK)}
REST = Tensor("rest", (), (), "intermediate").symbol
REGISTERS = tuple(symbol.tensor for symbol in (*ACCUMULATORS.values(), PART, REST))


def looped(order: Sequence[Idx], body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """The statements inside of loops over these indices, the first outermost."""
    for index in reversed(order):
        body = (Loop(index, body),)
    return body


def count(over: Sequence[Idx]) -> float:
    """How many terms a sum has; infinite unless all its extents are numbers, or known to be few."""
    lengths = [_FEW.get(extent(index), extent(index)) for index in over]
    return math.prod(int(e) if e.is_Integer else math.inf for e in lengths)


def total(over: tuple[Idx, ...], body: Expr, inside: bool) -> tuple[Statement, ...]:
    """total = Σ_over body; `inside`: other loops stand around it, so a short sum is one loop."""
    register = ACCUMULATORS["sum"]
    tail = len(over) if inside else 1
    while tail and count(over[-tail:]) > LONGEST:
        tail -= 1
    if tail == len(over):
        return (Assign(register, S.Zero),
                *looped(over, (Accumulate("sum", register, body),)))
    outer, inner = over[:len(over) - tail], over[len(over) - tail:]
    step = Accumulate("sum", register, PART, REST)
    blocks = Blocks(outer[-1], BLOCK, _part((outer[-1], *inner), body, step), inner)
    statements = looped(outer[:-1], (blocks,))
    return (Assign(register, S.Zero), Assign(REST, S.Zero), *statements)


def _part(inner: tuple[Idx, ...], body: Expr, step: Statement) -> tuple[Statement, ...]:
    return (Assign(PART, S.Zero), *looped(inner, (Accumulate("sum", PART, body),)), step)


def rest_of(target: Tensor, over: tuple[Idx, ...], is_scatter: bool) -> Tensor | None:
    """What a sum that runs in memory rounds off, for each entry; None where few terms meet."""
    is_short = all(count((i,)) <= LONGEST for i in over) if is_scatter else count(over) <= BLOCK
    return None if is_short else Tensor(None, target.axes, target.letters, "intermediate",
                                        hint="rest")
