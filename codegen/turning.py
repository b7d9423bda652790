"""turn(target, row step, source, row step, rows, columns): target[c, r] = source[r, c].

Squares as wide as a vector are turned by shuffles in registers; what is left is moved singly.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from symbackprop.codegen.vectors import INT, WORD, Vectors, once


def turning(module: Any, real: Any) -> Any:
    """The function, written into the LLVM module once."""
    pointer = real.as_pointer()
    return once(module, f"symbackprop_turn_{real}", [pointer, INT, pointer, INT, INT, INT],
                lambda made: _Writer(made, real).body())


class _Writer(Vectors):
    """Writes the body."""

    def __init__(self, made: Any, real: Any) -> None:
        (self.target, self.target_row, self.source, self.source_row, self.rows,
         self.columns) = made.args
        super().__init__(made, real)

    def body(self) -> None:
        """Squares, then the columns and rows that are left."""
        build, lanes = self.build, self.lanes
        side = INT(lanes)
        down, across = (build.mul(build.udiv(n, side), side) for n in (self.rows, self.columns))
        with self.loop(INT(0), down, side) as r, self.loop(INT(0), across, side) as c:
            rows = [self.read(self._from(build.add(r, INT(k)), c), 0, 1, None)
                    for k in range(lanes)]
            for k, row in enumerate(transposed(build, rows)):
                self.write(row, self._to(build.add(c, INT(k)), r), 0, 1, None)
        with self.loop(INT(0), self.rows, INT(1)) as r:
            start = build.select(build.icmp_signed("<", r, down), across, INT(0))
            with self.loop(start, self.columns, INT(1)) as c:
                build.store(build.load(self._from(r, c)), self._to(c, r))
        build.ret_void()

    def _from(self, row: Any, column: Any) -> Any:
        return self.build.gep(self.source, [self.build.add(
            self.build.mul(row, self.source_row), column)])

    def _to(self, row: Any, column: Any) -> Any:
        return self.build.gep(self.target, [self.build.add(
            self.build.mul(row, self.target_row), column)])


def transposed(build: Any, rows: list[Any]) -> list[Any]:
    """The columns of a square of vectors: log₂ n rounds of interleaving upper and lower half."""
    size = len(rows)
    low = [x for i in range(size // 2) for x in (i, size + i)]
    high = [x + size // 2 for x in low]
    kind = ir.VectorType(WORD, size)
    for _ in range(size.bit_length() - 1):
        pairs = zip(rows[:size // 2], rows[size // 2:], strict=True)
        rows = [build.shuffle_vector(a, b, ir.Constant(kind, part))
                for a, b in pairs for part in (low, high)]
    return rows
