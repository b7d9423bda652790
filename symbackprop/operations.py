"""Elementary operations on numbers: how a formula is cut into them, their values and derivatives.

    1/(1 + exp(−(b + w·x)))    is cut into    ×, +, ×−1, exp, +1, 1/x

as in the computational graphs of lecture 003.  SymPy multiplies a minus into a sum; it is taken
out again where all terms carry one, nothing else is rewritten.  A number is a Fraction while all
that went into it is rational, and a float from the first irrational value on.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from symbackprop.backprop import partial_derivatives
from symbackprop.errors import InputError
from symbackprop.functions import Iverson, leaky_relu, relu
from symbackprop.numeric import FUNCTIONS

__all__ = ["Number", "Operation", "as_float", "bounded", "evaluated", "operation", "partials",
           "place", "value_of"]

Number = Fraction | float

LARGEST = 1 << 14  # bits of a fraction; beyond, it goes on as a float
OUTPUT = sp.Symbol("out", real=True)
_RELATIONS: dict[type, Callable[[Any, Any], bool]] = {
    sp.Eq: operator.eq, sp.Ne: operator.ne, sp.Lt: operator.lt, sp.Le: operator.le,
    sp.Gt: operator.gt, sp.Ge: operator.ge,
}
_EXACT: dict[type, Callable[..., Any]] = {
    sp.Abs: abs, sp.Max: max, sp.Min: min, sp.floor: math.floor, sp.ceiling: math.ceil,
    sp.Mod: operator.mod, sp.sign: lambda t: (t > 0) - (t < 0), relu: lambda t: max(t, 0),
    leaky_relu: lambda t, slope: t if t > 0 else slope * t,
    sp.Heaviside: lambda t, at_zero: at_zero if t == 0 else int(t > 0),
    sp.KroneckerDelta: lambda i, j, *_: int(i == j),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One node of a graph: its kind, the expressions it works on, and what is written in it.

    kind: sum, product, max, min, lse over all operands, or body: `body` holds place(0), place(1) …
    """

    label: str
    operands: tuple[sp.Expr, ...]
    kind: str = "body"
    body: sp.Expr | None = None


@cache
def place(number: int) -> sp.Symbol:
    """The symbol that stands for an operand in the body of an operation: x, y, z, x3 …"""
    return sp.Symbol("xyz"[number] if number < 3 else f"x{number}", real=True)


def operation(node: sp.Expr) -> Operation:
    """The outermost operation of an expression, with the numbers in it kept in its label."""
    if isinstance(node, sp.Add):
        return _addition(node)
    if isinstance(node, sp.Mul):
        return _multiplication(node)
    if isinstance(node, AppliedUndef) or type(node) not in FUNCTIONS:
        raise InputError(f"{node.func.__name__} has no value in {node}: worked numbers need "
                         "functions that are known; write e.g. sb.sigmoid in its place")
    operands = tuple(arg for arg in node.args if not isinstance(arg, sp.Number))
    free = iter(range(len(operands)))
    body = node.func(*(arg if isinstance(arg, sp.Number) else place(next(free))
                       for arg in node.args))
    if type(node) in (sp.Max, sp.Min) and len(operands) == len(node.args):
        kind = "max" if isinstance(node, sp.Max) else "min"
        return Operation(kind, operands, kind)
    return Operation("", operands, body=body)


def _addition(node: sp.Add) -> Operation:
    minus = [term for term in node.args if term.as_coeff_Mul()[0].is_negative]
    plus = [term for term in node.args if term not in minus]
    right = sp.Add(*(-term for term in minus))
    if not plus:
        return Operation("×−1", (right,), body=-place(0))
    if minus:
        left = sp.Add(*plus)
        if left.is_Number:
            return Operation("", (right,), body=left - place(0))
        if right.is_Number:
            return Operation(f"−{_plain(right)}", (left,), body=place(0) - right)
        return Operation("", (left, right), body=place(0) - place(1))
    numbers = [term for term in plus if term.is_Number]
    rest = [term for term in plus if not term.is_Number]
    if numbers and rest:
        number = sp.Add(*numbers)
        return Operation(f"+{_plain(number)}", (sp.Add(*rest),), body=place(0) + number)
    return Operation("+", tuple(plus), "sum")


def _multiplication(node: sp.Mul) -> Operation:
    numbers = [factor for factor in node.args if factor.is_Number]
    rest = [factor for factor in node.args if not factor.is_Number]
    if numbers and rest:
        number = sp.Mul(*numbers)
        label = f"÷{number.q}" if number.is_Rational and number.p == 1 else f"×{_plain(number)}"
        inner = rest[0] if len(rest) == 1 else sp.Mul(*rest)
        return Operation(label, (inner,), body=number * place(0))
    return Operation("×", tuple(node.args), "product")


def _plain(number: sp.Expr) -> str:
    shown = str(number) if number.is_Rational else repr(float(number)).removesuffix(".0")
    return shown.replace("-", "−")


def value_of(made: Operation, values: Sequence[Number]) -> Number:
    """The value of an operation at the values of its operands."""
    match made.kind:
        case "sum":
            return bounded(sum(values, Fraction(0)))
        case "product":
            return _product(made.operands, values)
        case "max" | "min":
            return max(values) if made.kind == "max" else min(values)
        case "lse":
            return _log_sum_exp(values)
    known = {place(k): value for k, value in enumerate(values)}
    found: Number = evaluated(made.body, known)
    return found


def partials(made: Operation, values: Sequence[Number], value: Number) -> tuple[Number, ...]:
    """The derivative of an operation by each of its operands, at their values."""
    match made.kind:
        case "sum":
            return (Fraction(1),) * len(values)
        case "product":
            return tuple(_product(_without(made.operands, k), _without(values, k))
                         for k in range(len(values)))
        case "max" | "min":
            ties = sum(1 for other in values if other == value) or 1
            return tuple(Fraction(int(other == value), ties) for other in values)
        case "lse":
            return tuple(math.exp(other - value) for other in values)
    known = {place(k): given for k, given in enumerate(values)} | {OUTPUT: value}
    rules = derivative_rules(made.body, len(values))
    return tuple(evaluated(rule, known) for rule in rules)


@lru_cache(maxsize=4096)
def derivative_rules(body: sp.Expr, count: int) -> tuple[sp.Expr, ...]:
    """∂body/∂place(k) as formulas in the places and OUTPUT, which stands for the value."""
    wanted = [place(k) for k in range(count)]
    found = partial_derivatives(body, OUTPUT, wanted)
    return tuple(found[symbol] for symbol in wanted)


def evaluated(expr: sp.Basic, known: Mapping[sp.Basic, Any]) -> Any:
    """A scalar expression or a condition as a number or truth value; known: that of its leaves."""
    done: dict[sp.Basic, Any] = dict(known)
    stack = [expr]
    while stack:
        node = stack[-1]
        missing = [] if node in done else [arg for arg in node.args if arg not in done]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        if node not in done:
            done[node] = _evaluated(node, [done[arg] for arg in node.args])
    return done[expr]


def _evaluated(node: sp.Basic, values: list[Any]) -> Any:
    if isinstance(node, sp.Rational):
        return Fraction(int(node.p), int(node.q))
    if isinstance(node, BooleanAtom):
        return bool(node)
    if node is sp.I:  # the slope of (−1)^k by k
        return math.nan
    if isinstance(node, (sp.Number, sp.NumberSymbol)):
        return float(node)
    if isinstance(node, Relational):
        return bool(_RELATIONS[type(node)](*values))
    if isinstance(node, (sp.And, sp.Or)):
        return all(values) if isinstance(node, sp.And) else any(values)
    if isinstance(node, sp.Not):
        return not values[0]
    if isinstance(node, Iverson):
        return Fraction(int(values[0]))
    if isinstance(node, sp.Add):
        return bounded(sum(values, Fraction(0)))
    if isinstance(node, sp.Mul):
        return _product(node.args, values)
    if type(node) not in FUNCTIONS:
        raise InputError(f"{node} has no value; give one by name, or write a known function")
    return _function(node, values)


def _function(node: sp.Basic, values: list[Number]) -> Number:
    if all(isinstance(value, Fraction) for value in values):
        exact = _exactly(node, values)
        if exact is not None:
            return exact
    with np.errstate(all="ignore"):
        return float(FUNCTIONS[type(node)][0](*(as_float(value) for value in values)))


def _exactly(node: sp.Basic, values: list[Any]) -> Number | None:
    """The rational value at rational arguments, None where it is irrational or too long."""
    if type(node) in _EXACT:
        return Fraction(_EXACT[type(node)](*values))
    if isinstance(node, sp.Pow) and values[1].denominator == 1:
        base, power = values[0], int(values[1])
        if base == 0 and power < 0:
            return None
        size = base.numerator.bit_length() + base.denominator.bit_length()
        return Fraction(base**power) if size * abs(power) <= LARGEST else None
    if max(v.numerator.bit_length() + v.denominator.bit_length() for v in values) > 256:
        return None
    found = node.func(*(sp.Rational(v.numerator, v.denominator) for v in values))
    return Fraction(int(found.p), int(found.q)) if found.is_Rational else None


def _product(factors: Sequence[Any], values: Sequence[Number]) -> Number:
    """A product, in which a bracket that does not hold is strongly zero."""
    product: Number = Fraction(1)
    for factor, value in zip(factors, values, strict=True):
        if value == 0 and isinstance(factor, Iverson):
            return Fraction(0)
        product = product * value
    return bounded(product)


def _without(items: Sequence[Any], k: int) -> tuple[Any, ...]:
    return (*items[:k], *items[k + 1:])


def _log_sum_exp(values: Sequence[Number]) -> float:
    largest = as_float(max(values))
    if math.isinf(largest):
        return largest
    return largest + math.log(sum(math.exp(value - largest) for value in values))


def as_float(number: Number) -> float:
    """The nearest float; infinity where the fraction is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return -math.inf if number < 0 else math.inf


def bounded(number: Any) -> Number:
    """The number itself; a float in the place of a fraction with too many digits."""
    if isinstance(number, Fraction):
        long = number.numerator.bit_length() + number.denominator.bit_length() > LARGEST
        return as_float(number) if long else number
    return float(number)
