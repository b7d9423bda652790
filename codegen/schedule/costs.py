"""What a step costs, by its sizes: whether threads share it, and how many rows a tile has.

All of it follows from the program, the rows of a batch and the machine, never from the number of
threads that happen to run: so that one seed gives the same bits for any number of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from sympy import Expr, Symbol, count_ops

from symbackprop.codegen.gate import Sizes, evaluated
from symbackprop.codegen.ir import Kernel
from symbackprop.codegen.machine import FITTING
from symbackprop.codegen.schedule.products import product
from symbackprop.codegen.schedule.tiling import BLOCKS, lies_along
from symbackprop.codegen.summation import MOST_GROUPS, ROWS
from symbackprop.notation import Definition, Program, extent

SHARED = 4e6  # operations in a step that repay two meetings of threads: about 50 µs
TILE = 2e5  # operations in a tile that repay its loop
LOW, HIGH = 64, 224  # rows of a tile that is to stay in the cache, at least; at most
CACHE = 2**18  # bytes that a tile may fill before it has fewer rows than that
UNIT = 8  # rows


def operations(definition: Definition, sizes: Mapping[Symbol, int]) -> float:
    """About how many operations a definition takes; those of a product of matrices count 1 each."""
    indices = (*definition.indices, *definition.over)
    lengths = [_length(extent(i), sizes) for i in indices]
    each = 2 if product(definition) is not None else 2 + 2*count_ops(definition.body)
    return float(each * math.prod(lengths))


def _length(length: Expr, sizes: Mapping[Symbol, int]) -> int:
    return evaluated(length, dict(sizes)) or 1


def is_shared(program: Program, batch: Symbol, rows: int) -> bool:
    """Whether a step over so many rows is large enough for tiles and threads."""
    return sum(operations(d, {batch: rows, ROWS: rows}) for d in program) >= SHARED


def height(kernel: Kernel, sizes: Sizes, itemsize: int) -> int:
    """How many rows a tile has, for these sizes of a whole batch."""
    batch = kernel.batch
    assert batch is not None
    rows = sizes[batch]
    one = {**sizes, batch: 1, ROWS: 1}
    along = [s.definition for r in kernel.regions if r.share == "rows" for s in r.stages]
    work = sum(operations(d, one) for d in along) or 1.0
    fits = all(_entries(d, one) * itemsize <= FITTING for d in along if product(d) is not None)
    width = sum(_row(d, one) for d in along if lies_along(d.target, batch)) * itemsize
    most = max(LOW, min(HIGH, UNIT * int(CACHE / width / UNIT))) if fits and width else HIGH
    least = min(most, UNIT * math.ceil(TILE / work / UNIT))
    return max(UNIT, least, math.ceil(rows / _even(rows / most)))


def _even(tiles: float) -> int:
    """About so many tiles, but as many for each thread, and for each group of tiles."""
    threads = min(MOST_GROUPS, os.cpu_count() or 1)
    each = threads if tiles <= MOST_GROUPS else MOST_GROUPS
    return each * max(1, round(tiles / each))


def _entries(definition: Definition, sizes: Mapping[Symbol, int]) -> float:
    """Entries of the operand that has no rows of the batch."""
    lengths = (_length(extent(i), sizes) for i in (*definition.indices, *definition.over))
    return math.prod(lengths)


def _row(definition: Definition, sizes: Mapping[Symbol, int]) -> float:
    """Entries of one row of the target."""
    return math.prod(_length(extent(i), sizes) for i in definition.indices)


def threads_for(kernel: Kernel, sizes: Sizes, tile: int, available: int) -> int:
    """How many of the available threads have something to do."""
    assert kernel.batch is not None
    tiles = -(-sizes[kernel.batch] // tile)
    blocks = max((BLOCKS for r in kernel.regions if r.share == "blocks"), default=1)
    return max(1, min(available, max(min(tiles, MOST_GROUPS), blocks)))
