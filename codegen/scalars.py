"""Scalar bodies as Python text for Numba, in the arithmetic of the kernel and of no other.

    (p[n,k] − y[n,k])/N + 2·λ·w        (p[n, k] - y[n, k])/real(N) + real(2)*lam*w

In Numba `2*x` is float64 for a float32 x, and so is x/N: every number, size and index that is
used as a number is converted by `real`.  What stands between brackets [ ] is integer.  A bracket
[condition] or a Piecewise selects, it never multiplies, so that what is not taken leaks no NaN;
an entry that might lie outside of its array is NaN, as in the interpreter.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from math import isfinite
from typing import NamedTuple

from sympy import (
    Add,
    Basic,
    Expr,
    Float,
    Idx,
    Integer,
    Max,
    Min,
    Mod,
    Mul,
    Piecewise,
    Pow,
    Rational,
    S,
    Symbol,
)
from sympy import functions as f
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.logic.boolalg import ITE, And, BooleanAtom, Not, Or

from symbackprop import functions as own
from symbackprop.codegen.calls import CALLS, NUMERIC, OF_INTEGERS, REWRITTEN, WHOLE
from symbackprop.codegen.ranges import inside, is_integral
from symbackprop.codegen.stability import Minus
from symbackprop.conditions import has_one_case, joined_conditions
from symbackprop.errors import CompilationError
from symbackprop.notation import Element, Tensor, TensorSymbol
from symbackprop.printing.ordering import fraction, magnitude

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)


class Piece(NamedTuple):
    """Source of an expression, and the strength of its outermost operation."""

    text: str
    strength: int = ATOM

    def within(self, strength: int) -> str:
        """The text, in brackets unless it binds at least that strongly."""
        return self.text if self.strength >= strength else f"({self.text})"


LONGEST_POWER, LARGEST_EXACT = 64, 2**53


@dataclass(frozen=True, slots=True)
class Scope:
    """How the tensors, indices and sizes of a stage are called; `scalars` need no brackets.

    spans: the first value, and the one after the last, of an index that runs through a part only;
    runs: how entries are called that are read elsewhere, such as those of a run; places: where in
    memory a tensor lies, if another one may lie there too.
    """

    tensors: Mapping[Tensor, str]
    scalars: frozenset[Tensor]
    indices: Mapping[Idx, str]
    sizes: Mapping[Symbol, str]
    spans: Mapping[Idx, tuple[str, str]] = field(default_factory=dict)
    runs: Mapping[Expr, str] = field(default_factory=dict)
    places: Mapping[Tensor, Hashable] = field(default_factory=dict)

    def real(self, expr: Expr) -> str:
        """The expression in the kernel's arithmetic."""
        return self._real(expr).text

    def factor(self, expr: Expr) -> str:
        """The expression in the kernel's arithmetic, fit for a product."""
        return self._real(expr).within(PRODUCT)

    def integer(self, expr: Expr) -> str:
        """An index, extent or label as an integer."""
        return self._integer(expr).text

    def entry(self, expr: Expr) -> str:
        """An Element or rank-0 symbol as it stands on the left of an assignment."""
        if expr in self.runs:
            return self.runs[expr]
        name = self.tensors[expr.tensor]
        if isinstance(expr, Element):
            return f"{name}[{', '.join(self.integer(i) for i in expr.indices)}]"
        return name if expr.tensor in self.scalars else f"{name}[()]"

    def value(self, expr: Expr, tensor: Tensor) -> str:
        """The expression in the arithmetic of a tensor: labels are integers."""
        return self.integer(expr) if tensor.has_fact("label") else self.real(expr)

    def condition(self, expr: Basic) -> str:
        """A condition as a Python bool."""
        match expr:
            case BooleanAtom():
                return str(bool(expr))
            case Relational():
                left, right = expr.args
                write = self._integer if is_integral(left) and is_integral(right) else self._real
                return f"{write(left).text} {expr.rel_op} {write(right).text}"
            case And() | Or():
                word = " and " if isinstance(expr, And) else " or "
                return word.join(sorted(f"({self.condition(arg)})" for arg in expr.args))
            case Not():
                return f"not ({self.condition(expr.args[0])})"
            case ITE():
                return self.condition(joined_conditions(expr))
        raise CompilationError(f"the condition {expr} cannot be compiled; write it with ==, <, > "
                               "and And, Or, Not of such")

    def _read(self, expr: Expr) -> Piece:
        entry = self.entry(expr)
        if not isinstance(expr, Element):
            return Piece(entry)
        open_ends = [(self.integer(i), self.integer(axis)) for i, axis
                     in zip(expr.indices, expr.tensor.axes, strict=True) if not inside(i, axis)]
        if not open_ends:
            return Piece(entry)
        certain = " and ".join(f"0 <= {index} < {length}" for index, length in open_ends)
        outside = "-1" if expr.tensor.has_fact("label") else "real(nan)"
        return Piece(f"({entry} if {certain} else {outside})")

    def _real(self, expr: Expr) -> Piece:
        match expr:
            case Element() | TensorSymbol():
                read = self._read(expr)
                return Piece(f"real({read.text})") if expr.tensor.has_fact("label") else read
            case Idx() | Symbol():
                return Piece(f"real({self.integer(expr)})")
            case Add():
                return self._sum(expr)
            case Mul():
                return self._product(expr)
            case own.Iverson():
                return Piece(f"real({self.condition(expr.args[0])})")
            case Piecewise():
                return self._cases(expr)
        if expr.is_number and not expr.has(*NUMERIC, own.Iverson):
            return _number(expr)
        if isinstance(expr, Pow):
            return self._power(expr)
        return self._call(expr)

    def _sum(self, expr: Expr) -> Piece:
        line = ""
        for term in sorted(expr.args, key=lambda t: (_is_negative(t), not t.is_number)):
            part = self._real(magnitude(term)).within(PRODUCT)
            joint = " - " if _is_negative(term) else " + "
            line += joint + part if line else ("-" if _is_negative(term) else "") + part
        return Piece(line, SUM)

    def _product(self, expr: Expr) -> Piece:
        brackets = [arg for arg in expr.args if isinstance(arg, own.Iverson)]
        if brackets:
            rest = Mul(*(arg for arg in expr.args if arg not in brackets))
            condition = " and ".join(sorted(f"({self.condition(b.args[0])})" for b in brackets))
            return Piece(f"where({condition}, {self.real(rest)}, real(0))")
        for arg in expr.args:
            if has_one_case(arg):
                rest = Mul(*(other for other in expr.args if other is not arg))
                return self._cases(Piecewise(*((value * rest, c) for value, c in arg.args),
                                             evaluate=False))
        if _is_negative(expr):
            return Piece(f"-{self._real(-expr).within(PRODUCT)}", UNARY)
        above, below = fraction(Mul.make_args(expr))
        upper = "*".join(self._real(part).within(UNARY) for part in above) or "real(1)"
        if not below:
            return Piece(upper, PRODUCT)
        lower = "*".join(self._real(part).within(UNARY) for part in below)
        return Piece(f"{upper}/({lower})" if len(below) > 1 else
                     f"{upper}/{self._real(below[0]).within(POWER)}", PRODUCT)

    def _power(self, expr: Expr) -> Piece:
        base, exponent = expr.args
        if exponent.is_number and exponent < 0:
            below = self._real(Pow(base, -exponent)).within(POWER)
            return Piece(f"real(1)/{below}", PRODUCT)
        if isinstance(exponent, Integer) and exponent <= LONGEST_POWER:
            return Piece(f"{self._real(base).within(ATOM)}**{exponent}", POWER)
        if isinstance(exponent, Rational) and exponent.q == 2 and exponent.p <= LONGEST_POWER:
            root = f"sqrt({self.real(base)})"
            return Piece(root if exponent.p == 1 else f"{root}**{exponent.p}", POWER)
        return Piece(f"power({self.real(base)}, {self.real(exponent)})")

    def _cases(self, expr: Piecewise) -> Piece:
        text = "real(nan)"
        for value, condition in reversed(expr.args):
            if condition == S.true:
                text = self.real(value)
            else:
                text = f"where({self.condition(condition)}, {self.real(value)}, {text})"
        return Piece(text, ATOM if text.startswith("where") else SUM)

    def _call(self, expr: Expr) -> Piece:
        if type(expr) in REWRITTEN:
            return self._real(REWRITTEN[type(expr)](*expr.args))
        if isinstance(expr, Mod):
            left, right = (self._real(arg).within(UNARY) for arg in expr.args)
            return Piece(f"{left} % {right}", PRODUCT)
        if type(expr) in OF_INTEGERS:
            integers = ", ".join(map(self.integer, expr.args))
            return Piece(f"{OF_INTEGERS[type(expr)]}(real(0), {integers})")
        if type(expr) not in CALLS:
            raise CompilationError(_refusal(expr))
        inside = [self.real(arg) for arg in expr.args]
        name = CALLS[type(expr)]
        if isinstance(expr, (own.logaddexp, Max, Min)):
            return Piece(reduce(lambda a, b: f"{name}({a}, {b})", inside))
        return Piece(f"{name}({', '.join(inside)})")

    def _integer(self, expr: Expr) -> Piece:
        match expr:
            case Integer():
                return Piece(str(expr), ATOM if expr >= 0 else UNARY)
            case Idx():
                return Piece(self.indices[expr])
            case Element() | TensorSymbol():
                return self._read(expr)
            case Symbol() if expr in self.sizes:
                return Piece(self.sizes[expr])
            case Add():
                return self._integer_sum(expr)
            case Mul():
                return Piece("*".join(self._integer(a).within(UNARY) for a in expr.args), PRODUCT)
            case Mod():
                left, right = (self._integer(arg).within(UNARY) for arg in expr.args)
                return Piece(f"{left} % {right}", PRODUCT)
            case Pow() if isinstance(expr.args[1], Integer) and 0 < expr.args[1] < LONGEST_POWER:
                return Piece(f"{self._integer(expr.args[0]).within(ATOM)}**{expr.args[1]}", POWER)
            case Pow() if expr.args[1].is_positive and expr.args[1].is_integer:
                below, above = (self._integer(arg).within(ATOM) for arg in expr.args)
                return Piece(f"{below}**{above}", POWER)
            case Max() | Min():
                inside = ", ".join(sorted(self.integer(arg) for arg in expr.args))
                return Piece(f"{WHOLE[type(expr)]}({inside})")
            case f.floor() if is_integral(expr.args[0].as_numer_denom()[1]):
                upper, lower = map(self._integer, expr.args[0].as_numer_denom())
                return Piece(f"{upper.within(UNARY)}//{lower.within(ATOM)}", PRODUCT)
        raise CompilationError(_refusal(expr))

    def _integer_sum(self, expr: Expr) -> Piece:
        line = ""
        for term in sorted(expr.args, key=_is_negative):
            part = self._integer(magnitude(term)).within(PRODUCT)
            joint = " - " if _is_negative(term) else " + "
            line += joint + part if line else ("-" if _is_negative(term) else "") + part
        return Piece(line, SUM)


def _is_negative(term: Expr) -> bool:
    number = term.as_coeff_Mul()[0]
    return bool(number.is_real and number < 0)


def _number(expr: Expr) -> Piece:
    """A constant, rounded once to the kernel's arithmetic."""
    if expr in (S.Infinity, S.NegativeInfinity):
        return Piece("real(inf)" if expr is S.Infinity else "real(-inf)")
    if isinstance(expr, Integer) and abs(expr) < LARGEST_EXACT:
        return Piece(f"real({expr})")
    if isinstance(expr, Rational) and max(abs(expr.p), expr.q) < LARGEST_EXACT:
        return Piece(f"real({expr.p}/{expr.q})")
    value = expr if isinstance(expr, Float) else expr.evalf(20)
    if not value.is_Float or not isfinite(float(value)):
        shown = f"about {value.n(3)}" if value.is_Float else expr
        raise CompilationError(f"the constant {shown} is no finite real number")
    return Piece(f"real({float(value)!r})")


def _refusal(expr: Expr) -> str:
    if isinstance(expr, AppliedUndef):
        return (f"{expr.func.__name__} is an undefined function and has no value; write a function "
                "that is known, e.g. sb.sigmoid, in its place")
    if isinstance(expr, Symbol):
        return (f"the symbol {expr} has no value; declare a number by sb.hyper({str(expr)!r}), "
                f"an array by sb.data")
    known = ", ".join(sorted((k.__name__ for k in CALLS if k is not Minus), key=str.lower))
    return f"{expr.func.__name__} is no function that can be compiled, in {expr}; known: {known}"
