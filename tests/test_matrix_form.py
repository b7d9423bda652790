"""What the matrix form prints, read back by its own grammar and evaluated with NumPy, is what the
definition means."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import Program, Tensor
from symbackprop.printing.index import definition_text
from symbackprop.printing.matrix import matrix_names
from tests.support import matrix_reader
from tests.support.printed_networks import DENSE, OTHERS
from tests.support.random_networks import dense_network

ROWS = 5


def drawn(program: Program, seed: int) -> dict[Tensor, np.ndarray]:
    """Values for all inputs; positive, distinct, and away from kinks."""
    draw = np.random.default_rng(seed)
    values = {}
    for tensor in program.inputs:
        shape = tuple(ROWS if isinstance(axis, sympy.Symbol) else int(axis)
                      for axis in tensor.axes)
        values[tensor] = draw.normal(size=shape)
        if tensor.role == "hyper":
            values[tensor] = np.asarray(draw.uniform(0.5, 2))
        for fact in tensor.facts:
            if fact.kind == "label":
                values[tensor] = draw.integers(0, int(fact.extent), shape)
            elif fact.kind == "one_hot":
                values[tensor] = np.eye(shape[-1])[draw.integers(0, shape[-1], shape[:-1])]
            elif fact.kind == "positive":
                values[tensor] = draw.uniform(0.5, 2, shape)
    return values


def checked(derivation: sb.Derivation, seed: int) -> tuple[int, int]:
    """How many lines there are, and how many of them in matrix form; each means its definition."""
    shown = derivation._presented()
    whole = Program((*derivation.forward, *(d for d in derivation.backward if d.target not in {
        f.target for f in derivation.forward})), ())
    values = drawn(whole, seed)
    true = evaluate(whole, values)
    plain = derivation.names
    names = matrix_names(plain)
    known = {names[t]: true.get(t, values.get(t)) for t in names if t in true or t in values}
    sizes = {str(axis): ROWS for t in names for axis in t.axes if isinstance(axis, sympy.Symbol)}
    lines = derivation.text("matrix").split("\n")
    matrices = 0
    for printed, definition in zip(lines, shown, strict=True):
        if not matrix_reader.readable(printed, {**sizes, **known}):
            assert printed == definition_text(definition, plain)
            continue
        name, found = matrix_reader.line(printed, {**sizes, **known})
        assert name == names[definition.target]
        expected = true[definition.target]
        np.testing.assert_allclose(matrix_reader.shaped(found, expected.shape), expected,
                                   rtol=1e-8, atol=1e-10, err_msg=printed)
        matrices += 1
    return len(lines), matrices


def test_the_lines_of_random_dense_networks_are_matrix_lines_and_mean_their_definitions(
        seed: int) -> None:
    draw = random.Random(seed)
    lines = matrices = 0
    for number in range(100):
        network = dense_network(draw)
        found = checked(sb.derive(network), seed + number)
        lines, matrices = lines + found[0], matrices + found[1]
    assert matrices >= 0.95*lines, f"{matrices} of {lines} lines are in matrix form"


@pytest.mark.soak
def test_the_lines_of_a_thousand_dense_networks_mean_their_definitions(seed: int) -> None:
    draw = random.Random(seed)
    for number in range(1000):
        checked(sb.derive(dense_network(draw)), seed + number)


@pytest.mark.parametrize("network", [*DENSE, *OTHERS], ids=lambda f: f.__name__)
def test_every_line_means_its_definition(network: Callable[[], Any], seed: int) -> None:
    lines, _ = checked(sb.derive(network()), seed)
    assert lines


@pytest.mark.parametrize("network", DENSE, ids=lambda f: f.__name__)
def test_every_line_of_these_networks_is_in_matrix_form(network: Callable[[], Any]) -> None:
    lines, matrices = checked(sb.derive(network()), seed=1)
    assert lines == matrices


@pytest.mark.parametrize("network", [*DENSE, *OTHERS], ids=lambda f: f.__name__)
@pytest.mark.parametrize("form", ["index", "matrix"])
def test_printed_derivations_are_as_they_were(network: Callable[[], Any], form: str,
                                              golden: Callable[[str, str], None]) -> None:
    golden(f"printing/{network.__name__}.{form}.txt", sb.derive(network()).text(form) + "\n")
