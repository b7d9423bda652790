"""Programs in index notation: one line for each definition, h[n,j] = tanh(z[n,j])."""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Expr, Mul, Sum, Symbol, Tuple

from symbackprop.indexing import free_indices
from symbackprop.notation import (
    Definition,
    LogSumExp,
    Maximum,
    Minimum,
    Program,
    Tensor,
)
from symbackprop.printing.lines import Line
from symbackprop.printing.ordering import numbers_out
from symbackprop.printing.text import formula

_REDUCTIONS = {"max": Maximum, "min": Minimum, "lse": LogSumExp}


def program_text(program: Program, names: Mapping[Tensor, str] | None = None) -> str:
    """All definitions, a line each; `print(program)` shows this."""
    names = program.names if names is None else names
    return "\n".join(definition_text(definition, names) for definition in program)


def definition_text(definition: Definition, names: Mapping[Tensor, str]) -> str:
    """target[indices] = body, the reduction of a normal form written in front."""
    line = index_line(definition, names)
    return f"{line.left} = {line.right}"


def index_line(definition: Definition, names: Mapping[Tensor, str]) -> Line:
    """The same as a line of formulas."""
    body = right_hand_side(definition)
    return Line(formula(definition.element, names), formula(body, names),
                target=definition.target, value=body)


def right_hand_side(definition: Definition) -> Expr:
    """The body with the definition's own reduction as a Sum, Maximum, Minimum or LogSumExp."""
    if definition.op == "map":
        return definition.body
    if definition.op == "sum":
        limits = [Tuple(i, i.lower, i.upper) for i in definition.over]
        scale, rest = scale_and_rest(definition.body)
        return scale * Sum(rest, *limits)
    return _REDUCTIONS[definition.op](definition.body, *definition.over)


def scale_and_rest(body: Expr) -> tuple[Expr, Expr]:
    """Numbers, sizes and hypers of a product, which stand before a sum, and the rest."""
    factors = numbers_out(Mul.make_args(body))
    outside = [f for f in factors if f.is_number or all(
        isinstance(s, Symbol) and not free_indices(s) for s in (f.as_base_exp()[0],))]
    return Mul(*outside), Mul(*(f for f in factors if f not in outside))
