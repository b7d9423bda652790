"""Sums over N − 1 rows of N = 1 row have no terms: they are 0, also those that are products."""

from typing import Any

import numpy as np
import pytest
from sympy import Idx, Sum, exp, log, tanh

import symbackprop as sb
from symbackprop.interpreter import evaluate

N = sb.size("N")
n, q, m, k = sb.indices("n q m k", N, N - 1, 5, 3)
r = Idx("r", (1, N - 1))
x, w, V = sb.data("x", n, m), sb.parameter("w", m), sb.parameter("V", m, k)
change = sb.define("D", (q, m), x[q + 1, m]*w[m] - x[q, m])
hidden = sb.define("H", (q, k), Sum((x[q, m] + x[q + 1, m])*V[m, k], m))
BODIES = {
    "two sums of one exponential": Sum(x[r, m]*exp(x[r, m]*w[m]), r)
    / (1 + Sum(exp(x[r, m]*w[m]), r)),
    "a tensor of N − 1 rows": Sum(tanh(change[q, m])*change[q, m], q),
    "products of matrices": Sum(Sum(x[q, m]*hidden[q, k], q), k)*w[m],
    "limits from 1": Sum(w[m]*x[n, m]*x[n - 1, m], (n, 1, N - 1)),
    "limits to N − 2": Sum(w[m]*x[n, m]*x[n + 1, m], (n, 0, N - 2)),
    "a part, by an index of its own": Sum(w[m]*tanh(x[r, m]), r),
    "a logarithm": log(1 + Sum(exp(x[r, m]*w[m]), r)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_sum_over_no_rows_is_zero(body: Any, dtype: str) -> None:
    f = sb.define("f", (m,), body)
    L = sb.define("L", (), Sum(tanh(f[m]), m))
    outputs = [f, L, *sb.derive(L).gradients.values()]
    program, kernel = sb.program(outputs), sb.compile(outputs, dtype=dtype)
    rng = np.random.default_rng(0)
    for rows in (1, 2, 40):
        drawn = {"x": rng.normal(size=(rows, 5)), "w": rng.normal(size=5),
                 "V": rng.normal(size=(5, 3))/9}
        given = {t.name: drawn[t.name] for t in program.inputs}
        expected = evaluate(program, given)
        for found, output in zip(kernel(**given), program.outputs, strict=True):
            np.testing.assert_allclose(found, expected[output], rtol=400*np.finfo(dtype).eps,
                                       atol=400*np.finfo(dtype).eps)


def test_the_largest_of_no_numbers_is_minus_infinity() -> None:
    f = sb.compile(sb.define("f", (m,), sb.Maximum(x[r, m]*w[m], r)))
    assert (f(x=np.ones((1, 5)), w=np.ones(5)) == -np.inf).all()


def test_a_last_batch_of_one_row_is_a_step() -> None:
    z = sb.define("Z", (q, k), Sum(tanh(change[q, m])*V[m, k], m))
    L = sb.define("L", (), Sum(z[q, k]**2, q, k)/N + Sum(w[m]**2, m)/9)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9, 5))
    model = sb.Model(inputs=x, loss=L, dtype="float64")
    numbers = model.parameters.copy()
    model.fit(X, epochs=1, batch_size=4, shuffle=False, optimizer=sb.optimizers.SGD(0.1))
    d = sb.derive(L)
    program = sb.program([d[w], d[V]])
    for start in (0, 4, 8):
        slopes = evaluate(program, {"x": X[start:start + 4], **numbers})
        numbers = {name: array - 0.1*slopes[d.gradient({"w": w, "V": V}[name])]
                   for name, array in numbers.items()}
    for name, array in numbers.items():
        np.testing.assert_allclose(model.parameters[name], array, rtol=1e-12)
