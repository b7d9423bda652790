"""Bodies as matrix expressions: what stands for the entries of a body over a row and a column.

`Writer.form(body, row, column)` writes a matrix whose entry at (row, column) is the body; with
no column it is a column vector, with no row a row vector, with neither a scalar.  A product is
sorted by the indices that its factors carry; its sums are written by `matrix_sums`.  Both a form
and the transpose of the other orientation's form are tried: the one with fewer ᵀ is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sympy import (
    Abs,
    Add,
    And,
    Basic,
    Expr,
    Function,
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
)
from sympy.core.relational import Relational

from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices, replace_indices
from symbackprop.notation import Element, Tensor
from symbackprop.printing.contractions import (
    Axis,
    NoMatrixForm,
    called,
    is_delta,
    is_symmetric,
    whole_axes,
    whole_range,
)
from symbackprop.printing.formula import (
    Formula,
    Piece,
    beside,
    bracket,
    entrywise_power,
    name,
    ones,
    power,
    root,
    transpose,
    word,
)
from symbackprop.printing.matrix_brackets import (
    ADD,
    HADAMARD,
    MATMUL,
    POSTFIX,
    QUOTIENT,
    WHOLE,
    entry_by_entry,
    product,
    scaled,
    shortness,
)
from symbackprop.printing.matrix_sums import softmax, summed
from symbackprop.printing.ordering import fraction, magnitude, number_shared, term_order
from symbackprop.printing.text import RELATIONS, either, formula, function_name


@dataclass(slots=True)
class Writer:
    """Writes bodies with these names; what is written is remembered by body and orientation.

    lying: tensors that are written transposed wherever they stand.
    """

    names: Mapping[Tensor, str]
    lying: frozenset[Tensor] = frozenset()
    known: dict[tuple[Expr, Axis, Axis], Piece] = field(default_factory=dict)

    def form(self, expr: Expr, row: Axis, column: Axis) -> Piece:
        """The better of the form, and the transpose of the form in the other orientation."""
        here = self.direct(expr, row, column)
        core = self.direct(expr.as_coeff_Mul()[1], row, column) if expr.is_Mul else here
        if MATMUL in (here.strength, core.strength) or not free_indices(expr):
            return here
        there = Piece(transpose(self.direct(expr, column, row).within(WHOLE)), POSTFIX)
        return min(there, here, key=shortness)

    def direct(self, expr: Expr, row: Axis, column: Axis) -> Piece:
        """The form in this orientation; a body that lacks an index is repeated along it."""
        key = (expr, row, column)
        if key not in self.known:
            found = set(free_indices(expr))
            if not found:
                row = column = None
            if not found <= {row, column} or (row is not None and row == column):
                raise NoMatrixForm
            narrow = row is not None and column is not None and len(found) == 1
            if narrow and not isinstance(expr, Mul):
                self.known[key] = self._repeated(expr, row, column)
            else:
                self.known[key] = self._written(expr, row, column)
        return self.known[key]

    def _repeated(self, expr: Expr, row: Axis, column: Axis) -> Piece:
        """v 1ᵀ or 1 vᵀ."""
        if row in free_indices(expr):
            return product([self.form(expr, row, None).within(MATMUL), transpose(ones())])
        return product([ones(), self.form(expr, None, column).within(MATMUL)])

    def _written(self, expr: Expr, row: Axis, column: Axis) -> Piece:
        match expr:
            case Number() | NumberSymbol() | Symbol():
                return Piece(formula(expr, self.names), WHOLE)
            case Element():
                return self._element(expr, row, column)
            case Add():
                return self._sum(expr, row, column)
            case Mul():
                return self.multiplied(expr.args, row, column)
            case Pow():
                return self._power(expr, row, column)
            case Sum():
                over = [whole_range(limit) for limit in expr.limits]
                return summed(self, Mul.make_args(expr.function), over, row, column)
            case Iverson() if is_delta(expr, row, column):
                return self._identity()
            case Iverson():
                condition = self._condition(expr.args[0], row, column)
                return Piece(bracket(condition.formula, "[]"), WHOLE)
            case Abs():
                return Piece(bracket(self.form(expr.args[0], row, column).formula, "||"), WHOLE)
            case Function() if (found := softmax(self, expr, row, column)) is not None:
                return found
            case Function() | Max() | Min() if not isinstance(expr, Piecewise):
                inside = [self.form(arg, row, column).formula for arg in expr.args]
                return called(self.names, function_name(expr), *inside)
        raise NoMatrixForm

    def _condition(self, expr: Basic, row: Axis, column: Axis) -> Piece:
        match expr:
            case Relational():
                left, right = (self.form(side, row, column).formula for side in expr.args)
                return Piece(beside(left, f" {RELATIONS[expr.rel_op]} ", right), HADAMARD)
            case And() | Or():
                parts = [self._condition(arg, row, column).within(HADAMARD) for arg in expr.args]
                return Piece(either(parts, isinstance(expr, And)), ADD)
            case Not():
                inside = self._condition(expr.args[0], row, column).formula
                return Piece(beside(word("not "), bracket(inside)), WHOLE)
        raise NoMatrixForm

    def _element(self, element: Element, row: Axis, column: Axis) -> Piece:
        """A, Aᵀ, v or vᵀ; an axis of one entry is as good as none."""
        shown = name(self.names[element.tensor])
        upright, shape = (row, column), (*whole_axes(element), None)[:2]
        if element.tensor in self.lying:
            shape = shape[::-1]
        whole = Piece(shown, POSTFIX if "/" in shown.text else WHOLE)
        if shape[0] is not None and shape[0] == shape[1]:
            diagonal = called(self.names, "diag", shown)
            return diagonal if column is None else Piece(transpose(diagonal.formula), POSTFIX)
        if shape == upright or (shape == upright[::-1] and is_symmetric(element.tensor)):
            return whole
        if shape == upright[::-1]:
            return Piece(transpose(whole.within(WHOLE)), POSTFIX)
        raise NoMatrixForm

    def _sum(self, expr: Expr, row: Axis, column: Axis) -> Piece:
        terms = self._merged(expr.args, row, column)
        if len(terms) < len(expr.args):
            return self.direct(Add(*terms), row, column)
        shared = number_shared(expr)
        if shared is not None:
            return self.multiplied(shared.args, row, column)
        line: list[Formula | str] = []
        for term in sorted(terms, key=lambda t: (*term_order(t), -len(free_indices(t)))):
            size = magnitude(term)
            sign = "+" if size == term else "−"
            between = [f" {sign} "] if line else [] if size == term else ["−"]
            line += [*between, self.form(size, row, column).within(QUOTIENT)]
        return Piece(beside(*line), ADD)

    def _merged(self, terms: Sequence[Expr], row: Axis, column: Axis) -> list[Expr]:
        """The terms of a sum, those that are written alike as one: 2 A B for A B + A B."""
        alike: dict[str, tuple[Expr, Expr]] = {}
        for term in terms:
            number, rest = term.as_coeff_Mul()
            key = self.form(rest, row, column).text if term.has(Sum) else str(len(alike))
            count, first = alike.get(key, (0, rest))
            alike[key] = count + number, first
        return [count*rest for count, rest in alike.values() if count != 0]

    def multiplied(self, factors: Sequence[Expr], row: Axis, column: Axis) -> Piece:
        """Scalars, then the rest entry by entry: 2 lam A ⊙ B ⊘ C."""
        under: list[Piece] = []
        delta = next((f for f in factors if is_delta(f, row, column)), None)
        factors = [f for f in factors if f is not delta]
        above, below = fraction(factors)
        above.sort(key=lambda f: not _is_sensitivity(f))
        tensors = [f for f in factors if free_indices(f)]
        if delta is not None and row is not None and column is not None:
            chain = self._diagonal(tensors, row, column)
        elif row is not None and column is not None and len(
                {i for f in tensors for i in free_indices(f)}) == 1:
            chain = [self._repeated(Mul(*tensors), row, column)]
        else:
            chain = self._chain([f for f in above if free_indices(f)], row, column)
            under = self._chain([f for f in below if free_indices(f)], row, column)
        scalars = [self.form(f, None, None) for f in above if not free_indices(f)]
        divisors = [self.form(f, None, None) for f in below if not free_indices(f)]
        sums = [form for form in scalars if form.strength == MATMUL]
        if not chain and not under and len(sums) == 1:  # a scalar such as 2 rᵀ r
            chain = sums
            scalars = [form for form in scalars if form.strength != MATMUL]
        core = entry_by_entry(chain, under)
        negative = sum(1 for f in factors if f.is_Number and f < 0) % 2 == 1
        return scaled(scalars, core, divisors, negative)

    def _identity(self) -> Piece:
        if "I" in self.names.values():
            raise NoMatrixForm
        return Piece(name("I"), WHOLE)

    def _diagonal(self, factors: list[Expr], row: Idx, column: Idx) -> list[Piece]:
        """[row = column] times some factors: M ⊙ I, or diag(v) of those with one index."""
        full = [f for f in factors if len(free_indices(f)) == 2]
        alone = [replace_indices(f, {column: row}) for f in factors if len(free_indices(f)) == 1]
        if not alone:
            return [*(self.form(f, row, column) for f in full), self._identity()]
        vector = self.form(Mul(*alone), row, None).formula
        return [*(self.form(f, row, column) for f in full), called(self.names, "diag", vector)]

    def _chain(self, factors: list[Expr], row: Axis, column: Axis) -> list[Piece]:
        """The forms of the factors of ⊙; of vectors beside a matrix, the outer product."""
        forms: list[Piece] = []
        if row is None or column is None:
            for factor in factors:
                forms.extend(self._factor(factor, row, column))
            return forms
        rows = [f for f in factors if set(free_indices(f)) == {row}]
        columns = [f for f in factors if set(free_indices(f)) == {column}]
        outer = False
        for factor in factors:
            if factor not in rows and factor not in columns:
                forms.extend(self._factor(factor, row, column))
            elif not outer:
                outer = True
                forms.append(self._outer(rows, columns, row, column))
        return forms

    def _factor(self, factor: Expr, row: Axis, column: Axis) -> list[Piece]:
        if isinstance(factor, Pow) and factor.args[1] == 2 and isinstance(factor.args[0], Element):
            return [self.form(factor.args[0], row, column)] * 2
        return [self.form(factor, row, column)]

    def _outer(self, rows: list[Expr], columns: list[Expr], row: Idx, column: Idx) -> Piece:
        left = self.form(Mul(*rows), row, None).within(MATMUL) if rows else ones()
        right = (self.form(Mul(*columns), None, column).within(MATMUL) if columns
                 else transpose(ones()))
        return product([left, right])

    def _power(self, expr: Expr, row: Axis, column: Axis) -> Piece:
        base, exponent = expr.args
        if isinstance(exponent, Rational) and exponent < 0:
            return self.multiplied((expr,), row, column)
        if exponent == Rational(1, 2):
            return Piece(root(self.form(base, row, column).formula), WHOLE)
        if not free_indices(expr):
            if not expr.has(Sum):
                return Piece(formula(expr, self.names), POSTFIX)
            whole = self.form(base, None, None).within(WHOLE)
            above = self.form(exponent, None, None).formula
            plain = isinstance(exponent, (Integer, Symbol))
            return Piece(power(whole, above if plain else bracket(above)), POSTFIX)
        if free_indices(exponent):
            above = self.form(exponent, row, column).within(WHOLE)
            return Piece(entrywise_power(self.form(base, row, column).within(WHOLE), above),
                         POSTFIX)
        if exponent == 2 and isinstance(base, Element):
            inside = self.form(base, row, column).within(POSTFIX)
            return Piece(beside(inside, " ⊙ ", inside), HADAMARD)
        raised = self.form(exponent, None, None).formula
        raised = raised if isinstance(exponent, (Integer, Symbol)) else bracket(raised)
        return Piece(entrywise_power(self.form(base, row, column).within(WHOLE), raised), POSTFIX)


def _is_sensitivity(factor: Expr) -> bool:
    return isinstance(factor, Element) and factor.tensor.hint.startswith("δ")
