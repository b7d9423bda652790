"""Findings confirmed by numbers: each kind is tried at the values of a program."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import Program, Tensor
from symbackprop.provable import Finding

Values = Mapping[Tensor, Any]


def loss_at(program: Program, values: Values) -> float:
    return float(evaluate(program, dict(values))[program.outputs[0]])


def confirm(finding: Finding, program: Program, values: Values, rng: np.random.Generator) -> None:
    """Fails where the sentence of a finding is wrong at these values."""
    match finding.kind:
        case "no effect" | "shift":
            assert_unmoved(program, values, shifted(finding, values, rng))
        case "scale":
            powers = zip(finding.tensors, finding.powers, strict=True)
            scaled = {t: np.asarray(values[t]) * 1.7 ** float(p) for t, p in powers}
            assert_unmoved(program, values, scaled)
        case "zero gradient":
            (tensor,) = finding.tensors
            loss = program.outputs[0].symbol
            gradient = sb.derive(loss, [tensor]).gradient(tensor)
            both = sb.program([loss, gradient])
            assert not np.any(evaluate(both, dict(values))[gradient])
        case "linear" | "quadratic":
            order = 2 if finding.kind == "linear" else 3
            line = on_a_line(finding, program, values, rng, order + 1)
            size = np.max(np.abs(line)) + 1e-12
            assert abs(np.diff(line, order)[0]) <= 1e-8 * size * 2**order
        case "convex":
            for _ in range(5):
                low, middle, high = on_a_line(finding, program, values, rng, 3)
                size = max(abs(low), abs(high), 1.0)
                if np.isfinite([low, middle, high]).all():
                    assert middle <= (low + high) / 2 + 1e-9 * size
        case _:
            assert finding.kind == "unread"


def shifted(finding: Finding, values: Values, rng: np.random.Generator) -> dict[Tensor, Any]:
    """The parameter plus random numbers, equal along the indices that the finding names."""
    (tensor,) = finding.tensors
    value = np.asarray(values[tensor], float)
    shape = [1 if letter in finding.along else length
             for letter, length in zip(tensor.letters, value.shape, strict=True)]
    return {tensor: value + rng.normal(size=shape)}


def assert_unmoved(program: Program, values: Values, change: Mapping[Tensor, Any]) -> None:
    before, after = loss_at(program, values), loss_at(program, {**values, **change})
    np.testing.assert_allclose(after, before, rtol=1e-8, atol=1e-10)


def on_a_line(finding: Finding, program: Program, values: Values, rng: np.random.Generator,
              points: int) -> np.ndarray:
    """The loss at equally spaced points of a random line through the parameters named."""
    values = {**values, **{t: np.abs(values[t]) for t in finding.given if t in values}}
    ways = {t: rng.normal(size=np.shape(values[t])) for t in finding.tensors}
    return np.array([loss_at(program, {**values, **{t: values[t] + step * way
                                                    for t, way in ways.items()}})
                     for step in np.linspace(-1, 1, points)])
