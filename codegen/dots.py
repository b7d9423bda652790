"""dots(m, n, k, α, A, row step, B, row step, β, C, row step): C ← α·A·Bᵀ + β·C for a short A or B.

    C[i,j] ← α·Σ_k A[i,k]·B[j,k] + β·C[i,j]        at most `FEW` rows i, or at most so many j

Both operands lie along k, and each entry of C is the sum over the lanes of a vector of sums.  What
is read is read once, as it lies: the sensitivities of a step with few rows, δ·Wᵀ, take as long as
reading W does.  `microkernel` turns B first, which is the faster way from five rows on.  In µs,
float32 with AVX-512 (turned, this):

    1 row, 256 of B, 256 deep (7.9, 3.8)     2 rows (9.9, 4.8)     4 rows (10.3, 8.5)
    1 row, 894 of B, 709 deep (113, 59)      2 rows (137, 64)      4 rows (139, 101)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from symbackprop.codegen.vectors import INT, Vectors, once

FEW = 4  # rows of the shorter operand
LONG = 32  # terms of a sum that repay the sum over the lanes of a vector
LOW, BESIDE = (2, 1), (8, 1)  # rows of the shorter and of the longer one, read side by side


def function(module: Any, real: Any) -> Any:
    """The function, written into the LLVM module once."""
    pointer = real.as_pointer()
    return once(module, f"symbackprop_dots_{real}", [
        INT, INT, INT, real, pointer, INT, pointer, INT, real, pointer, INT],
        lambda made: _Writer(made, real).body(), apart=(9,))


class _Writer(Vectors):
    """Writes the body: rows of the shorter operand in blocks, beside them rows of the longer."""

    def __init__(self, made: Any, real: Any) -> None:
        m, n, self.k, self.alpha, a, a_row, b, b_row, self.beta, self.c, c_row = made.args
        super().__init__(made, real)
        build = self.build
        is_low = build.icmp_signed("<=", m, n)

        def either(one: Any, other: Any) -> Any:
            return build.select(is_low, one, other)

        self.count, self.across = either(m, n), either(n, m)
        self.short, self.short_row = either(a, b), either(a_row, b_row)
        self.long, self.long_row = either(b, a), either(b_row, a_row)
        self.down, self.aside = either(c_row, INT(1)), either(INT(1), c_row)

    def body(self) -> None:
        """Some rows of the longer operand, and all of the shorter one while they are near."""
        zero = INT(0)
        self.over_blocks(zero, self.across, BESIDE, lambda j, beside: self.over_blocks(
            zero, self.count, LOW, lambda i, rows: self._block(i, j, rows, beside)))
        self.build.ret_void()

    def _block(self, i: Any, j: Any, rows: int, beside: int) -> None:
        """Some entries of C: vectors of sums along k, then the sums over their lanes."""
        build = self.build
        short = [build.gep(self.short, [build.mul(build.add(i, INT(r)), self.short_row)])
                 for r in range(rows)]
        long = [build.gep(self.long, [build.mul(build.add(j, INT(s)), self.long_row)])
                for s in range(beside)]
        sums = [[cgutils.alloca_once(build, self.vector) for _ in long] for _ in short]
        for row in sums:
            for place in row:
                build.store(self.zero, place)
        with self.loop(INT(0), self.k, INT(self.lanes)) as k:
            mask = self.mask(build.sub(self.k, k))
            left = [self.read(build.gep(p, [k]), 0, 1, mask) for p in short]
            for s, place in enumerate(long):
                right = self.read(build.gep(place, [k]), 0, 1, mask)
                for r, value in enumerate(left):
                    total = build.load(sums[r][s])
                    build.store(build.call(self.fma, [value, right, total]), sums[r][s])
        for r, row in enumerate(sums):
            for s, place in enumerate(row):
                self._put(self._summed(build.load(place)), build.add(i, INT(r)),
                            build.add(j, INT(s)))

    def _put(self, total: Any, i: Any, j: Any) -> None:
        """C[i,j] ← α·sum + β·C[i,j]; where β = 0 nothing of C is read."""
        build = self.build
        place = build.gep(self.c, [build.add(build.mul(i, self.down), build.mul(j, self.aside))])
        value = build.fmul(self.alpha, total)
        with build.if_else(build.fcmp_ordered("==", self.beta, ir.Constant(self.real, 0.0))) as (
                fresh, again):
            with fresh:
                build.store(value, place)
            with again:
                build.store(build.fadd(build.fmul(self.beta, build.load(place)), value), place)

    def _summed(self, vector: Any) -> Any:
        """The sum over the lanes, by halves."""
        bits = 32 if isinstance(self.real, ir.FloatType) else 64
        kind = ir.FunctionType(self.real, [self.real, self.vector])
        name = f"llvm.vector.reduce.fadd.v{self.lanes}f{bits}"
        function = cgutils.get_or_insert_function(self.build.module, kind, name)
        return self.build.call(function, [ir.Constant(self.real, -0.0), vector],
                               fastmath=("reassoc",))
