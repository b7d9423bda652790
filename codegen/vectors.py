"""Whole vector registers in functions that are written as LLVM's instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from symbackprop.codegen.machine import register_bytes

INT, WORD, BIT = ir.IntType(64), ir.IntType(32), ir.IntType(1)


def heights(vectors: int = 2) -> tuple[int, ...]:
    """How many rows of a product are summed together in registers, and where fewer are left.

    vectors: how many of them hold a row of the sums.
    """
    most = {64: (16, 12), 32: (12, 6), 16: (12, 6)}[register_bytes()][vectors - 1]
    return (most, 4, 1)


def low_heights() -> tuple[int, ...]:
    """The same where a whole product has few rows: fewer of them, for twice as many columns."""
    return (2, 1)


def once(module: Any, name: str, arguments: list[Any], write: Callable[[Any], None],
         apart: tuple[int, ...] = ()) -> Any:
    """A function of the LLVM module, for its kernels alone, that is written when first wanted.

    apart: the arguments, by number, that point to memory which no other reaches.
    """
    if name not in module.globals:
        made = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
        made.linkage = "internal"
        made.attributes.add("noinline")
        for place in apart:
            made.args[place].add_attribute("noalias")
        write(made)
    return module.globals[name]


class Vectors:
    """Reads, writes and combines vectors of one kind in a function; a mask covers a last part."""

    def __init__(self, made: Any, real: Any) -> None:
        self.real = real
        bits = 32 if isinstance(real, ir.FloatType) else 64
        self.lanes = register_bytes() * 8 // bits
        self.vector = ir.VectorType(real, self.lanes)
        self.align = bits // 8
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)
        self.build = ir.IRBuilder(made.append_basic_block("entry"))
        suffix = f"v{self.lanes}f{bits}"
        self._load, self._store, self.fma = _intrinsics(made.module, self.vector, suffix)

    def over_columns(self, count: Any, write: Callable[[Any, int, Any], None],
                     start: Any = INT(0)) -> None:
        """write(first column, vectors, mask) for whole pairs of vectors, then for what is left.

        start: whole pairs of vectors that are not visited.
        """
        build, width = self.build, INT(2 * self.lanes)
        whole = build.mul(build.udiv(count, width), width)
        with self.loop(start, whole, width) as j:
            write(j, 2, None)
        left = build.sub(count, whole)
        is_wide = build.icmp_signed(">", left, INT(self.lanes))
        with build.if_then(is_wide):
            write(whole, 2, self.mask(build.sub(left, INT(self.lanes))))
        with build.if_then(build.and_(build.icmp_signed(">", left, INT(0)), build.not_(is_wide))):
            write(whole, 1, self.mask(left))

    def over_blocks(self, start: Any, end: Any, lengths: Iterable[int],
                    write: Callable[[Any, int], None]) -> None:
        """write(first, length) for all blocks of the first length, then of the next one."""
        build = self.build
        for length in lengths:
            whole = build.mul(build.udiv(build.sub(end, start), INT(length)), INT(length))
            stop = build.add(start, whole)
            with self.loop(start, stop, INT(length)) as first:
                write(first, length)
            start = stop

    @contextmanager
    def loop(self, start: Any, end: Any, step: Any) -> Iterator[Any]:
        """for index in range(start, end, step)."""
        with cgutils.for_range_slice(self.build, start, end, step, intp=INT) as (index, _):
            yield index

    def splat(self, value: Any) -> Any:
        """A vector that holds this number in every lane."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.build.insert_element(undefined, value, WORD(0))
        zeros = ir.Constant(ir.VectorType(WORD, self.lanes), [0] * self.lanes)
        return self.build.shuffle_vector(first, undefined, zeros)

    def every(self, bit: Any) -> Any:
        """All lanes, or none."""
        kind = ir.VectorType(BIT, self.lanes)
        none, all_ = (ir.Constant(kind, [flag] * self.lanes) for flag in (0, 1))
        return self.build.select(bit, all_, none)

    def mask(self, count: Any) -> Any:
        """The first `count` lanes."""
        build, kind = self.build, ir.VectorType(INT, self.lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(WORD, self.lanes), [0] * self.lanes)
        counts = build.shuffle_vector(
            build.insert_element(undefined, count, WORD(0)), undefined, zeros)
        return build.icmp_signed("<", ir.Constant(kind, list(range(self.lanes))), counts)

    def _place(self, place: Any, number: int) -> Any:
        moved = self.build.gep(place, [INT(number * self.lanes)])
        return self.build.bitcast(moved, self.vector.as_pointer())

    def read(self, place: Any, number: int, vectors: int, mask: Any) -> Any:
        """The vector of that number from the place on; the last one under the mask."""
        at = self._place(place, number)
        if mask is None or number < vectors - 1:
            return self.build.load(at, align=self.align)
        return self.build.call(self._load, [at, WORD(self.align), mask, self.zero])

    def fetch(self, place: Any) -> None:
        """Asks the cache for a line that is going to be read and written."""
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, WORD, WORD, WORD])
        function = cgutils.get_or_insert_function(self.build.module, kind, "llvm.prefetch.p0")
        self.build.call(function, [self.build.bitcast(place, byte), WORD(1), WORD(3), WORD(1)])

    def write(self, value: Any, place: Any, number: int, vectors: int, mask: Any) -> None:
        """A vector into the place of that number; the last one under the mask."""
        at = self._place(place, number)
        if mask is None or number < vectors - 1:
            self.build.store(value, at, align=self.align)
        else:
            self.build.call(self._store, [value, at, WORD(self.align), mask])


def _intrinsics(module: Any, vector: Any, suffix: str) -> tuple[Any, Any, Any]:
    """LLVM's masked load, masked store and multiply-add of this vector."""
    pointer, mask = vector.as_pointer(), ir.VectorType(BIT, vector.count)

    def found(name: str, result: Any, arguments: list[Any]) -> Any:
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(module, kind, f"llvm.{name}")

    return (
        found(f"masked.load.{suffix}.p0", vector, [pointer, WORD, mask, vector]),
        found(f"masked.store.{suffix}.p0", ir.VoidType(), [vector, pointer, WORD, mask]),
        found(f"fmuladd.{suffix}", vector, [vector, vector, vector]),
    )
