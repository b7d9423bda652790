"""philox(real, pair, k₀, k₁, c₀, …, c₃): numbers of a counter-based generator, as LLVM's integers.

The rounds of `symbackprop.philox`, written out where a loop calls them: no state, no branch and no
call, so that the loop vectorises.  The first argument is a number of the kernel's arithmetic; it
says in which format the result is wanted, and its value is not looked at.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from symbackprop.codegen.arithmetic import FORMATS
from symbackprop.codegen.memory import widen
from symbackprop.philox import KEYS, MULTIPLIERS, ROUNDS

__all__ = ["philox"]

HALF, WHOLE = ir.IntType(32), ir.IntType(64)


@intrinsic  # type: ignore[untyped-decorator]
def philox(typingctx: Any, like: Any, pair: Any, k0: Any, k1: Any, c0: Any, c1: Any, c2: Any,
           c3: Any) -> Any:
    """The number in [0, 1) of one pair of words, in the format of the first argument."""
    kind = types.float32 if like == types.float32 else types.float64

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        widen(builder.function)
        second, *integers = (_half(builder, value) for value in arguments[1:])
        found = _rounds(builder, tuple(integers[2:]), tuple(integers[:2]))
        is_first = builder.icmp_unsigned("==", second, HALF(0))
        word, rest = (builder.select(is_first, found[k], found[k + 2]) for k in (0, 1))
        return _number(builder, word, rest, FORMATS[kind.bitwidth])

    return kind(kind, *(types.int64,) * 7), codegen


def _half(builder: Any, value: Any) -> Any:
    return builder.trunc(value, HALF)


def _rounds(builder: Any, counter: tuple[Any, ...], key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The four words after all rounds."""
    (a, b, c, d), (one, two) = counter, key
    for _ in range(ROUNDS):
        (high_a, low_a), (high_c, low_c) = (
            _product(builder, word, factor) for word, factor in zip((a, c), MULTIPLIERS,
                                                                    strict=True))
        a = builder.xor(builder.xor(high_c, b), one)
        b = low_c
        c = builder.xor(builder.xor(high_a, d), two)
        d = low_a
        one, two = builder.add(one, HALF(KEYS[0])), builder.add(two, HALF(KEYS[1]))
    return a, b, c, d


def _product(builder: Any, word: Any, factor: int) -> tuple[Any, Any]:
    """The upper and the lower half of a product of two words."""
    whole = builder.mul(builder.zext(word, WHOLE), WHOLE(factor))
    return builder.trunc(builder.lshr(whole, WHOLE(32)), HALF), builder.trunc(whole, HALF)


def _number(builder: Any, word: Any, rest: Any, format_: Any) -> Any:
    """The leading bits of two words, as many as the format has digits, as a number below 1."""
    if format_.width == 32:
        bits = builder.lshr(word, HALF(8))
    else:
        upper = builder.shl(builder.zext(word, WHOLE), WHOLE(21))
        bits = builder.or_(upper, builder.zext(builder.lshr(rest, HALF(11)), WHOLE))
    whole = builder.sitofp(bits, format_.real)
    return builder.fmul(whole, format_.real(2.0**-format_.digits))
