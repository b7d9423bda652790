"""Matrix expressions of everyday use beyond the book: symmetry, Gram matrices, norms, diagonals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from sympy import Rational, Sum

import symbackprop as sb
from tests.support.cookbook_cases import Row, row, trace

V, M, Q = (4,), (4, 3), (4, 4)


def symmetric(made: Row, *names: str) -> Row:
    """The row with these matrices declared symmetric."""
    return replace(made, facts={name: [sb.symmetric()] for name in names})


def diagonal_form(x: Any, W: Any) -> Any:
    """Σ_i x[i]·W[i,i]."""
    (i,) = x.letters
    return sb.define(None, (), Sum(x[i]*W[i, i], i))


def rank_one(B: Any, x: Any, v: Any) -> Any:
    """‖B − x vᵀ‖²."""
    i, j = sb.indices("i j", *B.axes)
    return sb.define(None, (), Sum((B[i, j] - x[i]*v[j])**2, i, j))


IDIOMS: tuple[Row, ...] = (
    symmetric(row("symmetric", "xᵀ A x − 2 bᵀ x", "x", lambda t: t.x @ t.A @ t.x - 2*(t.b @ t.x),
                  lambda t: jnp.vdot(t.x, t.A @ t.x - 2*t.b), x=V, A=Q, b=V), "A"),
    symmetric(row("symmetric", "tr(Xᵀ A X)", "X", lambda t: trace(t.X.T @ t.A @ t.X),
                  lambda t: jnp.sum(t.X*(t.A @ t.X)), X=M, A=Q), "A"),
    symmetric(row("symmetric", "½ (x − b)ᵀ A (x − b)", "x",
                  lambda t: Rational(1, 2)*((t.x - t.b) @ t.A @ (t.x - t.b)),
                  lambda t: jnp.vdot(t.x - t.b, t.A @ (t.x - t.b))/2, x=V, b=V, A=Q), "A"),
    row("quotient", "xᵀ A x/xᵀ x", "x", lambda t: (t.x @ t.A @ t.x)/(t.x @ t.x),
        lambda t: jnp.vdot(t.x, t.A @ t.x)/jnp.sum(t.x**2), x=V, A=Q),
    row("quotient", "xᵀ b/(‖x‖ ‖b‖)", "x",
        lambda t: (t.x @ t.b)/(sb.sqrt((t.x*t.x).sum())*sb.sqrt((t.b*t.b).sum())),
        lambda t: jnp.vdot(t.x, t.b)/jnp.linalg.norm(t.x)/jnp.linalg.norm(t.b), x=V, b=V),
    row("Gram", "‖Xᵀ X‖²", "X", lambda t: ((t.X.T @ t.X)**2).sum(),
        lambda t: jnp.sum((t.X.T @ t.X)**2), X=M),
    row("Gram", "‖B − X Xᵀ‖²", "X", lambda t: ((t.B - t.X @ t.X.T)**2).sum(),
        lambda t: jnp.sum((t.B - t.X @ t.X.T)**2), X=M, B=Q),
    row("power", "tr(X A X)", "X", lambda t: trace(t.X @ t.A @ t.X),
        lambda t: jnp.trace(t.X @ t.A @ t.X), X=Q, A=Q),
    row("power", "tr(X²)²", "X", lambda t: trace(t.X @ t.X)**2,
        lambda t: jnp.trace(t.X @ t.X)**2, X=Q),
    row("commutator", "‖X B − B X‖²", "X", lambda t: ((t.X @ t.B - t.B @ t.X)**2).sum(),
        lambda t: jnp.sum((t.X @ t.B - t.B @ t.X)**2), X=Q, B=Q),
    row("diagonal", "Σ x[i] X[i,i]", "X", lambda t: diagonal_form(t.x, t.X),
        lambda t: jnp.vdot(t.x, jnp.diag(t.X)), x=V, X=Q),
    row("diagonal", "Σ X[i,i]³", "X", lambda t: (lambda i: sb.define(
        None, (), Sum(t.X[i, i]**3, i)))(t.X.letters[0]), lambda t: jnp.sum(jnp.diag(t.X)**3), X=Q),
    row("outer", "‖B − x vᵀ‖²", "x", lambda t: rank_one(t.B, t.x, t.v),
        lambda t: jnp.sum((t.B - jnp.outer(t.x, t.v))**2), B=M, x=V, v=(3,)),
    row("sums", "‖X 1‖²", "X", lambda t: (t.X.sum(1)**2).sum(),
        lambda t: jnp.sum(jnp.sum(t.X, 1)**2), X=M),
    row("sums", "‖1ᵀ X‖²", "X", lambda t: (t.X.sum(0)**2).sum(),
        lambda t: jnp.sum(jnp.sum(t.X, 0)**2), X=M),
    row("sums", "(1ᵀ X 1)²", "X", lambda t: t.X.sum()**2, lambda t: jnp.sum(t.X)**2, X=M),
    row("norms", "Σ_n ‖X[n,:]‖", "X", lambda t: sb.sqrt((t.X**2).sum(1)).sum(),
        lambda t: jnp.sum(jnp.linalg.norm(t.X, axis=1)), X=M),
    row("norms", "‖X − 1 mean(X)ᵀ‖²", "X", lambda t: ((t.X - t.X.mean(0))**2).sum(),
        lambda t: jnp.sum((t.X - jnp.mean(t.X, 0))**2), X=M),
    row("traces", "tr(B X C Xᵀ) tr(B)", "X",
        lambda t: trace(t.B @ t.X @ t.C @ t.X.T)*trace(t.B),
        lambda t: jnp.einsum("ij,jk,kl,il", t.B, t.X, t.C, t.X)*jnp.trace(t.B),
        B=Q, X=M, C=(3, 3)),
    row("Hadamard", "aᵀ (A ⊙ X ⊙ B) b", "X", lambda t: t.a @ (t.A*t.X*t.B) @ t.b,
        lambda t: jnp.einsum("i,ij,ij,ij,j", t.a, t.A, t.X, t.B, t.b),
        a=V, A=M, X=M, B=M, b=(3,)),
    row("entrywise", "aᵀ sin(A X B) b", "X", lambda t: t.a @ sb.sin(t.A @ t.X @ t.B) @ t.b,
        lambda t: jnp.einsum("i,ij,j", t.a, jnp.sin(t.A @ t.X @ t.B), t.b),
        a=(5,), A=(5, 4), X=M, B=(3, 2), b=(2,)),
    row("entrywise", "aᵀ log(A exp(X) B) b", "X",
        lambda t: t.a @ sb.log(t.A**2 @ sb.exp(t.X) @ t.B**2) @ t.b,
        lambda t: jnp.einsum("i,ij,j", t.a, jnp.log(t.A**2 @ jnp.exp(t.X) @ t.B**2), t.b),
        "with A ⊙ A and B ⊙ B, so that the logarithm is real",
        a=(5,), A=(5, 4), X=M, B=(3, 2), b=(2,)),
)
