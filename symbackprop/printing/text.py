"""Scalar bodies as formulas: Σ_i x[n,i]·W1[i,j] + b1[j].

Every node is written once, bottom up, with the strength of its outermost operation, so that
brackets stand only where they are needed and no depth of nesting is a problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sympy import (
    Abs,
    Add,
    And,
    Basic,
    Expr,
    Float,
    Heaviside,
    Idx,
    Integer,
    KroneckerDelta,
    Max,
    Min,
    Mul,
    Not,
    NumberSymbol,
    Or,
    Piecewise,
    Pow,
    Rational,
    Sum,
    Symbol,
    Tuple,
    exp,
)
from sympy.core.relational import Relational

from symbackprop.functions import Iverson, spelled
from symbackprop.indexing import limits
from symbackprop.notation import (
    Element,
    LogSumExp,
    Maximum,
    Reduction,
    Tensor,
    TensorSymbol,
    elements_in,
    extent,
)
from symbackprop.printing.formula import (
    Formula,
    Piece,
    beside,
    big,
    bracket,
    call,
    cases,
    entry,
    joined,
    letter,
    name,
    number,
    power,
    quotient,
    root,
    word,
)
from symbackprop.printing.naming import partial
from symbackprop.printing.numbers import float_text, integer_text
from symbackprop.printing.ordering import (
    fraction,
    magnitude,
    number_of,
    number_shared,
    term_order,
)

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)
RELATIONS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥", "<": "<", ">": ">"}
_CONSTANTS = {"pi": "π", "E": "e"}
_NAMES = {exp: "exp", Max: "max", Min: "min", Heaviside: "step"}


def text(expr: Basic, names: Mapping[Tensor, str]) -> str:
    """The expression in one line; names are those of the program it belongs to."""
    return formula(expr, names).text


def formula(expr: Basic, names: Mapping[Tensor, str]) -> Formula:
    """The expression as a formula; names are those of the program it belongs to."""
    return piece(expr, names).formula


def piece(expr: Basic, names: Mapping[Tensor, str], shown: Mapping[Basic, Piece] | None = None
          ) -> Piece:
    """The same, with the strength of its outermost operation; shown: what stands for some nodes."""
    written: dict[Basic, Piece] = dict(shown or {})
    expr = spelled(expr)
    stack: list[tuple[Basic, bool]] = [(expr, False)]
    while stack:
        node, finished = stack.pop()
        if node in written:
            continue
        if finished:
            written[node] = _written(node, written, names)
        else:
            stack.append((node, True))
            stack.extend((part, False) for part in _parts(node))
    return written[expr]


def _parts(node: Basic) -> Sequence[Basic]:
    match node:
        case Idx() | TensorSymbol() | Symbol() | Rational():
            return ()
        case Element():
            return node.indices
        case Sum() | Reduction():
            return (node.args[0],)
        case Mul():
            numerator, denominator = fraction(node.args)
            return [*numerator, *denominator]
        case Add():
            shared = number_shared(node)
            return [shared] if shared is not None else [magnitude(term) for term in node.args]
    return tuple(node.args)


def _written(node: Basic, written: Mapping[Basic, Piece], names: Mapping[Tensor, str]) -> Piece:
    match node:
        case TensorSymbol():
            return _entry(name(names.get(node.tensor, node.name)), [])
        case Idx():
            return Piece(letter(str(node.label)), ATOM)
        case Element():
            called = name(names.get(node.tensor, node.args[0].name))
            return _entry(called, [written[i].formula for i in node.indices])
        case Integer():
            return Piece(number(integer_text(int(node))), ATOM if node >= 0 else UNARY)
        case Rational():
            return Piece(quotient(number(str(node.p)), number(str(node.q))), PRODUCT)
        case Float():
            return Piece(number(float_text(float(node))), ATOM if node >= 0 else UNARY)
        case Add():
            shared = number_shared(node)
            return _sum(node, written) if shared is None else written[shared]
        case Mul():
            return _product(node, written)
        case Pow():
            return _power(node, written)
        case Sum() | Reduction():
            return _reduction(node, written)
    return _function(node, written)


def _entry(called: Formula, at: Sequence[Formula]) -> Piece:
    """x[n,i]; a derivative binds as a quotient, so that (∂L/∂x)² is not read as ∂L/∂x²."""
    return Piece(entry(called, at) if at else called, UNARY if partial(called.text) else ATOM)


def _function(node: Basic, written: Mapping[Basic, Piece]) -> Piece:
    inside = [written[arg].formula for arg in node.args if arg in written]
    match node:
        case Abs():
            return Piece(bracket(inside[0], "||"), ATOM)
        case Iverson():
            return Piece(bracket(inside[0], "[]"), ATOM)
        case KroneckerDelta():
            inside.sort(key=lambda side: (side.kind == "number", side.text))
            return Piece(bracket(joined(inside, " = "), "[]"), ATOM)
        case Relational():
            if node.rel_op == "==" and isinstance(node.args[1], Idx):
                inside.sort(key=str)
            return Piece(joined(inside, f" {RELATIONS[node.rel_op]} "), SUM)
        case And() | Or():
            parts = [written[arg].within(PRODUCT) for arg in node.args]
            return Piece(either(parts, isinstance(node, And)), SUM)
        case Not():
            return Piece(beside(word("not "), bracket(inside[0])), SUM)
        case Piecewise():
            pairs = [(written[pair.args[0]].formula, None if pair.args[1] == True  # noqa: E712
                      else written[pair.args[1]].formula) for pair in node.args]
            return Piece(cases(pairs), ATOM)
        case Tuple():
            return written[node.args[0]]
    if not node.args:
        return Piece(_atom(node), ATOM)
    return Piece(call(function_name(node), *inside), ATOM)


def _atom(node: Basic) -> Formula:
    if isinstance(node, NumberSymbol):
        return letter(_CONSTANTS.get(str(node), str(node)))
    return name(node.name) if isinstance(node, Symbol) else word(str(node))


def either(parts: Sequence[Formula], all_of_them: bool) -> Formula:
    """Conditions with `and` or `or` between them."""
    between = word(" and " if all_of_them else " or ")
    return beside(parts[0], *(p for part in parts[1:] for p in (between, part)))


def function_name(node: Basic) -> str:
    """How a function is called in formulas."""
    return _NAMES.get(type(node), getattr(node.func, "__name__", str(node.func)))


def _sum(node: Expr, written: Mapping[Basic, Piece]) -> Piece:
    line: list[Formula | str] = []
    for term in sorted(node.args, key=term_order):
        negative = number_of(term) < 0
        between = (" − " if negative else " + ") if line else ("−" if negative else "")
        part = written[magnitude(term)]
        line += [between, part.within(SUM + 1)] if between else [part.within(SUM)]
    return Piece(beside(*line), SUM)


def _product(node: Expr, written: Mapping[Basic, Piece]) -> Piece:
    numerator, denominator = fraction(node.args)
    sign = ["−"] if number_of(node) < 0 else []
    last = len(numerator) - 1
    open_ended = len(numerator) > 1 and not denominator
    parts = [
        written[f].formula
        if place == last and open_ended and isinstance(f, (Sum, Reduction))
        else written[f].within(PRODUCT + 1 if len(numerator) > 1 or denominator or sign else 0)
        for place, f in enumerate(numerator)
    ]
    above = joined(parts, "·") if parts else number("1")
    if not denominator:
        return Piece(beside(*sign, above), PRODUCT)
    below = joined([written[f].within(POWER) for f in denominator], "·")
    below = bracket(below) if len(denominator) > 1 else below
    return Piece(beside(*sign, quotient(above, below)), PRODUCT)


def _power(node: Expr, written: Mapping[Basic, Piece]) -> Piece:
    base, exponent = node.args
    if exponent == Rational(1, 2):
        return Piece(root(written[base].formula), ATOM)
    if exponent == Rational(-1, 2):
        return Piece(quotient(number("1"), root(written[base].formula)), PRODUCT)
    inside = written[base].within(ATOM)
    if isinstance(exponent, Integer) and exponent > 0:
        return Piece(power(inside, number(str(exponent))), POWER)
    if isinstance(exponent, Integer):
        below = inside if exponent == -1 else power(inside, number(str(-exponent)))
        return Piece(quotient(number("1"), below), PRODUCT)
    return Piece(power(inside, written[exponent].within(ATOM)), POWER)


def _reduction(node: Expr, written: Mapping[Basic, Piece]) -> Piece:
    letters = []
    for index, *ends in limits(node):
        whole = tuple(ends) == (index.lower, index.upper) and not _in_part(index, node.args[0])
        own = letter(str(index.label))
        letters.append(own if whole else beside(
            own, "=", formula(ends[0], {}), "..", formula(ends[1], {})))
    return reduction(node, letters, written[node.args[0]])


def _in_part(index: Idx, body: Expr) -> bool:
    """Whether an index runs along a part of the axes only at which it stands alone."""
    axes = {axis for e in elements_in(body) if isinstance(e, Element)
            for axis, place in zip(e.tensor.axes, e.indices, strict=True) if place == index}
    return bool(axes) and extent(index) not in axes


def reduction(node: Expr, letters: Sequence[Formula], body: Piece) -> Piece:
    """Σ_{n,k} body; a maximum and a log-sum-exp likewise."""
    if isinstance(node, LogSumExp):
        return Piece(beside(word("log"), " ", big(beside("Σ"), letters), " ",
                         call("exp", body.formula)), PRODUCT)
    sign = beside("Σ") if isinstance(node, Sum) else word(
        "max" if isinstance(node, Maximum) else "min")
    return Piece(beside(big(sign, letters), " ", body.within(PRODUCT)), PRODUCT)
