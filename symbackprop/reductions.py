"""Maximum, Minimum and LogSumExp over indices: what SymPy's Sum is for sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sympy import Dummy, Expr, Idx, Sum, Symbol, Tuple, sympify

from symbackprop.errors import DeclarationError

Op = Literal["map", "sum", "max", "min", "lse"]


class Reduction(Expr):  # type: ignore[misc]
    """Maximum(body, k) or Minimum(body, k): what Sum is for sums; args are the body and indices."""

    is_commutative = True
    is_real = True
    op: Op = "max"

    def __new__(cls, body: Any, *indices: Any) -> Reduction:
        if len(indices) == 1 and isinstance(indices[0], Tuple):
            indices = tuple(indices[0])
        if not indices or not all(isinstance(i, Idx) or _stands_in(i) for i in indices):
            raise DeclarationError(
                f"{cls.__name__} runs over indices made by sb.indices, not over {indices}; "
                f"write {cls.__name__}(z[n, k], k)"
            )
        if isinstance(body, str):
            raise DeclarationError(f"{cls.__name__}({body!r}, …): text is never evaluated; write "
                                   f"an expression, e.g. {cls.__name__}(z[n, k], k)")
        reduction: Reduction = Expr.__new__(cls, sympify(body, strict=True), Tuple(*indices))
        return reduction

    @property
    def function(self) -> Expr:
        """The body that is reduced."""
        return self.args[0]

    @property
    def indices(self) -> tuple[Idx, ...]:
        """The bound indices."""
        return tuple(self.args[1])


def _stands_in(index: Any) -> bool:
    """Whether SymPy put it for a bound index while it asks about an expression (as_dummy)."""
    return isinstance(index, Dummy) or (isinstance(index, Symbol) and index.name.startswith("_"))


class Maximum(Reduction):
    """max over the indices; its derivative splits equally between ties.

    >>> import symbackprop as sb
    >>> n, k = sb.indices("n k", 4, 3)
    >>> z = sb.data("z", n, k)
    >>> sb.Maximum(z[n, k], k)
    Maximum(z[n, k], (k,))
    """

    op: Op = "max"


class Minimum(Reduction):
    """min over the indices; its derivative splits equally between ties."""

    op: Op = "min"


class LogSumExp(Reduction):
    """log Σ exp over the indices, the stable primitive behind softmax (see docs of the rules)."""

    op: Op = "lse"


def reduced(op: Op, body: Expr, over: Sequence[Idx]) -> Expr:
    """A body under its reduction as one expression: Σ_q f, max_q f, min_q f, lse_q f, or f."""
    match op:
        case "sum":
            return Sum(body, *over) if over else body
        case "max":
            return Maximum(body, *over)
        case "min":
            return Minimum(body, *over)
        case "lse":
            return LogSumExp(body, *over)
        case "map":
            return body
