"""pack(block, source, row step, turned, rows, depth): rows of A as the micro-kernel reads them.

    block: for each group of rows that are summed together, A[i, 0] A[i+1, 0] … A[i, 1] A[i+1, 1] …

so that one address walks through A, whatever lies between its rows in memory.  Groups have the
heights of `microkernel.heights`, the highest first.  A vector that is stored may reach beyond what
is meant; what stands there is stored afterwards, and the block has room for one vector more.
"""

from __future__ import annotations

from typing import Any

from symbackprop.codegen.turning import transposed
from symbackprop.codegen.vectors import BIT, INT, Vectors, heights, once


def function(module: Any, real: Any) -> Any:
    """The function, written into the LLVM module once."""
    pointer = real.as_pointer()
    return once(module, f"symbackprop_pack_{real}", [pointer, pointer, INT, BIT, INT, INT],
                lambda made: _Writer(made, real).body())


class _Writer(Vectors):
    """Writes the body."""

    def __init__(self, made: Any, real: Any) -> None:
        self.block, self.source, self.step, self.is_turned, self.rows, self.depth = made.args
        super().__init__(made, real)

    def body(self) -> None:
        """Groups of full height in vectors, the rows that are left singly."""
        build, highest = self.build, heights()[0]
        done: Any = INT(0)
        for height in heights():
            left = build.sub(self.rows, done)
            end = build.add(done, build.mul(build.udiv(left, INT(height)), INT(height)))
            with self.loop(done, end, INT(height)) as i:
                if height == highest:
                    with build.if_else(self.is_turned) as (turned, plain):
                        with turned:
                            self._columns(i, height)
                        with plain:
                            self._squares(i, height)
                else:
                    self._singly(i, height, INT(0))
            done = end
        build.ret_void()

    def _to(self, i: Any, k: Any, height: int, part: int) -> Any:
        """Where the entries from row i + part on stand, at depth k."""
        build = self.build
        begin = build.add(build.mul(i, self.depth), build.mul(k, INT(height)))
        return build.gep(self.block, [build.add(begin, INT(part))])

    def _columns(self, i: Any, height: int) -> None:
        """A is stored by columns: the rows of a group lie side by side."""
        with self.loop(INT(0), self.depth, INT(1)) as k:
            begin = self.build.gep(self.source, [self.build.add(self.build.mul(k, self.step), i)])
            for part in range(0, height, self.lanes):
                mask = self.mask(INT(min(self.lanes, height - part)))
                found = self.read(self.build.gep(begin, [INT(part)]), 0, 1, mask)
                self.write(found, self._to(i, k, height, part), 0, 1, None)

    def _squares(self, i: Any, height: int) -> None:
        """Squares of A as wide as a vector, turned in registers; then what is left of the depth."""
        build, side = self.build, INT(self.lanes)
        whole = build.mul(build.udiv(self.depth, side), side)
        with self.loop(INT(0), whole, side) as k:
            squares = []
            for part in range(0, height, self.lanes):
                rows = [self.read(self._from(build.add(i, INT(row)), k), 0, 1, None)
                        for row in range(part, min(part + self.lanes, height))]
                squares.append(transposed(build, rows + [self.zero] * (self.lanes - len(rows))))
            for place, columns in enumerate(zip(*squares, strict=True)):
                for number, column in enumerate(columns):
                    target = self._to(i, build.add(k, INT(place)), height, number * self.lanes)
                    self.write(column, target, 0, 1, None)
        self._singly(i, height, whole)

    def _singly(self, i: Any, height: int, first: Any) -> None:
        """One entry after the other, from a depth on."""
        build = self.build
        with self.loop(first, self.depth, INT(1)) as k, self.loop(INT(0), INT(height), INT(1)) as r:
            row = build.add(i, r)
            source = build.select(self.is_turned, build.add(build.mul(k, self.step), row),
                                  build.add(build.mul(row, self.step), k))
            target = build.gep(self._to(i, k, height, 0), [r])
            build.store(build.load(build.gep(self.source, [source])), target)

    def _from(self, row: Any, column: Any) -> Any:
        return self.build.gep(self.source, [self.build.add(
            self.build.mul(row, self.step), column)])
