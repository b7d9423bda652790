"""Rows of arrays, whole vectors at a time: added up, or gathered.

    add_rows(totals, matrix, first, end)                  totals[j] += Σ_n matrix[n, j]
    take_rows(batch, data, order, first, batch_size)      batch[n] = data[order[first + n]]

A loop that adds row after row to memory waits for each store before the next row can be added,
and LLVM leaves it so.  Here a few rows at a time are added in registers, two vectors of columns
wide: 64 rows of 32 columns in a third of the time.  The order of the additions depends on the rows
alone, so the bits do not depend on threads.

While rows are gathered those of the next step are fetched: in a data set that outgrows the cache
waiting for them took a quarter of the step of a small net.  Where a batch outgrows it too, those
that are next in this one are.  Long rows are copied one by one: 512 rows of 784 took 580 µs column
after column, and take 290.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from symbackprop.codegen.vectors import INT, WORD, Vectors, once

TOGETHER = 4  # rows in registers of their own
KEPT = 2**18  # bytes of a batch that stay in the cache until the next step
LONG = 512  # bytes of a row that is copied by itself, not a few columns of all rows at a time
SOME, MANY = 2, 16  # how many long rows are fetched ahead; how many short ones


@intrinsic  # type: ignore[untyped-decorator]
def add_rows(typingctx: Any, totals: Any, matrix: Any, first: Any, end: Any) -> Any:
    """totals[j] += Σ_n matrix[n, j] for first ≤ n < end; both lie contiguously in memory."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, source = (make_array(kind)(context, builder, value) for kind, value in zip(
            signature.args[:2], arguments[:2], strict=True))
        columns = _width(builder, source)
        start = builder.gep(source.data, [builder.mul(arguments[2], columns)])
        rows = builder.sub(arguments[3], arguments[2])
        builder.call(_adding(builder.module, source.data.type.pointee),
                     [total.data, start, rows, columns])
        return context.get_dummy_value()

    return types.void(totals, matrix, types.int64, types.int64), codegen


def _width(builder: Any, source: Any) -> Any:
    """Entries of a row; a single row may have any stride."""
    width = INT(1)
    for axis in cgutils.unpack_tuple(builder, source.shape)[1:]:
        width = builder.mul(width, axis)
    return width


def _adding(module: Any, real: Any) -> Any:
    """add(totals, matrix, rows, columns), written into the LLVM module once."""
    pointer = real.as_pointer()
    return once(module, f"symbackprop_add_rows_{real}", [pointer, pointer, INT, INT],
                lambda made: _Adding(made, real).body(), apart=(0, 1))


class _Adding(Vectors):
    """Writes the body: columns in pairs of vectors, rows a few at a time."""

    def __init__(self, made: Any, real: Any) -> None:
        self.totals, self.matrix, self.rows, self.columns = made.args
        super().__init__(made, real)
        self.sums = [[cgutils.alloca_once(self.build, self.vector) for _ in range(2)]
                     for _ in range(TOGETHER)]

    def body(self) -> None:
        """All columns."""
        self.over_columns(self.columns, self._columns)
        self.build.ret_void()

    def _columns(self, j: Any, vectors: int, mask: Any) -> None:
        build = self.build
        sums = [row[:vectors] for row in self.sums]
        for row in sums:
            for place in row:
                build.store(self.zero, place)
        together = INT(TOGETHER)
        whole = build.mul(build.sdiv(self.rows, together), together)
        with self.loop(INT(0), whole, together) as n:
            for r, row in enumerate(sums):
                self._add(row, build.add(n, INT(r)), j, mask)
        with self.loop(whole, self.rows, INT(1)) as n:
            self._add(sums[0], n, j, mask)
        target = build.gep(self.totals, [j])
        for v in range(vectors):
            parts = [build.load(row[v]) for row in sums]
            total = build.fadd(build.fadd(parts[0], parts[1]), build.fadd(parts[2], parts[3]))
            self.write(build.fadd(self.read(target, v, vectors, mask), total),
                       target, v, vectors, mask)

    def _add(self, row: list[Any], n: Any, j: Any, mask: Any) -> None:
        """One row of the matrix to the sums of its place."""
        build = self.build
        start = build.gep(self.matrix, [build.add(build.mul(n, self.columns), j)])
        for v, place in enumerate(row):
            build.store(build.fadd(build.load(place), self.read(start, v, len(row), mask)), place)


@intrinsic  # type: ignore[untyped-decorator]
def take_rows(typingctx: Any, batch: Any, data: Any, order: Any, first: Any, ahead: Any) -> Any:
    """batch[n] = data[order[first + n]] for all rows of the batch; fetches those `ahead` later."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source, places = (make_array(kind)(context, builder, value) for kind, value in zip(
            signature.args[:3], arguments[:3], strict=True))
        columns = _width(builder, source)
        (length,), count = cgutils.unpack_tuple(builder, places.shape), cgutils.unpack_tuple(
            builder, target.shape)[0]
        builder.call(_taking(builder.module, source.data.type.pointee), [
            target.data, source.data, places.data, length, *arguments[3:], count, columns])
        return context.get_dummy_value()

    return types.void(batch, data, order, types.int64, types.int64), codegen


def _taking(module: Any, real: Any) -> Any:
    """take(batch, data, order, its length, first, ahead, rows, columns), written once."""
    pointer = real.as_pointer()
    return once(module, f"symbackprop_take_rows_{real}",
                [pointer, pointer, INT.as_pointer(), *[INT]*5],
                lambda made: _Taking(made, real).body(), apart=(0, 1))


class _Taking(Vectors):
    """Writes the body: columns in pairs of vectors."""

    def __init__(self, made: Any, real: Any) -> None:
        (self.target, self.source, self.order, self.length, self.first, self.ahead, self.rows,
         self.columns) = made.args
        super().__init__(made, real)
        self.line = ir.IntType(8).as_pointer()
        self.prefetch = cgutils.get_or_insert_function(made.module, ir.FunctionType(
            ir.VoidType(), [self.line, WORD, WORD, WORD]), "llvm.prefetch.p0")

    def body(self) -> None:
        """A long row at a time; short rows all together."""
        build = self.build
        size = build.mul(self.columns, INT(self.align))
        is_long = build.icmp_signed(">", size, INT(LONG))
        self.reach = self._reach(size, is_long)
        step = build.select(is_long, INT(1), self.rows)
        with self.loop(INT(0), self.rows, step) as n:
            self.low, self.high = n, build.add(n, step)
            self.over_columns(self.columns, self._columns)
        build.ret_void()

    def _reach(self, size: Any, is_long: Any) -> Any:
        """How many rows ahead a row is fetched that will be there still when its turn comes."""
        build = self.build
        fits = build.icmp_signed("<=", build.mul(self.ahead, size), INT(KEPT))
        return build.select(fits, self.ahead, build.select(is_long, INT(SOME), INT(MANY)))

    def _columns(self, j: Any, vectors: int, mask: Any) -> None:
        build = self.build
        last = build.sub(self.length, INT(1))
        with self.loop(self.low, self.high, INT(1)) as n:
            place = build.add(self.first, n)
            later = build.add(place, self.reach)
            later = build.select(build.icmp_signed("<", later, last), later, last)
            start, soon = (build.gep(self.source, [build.add(build.mul(build.load(
                build.gep(self.order, [p])), self.columns), j)]) for p in (place, later))
            target = build.gep(self.target, [build.add(build.mul(n, self.columns), j)])
            for v in range(vectors):
                self.write(self.read(start, v, vectors, mask), target, v, vectors, mask)
                build.call(self.prefetch, [build.bitcast(build.gep(
                    soon, [INT(v * self.lanes)]), self.line), WORD(0), WORD(3), WORD(1)])
