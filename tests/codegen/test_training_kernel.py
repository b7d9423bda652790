"""Runs of steps: the same numbers as the interpreter's, step by step, and nothing allocated."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from sympy import Sum, exp, log, tanh

import symbackprop as sb
from symbackprop.codegen import TrainingKernel, compile_training
from symbackprop.declare import declare
from symbackprop.errors import InputError
from symbackprop.normal import normalise
from symbackprop.notation import Program, Tensor
from symbackprop.simplification import simplify
from tests.codegen.cases import random
from tests.codegen.inspection import llvm

N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 6, 5, 3)
ROWS = 23


def state(name: str, *axes: object) -> object:
    return declare(name, axes, "state", ())


def tensor(given: object) -> Tensor:
    return given if isinstance(given, Tensor) else given.tensor


@dataclass
class Net:
    """A training step, the arrays it starts from, and its numbers."""

    program: Program
    batch: tuple[Tensor, ...]
    arrays: dict[Tensor, np.ndarray]
    hypers: dict[Tensor, float]

    def kernel(self, dtype: str = "float64") -> TrainingKernel:
        return compile_training(self.program, self.batch, N, self.program.outputs[0], dtype)

    def copies(self, dtype: str = "float64") -> dict[Tensor, np.ndarray]:
        return {t: a.astype(a.dtype if t.has_fact("label") else dtype)
                for t, a in self.arrays.items()}

    def slow(self, order: np.ndarray, batch_size: int) -> tuple[dict[Tensor, np.ndarray], list]:
        """The same steps by the interpreter."""
        arrays, losses = self.copies(), []
        for first in range(0, len(order), batch_size):
            rows = order[first:first + batch_size]
            given = {t: a[rows] if t in self.batch else a for t, a in arrays.items()}
            used = {t: v for t, v in {**given, **self.hypers}.items() if t in self.program.inputs}
            found = sb.evaluate(self.program, used)
            losses.append(float(found[self.program.outputs[0]]))
            arrays |= {old: np.asarray(found[new]) for old, new in self.program.updates}
        return arrays, losses


def step(loss: object, updates: list[tuple[object, object]]) -> Program:
    pairs = tuple((tensor(old), tensor(new)) for old, new in updates)
    defined = [new for _, new in pairs if new.definition is not None]
    program = sb.program([loss, *defined])
    outputs = (program.outputs[0],)
    program = replace(program, outputs=(*program.outputs, *(t for t, _ in pairs)))
    return replace(simplify(normalise(program)), outputs=outputs, updates=pairs)


def classifier() -> Net:
    """Two layers, softmax, momentum on the first layer, a rank-0 counter; labels as integers."""
    x, y = sb.data("x", n, i), sb.data("y", n, facts=[sb.label(k)])
    w1, b1, w2 = sb.parameter("W1", i, j), sb.parameter("b1", j), sb.parameter("W2", j, k)
    v1, t = state("v1", i, j), state("t")
    rate, momentum, lam = sb.hyper("rate"), sb.hyper("momentum", 0.9), sb.hyper("lam", 1e-3)
    h = sb.define("h", (n, j), tanh(Sum(x[n, i]*w1[i, j], i) + b1[j]))
    z = sb.define("z", (n, k), Sum(h[n, j]*w2[j, k], j))
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    loss = sb.define("L", (), -Sum(log(p[n, y[n]]), n)/N + lam*Sum(w1[i, j]**2, i, j))
    d = sb.derive(loss)
    v1_next = sb.define("v1_next", (i, j), momentum*v1[i, j] + d[w1][i, j])
    t_next = sb.define("t_next", (), t + 1)
    updates = [(v1, v1_next), (t, t_next),
               (w1, sb.define("W1_next", (i, j), w1[i, j] - rate*v1_next[i, j])),
               (b1, sb.define("b1_next", (j,), b1[j] - rate*d[b1][j]/t_next)),
               (w2, sb.define("W2_next", (j, k), w2[j, k] - rate*d[w2][j, k]))]
    arrays = {x: random(ROWS, 6), y: np.arange(ROWS) % 3, w1: random(6, 5)/4, b1: random(5)/4,
              w2: random(5, 3)/4, v1: np.zeros((6, 5)), t.tensor: np.zeros(())}
    return Net(step(loss, updates), (x, y), arrays, {rate.tensor: 0.5, momentum.tensor: 0.9,
                                                      lam.tensor: 1e-3})


def exchange() -> Net:
    """Updates that read what others overwrite: a swap, a matrix times itself, a chain."""
    x = sb.data("x", n)
    a, b, c = sb.parameter("a", i), sb.parameter("b", i), sb.parameter("c", i, i)
    i2 = sb.indices("i2", 6)
    loss = sb.define("L", (), Sum(x[n], n)*Sum(a[i]*b[i], i))
    squared = sb.define("c_next", (i, i2), Sum(c[i, j6]*c[j6, i2], j6)/4)
    e = sb.parameter("e", i)
    e_next = sb.define("e_next", (i,), a[i] + b[5 - i])
    f = sb.parameter("f", i)
    return Net(step(loss, [(a, b), (b, a), (c, squared), (e, e_next), (f, e_next)]), (x,), {
        x: random(ROWS), a: random(6), b: random(6, seed=1), c: random(6, 6), e: random(6, seed=2),
        f: random(6, seed=3)}, {})


def momentum() -> Net:
    """v ← μ·v + xᵀδ is one product; W ← W − η·v then reads what was added to, and is none."""
    x, y, w = sb.data("x", n, i), sb.data("y", n, j), sb.parameter("W", i, j)
    v, rate, mu = state("v", i, j), sb.hyper("rate", 0.1), sb.hyper("mu", 0.9)
    loss = sb.define("L", (), Sum((Sum(x[n, i]*w[i, j], i) - y[n, j])**2, n, j)/N)
    d = sb.derive(loss)
    v_next = sb.define("v_next", (i, j), mu*v[i, j] + d[w][i, j])
    updates = [(v, v_next), (w, sb.define("W_next", (i, j), w[i, j] - rate*v_next[i, j]))]
    arrays = {x: random(ROWS, 6), y: random(ROWS, 5), w: random(6, 5), v: random(6, 5, seed=1)}
    return Net(step(loss, updates), (x, y), arrays, {rate.tensor: 0.1, mu.tensor: 0.9})


j6 = sb.indices("j6", 6)
NETS = {"classifier": classifier, "exchange": exchange, "momentum": momentum}


@pytest.mark.parametrize("batch_size", [1, 7, 8, 23, 100])
@pytest.mark.parametrize("name", NETS)
def test_steps_are_those_of_the_interpreter(name: str, batch_size: int) -> None:
    """7 and 8 do not divide 23 rows: the last batch is smaller, in sums and in the number N."""
    net = NETS[name]()
    order = np.random.default_rng(0).permutation(ROWS)
    expected, losses = net.slow(order, batch_size)
    arrays, found = net.copies(), np.zeros(len(losses))
    total = net.kernel().run(order, batch_size, arrays, net.hypers, found)
    np.testing.assert_allclose(found, losses, rtol=1e-12)
    rows = [min(batch_size, ROWS - first) for first in range(0, ROWS, batch_size)]
    assert total == pytest.approx(float(np.dot(found, rows)), rel=1e-14)
    for old, _ in net.program.updates:
        np.testing.assert_allclose(arrays[old], expected[old], rtol=1e-10, atol=1e-12)


def test_float32_steps_are_close() -> None:
    net, order = classifier(), np.arange(ROWS)
    expected, _ = net.slow(order, 8)
    arrays = net.copies("float32")
    net.kernel("float32").run(order, 8, arrays, net.hypers)
    for old, _ in net.program.updates:
        np.testing.assert_allclose(arrays[old], expected[old], rtol=2e-5, atol=2e-6)


def test_several_runs_of_an_order_each_end_with_a_batch_of_their_own() -> None:
    net = classifier()
    orders = np.stack([np.random.default_rng(seed).permutation(ROWS) for seed in range(3)])
    together, apart = net.copies(), net.copies()
    kernel, losses = net.kernel(), np.zeros((3, 3))
    total = kernel.run(orders, 8, together, net.hypers, losses)
    assert total == pytest.approx(sum(kernel.run(o, 8, apart, net.hypers) for o in orders))
    for old, _ in net.program.updates:
        np.testing.assert_array_equal(together[old], apart[old])
    assert (losses > 0).all()


def test_a_run_in_slices_is_the_same_run() -> None:
    net, order = classifier(), np.arange(ROWS)
    whole, sliced, kernel = net.copies(), net.copies(), net.kernel()
    kernel.run(order, 4, whole, net.hypers)
    for first in range(0, ROWS, 8):
        kernel.run(order[first:first + 8], 4, sliced, net.hypers)
    for old, _ in net.program.updates:
        np.testing.assert_array_equal(whole[old], sliced[old])


@pytest.mark.parametrize("name", NETS)
def test_the_step_loop_allocates_nothing(name: str) -> None:
    assert "NRT_Allocate" not in llvm(NETS[name]().kernel("float32"))


@pytest.mark.parametrize("name", NETS)
def test_only_the_sum_of_losses_is_in_float64(name: str) -> None:
    """The one conversion is that of the loss, used twice."""
    assert llvm(NETS[name]().kernel("float32")).count("fpext") == 1


def test_hypers_change_without_a_new_kernel() -> None:
    net, kernel = classifier(), classifier().kernel()
    kernel = net.kernel()
    still = net.copies()
    rate = next(t for t in net.hypers if t.name == "rate")
    kernel.run(np.arange(8), 8, still, {**net.hypers, rate: 0.0})
    w2 = next(t for t in still if t.name == "W2")
    np.testing.assert_array_equal(still[w2], net.arrays[w2])
    kernel.run(np.arange(8), 8, still, net.hypers)
    assert not np.array_equal(still[w2], net.arrays[w2])


def test_a_default_stands_in_for_a_missing_hyper() -> None:
    net = classifier()
    given = {t: v for t, v in net.hypers.items() if t.name == "rate"}
    first, second = net.copies(), net.copies()
    net.kernel().run(np.arange(8), 8, first, net.hypers)
    net.kernel().run(np.arange(8), 8, second, given)
    for old, _ in net.program.updates:
        np.testing.assert_array_equal(first[old], second[old])


def test_elementwise_updates_are_written_in_place() -> None:
    kernel = classifier().kernel().kernel
    homes = {kernel.names[b.tensor]: kernel.names[b.home] for b in kernel.buffers
             if b.home is not None}
    assert homes == {"v1_next": "v1", "W1_next": "W1", "b1_next": "b1", "W2_next": "W2",
                     "t_next": "t"}


def bad_runs(net: Net) -> list[tuple[dict, str]]:
    arrays = net.copies()
    x, y, w1 = (next(t for t in arrays if t.name == name) for name in ("x", "y", "W1"))
    frozen = arrays[w1].copy()
    frozen.flags.writeable = False
    return [
        ({"order": np.array([0, ROWS])}, "rows 0 … 23, but x has 23 rows"),
        ({"order": np.array([-1, 2])}, "rows -1 … 2"),
        ({"order": np.array([], np.int64)}, "non-empty int64"),
        ({"order": np.array([0.0])}, "non-empty int64"),
        ({"batch_size": 0}, "batch_size must be a positive int"),
        ({"batch_size": 1.5}, "batch_size must be a positive int"),
        ({"arrays": {t: a for t, a in arrays.items() if t is not w1}}, "parameter W1 is missing"),
        ({"arrays": {**arrays, w1: arrays[w1].astype("float32")}}, "W1: expected a float64 array"),
        ({"arrays": {**arrays, w1: np.asfortranarray(arrays[w1])}}, "W1: the array must be C-cont"),
        ({"arrays": {**arrays, w1: frozen}}, "W1: the array must be C-cont"),
        ({"arrays": {**arrays, w1: np.zeros((6, 4))}}, "W1"),
        ({"arrays": {**arrays, y: arrays[y].astype(float)}}, "y: expected a int64 array"),
        ({"arrays": {**arrays, x: np.zeros((ROWS, 7))}}, "x"),
        ({"hypers": {}}, "hyperparameter rate has no value"),
        ({"hypers": dict.fromkeys(net.hypers, 1e309)}, "one finite number, found inf"),
        ({"losses": np.zeros(2)}, r"losses must be a float64 array of shape \(3,\)"),
        ({"losses": np.frombuffer(bytes(24))}, "losses must be .* aligned and writable"),
    ]


@pytest.mark.parametrize("number", range(17))
def test_a_run_that_does_not_fit_is_refused_and_changes_nothing(number: int) -> None:
    net = classifier()
    changed, words = bad_runs(net)[number]
    given = {"order": np.arange(ROWS), "batch_size": 8, "arrays": net.copies(),
             "hypers": net.hypers, "losses": None, **changed}
    before = {t: a.copy() for t, a in given["arrays"].items()}
    with pytest.raises(InputError, match=words):
        net.kernel().run(**given)
    for t, a in given["arrays"].items():
        np.testing.assert_array_equal(a, before[t])


def test_a_step_without_any_data_runs_once_for_each_row_of_the_order() -> None:
    w, rate = sb.parameter("w", i), sb.hyper("rate", 0.25)
    loss = sb.define("L", (), Sum((w[i] - 1)**2, i))
    d = sb.derive(loss)
    program = step(loss, [(w, sb.define("w_next", (i,), w[i] - rate*d[w][i]))])
    kernel = compile_training(program, (), None, loss, "float64")
    arrays, losses = {w: np.zeros(6)}, np.zeros(4)
    kernel.run(np.zeros(4, np.int64), 1, arrays, {}, losses)
    np.testing.assert_allclose(arrays[w], 1 - 0.5**4)
    np.testing.assert_allclose(losses, 6*0.25**np.arange(4))


def linear_net(more: bool = False) -> Net:
    """Squared error of one layer with an L2 penalty and plain gradient descent."""
    x, y, w = sb.data("x", n, i), sb.data("y", n, j), sb.parameter("W", i, j)
    rate, lam = sb.hyper("rate", 0.1), sb.hyper("lam", 0.5)
    s = sb.define("s", (n, j), Sum(x[n, i]*w[i, j], i))
    loss = sb.define("L", (), Sum((s[n, j] - y[n, j])**2, n, j)/N + lam*Sum(w[i, j]**2, i, j))
    d = sb.derive(loss)
    updates = [(w, sb.define("W_next", (i, j), w[i, j] - rate*d[w][i, j]))]
    arrays = {x: random(ROWS, 6), y: random(ROWS, 5), w: random(6, 5)}
    if more:  # the old W is read by another update as well, and its gradient too
        v = state("v", i, j)
        updates.append((v, sb.define("v_next", (i, j), v[i, j] + d[w][i, j]**2 + w[j - j, j])))
        arrays[v] = np.zeros((6, 5))
    return Net(step(loss, updates), (x, y), arrays, {rate.tensor: 0.1, lam.tensor: 0.5})


@pytest.mark.parametrize("more", [False, True])
def test_gradient_descent_with_a_penalty_is_one_product(more: bool) -> None:
    """W ← (1 − 2λη)·W − η·xᵀδ in one call of BLAS, unless something else needs what it skips."""
    net, order = linear_net(more), np.arange(ROWS)
    kernel = net.kernel()
    merged = re.search(r"# W_next\[i,j\] = W\[i,j\]·\(1 − 2·.*\) − rate·Σ_n x", kernel.source)
    assert bool(merged) is not more
    arrays, (expected, losses) = net.copies(), net.slow(order, 8)
    found = np.zeros(len(losses))
    kernel.run(order, 8, arrays, net.hypers, found)
    np.testing.assert_allclose(found, losses, rtol=1e-12)
    for old, _ in net.program.updates:
        np.testing.assert_allclose(arrays[old], expected[old], rtol=1e-10)


def test_the_source_of_a_step_reads_like_the_textbook(golden: Callable[[str, str], None]) -> None:
    golden("classifier.training.py", classifier().kernel("float32").source)
