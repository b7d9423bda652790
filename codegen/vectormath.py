"""Scalar functions that kernels call, in the arithmetic of their arguments, float32 or float64.

    h[n, j] = tanh(z[n, j])          becomes the arithmetic of elementary.tanh, in this very loop

Numba has no vector library, and its own exp or tanh is a call for each number.  So each formula
of this package is an intrinsic: it is written out where it is called, free of branches, and the
loop around it vectorises.  A literal beside a float32 would be float64; formulas have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from symbackprop.codegen import choices, elementary, powers, trigonometry
from symbackprop.codegen.arithmetic import FORMATS, Number
from symbackprop.codegen.memory import widen

_OPTIONS = {
    "nogil": True, "error_model": "numpy", "no_cpython_wrapper": True,
    "fastmath": {"contract", "nsz", "arcp", "afn"},
}
_EXACT = {**_OPTIONS, "fastmath": False}  # written out: what is not set is inherited from a caller


def _lowered(formula: Callable[..., Number], *given: Any) -> Any:
    """The signature of a formula for arguments of these types, and what writes it out."""
    wide = max(t.bitwidth if isinstance(t, types.Float) else 64 for t in given)
    kind = types.float64 if wide == 64 else types.float32

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        widen(builder.function)
        numbers = (Number(builder, value, FORMATS[kind.bitwidth]) for value in arguments)
        return formula(*numbers).value

    return kind(*(kind for _ in given)), codegen


def _of_one(formula: Callable[[Number], Number]) -> Any:
    """A formula as a function of kernels."""

    def typed(typingctx: Any, t: Any) -> Any:
        return _lowered(formula, t)

    return _named(typed, formula)


def _of_two(formula: Callable[[Number, Number], Number]) -> Any:
    """A formula as a function of kernels."""

    def typed(typingctx: Any, a: Any, b: Any) -> Any:
        return _lowered(formula, a, b)

    return _named(typed, formula)


def _named(typed: Any, formula: Any) -> Any:
    typed.__name__ = typed.__qualname__ = formula.__name__
    typed.__doc__ = formula.__doc__
    return intrinsic(typed)


exp = _of_one(elementary.exp)
expm1 = _of_one(elementary.expm1)
log = _of_one(elementary.log)
log1p = _of_one(elementary.log1p)
tanh = _of_one(elementary.tanh)
sigmoid = _of_one(elementary.sigmoid)
softplus = _of_one(elementary.softplus)
logaddexp = _of_two(elementary.logaddexp)
erf = _of_one(elementary.erf)
sin = _of_one(trigonometry.sin)
cos = _of_one(trigonometry.cos)
costurn = _of_one(trigonometry.costurn)
power = _of_two(powers.power)
relu = _of_one(choices.relu)
leaky_relu = _of_two(choices.leaky_relu)
sqrt = _of_one(choices.sqrt)
sign = _of_one(choices.sign)
maximum = _of_two(choices.maximum)
minimum = _of_two(choices.minimum)
minus = _of_two(choices.minus)


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def where(condition: bool, yes: Any, no: Any) -> Any:
    """yes if the condition holds, else no; both are computed, none is multiplied by zero."""
    return yes if condition else no


@njit(**_EXACT)  # type: ignore[untyped-decorator]
def carried(total: Any, rest: Any) -> Any:
    """(total + rest, what that has rounded off) (Kahan 1965).

    Compiled without permission to reorder, which would find that nothing is rounded off.  A total
    that is infinite has no rest.
    """
    found = total + rest
    lost = rest - (found - total)
    return found, lost if lost - lost == type(lost)(0) else type(lost)(0)


@njit(**_EXACT)  # type: ignore[untyped-decorator]
def added(total: Any, rest: Any, value: Any) -> Any:
    """(total + value, what that has rounded off), the rest of before included."""
    return carried(total, rest + value)
