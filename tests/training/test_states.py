"""States: carried from step to step, saved, restored; batch normalisation is made of them."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Sum

import symbackprop as sb
from symbackprop.training import Model
from tests.support.jax_oracle import jax, jnp

N = sb.size("N")
MOMENTUM, EPSILON, RATE = 0.3, 1e-3, 0.05


def normalised(dtype: str = "float64", **options: Any) -> Model:
    """A dense layer, batch normalisation, a dense layer, squared error."""
    x, y = sb.data("x", N, 4), sb.data("y", N, 2)
    h = sb.layers.batch_norm(sb.layers.dense(x, 3), momentum=MOMENTUM, epsilon=EPSILON)
    o = sb.layers.dense(sb.tanh(h), 2)
    return Model(inputs=x, targets=y, output=o, loss=sb.losses.squared_error(o, y), dtype=dtype,
                 **options)


def samples(rows: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 2*rng.normal(size=(rows, 4)) + 1, rng.normal(size=(rows, 2))


class ByHand:
    """The same in NumPy's notation, as torch.nn.BatchNorm1d has it; JAX differentiates."""

    def __init__(self, model: Model) -> None:
        self.w = {name: jnp.asarray(array) for name, array in model.parameters.items()}
        self.mean, self.var = np.zeros(3), np.ones(3)

    @staticmethod
    def loss(w: dict[str, Any], x: Any, y: Any, statistics: Any = None) -> Any:
        z = x @ w["W1"] + w["b1"]
        mean, var = (z.mean(0), z.var(0)) if statistics is None else statistics
        h = (z - mean)/jnp.sqrt(var + EPSILON)*w["scale1"] + w["shift1"]
        o = jnp.tanh(h) @ w["W2"] + w["b2"]
        return ((o - y)**2).sum()/len(x)

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        z = np.asarray(x @ self.w["W1"] + self.w["b1"])
        gradients = jax.grad(self.loss)(self.w, x, y)
        self.w = {name: value - RATE*gradients[name] for name, value in self.w.items()}
        self.mean = (1 - MOMENTUM)*self.mean + MOMENTUM*z.mean(0)
        self.var = (1 - MOMENTUM)*self.var + MOMENTUM*z.var(0, ddof=1)


def test_training_with_batch_norm_is_that_of_jax_with_torchs_running_statistics() -> None:
    model, (X, Y) = normalised(seed=3), samples(20)
    assert list(model.states) == ["running_mean1", "running_var1"]
    assert list(model.parameters) == ["W1", "b1", "scale1", "shift1", "W2", "b2"]
    np.testing.assert_array_equal(model.states["running_var1"], np.ones(3))
    np.testing.assert_array_equal(model.parameters["scale1"], np.ones(3))
    by_hand = ByHand(model)
    model.fit(X, Y, epochs=2, batch_size=7, shuffle=False, optimizer=sb.optimizers.SGD(RATE))
    for _ in range(2):
        for first in (0, 7, 14):
            by_hand.step(X[first:first + 7], Y[first:first + 7])
    for name, array in model.parameters.items():
        np.testing.assert_allclose(array, by_hand.w[name], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.states["running_mean1"], by_hand.mean, rtol=1e-12)
    np.testing.assert_allclose(model.states["running_var1"], by_hand.var, rtol=1e-12)
    statistics = by_hand.mean, by_hand.var
    expected, slopes = jax.value_and_grad(by_hand.loss)(by_hand.w, X, Y, statistics)
    assert model.loss(X, Y) == pytest.approx(float(expected), rel=1e-12)
    for name, gradient in model.gradients(X, Y).items():
        np.testing.assert_allclose(gradient, slopes[name], rtol=1e-9, atol=1e-12)


def test_a_prediction_at_inference_does_not_depend_on_the_other_rows() -> None:
    model, (X, Y) = normalised(), samples()
    model.fit(X, Y, epochs=2)
    np.testing.assert_allclose(model.predict(X[:1]), model.predict(X)[:1], rtol=1e-12)


AXES: list[tuple[Any, tuple[int, ...]]] = [(-1, (0, 1, 2)), (1, (0, 2, 3)), ((1, 3), (0, 2))]


@pytest.mark.parametrize(("axis", "over"), AXES, ids=range(len(AXES)))
def test_batch_norm_of_any_axes_and_its_gradients_are_those_of_jax(
        axis: Any, over: tuple[int, ...]) -> None:
    x, c = sb.data("x", N, 3, 2, 4), sb.data("c", N, 3, 2, 4)
    h = sb.layers.batch_norm(x, axis=axis, epsilon=EPSILON)
    loss = (h*h*c).sum()
    program = sb.program(loss)
    wrt = [t for t in program.inputs if t.role == "parameter"] + [x]
    rng = np.random.default_rng(0)
    values = {t: np.asarray(t.default) if t.default is not None
              else rng.normal(size=[5 if a == N else int(a) for a in t.axes])
              for t in program.inputs}
    derived = sb.derive(loss, wrt)
    found = sb.evaluate(sb.program([loss, h, *(derived[t] for t in wrt)]), values)

    def by_hand(entries: Any, scale: Any, shift: Any) -> Any:
        mean, var = entries.mean(over, keepdims=True), entries.var(over, keepdims=True)
        wide = [1 if place in over else length for place, length in enumerate(entries.shape)]
        return ((entries - mean)/jnp.sqrt(var + EPSILON)*scale.reshape(wide)
                + shift.reshape(wide))

    scale, shift = (jnp.asarray(values[t]) for t in wrt[:2])
    expected = by_hand(jnp.asarray(values[x]), scale, shift)
    np.testing.assert_allclose(found[h], expected, rtol=1e-10, atol=1e-12)
    slopes = jax.grad(lambda s, b, e: (by_hand(e, s, b)**2*values[c]).sum(), (0, 1, 2))(
        scale, shift, jnp.asarray(values[x]))
    for tensor, slope in zip(wrt, slopes, strict=True):
        gradient = found[derived.gradient(tensor)]
        np.testing.assert_allclose(gradient, slope, rtol=1e-10, atol=1e-11)


def test_a_state_of_rank_0_is_carried_through_steps_and_fits() -> None:
    n, i = sb.indices("n i", N, 4)
    x, w = sb.data("x", n, i), sb.parameter("w", i)
    error = sb.define("error", (n,), Sum(x[n, i]*w[i], i) - 1)
    count = sb.state("count", update=lambda count: count + 1)
    mean = sb.state("mean", init=5, update=lambda mean: mean/2 + Sum(error[n], n)/(2*N))
    shown = sb.define("shown", (n,), error[n], inference=error[n] + 100*count + mean)
    model = Model(inputs=x, output=shown, loss=sb.define("L", (), Sum(error[n]**2, n)/N),
                  dtype="float64")
    assert dict(model.states) == {"count": 0, "mean": 5}
    X, _ = samples(10)
    weights, expected = np.array(model.parameters["w"]), 5.0
    rate = 0.01
    for first in (0, 4, 8, 0, 4, 8):
        rows = X[first:first + 4]
        residual = rows @ weights - 1
        expected = expected/2 + residual.mean()/2
        weights = weights - rate*2*rows.T @ residual/len(rows)
    model.fit(X, epochs=1, batch_size=4, shuffle=False, optimizer=sb.optimizers.SGD(rate))
    assert model.states["count"] == 3
    model.fit(X, epochs=1, batch_size=4, shuffle=False, optimizer=sb.optimizers.SGD(rate))
    assert model.states["count"] == 6
    np.testing.assert_allclose(model.states["mean"], expected, rtol=1e-12)
    np.testing.assert_allclose(model.predict(X), X @ weights - 1 + 600 + expected, rtol=1e-12)
    model.initialise()
    assert dict(model.states) == {"count": 0, "mean": 5}


def test_a_state_that_the_loss_reads_has_the_value_of_the_step_before() -> None:
    """With a penalty c·w that doubles after every step, w moves by 1, 2, 4, …"""
    x, w = sb.data("x", N), sb.parameter("w")
    c = sb.state("c", init=1, update=lambda c: 2*c)
    n = x.letters[0]
    loss = sb.define("L", (), Sum(x[n]*w*c, n)/N)
    model = Model(inputs=x, loss=loss, dtype="float64")
    model.parameters["w"] = 0
    model.fit(np.ones(3), epochs=1, batch_size=1, optimizer=sb.optimizers.SGD(1.0))
    assert model.parameters["w"] == -(1 + 2 + 4)
    assert model.states["c"] == 8
    assert model.gradients(np.ones(3))["w"] == 8


def test_states_and_parameters_return_where_training_diverges() -> None:
    model, (X, Y) = normalised("float32"), samples()
    model.fit(X, Y, epochs=1)
    kept = deepcopy(model)
    with pytest.raises(sb.TrainingError, match="diverged"):
        model.fit(X, 1e8*Y, epochs=50, optimizer=sb.optimizers.SGD(1e6))
    for mine, others in ((model.states, kept.states), (model.parameters, kept.parameters)):
        for name, array in mine.items():
            np.testing.assert_array_equal(array, others[name])


def test_early_stopping_restores_the_states_of_the_best_epoch() -> None:
    model, (X, Y) = normalised(), samples()
    seen: list[dict[str, np.ndarray]] = []

    def watch(epoch: Any) -> None:
        seen.append({name: np.array(array) for name, array in epoch.states.items()})

    history = model.fit(X, Y, epochs=40, validation_data=samples(20, 1), seed=1,
                        optimizer=sb.optimizers.SGD(0.3),
                        callbacks=[watch, sb.callbacks.EarlyStopping(patience=3)])
    best = int(np.argmin(history["val_loss"]))
    assert best < len(seen) - 1
    for name, array in model.states.items():
        np.testing.assert_array_equal(array, seen[best][name])
    assert model.loss(*samples(20, 1)) == history["val_loss"][best]


def test_a_copy_has_states_of_its_own_and_a_file_keeps_them(tmp_path: Path) -> None:
    model, (X, Y) = normalised(), samples()
    model.fit(X, Y, epochs=1)
    copied = deepcopy(model)
    before = np.array(model.states["running_mean1"])
    copied.fit(X + 3, Y, epochs=1)
    np.testing.assert_array_equal(model.states["running_mean1"], before)
    model.states["running_mean1"] = [1, 2, 3]
    model.save(tmp_path / "m.safetensors")
    loaded = Model.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.states["running_mean1"], [1, 2, 3])
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.fit(X, Y, epochs=2) == model.fit(X, Y, epochs=2)


def test_batches_of_one_row_leave_finite_statistics() -> None:
    model, (X, Y) = normalised(), samples(3)
    model.fit(X, Y, epochs=2, batch_size=1)
    assert all(np.isfinite(array).all() for array in model.states.values())


def test_a_batch_of_one_row_leaves_the_running_variance_and_moves_the_mean() -> None:
    model, (X, Y) = normalised(), samples(5)
    model.states["running_var1"], model.states["running_mean1"] = [1, 2, 3], [7, 7, 7]
    model.fit(X[:1], Y[:1], epochs=1, optimizer=sb.optimizers.SGD(1e-9))
    np.testing.assert_array_equal(model.states["running_var1"], [1, 2, 3])
    assert (model.states["running_mean1"] != 7).all()
    model.fit(X, Y, epochs=1, batch_size=4, optimizer=sb.optimizers.SGD(1e-9), shuffle=False)
    z = X @ model.parameters["W1"] + model.parameters["b1"]
    np.testing.assert_allclose(model.states["running_var1"],
                               (1 - MOMENTUM)*np.array([1, 2, 3])
                               + MOMENTUM*z[:4].var(0, ddof=1), rtol=1e-4)


def test_states_are_refused_like_parameters() -> None:
    model, (X, Y) = normalised(), samples()
    with pytest.raises(sb.InputError, match="this model has no state 'running_mean'; it has runn"):
        model.states["running_mean"] = np.zeros(3)
    with pytest.raises(sb.InputError, match=r"expected shape \(3\)"):
        model.states["running_mean1"] = np.zeros(4)
    model.states["running_mean1"][0] = np.nan
    with pytest.raises(sb.InputError, match="state running_mean1"):
        model.fit(X, Y)


def parted(regulariser: Any, output: Any = None) -> Model:
    """A regression whose loss has one more term."""
    n, i = sb.indices("n i", N, 4)
    x, w = sb.data("x", n, i), sb.parameter("w", i)
    o = sb.define("o", (n,), Sum(x[n, i]*w[i], i))
    extra = regulariser(n, i, w)
    return Model(inputs=x, output=o if output is None else output(n, o), dtype="float64",
                 loss=sb.define("L", (), Sum((o[n] - 1)**2, n)/N + extra))


def test_a_parameter_that_only_training_reads_has_no_slope_at_inference() -> None:
    model = parted(lambda n, i, w: sb.define("r", (), (sb.parameter("c") - 3)**2, inference=0))
    X, _ = samples()
    model.fit(X, epochs=90, optimizer=sb.optimizers.SGD(0.1))
    assert model.parameters["c"] == pytest.approx(3, rel=1e-6)
    assert model.gradients(X)["c"] == 0
    assert abs(model.gradients(X)["w"]).max() > 0


def test_a_parameter_that_only_inference_reads_stays_what_it_is() -> None:
    model = parted(lambda n, i, w: 0, lambda n, o: sb.define(
        "shown", (n,), o[n], inference=o[n] + sb.parameter("c")))
    X, _ = samples()
    before = model.predict(X)
    model.parameters["c"] = 2
    np.testing.assert_allclose(model.predict(X), before + 2)
    model.fit(X, epochs=1)
    assert model.parameters["c"] == 2


def test_a_state_without_a_fixed_shape_is_refused() -> None:
    with pytest.raises(sb.ProgramError, match="the state q .* has an axis of length N"):
        parted(lambda n, i, w: Sum(sb.state("q", n, update=0)[n]*w[0], n))


def test_a_state_may_be_an_output() -> None:
    mean = sb.state("mean", 2, init=7, update=lambda mean: mean)
    model = parted(lambda n, i, w: 0*w[0], lambda n, o: mean)
    np.testing.assert_array_equal(model.predict(np.ones((3, 4))), [7, 7])
