"""for f, u, v in places(8, 28, 28): one loop over all places of a box, the last index fastest.

Three loops in each other cost Numba and LLVM three times as much: a step of two convolutions has a
hundred loops around those that run along memory, and half of its compilation went into them.  The
indices are counted up like the digits of a number; nothing is divided.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, models, register_model

_INT = ir.IntType(64)


class Places(types.SimpleIteratorType):  # type: ignore[misc]
    """The places of a box with so many axes."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        super().__init__(f"places_{rank}", types.UniTuple(types.int64, rank))


@register_model(Places)
class _Model(models.StructModel):  # type: ignore[misc]
    """Where the indices are counted, and the lengths of the axes."""

    def __init__(self, dmm: Any, kind: Places) -> None:
        super().__init__(dmm, kind, [
            ("indices", types.EphemeralPointer(types.UniTuple(types.int64, kind.rank))),
            ("lengths", types.UniTuple(types.int64, kind.rank))])


@intrinsic  # type: ignore[untyped-decorator]
def places(typingctx: Any, lengths: Any) -> Any:
    """All (i, j, …) with 0 ≤ i < first length and so on; no length but the first may be 0."""
    kind = Places(len(lengths))

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = cgutils.unpack_tuple(builder, arguments[0], kind.rank)
        made = context.make_helper(builder, kind)
        zeros = ir.Constant(ir.ArrayType(_INT, kind.rank), [0] * kind.rank)
        made.indices = cgutils.alloca_once(builder, zeros.type)
        builder.store(zeros, made.indices)
        made.lengths = cgutils.pack_array(builder, [
            builder.sext(n, _INT) if n.type.width < 64 else n for n in given])
        return made._getvalue()

    return kind(lengths), codegen


@lower_builtin("iternext", Places)  # type: ignore[untyped-decorator]
@iternext_impl(RefType.UNTRACKED)  # type: ignore[untyped-decorator]
def _next(context: Any, builder: Any, signature: Any, arguments: Any, result: Any) -> None:
    """The current place, while the first index is inside; then the last index counts on."""
    (kind,) = signature.args
    box = context.make_helper(builder, kind, value=arguments[0])
    indices = cgutils.unpack_tuple(builder, builder.load(box.indices), kind.rank)
    lengths = cgutils.unpack_tuple(builder, box.lengths, kind.rank)
    result.set_valid(builder.icmp_signed("<", indices[0], lengths[0]))
    result.yield_(cgutils.pack_array(builder, indices))
    one, zero = ir.Constant(_INT, 1), ir.Constant(_INT, 0)
    carry: Any = one
    following: list[Any] = []
    for place in reversed(range(kind.rank)):
        index = builder.add(indices[place], carry, flags=["nsw"])
        if place:
            is_over = builder.icmp_signed("==", index, lengths[place])
            carry = builder.select(is_over, one, zero)
            index = builder.select(is_over, zero, index)
        following.insert(0, index)
    builder.store(cgutils.pack_array(builder, following), box.indices)
