"""predict asks for what the outputs read, and takes all inputs in the form of fit too."""

from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.errors import InputError
from symbackprop.training import Model

N = sb.size("N")
RNG = np.random.default_rng(0)
A, B, S = RNG.normal(size=(8, 3)), RNG.normal(size=(8, 2)), RNG.random(8)


def weighed(*names: str) -> Model:
    """Data of these names into one output; s weighs the samples in the loss."""
    widths = {"a": 3, "b": 2}
    data = {name: sb.data(name, N, widths[name]) for name in names}
    s, y = sb.data("s", N), sb.data("y", N, 1)
    out = sum((sb.layers.dense(x, 1) for x in data.values()), start=sb.parameter("c", 1))
    first, *others = data.values()
    return Model([first, s, *others], y, out,
                 sb.losses.squared_error(out, y, sample_weights=s), dtype="float64")


def test_weights_of_samples_among_the_inputs_are_needed_by_the_loss_alone() -> None:
    model = weighed("a")
    model.fit([A, S], A[:, 0], epochs=1)
    expected = A @ model.parameters["W1"] + model.parameters["b1"] + model.parameters["c"]
    for given in (A, {"a": A}, [A, S], {"a": A, "s": S}, A.tolist()):
        np.testing.assert_allclose(model.predict(given), expected)
    with pytest.raises(InputError, match="inputs must be a list of 2 arrays"):
        model.loss(A, A[:, 0])


def test_several_inputs_are_a_list_or_dictionary_of_those_that_outputs_read() -> None:
    model = weighed("a", "b")
    model.fit([A, S, B], A[:, 0], epochs=1)
    expected = model.predict([A, S, B])
    for given in ([A, B], {"a": A, "b": B}, {"b": B, "a": A, "s": S}):
        np.testing.assert_array_equal(model.predict(given), expected)


@pytest.mark.parametrize(("given", "words"), [
    ([A], "inputs must be a list of 2 arrays, one for each of a, b; found 1"),
    ({"a": A}, "inputs must name a, b; found a"),
    ({"a": A, "b": B, "z": B}, "inputs must name a, b; found a, b, z"),
    (A, "inputs must be a list of 2 arrays, one for each of a, b"),
    (None, "inputs are missing: a, b"),
    ([A, S, B[:5]], "b"),
])
def test_what_is_missing_is_named(given: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        weighed("a", "b").predict(given)


def test_an_output_that_reads_no_input_needs_none_and_takes_it() -> None:
    x, w = sb.data("x", N, 3), sb.parameter("w", 3)
    model = Model(x, output=w, loss=((x - w)**2).mean())
    for given in (None, A, {"x": A}):
        np.testing.assert_array_equal(model.predict(given), model.parameters["w"])
