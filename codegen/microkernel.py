"""multiply(…): a product of small matrices in vector instructions, without packing or call.

    C[i,j] ← α·Σ_k A[i,k]·B[k,j] + β·D[i,j]        D is C, or the same row for every i

C is computed in blocks of a few rows by two vectors, whose sums stay in registers while k runs:

    for j in steps of 2 vectors: for i in steps of 6 rows: for k: block += A[i …, k] ⊗ B[k, j …]

BLAS first copies both matrices into panels, which pays for large ones only.  Measured for float32
with AVX2, in GFLOP/s, rows × columns · inner (OpenBLAS, this):

    32×16·16 (30, 69)     64×64·64 (62, 96)      64×128·256 (67, 91)

For few rows of A, B is what takes the time: its columns are read in wider panels.  For few terms it
is C: some of its rows are visited at a time.  With both, reading B of 256×256 for one row took
6.7 µs and takes 3.5, adding to a C of 894×709 in memory 100 and 70 (AVX-512).

Where an operand outgrows the cache (`FITTING`, `DEEPEST`), `blocking` cuts the product into such
that do not, and asks for their rows of B to be copied.  k is at least 1.

Each entry is one sum in the order of k, whatever the blocks are: the bits do not depend on how
many rows are computed together.  Rows of B that are stored as columns are turned, a panel of two
vectors at a time, by shuffles in registers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llvmlite import ir

from symbackprop.codegen.machine import register_bytes
from symbackprop.codegen.turning import turning
from symbackprop.codegen.vectors import BIT, INT, Vectors, heights, low_heights, once

SHALLOW = 8  # rows of B, beside a C that is larger than it: C is visited some rows at a time
FEW, WIDE = 4, 4  # rows of A for which B is what counts: it is read so many vectors at a time
DEEPEST = 256  # rows of B in the panel for a B that is stored transposed


def function(module: Any, real: Any, is_packed: bool = False) -> Any:
    """multiply(m, n, k, α, A, row step, column step, B, row step, turned, copied, β, D, …, C, …).

    C ← α·A·B + β·D; D may be C, and of D one row only where its row step is 0.  is_packed: A lies
    as `packing` puts it, and its steps have no meaning; turned: B is stored by columns; copied:
    whether rows of B are copied into a panel, side by side, before they are read.  The function is
    written into the LLVM module once.
    """
    pointer = real.as_pointer()
    return once(module, f"symbackprop_multiply{'_packed' * is_packed}_{real}", [
        INT, INT, INT, real, pointer, INT, INT, pointer, INT, BIT, BIT, real, *(pointer, INT)*2],
        lambda made: _Writer(made, real, is_packed).body(), apart=(4, 7))  # D may be C


class _Writer(Vectors):
    """Writes the body: columns in panels, rows in blocks, k innermost."""

    def __init__(self, made: Any, real: Any, is_packed: bool) -> None:
        self.is_packed = is_packed
        (self.m, self.n, self.k, self.alpha, self.a, self.a_row, self.a_column, self.b, self.b_row,
         self.is_transposed, self.is_copied, self.beta, self.d, self.d_row, self.c,
         self.c_row) = made.args
        super().__init__(made, real)
        self.low, self.high = INT(0), self.m  # the rows that are visited now

    def body(self) -> None:
        """All panels of columns, whole ones, then the rest masked; of some rows if k is small."""
        build = self.build
        self.panel = build.alloca(self.real, INT(DEEPEST * 2 * self.lanes))
        self.panel.align = register_bytes()
        in_place = build.not_(build.or_(self.is_transposed, self.is_copied))
        is_shallow = build.and_(in_place, build.icmp_signed("<=", self.k, INT(SHALLOW)))
        part = build.select(is_shallow, INT(heights()[0]), self.m)
        with self.loop(INT(0), self.m, part) as self.low:
            end = build.add(self.low, part)
            self.high = build.select(build.icmp_signed("<", self.m, end), self.m, end)
            self.over_columns(self.n, self._columns, self._wide_columns(in_place))
        build.ret_void()

    def _wide_columns(self, in_place: Any) -> Any:
        """For few rows of A, the columns in wide panels; the first column that is left."""
        build, width = self.build, INT(WIDE * self.lanes)
        is_low = build.icmp_signed("<=", build.sub(self.high, self.low), INT(FEW))
        end = build.select(build.and_(is_low, in_place),
                           build.mul(build.udiv(self.n, width), width), INT(0))
        with self.loop(INT(0), end, width) as j:
            self._rows(low_heights(), j, WIDE, build.gep(self.b, [j]), self.b_row, None)
        return end

    def _columns(self, j: Any, vectors: int, mask: Any) -> None:
        """The columns from j on, `vectors` wide, the last of them under the mask."""
        build = self.build
        width = INT(2 * self.lanes)
        with build.if_then(self.is_transposed):
            build.call(turning(build.module, self.real), [
                self.panel, width, build.gep(self.b, [build.mul(j, self.b_row)]), self.b_row,
                width if mask is None else build.sub(self.n, j), self.k])
        with build.if_then(self.is_copied), self.loop(INT(0), self.k, INT(1)) as k:
            row = build.gep(self.b, [build.add(build.mul(k, self.b_row), j)])
            for v in range(vectors):
                self.write(self.read(row, v, vectors, mask),
                           build.gep(self.panel, [build.mul(k, width)]), v, vectors, None)
        in_panel = build.or_(self.is_transposed, self.is_copied)
        base = build.select(in_panel, self.panel, build.gep(self.b, [j]))
        step = build.select(in_panel, width, self.b_row)
        rows = heights(2 if self.is_packed else vectors)  # packing knows of one height
        self._rows(rows, j, vectors, base, step, mask)

    def _rows(self, heights: Iterable[int], j: Any, vectors: int, base: Any, step: Any, mask: Any
              ) -> None:
        """All rows of these columns, in blocks of the first height, then of the next ones."""
        self.over_blocks(self.low, self.high, heights, lambda i, rows: self._block(
            i, j, rows, vectors, base, step, mask))

    def _block(self, i: Any, j: Any, rows: int, vectors: int, base: Any, step: Any, mask: Any
               ) -> None:
        """The entries of `rows` rows from i on: sums in registers, then stored."""
        build = self.build
        begin = build.gep(self.a, [build.mul(i, self.k if self.is_packed else self.a_row)])
        within = INT(1) if self.is_packed else self.a_row
        for r in range(rows if self.is_packed else 0):  # C is far away where A needs packing
            row = build.gep(self.c, [build.add(build.mul(build.add(i, INT(r)), self.c_row), j)])
            for v in range(vectors):
                self.fetch(build.gep(row, [INT(v * self.lanes)]))
        before = build.block
        body, after = build.append_basic_block("sum"), build.append_basic_block("done")
        build.branch(body)
        build.position_at_end(body)
        k = build.phi(INT)
        k.add_incoming(INT(0), before)
        sums = [[build.phi(self.vector) for _ in range(vectors)] for _ in range(rows)]
        place = build.gep(base, [build.mul(k, step)])
        right = [self.read(place, v, vectors, mask) for v in range(vectors)]
        column = build.mul(k, INT(rows) if self.is_packed else self.a_column)
        found = []
        for r in range(rows):
            left = self.splat(build.load(build.gep(begin, [
                build.add(column, build.mul(INT(r), within))])))
            found.append([build.call(self.fma, [left, right[v], sums[r][v]])
                          for v in range(vectors)])
        following = build.add(k, INT(1))
        k.add_incoming(following, body)
        for old, new in zip(sums, found, strict=True):
            for phi, value in zip(old, new, strict=True):
                phi.add_incoming(self.zero, before)
                phi.add_incoming(value, body)
        build.cbranch(build.icmp_signed("<", following, self.k), body, after)
        build.position_at_end(after)
        self._finish(found, i, j, mask)

    def _finish(self, found: list[list[Any]], i: Any, j: Any, mask: Any) -> None:
        """C ← α·sum + β·D; where β = 0 nothing of D is read."""
        build = self.build
        places, olds = ([build.gep(begin, [build.add(build.mul(build.add(i, INT(r)), row), j)])
                         for r in range(len(found))]
                        for begin, row in ((self.c, self.c_row), (self.d, self.d_row)))
        alpha, beta = self.splat(self.alpha), self.splat(self.beta)
        kept = self.every(build.fcmp_unordered("!=", self.beta, ir.Constant(self.real, 0.0)))
        left = kept if mask is None else build.and_(kept, mask)
        for place, old, row in zip(places, olds, found, strict=True):
            for v, total in enumerate(row):
                value = build.fmul(alpha, total)
                added = self.read(old, v, v + 1, left if v == len(row) - 1 else kept)
                self.write(build.call(self.fma, [beta, added, value]), place, v, len(row), mask)
