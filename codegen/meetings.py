"""wait(meeting, threads): each thread goes on when all have come.

A kernel is one function that every thread runs, each with its number; where one reads what
another has written they wait.  The last one to come opens the way: it resets the count and adds
one to the number of the meeting, with release; the others read that number, with acquire, and
after some turns give their core away (on one core a meeting takes milliseconds without that).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from symbackprop.codegen.symbols import YIELD
from symbackprop.codegen.threads import APART

TURNS = 2000  # reads of the number before the core is given away


@intrinsic  # type: ignore[untyped-decorator]
def wait(typingctx: Any, meeting: Any, threads: Any) -> Any:
    """Wait until so many threads have called this with the same meeting."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.call(_function(builder.module), [data, arguments[1]])
        return context.get_dummy_value()

    return types.void(meeting, types.int64), codegen


def _function(module: Any) -> Any:
    """The waiting, written into the LLVM module once."""
    name, word = "symbackprop_wait", ir.IntType(64)
    if name in module.globals:
        return module.globals[name]
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), [word.as_pointer(), word]), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    count, threads = made.args
    build = ir.IRBuilder(made.append_basic_block("entry"))
    number = build.gep(count, [word(APART)])
    last, others, look, again, out = (made.append_basic_block(n) for n in (
        "last", "others", "look", "again", "out"))
    build.cbranch(build.icmp_signed("<=", threads, word(1)), out, others)
    build.position_at_end(others)
    before = build.load_atomic(number, ordering="acquire", align=8)
    come = build.atomic_rmw("add", count, word(1), "acq_rel")
    build.cbranch(build.icmp_signed("==", come, build.sub(threads, word(1))), last, look)
    build.position_at_end(last)
    build.store_atomic(word(0), count, ordering="monotonic", align=8)
    build.store_atomic(build.add(before, word(1)), number, ordering="release", align=8)
    build.branch(out)
    build.position_at_end(look)
    turn = build.phi(word)
    turn.add_incoming(word(0), others)
    now = build.load_atomic(number, ordering="acquire", align=8)
    build.cbranch(build.icmp_signed("==", now, before), again, out)
    build.position_at_end(again)
    with build.if_then(build.icmp_signed(">", turn, word(TURNS))):
        kind = ir.FunctionType(ir.IntType(32), [])
        build.call(cgutils.get_or_insert_function(module, kind, YIELD), [])
    turn.add_incoming(build.add(turn, word(1)), build.block)
    build.branch(look)
    build.position_at_end(out)
    build.ret_void()
    return made
