"""control = flush_denormals(), restore(control): denormal numbers count as zero meanwhile.

The moments of a unit that is dead, or of an input that is always 0, fall by a factor in every step
of Adam or momentum until they are denormal (below 1e-38 in float32), and many processors compute
far slower with those: a step of 30-64-64-2 with Adam took 240 µs instead of 24.  Each thread has
its own control register (MXCSR; FTZ and DAZ in Intel's manual, volume 1, 10.2.3), which is put
back.  Elsewhere than on x86 nothing is changed.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

FLUSH = 0x8040  # results that are denormal, and operands, are zero
_WORD, _BYTES = ir.IntType(32), ir.IntType(8).as_pointer()
IS_X86 = llvm.get_process_triple().startswith(("x86_64", "i386", "i686"))


@intrinsic  # type: ignore[untyped-decorator]
def flush_denormals(typingctx: Any) -> Any:
    """From here on this thread takes denormal numbers for zero; the state before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not IS_X86:
            return _WORD(0)
        place = cgutils.alloca_once(builder, _WORD)
        _call(builder, "stmxcsr", place)
        before = builder.load(place)
        _set(builder, place, builder.or_(before, _WORD(FLUSH)))
        return before

    return types.int32(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def restore(typingctx: Any, control: Any) -> Any:
    """The state that `flush_denormals` has found."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if IS_X86:
            _set(builder, cgutils.alloca_once(builder, _WORD), arguments[0])
        return context.get_dummy_value()

    return types.void(types.int32), codegen


def _set(builder: Any, place: Any, control: Any) -> None:
    builder.store(control, place)
    _call(builder, "ldmxcsr", place)


def _call(builder: Any, instruction: str, place: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [_BYTES])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{instruction}")
    builder.call(function, [builder.bitcast(place, _BYTES)])
