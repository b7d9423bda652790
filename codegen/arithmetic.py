"""Numbers of LLVM with Python's operators: formulas are written once, for float32 and float64.

    r = (t - n*LN2_HIGH) - n*LN2_LOW          four instructions in the kernel that is being compiled

What a formula writes goes straight into the body of the loop that calls it: nothing is inferred,
called or inlined, so it costs a kernel next to no time to compile, and the loop vectorises.  There
are no branches, only selections between values that have both been computed.

Every instruction carries its own permissions, so that those of a kernel (Numba adds them where
there are none) reach no formula: `+ − *` may be contracted into a fused multiply-add and no more;
`plus`, `minus`, `times` and `fused` are rounded exactly as written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

_CONTRACT = ("contract",)
_ALONE = ("arcp",)  # means nothing for + − *, and keeps others away


class _Closed(frozenset[str]):
    """The permissions of a call, to which Numba adds none."""

    def add(self, flag: str) -> None:
        """Leave it."""


@dataclass(frozen=True, slots=True)
class Format:
    """binary32 or binary64: width, digits of the significand, and its two types in LLVM."""

    name: str
    width: int
    digits: int
    real: Any
    whole: Any

    @property
    def bias(self) -> int:
        """What is added to an exponent before it is stored."""
        return int(2**(self.width - self.digits - 1) - 1)


FORMATS = {
    32: Format("float32", 32, 24, ir.FloatType(), ir.IntType(32)),
    64: Format("float64", 64, 53, ir.DoubleType(), ir.IntType(64)),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A truth value; & | ~ combine, `select` chooses."""

    builder: Any
    value: Any

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.builder, self.builder.and_(self.value, other.value))

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.builder, self.builder.or_(self.value, other.value))

    def __xor__(self, other: Condition) -> Condition:
        return Condition(self.builder, self.builder.xor(self.value, other.value))

    def __invert__(self) -> Condition:
        return Condition(self.builder, self.builder.not_(self.value))


@dataclass(frozen=True, slots=True)
class Bits:
    """The bits of a number as an integer, or an integer to make one of."""

    builder: Any
    value: Any
    format: Format

    def _with(self, operation: str, other: Bits | int) -> Bits:
        right = self.format.whole(other) if isinstance(other, int) else other.value
        return Bits(self.builder, getattr(self.builder, operation)(self.value, right), self.format)

    def __add__(self, other: Bits | int) -> Bits:
        return self._with("add", other)

    def __sub__(self, other: Bits | int) -> Bits:
        return self._with("sub", other)

    def __and__(self, other: Bits | int) -> Bits:
        return self._with("and_", other)

    def __or__(self, other: Bits | int) -> Bits:
        return self._with("or_", other)

    def __lshift__(self, places: int) -> Bits:
        return self._with("shl", places)

    def __rshift__(self, places: int) -> Bits:
        return self._with("lshr", places)

    def __xor__(self, other: Bits | int) -> Bits:
        return self._with("xor", other)

    def is_zero(self) -> Condition:
        """Whether no bit is set."""
        zero = self.format.whole(0)
        return Condition(self.builder, self.builder.icmp_unsigned("==", self.value, zero))

    @property
    def number(self) -> Number:
        """The number that has these bits."""
        value = self.builder.bitcast(self.value, self.format.real)
        return Number(self.builder, value, self.format)


@dataclass(frozen=True, slots=True)
class Number:
    """A number of LLVM; a Python number beside it is rounded to its format first."""

    builder: Any
    value: Any
    format: Format

    def of(self, number: float) -> Number:
        """A constant of the same format."""
        return Number(self.builder, self.format.real(number), self.format)

    def _right(self, other: Number | float) -> Any:
        return other.value if isinstance(other, Number) else self.format.real(other)

    def _made(self, value: Any) -> Number:
        return Number(self.builder, value, self.format)

    def __add__(self, other: Number | float) -> Number:
        return self._made(self.builder.fadd(self.value, self._right(other), flags=_CONTRACT))

    def __sub__(self, other: Number | float) -> Number:
        return self._made(self.builder.fsub(self.value, self._right(other), flags=_CONTRACT))

    def __mul__(self, other: Number | float) -> Number:
        return self._made(self.builder.fmul(self.value, self._right(other), flags=_CONTRACT))

    def __truediv__(self, other: Number | float) -> Number:
        return self._made(self.builder.fdiv(self.value, self._right(other), flags=_CONTRACT))

    def __rsub__(self, other: float) -> Number:
        return self.of(other) - self

    def __rtruediv__(self, other: float) -> Number:
        return self.of(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Number:
        return self._made(self.builder.fneg(self.value))

    def __abs__(self) -> Number:
        return self._called("llvm.fabs")

    def plus(self, other: Number | float) -> Number:
        """The sum, rounded on its own."""
        return self._made(self.builder.fadd(self.value, self._right(other), flags=_ALONE))

    def minus(self, other: Number | float) -> Number:
        """The difference, rounded on its own."""
        return self._made(self.builder.fsub(self.value, self._right(other), flags=_ALONE))

    def times(self, other: Number | float) -> Number:
        """The product, rounded on its own."""
        return self._made(self.builder.fmul(self.value, self._right(other), flags=_ALONE))

    def fused(self, factor: Number | float, term: Number | float) -> Number:
        """self·factor + term, rounded once, on any machine."""
        return self._called("llvm.fma", factor, term)

    def sign_of(self, other: Number) -> Number:
        """The same size with the sign of another."""
        return self._called("llvm.copysign", other)

    def root(self) -> Number:
        """The square root."""
        return self._called("llvm.sqrt")

    def whole(self) -> Number:
        """The nearest whole number."""
        return self._called("llvm.rint")

    def floor(self) -> Number:
        """The next whole number below."""
        return self._called("llvm.floor")

    def greatest(self, other: Number) -> Number:
        """The greater of two; NaN if either is."""
        return self._called("llvm.maximum", other)

    def least(self, other: Number) -> Number:
        """The lesser of two; NaN if either is."""
        return self._called("llvm.minimum", other)

    def _called(self, name: str, *others: Number | float) -> Number:
        function = self.builder.module.declare_intrinsic(
            name, (self.format.real,),
            ir.FunctionType(self.format.real, [self.format.real] * (len(others) + 1)))
        call = self.builder.call(function, [self.value, *map(self._right, others)])
        call.fastmath = _Closed()
        return self._made(call)

    def _compared(self, sign: str, other: Number | float) -> Condition:
        right = self._right(other)
        return Condition(self.builder, self.builder.fcmp_ordered(sign, self.value, right,
                                                                 flags=_CONTRACT))

    def __lt__(self, other: Number | float) -> Condition:
        return self._compared("<", other)

    def __gt__(self, other: Number | float) -> Condition:
        return self._compared(">", other)

    def __le__(self, other: Number | float) -> Condition:
        return self._compared("<=", other)

    def __ge__(self, other: Number | float) -> Condition:
        return self._compared(">=", other)

    def equals(self, other: Number | float) -> Condition:
        """Whether both are the same number; NaN is not."""
        return self._compared("==", other)

    @property
    def bits(self) -> Bits:
        """Sign, exponent and significand as one integer."""
        return Bits(self.builder, self.builder.bitcast(self.value, self.format.whole), self.format)


def select(condition: Condition, yes: Number, no: Number | float) -> Number:
    """yes where the condition holds, else no; both are computed."""
    right = no.value if isinstance(no, Number) else yes.format.real(no)
    return Number(yes.builder, yes.builder.select(condition.value, yes.value, right), yes.format)


def polynomial(t: Number, coefficients: tuple[float, ...]) -> Number:
    """Σ_k c_k·t^k by Horner's rule."""
    found = t.of(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        found = found * t + coefficient
    return found


def sum_and_rest(greater: Number, less: Number) -> tuple[Number, Number]:
    """a + b rounded, and exactly what that has rounded off, for |a| ≥ |b| (Dekker 1971)."""
    total = greater.plus(less)
    return total, less.minus(total.minus(greater))


def sum_and_rest_in_any_order(a: Number, b: Number) -> tuple[Number, Number]:
    """a + b rounded, and exactly what that has rounded off (Knuth 1969)."""
    total = a.plus(b)
    other = total.minus(a)
    return total, a.minus(total.minus(other)).plus(b.minus(other))


def product_and_rest(a: Number, b: Number | float) -> tuple[Number, Number]:
    """a·b rounded, and exactly what that has rounded off."""
    product = a.times(b)
    return product, a.fused(b, -product)
