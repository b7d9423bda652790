"""The matrix form of a definition, recognised from its contraction structure:

    Σ_n h[n,j]·δ[n,k]            Hᵀ δ            a product summed over one index
    h[n,j]²·d[n,j]               H ⊙ H ⊙ D       factors without a sum
    Σ_n δ[n,k]                   1ᵀ δ            a sum of one factor
    b[k] beside z[n,k]           1 bᵀ            a factor that lacks one index is broadcast

Denominator layout: a gradient has the shape of what it is the gradient of (lecture 002).  ⊙ and
matrix products are always bracketed against each other.  A definition that does not fit stays
in index form: never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from sympy import Add, Expr, Function, Idx, Integer, Mul, Number, Pow, Rational, Sum, Symbol

from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices
from symbackprop.notation import Definition, Element, Program, Tensor, TensorSymbol
from symbackprop.printing.index import definition_text, right_hand_side
from symbackprop.printing.text import RELATIONS, fraction, magnitude, term_order, text

ADD, HADAMARD, MATMUL, SCALED, WHOLE = range(5)
Axis: TypeAlias = Idx | None


class NoMatrixForm(Exception):
    """This body has none; the line stays in index form."""


class Form(NamedTuple):
    """A text, how strongly its outermost operation binds, and whether rows and columns vary."""

    text: str
    strength: int = WHOLE

    def within(self, strength: int) -> str:
        """The text, bracketed unless it binds at least that strongly."""
        return self.text if self.strength >= strength else f"({self.text})"


def matrix_text(program: Program, plain: Mapping[Tensor, str]) -> str:
    """A line for each definition, in matrix form where it has one; plain: the names to use."""
    names = matrix_names(plain)
    return "\n".join(_line(definition, names, plain) for definition in program)


def matrix_names(names: Mapping[Tensor, str]) -> dict[Tensor, str]:
    """Capital letters for matrices, x → X, unless another tensor is called so already."""
    taken = set(names.values())
    shown = {}
    for tensor, name in names.items():
        capital = name[0].upper() + name[1:]
        is_latin = name[0].isascii() and name[0].islower()
        free = tensor.rank == 2 and is_latin and capital not in taken
        shown[tensor] = capital if free else name
        taken.add(shown[tensor])
    return shown


def _line(definition: Definition, names: Mapping[Tensor, str], plain: Mapping[Tensor, str]) -> str:
    try:
        return f"{names[definition.target]} = {_body(definition, names).text}"
    except NoMatrixForm:
        return definition_text(definition, plain)


def _body(definition: Definition, names: Mapping[Tensor, str]) -> Form:
    body = right_hand_side(definition)
    match definition.indices:
        case ():
            return _converted(body, None, None, names)
        case (index,) if _is_column_sum(body):
            return _converted(body, None, index, names)
        case (index,):
            return _converted(body, index, None, names)
        case (row, column):
            return _converted(body, row, column, names)
    raise NoMatrixForm


def _is_column_sum(body: Expr) -> bool:
    """Σ_n δ[n,k]: a row of sums, 1ᵀ δ."""
    sums = [f for f in Mul.make_args(body) if isinstance(f, Sum)]
    if len(sums) != 1 or len(sums[0].limits) != 1:
        return False
    first = [e for e in Mul.make_args(sums[0].function) if isinstance(e, Element)]
    return len(first) == 1 and first[0].indices[:1] == (sums[0].limits[0][0],)


def _converted(expr: Expr, row: Axis, column: Axis, names: Mapping[Tensor, str]) -> Form:
    match expr:
        case Number() | TensorSymbol() | Symbol() if not isinstance(expr, Idx):
            return Form(text(expr, names), SCALED)
        case Element():
            return _element(expr, row, column, names)
        case Add():
            return _sum(expr, row, column, names)
        case Mul():
            return _product(expr, row, column, names)
        case Pow():
            return _power(expr, row, column, names)
        case Sum():
            return _contraction(expr, row, column, names)
        case Iverson():
            left, right = expr.args[0].args
            inside = (_converted(side, row, column, names).text for side in (left, right))
            sign = RELATIONS[expr.args[0].rel_op]
            return Form(f"[{sign.join(f' {side} ' for side in inside).strip()}]")
        case Function() if len(expr.args) == 1:
            inner = _converted(expr.args[0], row, column, names).text
            return Form(f"{expr.func.__name__}({inner})")
    raise NoMatrixForm


def _element(element: Element, row: Axis, column: Axis, names: Mapping[Tensor, str]) -> Form:
    name = names[element.tensor]
    if row is not None and row == column:
        raise NoMatrixForm
    match element.indices:
        case (first, second) if (first, second) == (row, column):
            return Form(name)
        case (first, second) if (first, second) == (column, row):
            return Form(f"{name}ᵀ")
        case (only,) if only == row:
            return Form(name, WHOLE) if column is None else Form(f"{name} 1ᵀ", MATMUL)
        case (only,) if only == column:
            return Form(f"{name}ᵀ", WHOLE) if row is None else Form(f"1 {name}ᵀ", MATMUL)
    raise NoMatrixForm


def _sum(expr: Expr, row: Axis, column: Axis, names: Mapping[Tensor, str]) -> Form:
    line = ""
    for term in sorted(expr.args, key=term_order):
        negative = magnitude(term) != term
        part = _converted(magnitude(term), row, column, names).within(ADD + 1)
        line += (" − " if negative else " + ") + part if line else ("−" if negative else "") + part
    return Form(line, ADD)


def _is_scalar(factor: Expr) -> bool:
    return not free_indices(factor)


def _product(expr: Expr, row: Axis, column: Axis, names: Mapping[Tensor, str]) -> Form:
    above, below = fraction(expr)
    sign = "−" if expr.as_coeff_Mul()[0] < 0 else ""
    scalars = [text(f, names) if not isinstance(f, Add) else f"({text(f, names)})"
               for f in above if _is_scalar(f)]
    divisors = [text(f, names) if not isinstance(f, Add) else f"({text(f, names)})"
                for f in below if _is_scalar(f)]
    parts = [_converted(f, row, column, names) for f in above if not _is_scalar(f)]
    inverse = [_converted(f, row, column, names) for f in below if not _is_scalar(f)]
    if len(parts) + len(inverse) > 1 or inverse:
        line = " ⊙ ".join(p.within(SCALED) for p in parts) or "1"
        line += "".join(f" ⊘ {p.within(SCALED)}" for p in inverse)
        body = Form(line, HADAMARD)
    else:
        body = parts[0] if parts else Form("1")
    if scalars and parts + inverse:
        body = Form(" ".join([*scalars, body.within(MATMUL)]), MATMUL)
    elif scalars:
        body = Form(" ".join(scalars), SCALED)
    if divisors:
        under = divisors[0] if len(divisors) == 1 else f"({' '.join(divisors)})"
        body = Form(f"{body.within(MATMUL)}/{under}", MATMUL)
    return Form(f"{sign}{body.within(HADAMARD if not sign else MATMUL)}", body.strength) if (
        sign) else body


def _power(expr: Expr, row: Axis, column: Axis, names: Mapping[Tensor, str]) -> Form:
    base, exponent = expr.args
    if _is_scalar(base) and _is_scalar(exponent):
        return Form(text(expr, names), SCALED)
    inner = _converted(base, row, column, names)
    if exponent == 2 and isinstance(base, Element):
        return Form(f"{inner.within(SCALED)} ⊙ {inner.within(SCALED)}", HADAMARD)
    if exponent == -1:
        return Form(f"1 ⊘ {inner.within(SCALED)}", HADAMARD)
    if exponent == Rational(1, 2):
        return Form(f"√({inner.text})")
    if isinstance(exponent, Integer) and exponent > 0:
        return Form(f"{inner.within(WHOLE)}^∘{exponent}", SCALED)
    raise NoMatrixForm


def _contraction(expr: Sum, row: Axis, column: Axis, names: Mapping[Tensor, str]) -> Form:
    """Σ_s A[r,s]·B[s,c] = A B; one side alone is a row or column sum."""
    if len(expr.limits) != 1:
        raise NoMatrixForm
    ((index, lower, upper),) = expr.limits
    if (lower, upper) != (index.lower, index.upper) or index in (row, column):
        raise NoMatrixForm
    left: list[Expr] = []
    right: list[Expr] = []
    outside: list[Expr] = []
    for factor in Mul.make_args(expr.function):
        found = free_indices(factor)
        if index not in found:
            outside.append(factor)
        elif column in found and row not in found and column is not None:
            right.append(factor)
        elif column not in found or column is None:
            left.append(factor)
        else:
            raise NoMatrixForm
    product = _matrix_product(left, right, index, row, column, names)
    if not outside:
        return product
    rest = _converted(Mul(*outside), row, column, names)
    if all(_is_scalar(f) for f in outside):
        return Form(f"{rest.within(SCALED)} {product.within(MATMUL)}", MATMUL)
    return Form(f"{rest.within(SCALED)} ⊙ {product.within(SCALED)}", HADAMARD)


def _matrix_product(left: list[Expr], right: list[Expr], index: Idx, row: Axis, column: Axis,
                    names: Mapping[Tensor, str]) -> Form:
    free_of_both = [f for f in left if row is None or row not in free_indices(f)]
    if row is None and left and not right and column is not None:
        raise NoMatrixForm
    if row is not None and column is None and free_of_both:
        left, right = [f for f in left if f not in free_of_both], free_of_both
    elif row is not None and free_of_both:
        raise NoMatrixForm
    elif row is None and column is None:
        left, right = left[:1], left[1:] or [Integer(1)]
    before = _converted(Mul(*left), row, index, names) if left else Form("1ᵀ")
    after = _converted(Mul(*right), index, column, names) if right else Form("1")
    if not left and row is not None:
        before = Form("1 1ᵀ", MATMUL)
    if not right and column is not None:
        after = Form("1 1ᵀ", MATMUL)
    if right == [Integer(1)]:
        after = Form("1")
    return Form(f"{before.within(MATMUL)} {after.within(MATMUL)}", MATMUL)
