"""multiply_blocked(…): a product of large matrices, in blocks that stay in the caches.

    for k in steps of 256:                       B[k …] a panel of two vectors at a time, copied
        for i in steps of a few hundred rows:    A[i …, k …], turned or copied once for all panels
            C[i …] ← α·A[i …, k …]·B[k …] + β·D[i …], from the second k on + C[i …]

The block and the panel take 224 KB of the stack at most.  The blocks are those of Goto and van de
Geijn (2008), with the micro-kernel of `microkernel`.  Each entry is one sum in the order of k, cut
at the same places whatever the rows are: so the bits do not depend on how rows are dealt to tiles,
strips and threads.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from symbackprop.codegen import microkernel
from symbackprop.codegen.turning import turning
from symbackprop.codegen.vectors import BIT, INT, Vectors, once, register_bytes

BLOCK = 3 * 2**16  # bytes of a block of A that is turned
HIGHEST = 512  # rows of A that are read where they lie


def function(module: Any, real: Any) -> Any:
    """multiply_blocked(m, n, k, α, A, row step, transposed, B, …, β, D, row step, C, row step).

    C ← α·A·B + β·D; D may be C, and one row only where its row step is 0.
    """
    pointer = real.as_pointer()
    return once(module, f"symbackprop_multiply_blocked_{real}", [
        INT, INT, INT, real, *(pointer, INT, BIT)*2, real, *(pointer, INT)*2],
        lambda made: _Writer(made, real).body())


class _Writer(Vectors):
    """Writes the body."""

    def __init__(self, made: Any, real: Any) -> None:
        (self.m, self.n, self.k, self.alpha, self.a, self.a_row, self.a_turned, self.b, self.b_row,
         self.b_turned, self.beta, self.d, self.d_row, self.c, self.c_row) = made.args
        super().__init__(made, real)
        self.depth = microkernel.DEEPEST
        self.height = BLOCK // self.depth // self.align
        self.block = self.build.alloca(real, INT(self.height * self.depth))
        self.block.align = register_bytes()

    def body(self) -> None:
        """Depths, then rows; for a single panel of columns A is read where it lies."""
        build = self.build
        is_wide = build.icmp_signed(">", self.n, INT(2 * self.lanes))
        self.is_turned = build.and_(self.a_turned, is_wide)
        self.in_place = build.and_(self.a_turned, build.not_(is_wide))
        with self.loop(INT(0), self.k, INT(self.depth)) as k:
            deep = self._least(INT(self.depth), build.sub(self.k, k))
            high = build.select(self.is_turned, INT(self.height), INT(HIGHEST))
            with self.loop(INT(0), self.m, high) as i:
                self._block(i, k, self._least(high, build.sub(self.m, i)), deep)
        build.ret_void()

    def _block(self, i: Any, k: Any, high: Any, deep: Any) -> None:
        """Some rows of C, as far as some rows of B go."""
        build = self.build
        place = build.select(self.a_turned, build.add(build.mul(k, self.a_row), i),
                             build.add(build.mul(i, self.a_row), k))
        source = build.gep(self.a, [place])
        with build.if_then(self.is_turned):
            build.call(turning(build.module, self.real), [
                self.block, deep, source, self.a_row, deep, high])
        left = build.select(self.is_turned, self.block, source)
        row = build.select(self.is_turned, deep, build.select(self.a_turned, INT(1), self.a_row))
        column = build.select(self.in_place, self.a_row, INT(1))
        right = build.gep(self.b, [build.select(self.b_turned, k, build.mul(k, self.b_row))])
        is_first = build.icmp_signed("==", k, INT(0))
        beta = build.select(is_first, self.beta, ir.Constant(self.real, 1.0))
        old = build.select(is_first, self.d, self.c)
        old_row = build.select(is_first, self.d_row, self.c_row)
        build.call(microkernel.function(build.module, self.real), [
            high, self.n, deep, self.alpha, left, row, column, right, self.b_row, self.b_turned,
            build.not_(self.b_turned), beta, build.gep(old, [build.mul(i, old_row)]), old_row,
            build.gep(self.c, [build.mul(i, self.c_row)]), self.c_row])

    def _least(self, one: Any, other: Any) -> Any:
        return self.build.select(self.build.icmp_signed("<", one, other), one, other)
