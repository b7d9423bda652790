"""Noise is data to a derivative, its mean at inference, and a function of integers in training."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sympy import Sum, exp, tanh

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import Program, Tensor
from symbackprop.sampling import draws, sampled, words_of
from tests.support import jax_oracle

N = sb.size("N")


def drawn(distribution: Any, rows: int = 500, **counted: Any) -> np.ndarray:
    m = sb.noise("m", N, 400, distribution=distribution)
    values = {p.tensor: p.tensor.default for p in distribution.parameters if p.free_symbols}
    counted = {"seed": words_of(3), "row": np.arange(rows), "step": 0, "steps": 1} | counted
    return draws((m,), N, values, counted)[m]


@pytest.mark.parametrize(("distribution", "law"), [
    (sb.uniform(-2, 3), stats.uniform(-2, 5)),
    (sb.gaussian(1.5, 0.5), stats.norm(1.5, 0.5)),
    (sb.gaussian(), stats.norm()),
])
def test_entries_have_the_distribution_that_was_asked_for(distribution: Any, law: Any) -> None:
    found = drawn(distribution)
    assert stats.kstest(found.ravel(), law.cdf).pvalue > 1e-3
    assert found.mean() == pytest.approx(law.mean(), abs=5*law.std()/np.sqrt(found.size))
    assert found.var() == pytest.approx(law.var(), rel=0.02)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_bernoulli_noise_is_one_with_its_probability(probability: float) -> None:
    found = drawn(sb.bernoulli(probability))
    spread = np.sqrt(probability*(1 - probability)/found.size)
    assert set(np.unique(found)) <= {0.0, 1.0}
    assert abs(found.mean() - probability) <= 5*spread


def test_entries_next_to_each_other_are_independent() -> None:
    """Along rows, columns, epochs, noises of one program, and seeds."""
    u = drawn(sb.uniform(0, 1)) - 0.5
    others = [drawn(sb.uniform(0, 1), seed=words_of(4)) - 0.5,
              drawn(sb.uniform(0, 1), step=1) - 0.5]
    m, k = (sb.noise(name, N, 400, distribution=sb.uniform(0, 1)) for name in "mk")
    counted = {"seed": words_of(3), "row": np.arange(500), "step": 0, "steps": 1}
    hypers = {p.tensor: p.tensor.default for t in (m, k) for p in t.law.parameters}
    both = draws((m, k), N, hypers, counted)
    np.testing.assert_array_equal(both[m] - 0.5, u)
    pairs = [(u[1:], u[:-1]), (u[:, 1:], u[:, :-1]), *((u, v) for v in (*others, both[k] - 0.5))]
    for one, other in pairs:
        assert abs(np.mean(one*other)*12) < 5/np.sqrt(one.size)


def test_dropout_keeps_the_mean_and_spreads_as_it_should() -> None:
    x = sb.data("x", N, 400)
    h = sb.layers.dropout(x, 0.3)
    (m,) = (t for t in sb.program(h).inputs if t.role == "noise")
    (drop,) = (t for t in sb.program(h).inputs if t.role == "hyper")
    counted = {"seed": words_of(0), "row": np.arange(500), "step": 0, "steps": 1}
    mask = draws((m,), N, {drop: 0.3}, counted)[m]
    found = evaluate(sb.program(h), {x: np.full((500, 400), 2.0), m: mask})[h]
    assert set(np.unique(found)) == {0.0, 2/0.7}
    assert found.mean() == pytest.approx(2, rel=0.01)
    assert found.var() == pytest.approx(4*0.3/0.7, rel=0.01)


def network() -> tuple[Any, dict[str, np.ndarray]]:
    """Everything that draws in one loss, and values for all of its inputs."""
    x, y = sb.data("x", N, 5), sb.data("y", N, 3, facts=["one_hot"])
    u = sb.noise("u", N, 6, distribution=sb.uniform(0.5, 1.5))
    h = sb.layers.dense(sb.layers.jitter(x, 0.2), 6, "tanh")*u
    h = sb.layers.dropout(sb.layers.batch_norm(h), 0.25)
    h = sb.layers.dropout(sb.layers.dense(h, 4, "relu"), 0.5, inverted=False)
    p = sb.softmax(h @ sb.layers.weight_noise(sb.parameter("V", 4, 3), 0.1))
    loss = sb.losses.cross_entropy(p, y) + sb.penalties.l2(0.01)
    program = sb.program(loss)
    rng = np.random.default_rng(0)
    values = {}
    for tensor, name in program.names.items():
        if tensor not in program.inputs or tensor.role == "hyper":
            continue
        shape = [7 if axis == N else int(axis) for axis in tensor.axes]
        values[name] = rng.normal(size=shape)
        if tensor.role == "noise" and tensor.law.kind == "bernoulli":
            values[name] = (values[name] > -0.5).astype(float)
    values["y"] = np.eye(3)[rng.integers(0, 3, 7)]
    return program.outputs[0].symbol, values


def test_value_and_gradients_are_those_of_jax_where_the_noise_is_given() -> None:
    loss, values = network()
    derived = sb.derive(loss)
    program = derived.forward
    wrt = [t for t in program.inputs if t.role in ("parameter", "noise")]
    assert sum(t.role == "noise" for t in wrt) == 5
    by_tensor = {t: np.asarray(values.get(program.names[t], t.default)) for t in program.inputs}
    expected = jax_oracle.gradients(program, loss.tensor, wrt, by_tensor, {"N": 7})
    again = sb.derive(loss, wrt)
    outputs = [loss, *(again[t] for t in wrt)]
    interpreted = evaluate(sb.program(outputs), values)
    for tensor, reference in zip(sb.program(outputs).outputs, expected, strict=True):
        np.testing.assert_allclose(interpreted[tensor], reference, rtol=1e-10, atol=1e-12)
    compiled = sb.compile(outputs, dtype="float64")(**values)
    for found, reference in zip(compiled, expected, strict=True):
        np.testing.assert_allclose(found, reference, rtol=1e-10, atol=1e-12)


def test_a_derivation_with_noise_is_checked_and_printed_in_every_form() -> None:
    loss, _ = network()
    derived = sb.derive(loss)
    check = derived.check()
    assert check.passed, check
    assert float(check) < 1e-25
    for form in ("index", "matrix", "steps", "neuron"):
        assert "M2" in derived.text(form) or "m2" in derived.text(form)
        assert derived.latex(form)
    assert "m2" in derived.html(check=False)


def test_a_gradient_by_hand_with_a_mask() -> None:
    n, i, j = sb.indices("n i j", N, 3, 2)
    x, W = sb.data("x", n, i), sb.parameter("W", i, j)
    m = sb.noise("m", n, j, distribution=sb.bernoulli(0.5))
    loss = sb.define("L", (), Sum(tanh(Sum(x[n, i]*W[i, j], i))*m[n, j], n, j))
    derived = sb.derive(loss, [W, m])
    assert derived.text("matrix").splitlines() == [
        "S1 = X W", "∂L/∂m = tanh(S1)", "δ1 = M ⊙ (1 − tanh(S1)^∘2)", "∂L/∂W = Xᵀ δ1"]


def program_text(*outputs: Any) -> str:
    return str(sb.program(sb.inference(list(outputs))))


def test_at_inference_noise_is_its_mean() -> None:
    n, j = sb.indices("n j", N, 3)
    x = sb.data("x", n, j)
    low = sb.hyper("low", 0.5)
    for distribution, mean in ((sb.bernoulli(0.8), 0.8), (sb.gaussian(), 0),
                               (sb.gaussian(2, 0.1), 2), (sb.uniform(low, 2), 1.25)):
        m = sb.noise("m", n, j, distribution=distribution)
        a = sb.inference(sb.define("a", (n, j), x[n, j] + m[n, j]))
        found = evaluate(sb.program(a), {"x": np.ones((2, 3))})[a]
        np.testing.assert_allclose(found, 1 + mean, rtol=1e-15)


def test_dropout_that_scales_at_test_time_scales_at_inference() -> None:
    x = sb.data("x", N, 3)
    assert program_text(sb.layers.dropout(x, 0.2, inverted=False)) == "h1[n,i] = x[n,i]·(1 − drop)"
    assert program_text(sb.layers.dropout(x, 0.2)) == "h1[n,i] = x[n,i]"


def test_a_definition_may_carry_what_it_is_at_inference() -> None:
    n, j = sb.indices("n j", N, 3)
    x, centre = sb.data("x", n, j), sb.parameter("centre", j)
    mean = sb.define("mean", (j,), Sum(x[n, j], n)/N, inference=centre[j])
    a = sb.define("a", (n, j), exp(x[n, j] - mean[j]))
    assert str(sb.program(a)) == "mean[j] = (Σ_n x[n,j])/N\na[n,j] = exp(x[n,j] − mean[j])"
    assert program_text(a) == "mean[j] = centre[j]\na[n,j] = exp(x[n,j] − mean[j])"
    found = sb.compile(sb.inference(a), dtype="float64")(x=np.ones((2, 3)), centre=np.zeros(3))
    np.testing.assert_allclose(found, np.e)


def test_what_is_the_same_at_inference_comes_back_as_it_is() -> None:
    x = sb.data("x", N, 3)
    h = sb.layers.dense(x, 2, "tanh")
    assert sb.inference(h) is h
    assert sb.inference([h]) == [h]
    loss = sb.losses.squared_error(h, sb.data("y", N, 2))
    assert sb.inference(loss) is loss


def test_names_at_inference_are_those_of_training() -> None:
    x = sb.data("x", N, 4)
    h = sb.layers.dense(sb.layers.dropout(sb.layers.dense(x, 3, "tanh"), 0.1), 3, "tanh")
    out = sb.layers.dense(h, 2)
    kept = {name: t.axes for t, name in sb.program(sb.inference(out)).names.items()}
    names = {name: t.axes for t, name in sb.program(out).names.items()}
    assert kept == {name: axes for name, axes in names.items() if name not in ("m1", "drop")}


def test_channels_live_and_die_together_where_the_mask_is_shared() -> None:
    x = sb.data("x", N, 3, 5)
    h = sb.layers.dropout(x, 0.5, shared=-1)
    (m,) = (t for t in sb.program(h).inputs if t.role == "noise")
    assert m.axes == (N, 3, 1)
    mask = np.array([[1.0, 0, 1], [0, 0, 1]])[..., None]
    found = evaluate(sb.program(h), {"x": np.ones((2, 3, 5)), m: mask})[h]
    np.testing.assert_allclose(found, np.broadcast_to(2*mask, (2, 3, 5)))


def test_weights_with_noise_on_them_are_weights() -> None:
    x = sb.data("x", N, 4)
    W, b = sb.parameter("W", 4, 3), sb.parameter("b", 3)
    loss = sb.losses.squared_error(x @ sb.layers.weight_noise(W) + b, sb.data("y", N, 3))
    lines = str(sb.program(loss + sb.penalties.l2(0.1)))
    assert "lam·Σ_{i,j} W[i,j]²" in lines.replace("(", "").replace(")", "")
    assert "b[j]²" not in lines


def test_sampled_is_a_program_like_any_other_and_agrees_with_draws() -> None:
    """What the compiler makes of the drawn program is what the interpreter does."""
    x = sb.data("x", N, 4)
    h = sb.layers.dropout(sb.layers.jitter(x, 0.5), 0.4)
    program, counters = sampled(sb.program(h), N)
    assert counters is not None
    sb.verify(Program(program.definitions, program.outputs))
    names = program.names
    values = {"x": np.ones((6, 4)), "seed": words_of(1), "row": np.arange(6) + 3, "step": 7,
              "steps": 4}
    (target,) = program.outputs
    found = evaluate(program, values)[target]
    noise = {names[t]: t for t in program.names if names[t] in ("m1", "e1")}
    assert {t.role for t in noise.values()} == {"intermediate"}
    wanted: tuple[Tensor, ...] = tuple(t for t in sb.program(h).inputs if t.role == "noise")
    hypers = {t: t.default for t in program.inputs if t.role == "hyper"}
    arrays = draws(wanted, N, hypers, values)
    mask, shift = (arrays[t] for t in sorted(wanted, key=lambda t: -len(t.law.parameters) == -2))
    np.testing.assert_allclose(found, (1 + shift)*mask/0.6, rtol=1e-14)


REFUSED: list[tuple[Any, str]] = [
    (lambda: sb.bernoulli(1.2), "bernoulli: the probability must be a number from 0 to 1"),
    (lambda: sb.bernoulli("0.5"), "must be a number from 0 to 1 or a hyper, not '0.5'"),
    (lambda: sb.bernoulli(float("nan")), "from 0 to 1"),
    (lambda: sb.bernoulli(True), "from 0 to 1"),
    (lambda: sb.bernoulli(sb.parameter("q", 3)), "not the tensor q"),
    (lambda: sb.bernoulli(sb.parameter("q")), "it reads q: write e.g. q = sb.hyper"),
    (lambda: sb.gaussian(0, -1), "the standard deviation must be a number of at least 0"),
    (lambda: sb.gaussian(None), "the mean must be a finite real number"),
    (lambda: sb.uniform(1, 0), r"uniform\(1, 0\): low must not be above high"),
    (lambda: sb.uniform(0, N), "it reads N"),
    (lambda: sb.noise("m", 3, distribution=0.5), "0.5 is no distribution; write distribution="),
    (lambda: sb.noise("m", "3", distribution=sb.bernoulli(0.5)), "an axis must be"),
    (lambda: sb.noise("2m", 3, distribution=sb.bernoulli(0.5)), "'2m' is no name"),
    (lambda: sb.layers.dropout(3.0), "dropout: the input must be a tensor"),
    (lambda: sb.layers.dropout(sb.data("x", 3), 1), "up to, but not including, 1"),
    (lambda: sb.layers.dropout(sb.data("x", 3), 0.5, shared=1), "there is no axis 1"),
    (lambda: sb.layers.jitter(sb.data("x", 3), -0.1), "jitter: the standard deviation"),
    (lambda: sb.layers.weight_noise(sb.data("x", 3)), "expected a parameter, found <data x"),
    (lambda: sb.define("a", (), 1, inference="1"), "inference=….*is not a scalar"),
]


@pytest.mark.parametrize(("declared", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_noise_is_refused_in_the_users_words(declared: Any, words: str) -> None:
    with pytest.raises(sb.DeclarationError, match=words):
        declared()


def test_a_call_without_the_noise_says_what_to_give() -> None:
    h = sb.layers.dropout(sb.data("x", N, 3))
    with pytest.raises(sb.InputError, match="the noise m1 is missing .*; or take sb.inference"):
        sb.compile(h)(x=np.ones((2, 3)))


def test_a_penalty_is_at_inference_of_the_tensors_that_it_is_of_in_training() -> None:
    """An auxiliary head, which is gone at inference, was made first: its weights are W1 there."""
    x, y = sb.data("x", N, 3), sb.data("y", N, 2)
    head = sb.losses.squared_error(sb.layers.dense(x, 2), y)
    auxiliary = sb.define("auxiliary", (), head, inference=0)
    main = sb.losses.squared_error(sb.layers.dense(x, 2), y)
    loss = sb.define("L", (), main + auxiliary + sb.penalties.l2(0.1, "W2"))
    rng = np.random.default_rng(0)
    W, b, X, Y = (rng.normal(size=shape) for shape in ((3, 2), 2, (5, 3), (5, 2)))
    program = sb.program(sb.inference(loss))
    found = evaluate(program, {"x": X, "y": Y, "W1": W, "b1": b})[program.outputs[0]]
    assert found == pytest.approx(((X @ W + b - Y)**2).sum()/5 + 0.1*(W**2).sum(), rel=1e-14)
