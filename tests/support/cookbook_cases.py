"""The numbered derivatives of the Matrix Cookbook that SymPy tests, declared here.

Petersen & Pedersen, "The Matrix Cookbook" (2012).  The number of a row is that of the comment
"Cookbook example …" in SymPy's matrices/expressions/tests/test_derivatives.py.  Matrices have
unequal sides wherever the formula lets them, so that a transpose too many is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
from sympy import Sum

import symbackprop as sb


@dataclass(frozen=True)
class Row:
    """One derivative: the loss in our notation, and independently in JAX's.

    by: the tensor it is differentiated by; shapes: of all tensors, by name, () for a scalar;
    ours, theirs: the loss from a namespace of tensors or arrays; note: how the row stands for its
    case where that is no scalar, or has a free exponent.
    """

    number: str
    formula: str
    by: str
    shapes: dict[str, tuple[int, ...]]
    ours: Callable[[Any], Any]
    theirs: Callable[[Any], Any]
    note: str = ""
    facts: dict[str, list[Any]] = field(default_factory=dict)

    def declared(self) -> Any:
        """The loss and the tensor that it is differentiated by."""
        made = {name: (sb.parameter if name == self.by else sb.data)(
            name, *shape, facts=self.facts.get(name, ())) for name, shape in self.shapes.items()}
        return sb.define("L", (), self.ours(SimpleNamespace(**made))), made[self.by]


def trace(M: Any) -> Any:
    """Σ_i M[i,i]."""
    (i,) = [sb.indices("i", M.axes[0])]
    return sb.define(None, (), Sum(M[i, i], i))


def square_trace(M: Any) -> Any:
    """The trace of M Mᵀ."""
    return trace(M @ M.T)


def kronecker_trace(A: Any, X: Any) -> Any:
    """The trace of A ⊗ X, whose entry at row (i, k) and column (j, l) is A[i,j]·X[k,l]."""
    i, j, k, m = sb.indices("i j k m", *A.axes, *X.axes)
    K = sb.define(None, (i, k, j, m), A[i, j]*X[k, m])
    return sb.define(None, (), Sum(K[i, k, i, k], i, k))


def row(number: str, formula: str, by: str, ours: Callable[[Any], Any],
        theirs: Callable[[Any], Any], note: str = "", **shapes: tuple[int, ...]) -> Row:
    return Row(number, formula, by, shapes, ours, theirs, note)


K = 4
ROWS: tuple[Row, ...] = (
    row("33", "∂X/∂A = 0", "A",
        lambda t: ((t.X + t.A)*t.S).sum() - (t.A*t.S).sum(),
        lambda t: jnp.sum(t.X*t.S) + 0*jnp.sum(t.A),
        "contracted with a fixed S; A stands in the loss and cancels",
        X=(3, 4), A=(3, 4), S=(3, 4)),
    row("69", "∂(xᵀ a)/∂x = a", "x", lambda t: t.x @ t.a, lambda t: jnp.dot(t.a, t.x),
        x=(4,), a=(4,)),
    row("70", "∂(aᵀ X b)/∂X = a bᵀ", "X", lambda t: t.a @ t.X @ t.b,
        lambda t: jnp.einsum("i,ij,j", t.a, t.X, t.b), a=(3,), X=(3, 4), b=(4,)),
    row("71", "∂(aᵀ Xᵀ b)/∂X = b aᵀ", "X", lambda t: t.a @ t.X.T @ t.b,
        lambda t: jnp.einsum("i,ji,j", t.a, t.X, t.b), a=(3,), X=(4, 3), b=(4,)),
    row("72", "∂(aᵀ X a)/∂X = a aᵀ", "X", lambda t: t.a @ t.X @ t.a,
        lambda t: jnp.einsum("i,ij,j", t.a, t.X, t.a), a=(4,), X=(4, 4)),
    row("72", "∂(aᵀ Xᵀ a)/∂X = a aᵀ", "X", lambda t: t.a @ t.X.T @ t.a,
        lambda t: jnp.einsum("i,ji,j", t.a, t.X, t.a), a=(4,), X=(4, 4)),
    row("77", "∂(bᵀ Xᵀ X c)/∂X = X (b cᵀ + c bᵀ)", "X", lambda t: t.b @ t.X.T @ t.X @ t.c,
        lambda t: jnp.dot(t.X @ t.b, t.X @ t.c), b=(3,), X=(4, 3), c=(3,)),
    row("78", "∂((B x + b)ᵀ C (D x + d))/∂x = Bᵀ C (D x + d) + Dᵀ Cᵀ (B x + b)", "x",
        lambda t: (t.B @ t.x + t.b) @ t.C @ (t.D @ t.x + t.d),
        lambda t: jnp.einsum("i,ij,j", t.B @ t.x + t.b, t.C, t.D @ t.x + t.d),
        B=(3, 4), b=(3,), C=(3, 5), D=(5, 4), d=(5,), x=(4,)),
    row("81", "∂(xᵀ B x)/∂x = (B + Bᵀ) x", "x", lambda t: t.x @ t.B @ t.x,
        lambda t: jnp.einsum("i,ij,j", t.x, t.B, t.x), x=(4,), B=(4, 4)),
    row("82", "∂(bᵀ Xᵀ D X c)/∂X = Dᵀ X b cᵀ + D X c bᵀ", "X",
        lambda t: t.b @ t.X.T @ t.D @ t.X @ t.c,
        lambda t: jnp.einsum("i,ij,j", t.X @ t.b, t.D, t.X @ t.c),
        b=(3,), X=(4, 3), D=(4, 4), c=(3,)),
    row("83", "∂((X b + c)ᵀ D (X b + c))/∂X = (D + Dᵀ) (X b + c) bᵀ", "X",
        lambda t: (t.X @ t.b + t.c) @ t.D @ (t.X @ t.b + t.c),
        lambda t: jnp.einsum("i,ij,j", t.X @ t.b + t.c, t.D, t.X @ t.b + t.c),
        X=(4, 3), b=(3,), c=(4,), D=(4, 4)),
    row("99", "∂tr(X)/∂X = I", "X", lambda t: trace(t.X), lambda t: jnp.trace(t.X), X=(4, 4)),
    row("100", "∂tr(X A)/∂X = Aᵀ", "X", lambda t: trace(t.X @ t.A),
        lambda t: jnp.einsum("ij,ji", t.X, t.A), X=(3, 4), A=(4, 3)),
    row("101", "∂tr(A X B)/∂X = Aᵀ Bᵀ", "X", lambda t: trace(t.A @ t.X @ t.B),
        lambda t: jnp.einsum("ij,jk,ki", t.A, t.X, t.B), A=(5, 3), X=(3, 4), B=(4, 5)),
    row("102", "∂tr(A Xᵀ B)/∂X = B A", "X", lambda t: trace(t.A @ t.X.T @ t.B),
        lambda t: jnp.einsum("ij,kj,ki", t.A, t.X, t.B), A=(5, 4), X=(3, 4), B=(3, 5)),
    row("103", "∂tr(Xᵀ A)/∂X = A", "X", lambda t: trace(t.X.T @ t.A),
        lambda t: jnp.sum(t.X*t.A), X=(3, 4), A=(3, 4)),
    row("104", "∂tr(A Xᵀ)/∂X = A", "X", lambda t: trace(t.A @ t.X.T),
        lambda t: jnp.vdot(t.X, t.A), X=(3, 4), A=(3, 4)),
    row("105", "∂tr(A ⊗ X)/∂X = tr(A) I", "X", lambda t: kronecker_trace(t.A, t.X),
        lambda t: jnp.trace(jnp.kron(t.A, t.X)), A=(3, 3), X=(4, 4)),
    row("106", "∂tr(X²)/∂X = 2 Xᵀ", "X", lambda t: trace(t.X @ t.X),
        lambda t: jnp.sum(t.X*t.X.T), X=(4, 4)),
    row("107", "∂tr(X² B)/∂X = (X B + B X)ᵀ", "X", lambda t: trace(t.X @ t.X @ t.B),
        lambda t: jnp.einsum("ij,jk,ki", t.X, t.X, t.B), X=(4, 4), B=(4, 4)),
    row("108", "∂tr(Xᵀ B X)/∂X = B X + Bᵀ X", "X", lambda t: trace(t.X.T @ t.B @ t.X),
        lambda t: jnp.einsum("ji,jk,ki", t.X, t.B, t.X), X=(4, 3), B=(4, 4)),
    row("109", "∂tr(B X Xᵀ)/∂X = B X + Bᵀ X", "X", lambda t: trace(t.B @ t.X @ t.X.T),
        lambda t: jnp.einsum("ij,jk,ik", t.B, t.X, t.X), X=(4, 3), B=(4, 4)),
    row("110", "∂tr(X Xᵀ B)/∂X = B X + Bᵀ X", "X", lambda t: trace(t.X @ t.X.T @ t.B),
        lambda t: jnp.einsum("ij,kj,ki", t.X, t.X, t.B), X=(4, 3), B=(4, 4)),
    row("111", "∂tr(X B Xᵀ)/∂X = X Bᵀ + X B", "X", lambda t: trace(t.X @ t.B @ t.X.T),
        lambda t: jnp.einsum("ij,jk,ik", t.X, t.B, t.X), X=(3, 4), B=(4, 4)),
    row("112", "∂tr(B Xᵀ X)/∂X = X Bᵀ + X B", "X", lambda t: trace(t.B @ t.X.T @ t.X),
        lambda t: jnp.einsum("ij,kj,ki", t.B, t.X, t.X), X=(3, 4), B=(4, 4)),
    row("113", "∂tr(Xᵀ X B)/∂X = X Bᵀ + X B", "X", lambda t: trace(t.X.T @ t.X @ t.B),
        lambda t: jnp.einsum("ji,jk,ki", t.X, t.X, t.B), X=(3, 4), B=(4, 4)),
    row("114", "∂tr(A X B X)/∂X = Aᵀ Xᵀ Bᵀ + Bᵀ Xᵀ Aᵀ", "X",
        lambda t: trace(t.A @ t.X @ t.B @ t.X),
        lambda t: jnp.einsum("ij,jk,kl,li", t.A, t.X, t.B, t.X), A=(3, 4), X=(4, 3), B=(3, 4)),
    row("115", "∂tr(Xᵀ X)/∂X = 2 X", "X", lambda t: trace(t.X.T @ t.X),
        lambda t: jnp.sum(t.X**2), X=(3, 4)),
    row("115", "∂tr(X Xᵀ)/∂X = 2 X", "X", lambda t: trace(t.X @ t.X.T),
        lambda t: jnp.sum(t.X**2), X=(3, 4)),
    row("116", "∂tr(Bᵀ Xᵀ C X B)/∂X = Cᵀ X B Bᵀ + C X B Bᵀ", "X",
        lambda t: trace(t.B.T @ t.X.T @ t.C @ t.X @ t.B),
        lambda t: jnp.einsum("ia,ij,ja", t.X @ t.B, t.C, t.X @ t.B),
        B=(4, 5), X=(3, 4), C=(3, 3)),
    row("117", "∂tr(Xᵀ B X C)/∂X = B X C + Bᵀ X Cᵀ", "X",
        lambda t: trace(t.X.T @ t.B @ t.X @ t.C),
        lambda t: jnp.einsum("ji,jk,kl,li", t.X, t.B, t.X, t.C), X=(3, 4), B=(3, 3), C=(4, 4)),
    row("118", "∂tr(A X B Xᵀ C)/∂X = Aᵀ Cᵀ X Bᵀ + C A X B", "X",
        lambda t: trace(t.A @ t.X @ t.B @ t.X.T @ t.C),
        lambda t: jnp.einsum("ij,jk,kl,ml,mi", t.A, t.X, t.B, t.X, t.C),
        A=(5, 3), X=(3, 4), B=(4, 4), C=(3, 5)),
    row("119", "∂tr((A X B + C)(A X B + C)ᵀ)/∂X = 2 Aᵀ (A X B + C) Bᵀ", "X",
        lambda t: square_trace(t.A @ t.X @ t.B + t.C),
        lambda t: jnp.sum((t.A @ t.X @ t.B + t.C)**2), A=(5, 3), X=(3, 4), B=(4, 2), C=(5, 2)),
    row("120", "∂tr(X ⊗ X)/∂X = 2 tr(X) I", "X", lambda t: kronecker_trace(t.X, t.X),
        lambda t: jnp.trace(jnp.kron(t.X, t.X)), X=(4, 4)),
    row("121", "∂tr(Xᵏ)/∂X = k (Xᵏ⁻¹)ᵀ", "X", lambda t: trace(t.X @ t.X @ t.X @ t.X),
        lambda t: jnp.trace(jnp.linalg.matrix_power(t.X, 4)), "for k = 4", X=(4, 4)),
    row("122", "∂tr(A Xᵏ)/∂X = Σ_r (Xʳ A Xᵏ⁻ʳ⁻¹)ᵀ", "X",
        lambda t: trace(t.A @ t.X @ t.X @ t.X),
        lambda t: jnp.trace(t.A @ jnp.linalg.matrix_power(t.X, 3)), "for k = 3",
        A=(4, 4), X=(4, 4)),
    row("123", "∂tr(Bᵀ Xᵀ C X Xᵀ C X B)/∂X = C X Xᵀ C X B Bᵀ + Cᵀ X B Bᵀ Xᵀ Cᵀ X + …", "X",
        lambda t: trace(t.B.T @ t.X.T @ t.C @ t.X @ t.X.T @ t.C @ t.X @ t.B),
        lambda t: jnp.einsum("ia,ij,jk,lk,lm,ma", t.X @ t.B, t.C, t.X, t.X, t.C, t.X @ t.B),
        B=(4, 5), X=(3, 4), C=(3, 3)),
)
