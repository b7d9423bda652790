"""view(flat, shape): the beginning of a flat array seen as an array of this shape.

rows_of(flat, first, shape) begins at a row of such an array, columns_of(flat, first, shape) where
the columns from `first` on lie side by side; flat(array) is all of it in one row, and
along(array, (i, j)) what follows the entry [i, j, 0, …], with no end.  times(10) is 10, which LLVM
is not told: it writes out no ten copies of a loop inside.

Numba's own reshape calls into C and counts references; this is four stores, and literal extents
stay literal for the optimiser.  The flat array must outlive the view, as arguments do.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


@intrinsic  # type: ignore[untyped-decorator]
def view(typingctx: Any, flat: Any, shape: Any) -> Any:
    """flat[: d0·d1·…] as a C-contiguous array of shape (d0, d1, …)."""
    result = types.Array(flat.dtype, len(shape), "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source = make_array(signature.args[0])(context, builder, arguments[0])
        lengths = _lengths(builder, arguments[1], len(shape))
        return array_at(context, builder, result, source.data, lengths)

    return result(flat, shape), codegen


def widen(function: Any) -> None:
    """Lets LLVM use the whole vector registers of a processor that has 512 bits of them.

    By default it uses half of them on most such machines: tanh of 1,024 entries takes 1.04 µs
    then, and 0.61 µs with all (Sapphire Rapids).  On others this changes nothing.
    """
    set.add(function.attributes, '"prefer-vector-width"="512"')  # past llvmlite's list of names


def _lengths(builder: Any, shape: Any, rank: int) -> list[Any]:
    widen(builder.function)
    lengths = cgutils.unpack_tuple(builder, shape, rank) if rank else []
    return [builder.sext(n, ir.IntType(64)) if n.type.width < 64 else n for n in lengths]


def array_at(context: Any, builder: Any, result: Any, data: Any, lengths: list[Any]) -> Any:
    """The C-contiguous array of this type and shape that begins at data."""
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(
        context.get_data_type(result.dtype)))
    strides: list[Any] = []
    step = itemsize
    for length in reversed(lengths):
        strides.insert(0, step)
        step = builder.mul(step, length)
    made = make_array(result)(context, builder)
    populate_array(made, data=data, shape=lengths, strides=strides, itemsize=itemsize,
                   meminfo=None)
    return made._getvalue()


def _beginning(across: slice) -> Any:
    """An intrinsic: an array of a shape that begins at flat[first·(product of those lengths)]."""

    def beginning(typingctx: Any, flat: Any, first: Any, shape: Any) -> Any:
        result = types.Array(flat.dtype, len(shape), "C")

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source = make_array(signature.args[0])(context, builder, arguments[0])
            lengths = _lengths(builder, arguments[2], len(shape))
            start = arguments[1]
            for length in lengths[across]:
                start = builder.mul(start, length)
            return array_at(context, builder, result, builder.gep(source.data, [start]), lengths)

        return result(flat, types.intp, shape), codegen

    return intrinsic(beginning)


rows_of = _beginning(slice(1, None))
columns_of = _beginning(slice(None, -1))


@intrinsic  # type: ignore[untyped-decorator]
def flat(typingctx: Any, array: Any) -> Any:
    """All entries of a C-contiguous array, side by side."""
    result = types.Array(array.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source = make_array(signature.args[0])(context, builder, arguments[0])
        length = ir.Constant(ir.IntType(64), 1)
        for axis in cgutils.unpack_tuple(builder, source.shape, array.ndim):
            length = builder.mul(length, axis)
        return array_at(context, builder, result, source.data, [length])

    return result(array), codegen


@intrinsic  # type: ignore[untyped-decorator]
def along(typingctx: Any, array: Any, places: Any) -> Any:
    """The entries of a C-contiguous array from these first places on; its length says nothing."""
    result = types.Array(array.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source = make_array(signature.args[0])(context, builder, arguments[0])
        given = _lengths(builder, arguments[1], len(places))
        start = ir.Constant(ir.IntType(64), 0)
        for number, axis in enumerate(cgutils.unpack_tuple(builder, source.shape, array.ndim)):
            start = builder.mul(start, axis)
            start = builder.add(start, given[number]) if number < len(given) else start
        begin = builder.gep(source.data, [start])
        return array_at(context, builder, result, begin, [ir.Constant(ir.IntType(64), 2**31)])

    return result(array, places), codegen


@intrinsic  # type: ignore[untyped-decorator]
def times(typingctx: Any, count: Any) -> Any:
    """The count; a loop so often holds another one, of which one copy is compiled and not several.

    For 10 classes the copies took a quarter of the time that a step of 64-32-32-10 compiles.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        hidden = ir.InlineAsm(ir.FunctionType(word, [word]), "", "=r,0", side_effect=False)
        return builder.call(hidden, arguments)

    return types.int64(types.int64), codegen
