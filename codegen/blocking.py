"""multiply_blocked(…): a product of large matrices, in blocks that stay in the caches.

    for k in steps of 256:                       B[k …] a panel of two vectors at a time, copied
        for i in steps of at most 192 rows:      A[i …, k …], turned or copied once for all panels
            C[i …] ← α·A[i …, k …]·B[k …] + β·D[i …], from the second k on + C[i …]

The block and the panel take 241 KB of the stack at most.  Rows of A that lie a power of two apart
would drive each other out of the cache; in the block they do not (1024×512·1024: 97 → 119 GFLOP/s
on one core, with AVX-512).  The blocks are those of Goto and van de Geijn (2008), with the
micro-kernel of `microkernel`.  Each entry is one sum in the order of k, cut at the same places
whatever the rows are: so the bits do not depend on how rows are dealt to tiles, strips and threads.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from symbackprop.codegen import microkernel
from symbackprop.codegen.turning import turning
from symbackprop.codegen.vectors import BIT, INT, Vectors, once, register_bytes

ROWS = 192  # of a block of A that is turned or copied, at most
APART = 64  # bytes that lie between two rows of a block: each begins in a set of its own
TOGETHER = 12  # rows that the micro-kernel takes at once, or a multiple of them
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
        self.height = ROWS * 4 // self.align
        self.step = self.depth + APART // self.align  # from one row of a block to the next
        self.block = self.build.alloca(real, INT(self.height * self.step))
        self.block.align = register_bytes()

    def body(self) -> None:
        """Depths, then rows; for a single panel of columns A is read where it lies."""
        build = self.build
        is_wide = build.icmp_signed(">", self.n, INT(2 * self.lanes))
        self.is_turned = build.and_(self.a_turned, is_wide)
        self.in_place = build.and_(self.a_turned, build.not_(is_wide))
        is_wider = build.icmp_signed(">", self.n, INT(4 * self.lanes))
        self.is_copied = build.and_(build.not_(self.a_turned), is_wider)
        self.is_moved = build.or_(self.is_turned, self.is_copied)
        with self.loop(INT(0), self.k, INT(self.depth)) as k:
            deep = self._least(INT(self.depth), build.sub(self.k, k))
            high = build.select(self.is_moved, self._even(), INT(HIGHEST))
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
                self.block, INT(self.step), source, self.a_row, deep, high])
        with build.if_then(self.is_copied):
            self._copied(source, high, deep)
        left = build.select(self.is_moved, self.block, source)
        row = build.select(self.is_moved, INT(self.step),
                           build.select(self.a_turned, INT(1), self.a_row))
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

    def _even(self) -> Any:
        """The rows of a block where all are about as high, in whole blocks of the micro-kernel."""
        build = self.build
        count = self._up(self.m, INT(self.height))
        return build.mul(self._up(self._up(self.m, count), INT(TOGETHER)), INT(TOGETHER))

    def _up(self, one: Any, other: Any) -> Any:
        return self.build.sdiv(self.build.add(one, self.build.sub(other, INT(1))), other)

    def _copied(self, source: Any, high: Any, deep: Any) -> None:
        """Rows of A into the block, where they meet in no set of the cache."""
        build = self.build
        with self.loop(INT(0), high, INT(1)) as r:
            begin = build.gep(source, [build.mul(r, self.a_row)])
            to = build.gep(self.block, [build.mul(r, INT(self.step))])
            with self.loop(INT(0), deep, INT(1)) as c:
                build.store(build.load(build.gep(begin, [c])), build.gep(to, [c]))

    def _least(self, one: Any, other: Any) -> Any:
        return self.build.select(self.build.icmp_signed("<", one, other), one, other)
