"""Scalar bodies as readable text: Σ_i x[n,i]·W1[i,j] + b1[j].

Every node is written once, bottom up, with the strength of its outermost operation, so that
brackets stand only where they are needed and no depth of nesting is a problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
    Max,
    Min,
    Mul,
    Not,
    Number,
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
from symbackprop.indexing import bound_indices
from symbackprop.notation import Element, LogSumExp, Maximum, Reduction, Tensor, TensorSymbol

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
RELATIONS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥", "<": "<", ">": ">"}
_ROLES = {"data": 0, "noise": 0, "intermediate": 1, "state": 3, "parameter": 4, "hyper": -1}
_NAMES = {exp: "exp", Max: "max", Min: "min", Heaviside: "step"}


class Piece(NamedTuple):
    """A text and the strength of its outermost operation."""

    text: str
    strength: int = ATOM

    def within(self, strength: int) -> str:
        """The text, in brackets where it stands in something that binds at least as strongly."""
        return self.text if self.strength >= strength else f"({self.text})"


def text(expr: Basic, names: Mapping[Tensor, str]) -> str:
    """The expression in one line; names are those of the program it belongs to."""
    written: dict[Basic, Piece] = {}
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
    return written[expr].text


def _parts(node: Basic) -> Sequence[Basic]:
    match node:
        case Idx() | TensorSymbol() | Symbol() | Rational():
            return ()
        case Element():
            return node.indices
        case Sum() | Reduction():
            return (node.args[0],)
        case Mul():
            numerator, denominator = fraction(node)
            return [*numerator, *denominator]
        case Add():
            shared = number_shared(node)
            return [shared] if shared is not None else [magnitude(term) for term in node.args]
    return tuple(node.args)


def _written(node: Basic, written: Mapping[Basic, Piece], names: Mapping[Tensor, str]) -> Piece:
    match node:
        case TensorSymbol():
            return Piece(names.get(node.tensor, node.name))
        case Idx():
            return Piece(str(node.label))
        case Element():
            inside = ",".join(written[index].text for index in node.indices)
            return Piece(f"{names.get(node.tensor, node.args[0].name)}[{inside}]")
        case Integer():
            return Piece(str(node).replace("-", "−"), ATOM if node >= 0 else UNARY)
        case Rational():
            return Piece(f"{node.p}/{node.q}".replace("-", "−"), PRODUCT)
        case Float():
            return Piece(_float_text(float(node)), ATOM if node >= 0 else UNARY)
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


def _function(node: Basic, written: Mapping[Basic, Piece]) -> Piece:
    inside = [written[arg].text for arg in node.args]
    match node:
        case Abs():
            return Piece(f"|{inside[0]}|")
        case Iverson():
            return Piece(f"[{inside[0]}]")
        case Relational():
            if node.rel_op == "==" and isinstance(node.args[1], Idx):
                inside.sort()
            return Piece(f"{inside[0]} {RELATIONS[node.rel_op]} {inside[1]}", SUM)
        case And() | Or():
            word = " and " if isinstance(node, And) else " or "
            return Piece(word.join(written[arg].within(PRODUCT) for arg in node.args), SUM)
        case Not():
            return Piece(f"not ({inside[0]})", SUM)
        case Piecewise():
            return Piece("{" + "; ".join(inside) + "}")
        case Tuple():
            value, condition = inside
            return Piece(f"{value} otherwise" if condition == "True" else f"{value} if {condition}")
    if not node.args:
        return Piece(str(node))
    return Piece(f"{function_name(node)}({', '.join(inside)})")


def function_name(node: Basic) -> str:
    """How a function is called in formulas."""
    return _NAMES.get(type(node), getattr(node.func, "__name__", str(node.func)))


def _float_text(number: float) -> str:
    """1e-5 and 0.1, the shortest decimal that is this number."""
    shown = repr(number).replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return shown.removesuffix(".0").replace("-", "−") if number < 0 else shown.removesuffix(".0")


def _sum(node: Expr, written: Mapping[Basic, Piece]) -> Piece:
    line = ""
    for term in sorted(node.args, key=term_order):
        negative = _number_of(term) < 0
        part = written[magnitude(term)].within(SUM + 1)
        line += (" − " if negative else " + ") + part if line else ("−" if negative else "") + part
    return Piece(line, SUM)


def _product(node: Expr, written: Mapping[Basic, Piece]) -> Piece:
    numerator, denominator = fraction(node)
    sign = "−" if _number_of(node) < 0 else ""
    last = len(numerator) - 1
    open_ended = len(numerator) > 1 and not denominator
    parts = [
        written[f].text
        if place == last and open_ended and isinstance(f, (Sum, Reduction))
        else written[f].within(PRODUCT + 1 if len(numerator) > 1 or denominator or sign else 0)
        for place, f in enumerate(numerator)
    ]
    above = "·".join(parts) or "1"
    if not denominator:
        return Piece(sign + above, PRODUCT)
    below = "·".join(written[f].within(POWER) for f in denominator)
    below = f"({below})" if len(denominator) > 1 else below
    return Piece(f"{sign}{above}/{below}", PRODUCT)


def _power(node: Expr, written: Mapping[Basic, Piece]) -> Piece:
    base, exponent = node.args
    if exponent == Rational(1, 2):
        return Piece(f"√({written[base].text})")
    if exponent == Rational(-1, 2):
        return Piece(f"1/√({written[base].text})", PRODUCT)
    if isinstance(exponent, Integer) and exponent > 0:
        return Piece(written[base].within(ATOM) + str(exponent).translate(_SUPERSCRIPTS), POWER)
    if isinstance(exponent, Integer):
        raised = str(-exponent).translate(_SUPERSCRIPTS) if exponent != -1 else ""
        return Piece(f"1/{written[base].within(ATOM)}{raised}", PRODUCT)
    return Piece(f"{written[base].within(ATOM)}^{written[exponent].within(ATOM)}", POWER)


def _reduction(node: Expr, written: Mapping[Basic, Piece]) -> Piece:
    letters = []
    for limit in node.limits if isinstance(node, Sum) else bound_indices(node):
        whole = not isinstance(limit, Tuple) or limit[1:] == (limit[0].lower, limit[0].upper)
        index = limit[0] if isinstance(limit, Tuple) else limit
        letters.append(str(index.label) if whole else f"{index.label}={limit[1]}..{limit[2]}")
    return reduction_text(node, letters, written[node.args[0]])


def reduction_text(node: Expr, letters: Sequence[str], body: Piece) -> Piece:
    """Σ_{n,k} body; a maximum and a log-sum-exp likewise."""
    below = letters[0] if len(letters) == 1 and len(letters[0]) == 1 else f"{{{','.join(letters)}}}"
    inside = body.within(PRODUCT)
    if isinstance(node, LogSumExp):
        return Piece(f"log Σ_{below} exp({body.text})", PRODUCT)
    sign = "Σ" if isinstance(node, Sum) else "max" if isinstance(node, Maximum) else "min"
    return Piece(f"{sign}_{below} {inside}", PRODUCT)


def _number_of(term: Expr) -> Expr:
    return term.as_coeff_Mul()[0]


def magnitude(term: Expr) -> Expr:
    """The term without the minus sign of its number."""
    return -term if _number_of(term) < 0 else term


def number_shared(total: Expr) -> Expr | None:
    """2·a − 2·b as the product 2·(a − b), which SymPy does not keep; None where there is none."""
    terms = [term.as_coeff_Mul() for term in total.args]
    size = abs(terms[0][0])
    if size == 1 or not size.is_Rational or any(abs(number) != size or _has_hyper(rest) for number, rest in terms):
        return None
    return Mul(size, Add(*(number / size * rest for number, rest in terms)), evaluate=False)


def _has_hyper(term: Expr) -> bool:
    """Whether a size or hyper is a factor: 2·x/N and 2·lam·w are left as they are."""
    bases = (f.args[0] if isinstance(f, Pow) else f for f in Mul.make_args(term))
    return any(isinstance(b, Symbol) and (
        not isinstance(b, TensorSymbol) or b.tensor.role == "hyper") for b in bases)


def fraction(product: Expr) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the line, in the order in which they are written; no sign."""
    return fraction_of(product.args)


def fraction_of(factors: Sequence[Expr]) -> tuple[list[Expr], list[Expr]]:
    """The same for the factors of a product that is not made yet."""
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in factors:
        if isinstance(factor, Rational):
            above.extend([Integer(abs(factor.p))] if abs(factor.p) != 1 else [])
            below.extend([Integer(factor.q)] if factor.q != 1 else [])
        elif factor.is_Number:
            above.append(abs(factor))
        elif factor.is_Pow and isinstance(factor.args[1], Rational) and factor.args[1] < 0:
            below.append(factor.args[0] ** -factor.args[1])
        else:
            above.append(factor)
    scalars_only = all(_is_number(f) or isinstance(f, Symbol) for f in above
                       if not isinstance(f, (Sum, Reduction)))
    return sorted(above, key=lambda f: _factor_order(f, scalars_only)), sorted(
        below, key=lambda f: _factor_order(f, True))


def _factor_order(factor: Expr, sum_last: bool) -> tuple[object, ...]:
    base = factor.args[0] if isinstance(factor, Pow) else factor
    if _is_number(base):
        return (0,)
    if isinstance(base, (Sum, Reduction)):
        return (9,) if sum_last else (2,)
    if isinstance(base, Add):
        return (5,) if any(_is_number(term) for term in base.args) else (3,)
    if isinstance(base, (Element, TensorSymbol)):
        role = _ROLES[base.tensor.role]
        after = 1 if base.tensor.hint.startswith("δ") else 0
        return (4, role + after, base.tensor.serial) if role >= 0 else (1, 0, base.tensor.serial)
    return (1, 1) if isinstance(base, Symbol) else (4, 3)


def term_order(term: Expr) -> tuple[object, ...]:
    """Positive terms first, sums first among them, numbers first of all: 1 − h², Σ x·δ + 2·λ·W."""
    negative = bool(_number_of(term) < 0)
    holds_sum = any(isinstance(f, (Sum, Reduction)) for f in Mul.make_args(term))
    return (negative, not holds_sum, not _is_number(term))


def _is_number(expr: Expr) -> bool:
    """Whether a factor is a number, without the recursion of SymPy's is_number."""
    return all(isinstance(part, (Number, NumberSymbol)) for part in (
        expr.args if isinstance(expr, Pow) else (expr,)))
