"""Small programs, one for each thing that a kernel must get right, with values for their inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from sympy import Abs, And, Eq, Max, Min, Mod, Not, Or, Piecewise, Rational, Sum, exp, log, sqrt

import symbackprop as sb
from symbackprop import functions as own
from symbackprop.notation import LogSumExp

N = sb.size("N")
Build = Callable[[], tuple[list[Any], dict[str, Any]]]
CASES: dict[str, Build] = {}


@dataclass(frozen=True)
class Made:
    outputs: list[Any]
    values: dict[str, np.ndarray]


def case(build: Build) -> Build:
    CASES[build.__name__.replace("_", " ")] = build
    return build


def made(name: str) -> Made:
    return Made(*CASES[name]())


def random(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers, rounded so that float32 holds them exactly."""
    return np.round(64*np.random.default_rng([seed, *shape]).normal(size=shape))/64


@case
def a_matrix_product():
    n, i, j = sb.indices("n i j", N, 5, 4)
    x, w = sb.data("x", n, i), sb.parameter("w", i, j)
    return [sb.define("s", (n, j), Sum(x[n, i]*w[i, j], i))], {"x": random(7, 5), "w": random(5, 4)}


@case
def products_in_all_four_layouts():
    i, j, k = sb.indices("i j k", 3, 4, 5)
    a, at = sb.data("a", i, k), sb.data("at", k, i)
    b, bt = sb.data("b", k, j), sb.data("bt", j, k)
    outputs = [sb.define(f"s{u}{v}", (i, j), Sum(left*right, k))
               for u, left in enumerate((a[i, k], at[k, i]))
               for v, right in enumerate((b[k, j], bt[j, k]))]
    outputs.append(sb.define("turned", (j, i), 3*Sum(a[i, k]*bt[j, k], k)))
    return outputs, {"a": random(3, 5), "at": random(5, 3), "b": random(5, 4), "bt": random(4, 5)}


@case
def products_with_extents_of_one():
    i, j, k, one = sb.indices("i j k o", 3, 4, 5, 1)
    a, b = sb.data("a", i, k), sb.data("b", k, j)
    r, c = sb.data("r", one, k), sb.data("c", k, one)
    u, v = sb.data("u", i, one), sb.data("v", one, j)
    outputs = [
        sb.define("row", (one, j), Sum(r[one, k]*b[k, j], k)),
        sb.define("column", (i, one), Sum(a[i, k]*c[k, one], k)),
        sb.define("outer", (i, j), Sum(u[i, one]*v[one, j], one)),
    ]
    shapes = {"a": (3, 5), "b": (5, 4), "r": (1, 5), "c": (5, 1), "u": (3, 1), "v": (1, 4)}
    return outputs, {name: random(*shape) for name, shape in shapes.items()}


@case
def flattened_and_batched_products():
    n, t, i, j, b = sb.indices("n t i j b", N, 3, 4, 5, 2)
    x, w, g = sb.data("x", n, t, i), sb.data("w", i, j), sb.data("g", n, t, j)
    p, q = sb.data("p", b, n, i), sb.data("q", b, i, j)
    outputs = [
        sb.define("s", (n, t, j), Sum(x[n, t, i]*w[i, j], i)),
        sb.define("d", (i, j), Sum(x[n, t, i]*g[n, t, j], n, t)),
        sb.define("batched", (b, n, j), Sum(p[b, n, i]*q[b, i, j], i)),
        sb.define("odd", (n, b, j), Sum(p[b, n, i]*q[b, i, j], i)),
    ]
    shapes = {"x": (6, 3, 4), "w": (4, 5), "g": (6, 3, 5), "p": (2, 6, 4), "q": (2, 4, 5)}
    return outputs, {name: random(*shape) for name, shape in shapes.items()}


@case
def compound_operands_and_three_factors():
    n, i, j, k = sb.indices("n i j k", N, 4, 5, 3)
    x, a, b = sb.data("x", n, i), sb.data("a", i, j), sb.data("b", j, k)
    y, r = sb.data("y", n, j), sb.data("r", n)
    outputs = [
        sb.define("chain", (n, k), Sum(x[n, i]*a[i, j]*b[j, k], i, j)),
        sb.define("residual", (i, j), Sum(r[n]*x[n, i]**2*(sp.tanh(y[n, j]) - 1)/N, n)),
        sb.define("split", (n, j), Sum(x[n, i]*(a[i, j] + y[n, j]), i)),
        sb.define("loose", (), Sum(x[n, i]*a[i, j], n, i, j)),
        sb.define("form", (n,), Sum(x[n, i]*a[i, j]*y[n, j], i, j)),
        sb.define("unused", (n,), Sum(x[n, 0], k)),
    ]
    shapes = {"x": (7, 4), "a": (4, 5), "b": (5, 3), "y": (7, 5), "r": (7,)}
    return outputs, {name: random(*shape) for name, shape in shapes.items()}


@case
def matrices_and_vectors():
    n, i = sb.indices("n i", N, 6)
    x, w, g = sb.data("x", n, i), sb.parameter("w", i), sb.data("g", n)
    outputs = [sb.define("s", (n,), Sum(x[n, i]*w[i], i)),
               sb.define("d", (i,), Sum(x[n, i]*g[n], n)),
               sb.define("outer", (n, i), g[n]*w[i]), sb.define("dot", (), Sum(w[i]**2, i))]
    return outputs, {"x": random(5, 6), "w": random(6), "g": random(5)}


@case
def maxima_and_minima():
    n, k = sb.indices("n k", N, 4)
    z = sb.data("z", n, k)
    outputs = [sb.define("m", (n,), sb.Maximum(z[n, k], k)),
               sb.define("c", (k,), sb.Minimum(z[n, k]**2, n)),
               sb.define("all", (), sb.Maximum(z[n, k], n, k))]
    return outputs, {"z": random(6, 4)}


@case
def everything_of_rank_zero():
    a, b, c = sb.data("a"), sb.parameter("b"), sb.hyper("c")
    s = sb.define("s", (), a*b + c)
    values = {"a": np.array(2.0), "b": np.array(-3.0), "c": 0.5}
    return [s, sb.define("r", (), sp.tanh(s)/c)], values


@case
def the_index_as_a_number():
    n, k = sb.indices("n k", N, 6)
    x = sb.data("x", n)
    return [sb.define("r", (n, k), x[n]*sp.cos(k) + n + k**2 + N),
            sb.define("total", (), Sum(x[n]*n, n)/N)], {"x": random(5)}


@case
def symbolic_sizes_on_any_axis():
    M = sb.size("M")
    i, n, m = sb.indices("i n m", 3, N, M)
    a, b = sb.data("a", i, n), sb.data("b", m, i)
    return [sb.define("s", (m, n), Sum(b[m, i]*a[i, n], i)),
            sb.define("t", (n, m), Sum(b[m, i]*a[i, n], i)/(M*N))], {
                "a": random(3, 5), "b": random(4, 3)}


@case
def shifts_strides_and_reversals():
    n, u, a = sb.indices("n u a", N, 4, 3)
    x, w = sb.data("x", n, 9), sb.parameter("w", 3)
    y = sb.define("y", (n, u), Sum(x[n, 2*u + a]*w[a], a))
    back = sb.define("back", (n, u), x[n, 8 - u])
    return [y, back, sb.define("middle", (n,), x[n, 4])], {"x": random(3, 9), "w": random(3)}


@case
def gathers():
    n, t, d = sb.indices("n t d", N, 3, 4)
    w = sb.data("w", n, t, facts=[sb.label(5)])
    y = sb.data("y", n, facts=[sb.label(4)])
    e = sb.parameter("E", 5, d)
    outputs = [sb.define("h", (n, t, d), e[w[n, t], d]),
               sb.define("p", (n,), Sum(e[w[n, t], y[n]], t)),
               sb.define("number", (n,), y[n]*2.5),
               sb.define("where", (n, d), own.Iverson(Eq(d, y[n])))]
    return outputs, {"w": np.array([[0, 4, 2], [1, 1, 1]]), "y": np.array([3, 0]),
                     "E": random(5, 4)}


@case
def scatters():
    n, t, d, v, i, j, u, a, q = sb.indices("n t d v i j u a q", N, 3, 2, 5, 4, 4, 4, 3, 9)
    w, g = sb.data("w", n, t, facts=[sb.label(5)]), sb.data("g", n, t, d)
    m, r = sb.data("m", i), sb.data("r", n, u)
    k = sb.parameter("k", a)
    outputs = [
        sb.define("E", (v, d), Sum(own.Iverson(Eq(v, w[n, t]))*g[n, t, d], n, t)),
        sb.define("diagonal", (i, j), own.Iverson(Eq(i, j))*m[i]),
        sb.define("x", (n, q), Sum(own.Iverson(Eq(q, 2*u + a))*r[n, u]*k[a], u, a)),
        sb.define("beyond", (i,), Sum(own.Iverson(Eq(i, 2*u))*m[u], u)),
        sb.define("collapsed", (i,), Sum(own.Iverson(Eq(i, j))*m[j], j)),
        sb.define("both", (v, i), Sum(own.Iverson(And(Eq(v, w[n, t]), Eq(i, t + 1)))*g[n, t, 0],
                                      n, t)),
    ]
    return outputs, {"w": np.array([[0, 4, 2], [1, 1, 1]]), "g": random(2, 3, 2), "m": random(4),
                     "r": random(2, 4), "k": random(3)}


@case
def triangular_conditions():
    i, j = sb.indices("i j", 5, 5)
    x, a = sb.data("x", i), sb.data("a", i, j)
    outputs = [
        sb.define("prefix", (i,), Sum(own.Iverson(j <= i)*x[j], j)),
        sb.define("shifted", (i,), own.Iverson(i > 0)*x[i - 1]),
        sb.define("masked", (i, j), Sum(own.Iverson(And(i >= j, Not(Eq(i, 2))))*a[i, j]*x[j], j)),
    ]
    return [outputs[0], sb.define("either", (i, j), own.Iverson(Or(i > j, a[i, j] > 0)))], {
        "x": random(5), "a": random(5, 5)}


@case
def log_sum_exp_in_many_places():
    n, k = sb.indices("n k", N, 4)
    z, b = sb.data("z", n, k), sb.data("b", k)
    y = sb.data("y", n, facts=[sb.label(4)])
    lse = sb.define("lse", (n,), LogSumExp(z[n, k] + b[k], k))
    outputs = [
        lse, sb.define("p", (n, k), exp(z[n, k] + b[k] - lse[n])),
        sb.define("l", (n, k), 3*(z[n, k] + b[k] - lse[n]) + 1),
        sb.define("picked", (n,), lse[n] - z[n, y[n]] - b[y[n]]),
        sb.define("tempered", (n, k), exp(2*z[n, k] + 2*b[k] - 2*lse[n])),
        sb.define("all", (), LogSumExp(z[n, k], n, k)),
    ]
    return outputs, {"z": 3*random(5, 4), "b": random(4), "y": np.array([0, 3, 1, 2, 2])}


@case
def functions_of_one_argument():
    n = sb.indices("n", N)
    t, u = sb.data("t", n), sb.data("u", n)  # t any, u in (0, 1)
    any_real = [exp, sp.sin, sp.cos, sp.tan, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.erf,
                sp.erfc, own.relu, own.sigmoid, own.softplus, Abs, sp.sign, sp.floor, sp.ceiling,
                lambda s: own.leaky_relu(s), sp.Heaviside, lambda s: Mod(s, 3), sp.frac]
    unit = [log, sp.asin, sp.acos, sp.atanh, sqrt, lambda s: sp.acosh(1 + s),
            lambda s: s**Rational(-3, 2), lambda s: s**Rational(1, 3),
            lambda s: s**Rational(5, 7), lambda s: s**-3, lambda s: s**17, sp.gamma, sp.loggamma,
            sp.digamma, sp.trigamma, lambda s: sp.polygamma(2, s), lambda s: sp.digamma(s - 1),
            sp.sec, sp.coth, sp.sinc]
    outputs = [sb.define(f"a{i}", (n,), f(t[n])) for i, f in enumerate(any_real)]
    outputs += [sb.define(f"b{i}", (n,), f(u[n])) for i, f in enumerate(unit)]
    return outputs, {"t": 2*random(9), "u": np.arange(1, 10)/16}


@case
def functions_of_several_arguments():
    n = sb.indices("n", N)
    s, t = sb.data("s", n), sb.data("t", n)
    bodies = [
        Max(s[n], t[n], 0), Min(s[n], 2*t[n]), sp.atan2(s[n], t[n]), exp(s[n])**t[n],
        Piecewise((s[n], s[n] > 0), (t[n]**2, t[n] > 0), (-1, True)),
        s[n]*Piecewise((1/t[n], t[n] > 0), (0, True)),
        own.Iverson(s[n] > 0)*own.Iverson(t[n] <= 0)*s[n]*t[n], own.Iverson(s[n] >= t[n]) - 1,
        s[n]/(t[n]**2*(1 + s[n]**2)) - (s[n] - t[n])*Rational(2, 3), -s[n], -(s[n] + 1)*t[n],
        sp.pi*s[n] + sp.E/7 - sqrt(2)*t[n], 0.1*s[n], s[n]*sp.Float("1e-30"), 10**20*s[n],
        own.leaky_relu(s[n], t[n]), sqrt(own.sigmoid(sp.Rational(1, 3)))*s[n],
    ]
    outputs = [sb.define(f"r{i}", (n,), body) for i, body in enumerate(bodies)]
    return outputs, {"s": random(8, seed=1), "t": random(8, seed=2)}


@case
def outputs_that_are_inputs_constants_and_repeats():
    n = sb.indices("n", N)
    x, c = sb.data("x", n), sb.hyper("c", 2.0)
    y = sb.define("y", (n,), x[n] + 1)
    return [x, y, c, y, sb.define("three", (), sp.Integer(3)), sb.define("v", (n,), sp.Integer(2))
            ], {"x": random(3)}


@case
def only_inputs():
    n = sb.indices("n", N)
    x = sb.data("x", n)
    return [x, x], {"x": random(3)}


@case
def names_that_are_no_identifiers():
    n, k = sb.indices("λ for", N, 3)
    x, e = sb.data("δ", n, k), sb.data("import", k)
    s = sb.define("ŷ", (n,), Sum(x[n, k]*e[k], k))
    return [s, sb.define("real", (n,), s[n] + 1), sb.define("y_hat", (n,), s[n]*2),
            sb.define("w′", (), Sum(s[n], n))], {"δ": random(4, 3), "import": random(3)}


@case
def one_letter_with_two_extents():
    i, j = sb.indices("i j", 3, 2)
    i4 = sb.indices("i", 4)
    a, b = sb.data("a", i), sb.data("b", i4, j)
    return [sb.define("s", (i, j), a[i]*Sum(b[i4, j], i4))], {"a": random(3), "b": random(4, 2)}


@case
def a_whole_layer_with_its_gradient():
    n, i, j = sb.indices("n i j", N, 4, 3)
    x, y = sb.data("x", n, i), sb.data("y", n, j)
    w, b = sb.parameter("W", i, j), sb.parameter("b", j)
    h = sb.define("h", (n, j), sp.tanh(Sum(x[n, i]*w[i, j], i) + b[j]))
    loss = sb.define("L", (), Sum((h[n, j] - y[n, j])**2, n, j)/N + Sum(Abs(w[i, j]), i, j))
    d = sb.derive(loss)
    return [loss, d[w], d[b]], {"x": random(5, 4), "y": random(5, 3), "W": random(4, 3),
                                "b": random(3)}
