"""What the documentation of matrixcalculus.org gives as valid input, declared here.

Laue, Mitterreiter & Giesen, "Computing higher order derivatives of matrix and tensor expressions"
(2018); www.matrixcalculus.org/documentation.  The examples with det and inv are left out, and each
operator of its list has a row.  A vector is contracted with a fixed one where a row says so.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from sympy import Rational, Sum

import symbackprop as sb
from tests.support.cookbook_cases import Row, row, trace

S, V, W, M = (), (4,), (3,), (3, 4)


def norm1(x: Any) -> Any:
    return sb.absolute(x).sum()


def norm2(x: Any) -> Any:
    return sb.sqrt((x*x).sum())


def power(x: Any, y: Any) -> Any:
    """x .^ y, entry by entry."""
    (i,) = x.letters
    return sb.define(None, (), Sum(x[i]**y[i], i))


def logistic(t: Any) -> Any:
    return sb.log(sb.exp(-t.y*(t.X @ t.w)) + 1).sum()


LOGISTIC: dict[str, tuple[int, ...]] = {"X": (5, 3), "y": (5,), "w": (3,)}
EXAMPLES: tuple[Row, ...] = (
    row("example", "0.5*x'*A*x", "x", lambda t: Rational(1, 2)*(t.x @ t.A @ t.x),
        lambda t: 0.5*jnp.einsum("i,ij,j", t.x, t.A, t.x), x=V, A=(4, 4)),
    row("example", "0.5*x'*A*x", "A", lambda t: Rational(1, 2)*(t.x @ t.A @ t.x),
        lambda t: 0.5*jnp.einsum("i,ij,j", t.x, t.A, t.x), x=V, A=(4, 4)),
    row("example", "A*exp(x)", "x", lambda t: t.s @ (t.A @ sb.exp(t.x)),
        lambda t: jnp.einsum("i,ij,j", t.s, t.A, jnp.exp(t.x)), "contracted with s",
        A=M, x=V, s=W),
    row("example", "A*exp(x)", "A", lambda t: t.s @ (t.A @ sb.exp(t.x)),
        lambda t: jnp.einsum("i,ij,j", t.s, t.A, jnp.exp(t.x)), "contracted with s",
        A=M, x=V, s=W),
    row("example", "(y.*v)'*x", "x", lambda t: (t.y*t.v) @ t.x,
        lambda t: jnp.sum(t.y*t.v*t.x), y=V, v=V, x=V),
    row("example", "(y.*v)'*x", "y", lambda t: (t.y*t.v) @ t.x,
        lambda t: jnp.sum(t.y*t.v*t.x), y=V, v=V, x=V),
    row("example", "a^b", "a", lambda t: t.a**t.b, lambda t: jnp.power(t.a, t.b), a=S, b=S),
    row("example", "a^b", "b", lambda t: t.a**t.b, lambda t: jnp.power(t.a, t.b), a=S, b=S),
    row("example", "norm1(A*x-y)", "x", lambda t: norm1(t.A @ t.x - t.y),
        lambda t: jnp.linalg.norm(t.A @ t.x - t.y, 1), A=M, x=V, y=W),
    row("example", "norm1(A*x-y)", "A", lambda t: norm1(t.A @ t.x - t.y),
        lambda t: jnp.linalg.norm(t.A @ t.x - t.y, 1), A=M, x=V, y=W),
    row("example", "norm2(A*x-y)^2", "x", lambda t: norm2(t.A @ t.x - t.y)**2,
        lambda t: jnp.vdot(t.A @ t.x - t.y, t.A @ t.x - t.y), A=M, x=V, y=W),
    row("example", "norm2(A*x-y)^2", "A", lambda t: norm2(t.A @ t.x - t.y)**2,
        lambda t: jnp.vdot(t.A @ t.x - t.y, t.A @ t.x - t.y), A=M, x=V, y=W),
    row("example", "sum(log(exp(-y.*(X*w)) + vector(1)))", "w", logistic,
        lambda t: jnp.sum(jnp.logaddexp(0, -t.y*(t.X @ t.w))), **LOGISTIC),
    row("example", "sum(log(exp(-y.*(X*w)) + vector(1)))", "X", logistic,
        lambda t: jnp.sum(jnp.logaddexp(0, -t.y*(t.X @ t.w))), **LOGISTIC),
    row("example", "tr(A*X'*B*X*C)", "X", lambda t: trace(t.A @ t.X.T @ t.B @ t.X @ t.C),
        lambda t: jnp.einsum("ij,kj,kl,lm,mi", t.A, t.X, t.B, t.X, t.C),
        A=(5, 4), X=M, B=(3, 3), C=(4, 5)),
    row("example", "sin(x)'*y", "x", lambda t: sb.sin(t.x) @ t.y,
        lambda t: jnp.vdot(jnp.sin(t.x), t.y), x=V, y=V),
    row("start page", "x'*A*x + c*sin(y)'*x", "x",
        lambda t: t.x @ t.A @ t.x + t.c*(sb.sin(t.y) @ t.x),
        lambda t: jnp.vdot(t.x, t.A @ t.x + t.c*jnp.sin(t.y)), x=V, A=(4, 4), c=S, y=V),
    row("start page", "x'*A*x + c*sin(y)'*x", "y",
        lambda t: t.x @ t.A @ t.x + t.c*(sb.sin(t.y) @ t.x),
        lambda t: jnp.vdot(t.x, t.A @ t.x + t.c*jnp.sin(t.y)), x=V, A=(4, 4), c=S, y=V),
)
OPERATORS: tuple[Row, ...] = (
    row("+ -", "sum(X + Y - X.*Y)", "X", lambda t: (t.X + t.Y - t.X*t.Y).sum(),
        lambda t: jnp.sum(t.X + t.Y - t.X*t.Y), X=M, Y=M),
    row("/", "(x'*y)/(a*b)", "x", lambda t: (t.x @ t.y)/(t.a*t.b),
        lambda t: jnp.vdot(t.x, t.y)/t.a/t.b, x=V, y=V, a=S, b=S),
    row("^", "(x'*A*y)^3", "A", lambda t: (t.x @ t.A @ t.y)**3,
        lambda t: jnp.einsum("i,ij,j", t.x, t.A, t.y)**3, x=W, A=M, y=V),
    row("^", "tr(X^3)", "X", lambda t: trace(t.X @ t.X @ t.X),
        lambda t: jnp.trace(jnp.linalg.matrix_power(t.X, 3)), X=(4, 4)),
    row("./", "sum(X./Y)", "Y", lambda t: (t.X/t.Y).sum(), lambda t: jnp.sum(t.X*t.Y**-1.0),
        X=M, Y=M),
    row(".^", "sum(X.^3)", "X", lambda t: (t.X**3).sum(), lambda t: jnp.sum(t.X*t.X*t.X), X=M),
    row(".^", "sum(x.^y)", "x", lambda t: power(t.x, t.y), lambda t: jnp.sum(t.x**t.y), x=V, y=V),
    row(".^", "sum(x.^y)", "y", lambda t: power(t.x, t.y), lambda t: jnp.sum(t.x**t.y), x=V, y=V),
    row("cos", "x'*cos(A*y)", "y", lambda t: t.x @ sb.cos(t.A @ t.y),
        lambda t: jnp.vdot(t.x, jnp.cos(t.A @ t.y)), x=W, A=M, y=V),
    row("exp", "log(sum(exp(X*w)))", "w", lambda t: sb.logsumexp(t.X @ t.w),
        lambda t: jnp.log(jnp.sum(jnp.exp(t.X @ t.w))), X=M, w=V),
    row("log", "x'*log(y)", "y", lambda t: t.x @ sb.log(t.y), lambda t: jnp.vdot(jnp.log(t.y), t.x),
        x=V, y=V),
    row("abs", "sum(abs(X*y))", "X", lambda t: sb.absolute(t.X @ t.y).sum(),
        lambda t: jnp.linalg.norm(t.X @ t.y, 1), X=M, y=V),
    row("sign", "abs(x)'*A*y", "x", lambda t: sb.absolute(t.x) @ t.A @ t.y,
        lambda t: jnp.vdot(t.x*jnp.sign(t.x), t.A @ t.y), x=W, A=M, y=V),
    row("sum", "sum(A*X*y)", "X", lambda t: (t.A @ t.X @ t.y).sum(),
        lambda t: jnp.einsum("ij,jk,k->", t.A, t.X, t.y), A=(5, 3), X=M, y=V),
    row("norm1", "norm1(X)", "X", lambda t: norm1(t.X), lambda t: jnp.sum(jnp.abs(t.X)), X=M),
    row("norm2", "norm2(x)", "x", lambda t: norm2(t.x), lambda t: jnp.linalg.norm(t.x), x=V),
    row("norm2", "norm2(X)", "X", lambda t: norm2(t.X), lambda t: jnp.linalg.norm(t.X), X=M),
    row("norm2", "norm2(A*X-Y)", "X", lambda t: norm2(t.A @ t.X - t.Y),
        lambda t: jnp.linalg.norm(t.A @ t.X - t.Y), A=(5, 3), X=M, Y=(5, 4)),
    row("tr", "tr(X)*tr(X*A)", "X", lambda t: trace(t.X)*trace(t.X @ t.A),
        lambda t: jnp.trace(t.X)*jnp.einsum("ij,ji", t.X, t.A), X=(4, 4), A=(4, 4)),
    row("vector", "norm2(x - a*vector(1))^2", "x", lambda t: norm2(t.x - t.a)**2,
        lambda t: jnp.sum((t.x - t.a)**2), x=V, a=S),
    row("vector", "norm2(x - a*vector(1))^2", "a", lambda t: norm2(t.x - t.a)**2,
        lambda t: jnp.sum((t.x - t.a)**2), x=V, a=S),
    row("matrix", "norm2(X + matrix(1))^2", "X", lambda t: norm2(t.X + 1)**2,
        lambda t: jnp.sum((t.X + 1)**2), X=M),
)
