"""Losses in which a row of the batch reads other rows, over batches of many tiles."""

import numpy as np
import pytest
from sympy import Idx, Max, Mod, Sum, exp, tanh

import symbackprop as sb
from symbackprop.interpreter import evaluate
from tests.support.fences import Fences

ROWS = 2000
N = sb.size("N")
n, b, m, h, k = sb.indices("n b m h k", N, N, 5, 16, 3)
later = Idx("r", (1, N - 1))
x, y, near = sb.data("x", n, m), sb.data("y", n, k), sb.data("near", n, facts=[sb.label(N)])
V, W = sb.parameter("V", m, h), sb.parameter("W", h, k)
H = sb.define("H", (n, h), tanh(Sum(x[n, m]*V[m, h], m)))
Z = sb.define("Z", (n, k), Sum(H[n, h]*W[h, k], h))
kernel = exp(-(Z[n, 0] - Z[b, 0])**2)
LOSSES = {
    "the batch backwards": Sum((Z[N - 1 - n, k] - y[n, k])**2, n, k)/N,
    "the row before, in a ring": Sum((Z[Mod(n + 1, N), k] - y[n, k])**2, n, k)/N,
    "the row before": Sum((Z[later, k] - Z[later - 1, k] - y[later, k])**2, later, k)/N,
    "a neighbour in a graph": Sum((Z[n, k] + Z[near[n], k] - y[n, k])**2, n, k)/N,
    "the first row": Sum((Z[n, k] - Z[0, k] - y[n, k])**2, n, k)/N,
    "pairs that should be ranked": Sum(Max(0, 1 - (Z[n, 0] - Z[b, 0])*(y[n, 0] - y[b, 0])), n, b)
    / N**2,
    "a smoother": Sum((Sum(kernel*Z[b, k], b)/Sum(kernel, b) - y[n, k])**2, n, k)/N,
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_step_is_that_of_the_interpreter_and_stays_in_its_memory(
        loss, threads: int, fences: Fences) -> None:
    L = sb.define("L", (), loss)
    inputs = [t for t in (x, near) if t in sb.program(L).inputs]
    model = sb.Model(inputs=inputs, targets=y, loss=L, dtype="float64")
    rng = np.random.default_rng(0)
    given = {"x": rng.normal(size=(ROWS, 5)), "y": rng.normal(size=(ROWS, 3)),
             "near": rng.integers(0, ROWS, ROWS)}
    before = model.parameters.copy()
    arrays = [given[t.name] for t in inputs]
    model.fit(arrays if near in inputs else arrays[0], given["y"], epochs=1, batch_size=ROWS,
              optimizer=sb.optimizers.SGD(0.1), threads=threads)
    d = sb.derive(L)
    program = sb.program([d[V], d[W]])
    steps = evaluate(program, {t.name: {**given, **before}[t.name] for t in program.inputs})
    for parameter in (V, W):
        expected = before[parameter.name] - 0.1*steps[d.gradient(parameter)]
        np.testing.assert_allclose(model.parameters[parameter.name], expected, rtol=1e-10)


def test_what_is_written_behind_an_array_is_found() -> None:
    made = Fences()
    array = made.aligned(7, "float32")
    made.check()
    array = made.aligned(7, "float32")
    np.lib.stride_tricks.as_strided(array, (8,), array.strides)[7] = 1
    with pytest.raises(AssertionError, match="after an array were written over"):
        made.check()
