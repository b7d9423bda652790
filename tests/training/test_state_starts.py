"""What a state begins at, and what is no state."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.training import Model
from tests.training.test_states import N, parted, samples


@pytest.mark.parametrize("init", [
    np.array([[1, 2, 3], [4, 5, 6]]), [[1, 2, 3], (4, 5, 6.0)],
    np.arange(1, 7, dtype=np.float32).reshape(2, 3)], ids=["integers", "lists", "float32"])
def test_a_state_may_begin_at_a_number_of_its_own_for_each_entry(init: Any, tmp_path: Path
                                                                 ) -> None:
    j, i = sb.indices("j i", 2, 3)
    r = sb.state("r", j, i, init=init, update=lambda r: 2*r[j, i])
    model = parted(lambda n, i, w: 0*w[0], lambda n, o: r)
    first = np.array([[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(model.states["r"], first)
    model.fit(samples(6)[0], epochs=2, batch_size=3)
    np.testing.assert_array_equal(model.states["r"], first*2**4)
    model.save(tmp_path / "m.safetensors")
    again = Model.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.states["r"], first*2**4)
    again.initialise()
    np.testing.assert_array_equal(again.states["r"], first)


REFUSED: list[tuple[Any, str]] = [
    (lambda: sb.state("r", 3, init="0", update=0), "init must be a finite number, or .*, not '0'"),
    (lambda: sb.state("r", 3, init=[1, 2], update=0), r"shape \(3,\) of the state, not \[1, 2\]"),
    (lambda: sb.state("r", 2, 2, init=[1, 2], update=0), r"the shape \(2, 2\)"),
    (lambda: sb.state("r", 2, 2, init=[1, [2, 3]], update=0), r"the shape \(2, 2\)"),
    (lambda: sb.state("r", 2, 2, init=[[1], [2, 3]], update=0), r"the shape \(2, 2\)"),
    (lambda: sb.state("r", 2, init=[1, float("nan")], update=0), "a finite number, or an array of"),
    (lambda: sb.state("r", 2, init=[1, "2"], update=0), "a finite number, or an array of"),
    (lambda: sb.state("r", 2, init=[1, [2]], update=0), "a finite number, or an array of"),
    (lambda: sb.state("r", init=[1], update=0), r"the shape \(\) of the state"),
    (lambda: sb.state("r", N, init=[1, 2], update=0), r"the shape \(N,\) of the state"),
    (lambda: sb.state("r", 3, init=float("inf"), update=0), "must be a finite number"),
    (lambda: sb.state("r", 3, update="r"), "'r' is not a scalar SymPy expression; write an expr"),
    (lambda: sb.state("r", 3, update=sb.data("x", 4)), r"the update has the shape \(4,\)"),
    (lambda: sb.state("r", 3, update=lambda: 0), "cannot be called with the state"),
    (lambda: sb.state("r", 3, update=lambda r: r[0, 1]), "has 1 axes"),
    (lambda: sb.state("r", 3, update=lambda r: r[sb.indices("l", 3)]), "the index l is none"),
    (lambda: sb.layers.batch_norm(3.0), "batch_norm: the input must be a tensor"),
    (lambda: sb.layers.batch_norm(sb.data("x", N, 3), axis=0), "axis 0 has N entries"),
    (lambda: sb.layers.batch_norm(sb.data("x", N, 3), axis=2), "there is no axis 2"),
    (lambda: sb.layers.batch_norm(sb.data("x", 4, 3), axis=(0, 1)), "leave nothing to keep"),
    (lambda: sb.layers.batch_norm(sb.data("x", N, 3), momentum=1.5), "a number from 0 to 1"),
    (lambda: sb.layers.batch_norm(sb.data("x", N, 3), epsilon=-1), "epsilon must be a number"),
]


@pytest.mark.parametrize(("declared", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_state_is_refused_in_the_users_words(declared: Any, words: str) -> None:
    with pytest.raises(sb.DeclarationError, match=words):
        declared()
