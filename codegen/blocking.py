"""multiply_blocked(…): a product of large matrices, in blocks that stay in the caches.

    for k in steps of at most 256:            B[k …] a panel of two vectors at a time, copied
        for i in steps of at most 192 rows:   A[i …, k …] packed, once for all panels
            C[i …] ← α·A[i …, k …]·B[k …] + β·D[i …], from the second k on + C[i …]

The block and the panel take 224 KB of the stack at most.  The blocks are those of Goto and van de
Geijn (2008), with the micro-kernel of `microkernel`.  For few columns A is read where it lies; if
it lies by columns and far away, few rows of it at a time: after other products one of
1024×10·512 took 780 µs, and takes 380.
GFLOP/s of a core with AVX-512, float32, 512×512·1024 (A where it lies, packed, OpenBLAS):

    A·B 97, 140, 137      A·Bᵀ 99, 139, 138      Aᵀ·B 112, 137, 141

Each entry is one sum in the order of k, cut at the same places whatever the rows are: so the bits
do not depend on how rows are dealt to tiles, strips and threads.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from symbackprop.codegen import microkernel, packing
from symbackprop.codegen.machine import register_bytes
from symbackprop.codegen.microkernel import DEEPEST, FEW
from symbackprop.codegen.vectors import BIT, INT, Vectors, once

ROWS = 192  # of a block of A that is packed, at most
HIGH, DEEP = 12, 16  # its rows and depth are multiples of these, but for the last ones
NARROW = 128  # lengths, beside that of the batch, for which nothing is packed
HIGHEST = 512  # rows of A that are read where they lie
FAR = 2**20  # bytes of an A that has left the cache, which is read by columns where it lies:
STREAMS = 32  # so many of its rows at a time, as many as a processor fetches ahead


def function(module: Any, real: Any, is_small: bool = False) -> Any:
    """multiply_blocked(m, n, k, α, A, row step, transposed, B, …, β, D, row step, C, row step).

    C ← α·A·B + β·D; D may be C, and one row only where its row step is 0.  is_small: nothing is
    packed or copied, which serves operands that stay in the cache; that is sooner compiled.
    """
    pointer = real.as_pointer()
    return once(module, f"symbackprop_multiply_{'small' if is_small else 'blocked'}_{real}", [
        INT, INT, INT, real, *(pointer, INT, BIT)*2, real, *(pointer, INT)*2],
        lambda made: _Writer(made, real, is_small).body())


class _Writer(Vectors):
    """Writes the body."""

    def __init__(self, made: Any, real: Any, is_small: bool) -> None:
        (self.m, self.n, self.k, self.alpha, self.a, self.a_row, self.a_turned, self.b, self.b_row,
         self.b_turned, self.beta, self.d, self.d_row, self.c, self.c_row) = made.args
        super().__init__(made, real)
        self.is_small = is_small
        self.height = ROWS * 4 // self.align
        if not is_small:
            self._reserve()

    def _reserve(self) -> None:
        """Room for a block of A."""
        self.block = self.build.alloca(self.real, INT(self.height * DEEPEST + self.lanes))
        self.block.align = register_bytes()

    def body(self) -> None:
        """Depths, then rows; for a single panel of columns A is read where it lies."""
        build = self.build
        self.is_copied = BIT(0) if self.is_small else build.icmp_signed(">", self.m, INT(FEW))
        is_narrow = build.icmp_signed("<=", self.n, INT(2 * self.lanes))
        self.is_packed = BIT(0) if self.is_small else build.and_(
            self.is_copied, build.not_(is_narrow))
        is_far = build.icmp_signed(">", build.mul(self.a_row, self.k), INT(FAR // self.align))
        is_streamed = build.and_(build.and_(is_far, self.a_turned), is_narrow)
        depth = build.select(is_streamed, INT(STREAMS), self._even(self.k, DEEPEST, DEEP))
        high = build.select(self.is_packed, self._even(self.m, self.height, HIGH), INT(HIGHEST))
        with self.loop(INT(0), self.k, depth) as k:
            deep = self._least(depth, build.sub(self.k, k))
            with self.loop(INT(0), self.m, high) as i:
                self._block(i, k, self._least(high, build.sub(self.m, i)), deep)
        build.ret_void()

    def _block(self, i: Any, k: Any, high: Any, deep: Any) -> None:
        """Some rows of C, as far as some rows of B go."""
        build = self.build
        place = build.select(self.a_turned, build.add(build.mul(k, self.a_row), i),
                             build.add(build.mul(i, self.a_row), k))
        source = build.gep(self.a, [place])
        right = build.gep(self.b, [build.select(self.b_turned, k, build.mul(k, self.b_row))])
        is_first = build.icmp_signed("==", k, INT(0))
        beta = build.select(is_first, self.beta, ir.Constant(self.real, 1.0))
        old = build.select(is_first, self.d, self.c)
        old_row = build.select(is_first, self.d_row, self.c_row)
        is_copied = build.and_(self.is_copied, build.not_(self.b_turned))
        rest = [right, self.b_row, self.b_turned, is_copied, beta,
                build.gep(old, [build.mul(i, old_row)]), old_row,
                build.gep(self.c, [build.mul(i, self.c_row)]), self.c_row]
        if self.is_small:
            self._in_place(source, high, deep, rest)
            return
        with build.if_else(self.is_packed) as (packed, in_place):
            with packed:
                build.call(packing.function(build.module, self.real), [
                    self.block, source, self.a_row, self.a_turned, high, deep])
                build.call(microkernel.function(build.module, self.real, is_packed=True), [
                    high, self.n, deep, self.alpha, self.block, INT(0), INT(0), *rest])
            with in_place:
                self._in_place(source, high, deep, rest)

    def _in_place(self, source: Any, high: Any, deep: Any, rest: list[Any]) -> None:
        """The product with A where it lies."""
        build, steps = self.build, (INT(1), self.a_row)
        row, column = (build.select(self.a_turned, one, other)
                       for one, other in (steps, steps[::-1]))
        build.call(microkernel.function(build.module, self.real), [
            high, self.n, deep, self.alpha, source, row, column, *rest])

    def _even(self, length: Any, most: int, unit: int) -> Any:
        """The length of parts that are about as long as each other: whole units, `most` at most."""
        count = self._up(length, INT(most))
        return self.build.mul(self._up(self._up(length, count), INT(unit)), INT(unit))

    def _up(self, one: Any, other: Any) -> Any:
        return self.build.sdiv(self.build.add(one, self.build.sub(other, INT(1))), other)

    def _least(self, one: Any, other: Any) -> Any:
        return self.build.select(self.build.icmp_signed("<", one, other), one, other)
