"""Bodies that hold what is no declared real scalar."""

from typing import Any

from sympy import (
    Derivative,
    Dummy,
    I,
    IndexedBase,
    Integral,
    MatrixSymbol,
    Piecewise,
    Product,
    Symbol,
    exp,
    nan,
    oo,
    symbols,
    zoo,
)

import symbackprop as sb
from tests.support.refusals import bad, data, i, j, n


@bad("lam is a SymPy symbol that was never declared",
     "lam = sb.hyper('lam', default), or sb.parameter")
def a_symbol_that_was_never_declared() -> Any:
    x, lam = data(n, i), Symbol("lam", real=True)
    return sb.define("z", (n, i), lam * x[n, i])  # HERE


@bad("c is a complex SymPy symbol", "sb.hyper('c', default)")
def a_complex_symbol() -> Any:
    x, c = data(n, i), symbols("c")
    return sb.define("z", (n, i), c * x[n, i])  # HERE


@bad("is a Dummy", "t = sb.hyper('t')")
def a_dummy() -> Any:
    x, t = data(n, i), Dummy("t", real=True)
    return sb.define("z", (n, i), t * x[n, i])  # HERE


@bad("the tensor W stands without indices", "write W[i, j]")
def a_bare_tensor() -> Any:
    x, W = data(n, i), sb.parameter("W", i, j)
    return sb.define("z", (n, i), x[n, i] * W.symbol)  # HERE


@bad("is a plain SymPy IndexedBase", "tensors come from sb.data and sb.parameter")
def an_indexed_base() -> Any:
    x, A = data(n, i), IndexedBase("A")
    return sb.define("z", (n, i), x[n, i] * A[i])  # HERE


@bad("is a SymPy matrix", "indexed: W[i, j]")
def an_entry_of_a_matrix_symbol() -> Any:
    x, A = data(n, i), MatrixSymbol("A", 3, 3)
    return sb.define("z", (n, i), x[n, i] * A[0, 0])  # HERE


@bad("is an integral", "a Sum over an index")
def an_integral() -> Any:
    x, t = data(n), Symbol("t", real=True)
    return sb.define("z", (n,), Integral(exp(-(t**2)), (t, 0, x[n])))  # HERE


@bad("is a derivative that is not worked out", "use sb.derive")
def a_derivative() -> Any:
    x, lam = data(n), sb.hyper("lam", 1.0)
    return sb.define("z", (n,), x[n] * Derivative(lam**2, lam))  # HERE


@bad("is not part of the notation", "write it with Sum, Piecewise and functions")
def a_product_over_an_index() -> Any:
    x = data(n, i)
    return sb.define("z", (n,), Product(x[n, i], (i, 0, 63)))  # HERE


@bad("I is complex", "all tensors are real")
def an_imaginary_number() -> Any:
    x = data(n)
    return sb.define("z", (n,), I * x[n])  # HERE


@bad("is infinite", "write finite numbers")
def an_infinite_number() -> Any:
    x = data(n)
    return sb.define("z", (n,), Piecewise((x[n], x[n] > 0), (-oo, True)))  # HERE


@bad("zoo is infinite", "write finite numbers")
def a_division_by_zero() -> Any:
    x = data(n)
    return sb.define("z", (n,), x[n] + zoo)  # HERE


@bad("nan is not a number", "write finite numbers")
def a_nan() -> Any:
    return sb.define("z", (n,), nan)  # HERE


@bad("has no value where no condition holds", "end it with (value, True)")
def a_piecewise_without_an_otherwise() -> Any:
    x = data(n)
    return sb.define("z", (n,), Piecewise((x[n], x[n] > 0)))  # HERE
