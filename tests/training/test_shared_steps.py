"""Steps in tiles that threads share: what large layers of other shapes than rows × columns do."""

from typing import Any

import numpy as np
import pytest
from sympy import Sum

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.training import loop
from tests.support.tiles import short_tiles

N = sb.size("N")
RNG = np.random.default_rng(0)


def stepped(model: sb.Model, start: dict[str, np.ndarray], X: Any, Y: Any, threads: int,
            **options: Any) -> dict[str, np.ndarray]:
    """The parameters after a fit that begins with these."""
    for name, array in start.items():
        model.parameters[name] = array
    model.fit(X, Y, threads=threads, seed=0, verbose=False, **options)
    return model.parameters.copy()


def tokens() -> tuple[Any, Any, Any]:
    """A dense layer on each token."""
    x, y = sb.data("x", N, 5, 12), sb.data("y", N, 5, 6)
    return x, y, sb.losses.squared_error(sb.layers.dense(x, 6), y)


def heads() -> tuple[Any, Any, Any]:
    """A product for each channel of a convolution."""
    x, y = sb.data("x", N, 1, 5, 5), sb.data("y", N, 4, 2)
    h = sb.layers.convolution(x, 4, 3, "tanh")
    n, c, u, v, j = sb.indices("n c u v j", N, 4, 3, 3, 2)
    W = sb.parameter("W", c, u, v, j)
    z = sb.define("z", (n, c, j), Sum(h[n, c, u, v]*W[c, u, v, j], u, v))
    return x, y, sb.define("L", (), Sum((z[n, c, j] - y[n, c, j])**2, n, c, j)/N)


def normed() -> tuple[Any, Any, Any]:
    """Quotients and roots in maps that are longer than a strip."""
    x, y = sb.data("x", N, 9), sb.data("y", N, 3)
    h = sb.tanh(sb.layers.batch_norm(sb.layers.dense(x, 21)))
    return x, y, sb.losses.squared_error(sb.layers.dense(h, 3), y)


@pytest.mark.parametrize("network", [tokens, heads, normed])
def test_a_step_in_tiles_is_that_of_the_interpreter(network: Any) -> None:
    x, y, loss = network()
    model = sb.Model(inputs=x, targets=y, loss=loss, dtype="float64")
    X, Y = (RNG.normal(size=(23, *map(int, t.axes[1:]))) for t in (x, y))
    start = {name: RNG.normal(size=a.shape) for name, a in model.parameters.copy().items()}
    with short_tiles(4):
        found = [stepped(model, start, X, Y, threads, epochs=1, batch_size=23,
                         optimizer=sb.optimizers.SGD(0.1)) for threads in (1, 2, 3)]
    d = sb.derive(model._network.loss)
    program = sb.program(list(d.gradients.values()))
    known = {"x": X, "y": Y, **start, **model.hypers}
    slopes = evaluate(program, {t: known[model._network.names[t]] for t in program.inputs})
    for name, array in start.items():
        tensor = next(t for t in d.gradients if model._network.names[t] == name)
        expected = array - 0.1*slopes[d.gradient(tensor)]
        for parameters in found:
            np.testing.assert_allclose(parameters[name], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", [tokens, heads, normed])
def test_the_bits_do_not_depend_on_the_number_of_threads(network: Any, dtype: str) -> None:
    x, y, loss = network()
    model = sb.Model(inputs=x, targets=y, loss=loss, dtype=dtype)
    X, Y = (RNG.normal(size=(37, *map(int, t.axes[1:]))) for t in (x, y))
    start = {name: RNG.normal(size=a.shape) for name, a in model.parameters.copy().items()}
    with short_tiles(4):
        one, *others = (stepped(model, start, X, Y, threads, epochs=8, batch_size=17,
                                optimizer=sb.optimizers.Adam(0.01)) for threads in (1, 2, 3, 8))
    for found in others:
        for name, array in one.items():
            np.testing.assert_array_equal(found[name], array)


def test_the_bits_do_not_depend_on_how_fast_the_machine_is(monkeypatch: pytest.MonkeyPatch
                                                           ) -> None:
    """The pace decides which steps are one call: the last rows of an epoch may be one alone."""
    x, y = sb.data("x", N, 40), sb.data("y", N, 5)
    loss = sb.losses.squared_error(sb.layers.dense(sb.layers.dense(x, 100, "tanh"), 5), y)
    model = sb.Model(inputs=x, targets=y, loss=loss)
    X, Y = RNG.normal(size=(2436, 40)), RNG.normal(size=(2436, 5))  # 4·513 and 384 rows
    start, found = model.parameters.copy(), []
    for seconds in (10.0, 1e-9):
        monkeypatch.setattr(loop, "SECONDS", seconds)
        found.append(stepped(model, start, X, Y, 1, epochs=3, batch_size=513,
                             optimizer=sb.optimizers.SGD(0.1)))
    for name, array in found[0].items():
        np.testing.assert_array_equal(found[1][name], array)
