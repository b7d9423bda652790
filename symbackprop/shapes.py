"""shapes(program): every tensor with its role, shape and facts, and how many numbers are trained.

    W1  parameter  (64, 32)  64·32 = 2,048
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Add, Expr, Integer, Mul

from symbackprop.notation import Program, Tensor
from symbackprop.printing.text import text
from symbackprop.tables import Table

__all__ = ["Shape", "Shapes", "shapes"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One tensor of a program: its name, role, extents and declared facts."""

    tensor: Tensor
    name: str
    role: str
    axes: tuple[Expr, ...]
    facts: tuple[str, ...]

    @property
    def count(self) -> Expr:
        """How many numbers it holds: an integer, or an expression in sizes such as 10·N."""
        return Mul(*self.axes)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The tensors of a program: inputs in order of declaration, then what is defined."""

    rows: tuple[Shape, ...]

    @property
    def parameters(self) -> Expr:
        """How many numbers are trained in all."""
        return Add(*(row.count for row in self.rows if row.role == "parameter"), Integer(0))

    @property
    def table(self) -> Table:
        """Tensor, role, shape, facts, and the count of parameters as a product."""
        rows = tuple((row.name, row.role, _shape(row.axes), ", ".join(row.facts),
                      _product(row) if row.role == "parameter" else "") for row in self.rows)
        return Table(("tensor", "role", "shape", "facts", "parameters"), rows,
                     ("", "", "", "", f"{_number(self.parameters)} in all"))

    def __str__(self) -> str:
        return str(self.table)


def shapes(program: Program) -> Shapes:
    """The shapes of all tensors of a program, as declared or in normal form.

    >>> import symbackprop as sb
    >>> x = sb.data("x", sb.size("N"), 3)
    >>> print(shapes(sb.program(sb.layers.dense(x, 4, "tanh"))))
    tensor  role          shape   facts  parameters
    ───────────────────────────────────────────────
    x       data          (N, 3)
    W1      parameter     (3, 4)         3·4 = 12
    b1      parameter     (4,)           4
    z1      intermediate  (N, 4)
    h1      intermediate  (N, 4)
    ───────────────────────────────────────────────
                                         16 in all
    """
    names = program.names
    tensors = (*program.inputs, *(d.target for d in program))
    return Shapes(tuple(
        Shape(t, names[t], t.role, t.axes, tuple(_fact(t, place) for place in range(len(t.facts))))
        for t in tensors))


def _fact(tensor: Tensor, place: int) -> str:
    """A fact in the letters of the tensor's axes: one_hot(k)."""
    fact = tensor.facts[place]
    inside = ", ".join(str(tensor.letters[axis]) for axis in fact.axes)
    return f"{fact.kind}({inside})" if inside else str(fact)


def _shape(axes: tuple[Expr, ...]) -> str:
    return f"({', '.join(text(a, {}) for a in axes)}{',' if len(axes) == 1 else ''})"


def _product(row: Shape) -> str:
    factors = "·".join(text(a, {}) for a in row.axes) or "1"
    total = _number(row.count)
    return factors if factors == total or not row.count.is_Integer else f"{factors} = {total}"


def _number(count: Expr) -> str:
    return f"{int(count):,}" if count.is_Integer else text(count, {})
