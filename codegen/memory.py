"""view(flat, shape): the beginning of a flat array seen as an array of this shape.

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
        lengths = cgutils.unpack_tuple(builder, arguments[1], len(shape))
        lengths = [builder.sext(n, ir.IntType(64)) if n.type.width < 64 else n for n in lengths]
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(
            context.get_data_type(flat.dtype)))
        strides: list[Any] = []
        step = itemsize
        for length in reversed(lengths):
            strides.insert(0, step)
            step = builder.mul(step, length)
        made = make_array(result)(context, builder)
        populate_array(made, data=source.data, shape=lengths, strides=strides, itemsize=itemsize,
                       meminfo=None)
        return made._getvalue()

    return result(flat, shape), codegen
