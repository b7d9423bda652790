"""Random rules: the step as a program computes what the assignments say, one after the other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Expr, Max, Symbol, tanh

import symbackprop as sb
from symbackprop.training.loop import Plan
from symbackprop.training.rules import Rule, g, grand_total, is_weight, letters, total, w
from symbackprop.training.step import training_step
from tests.training.networks import line, samples

X = samples()[0]
MODEL = line()
NETWORK, NAMES = MODEL._network, MODEL._network.names
WEIGHTS, SHAPES = {"W1": 1.0, "b1": 0.0}, {"W1": (3, 1), "b1": (1,)}
u, v, k, a = letters("u v k a")
ATOMS = st.sampled_from([w, g, u, v, k, a, is_weight])
Values = dict[str, dict[Symbol, Any]]  # parameter -> letter -> value


def combined(parts: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        st.tuples(parts, parts).map(lambda p: p[0] + p[1] / 2),
        st.tuples(parts, parts).map(lambda p: p[0] * p[1]),
        st.tuples(parts, parts).map(lambda p: Max(p[0], -p[1])),
        parts.map(tanh), parts.map(lambda p: 1 / (2 + Abs(p))),
        parts.map(lambda p: tanh(total(p))), parts.map(lambda p: tanh(grand_total(p))),
    )


BODIES = st.recursive(ATOMS, combined, max_leaves=5)
RULES = st.tuples(
    st.lists(st.tuples(st.sampled_from([u, v, k, g, w]), BODIES), max_size=4), BODIES,
).map(lambda made: Rule((*made[0], (w, w / 2 - made[1] / 8))))


def value(body: Expr, name: str, values: Values) -> Any:
    """The body for one parameter, totals by NumPy."""
    if isinstance(body, Symbol):
        return values[name][body]
    if isinstance(body, total):
        return np.sum(np.broadcast_to(value(body.args[0], name, values), SHAPES[name]))
    if isinstance(body, grand_total):
        return sum(value(total(body.args[0]), one, values) for one in values)
    args = [value(arg, name, values) for arg in body.args]
    if isinstance(body, Max):
        return np.maximum.reduce(np.broadcast_arrays(*args))
    plain = {tanh: np.tanh, Abs: np.abs}.get(type(body))
    if plain:
        return plain(*args)
    if not args:
        return float(body)
    result = args[0]
    for arg in args[1:]:
        result = result + arg if body.is_Add else result * arg if body.is_Mul else result**arg
    return result


def executed(rule: Rule, values: Values) -> None:
    """The assignments in order, each for all parameters before the next."""
    for target, body in rule.assignments:
        found = {name: value(body, name, values) for name in values}
        for name, array in found.items():
            values[name][target] = np.broadcast_to(array, SHAPES[name]) if target == w else array


@given(RULES)
@settings(max_examples=60, deadline=None)
def test_a_step_is_what_its_assignments_say(rule: Rule) -> None:
    derivation = MODEL.derivation()
    gradients = {t: derivation.gradient(t) for t in NETWORK.trained}
    weights = [t for t in NETWORK.trained if NAMES[t] == "W1"]
    step = training_step(NETWORK.loss, gradients, rule, NAMES, weights)
    start: Mapping[str, Any] = {"W1": np.array([[0.3], [-0.2], [0.5]]), "b1": np.array([0.1])}
    numbers = {s: 0.3 + 0.4 * place for place, s in enumerate(rule.numbers)}
    values: Values = {name: {**dict.fromkeys((u, v, k), 0.0), **numbers, w: array,
                             is_weight: WEIGHTS[name]} for name, array in start.items()}
    arrays: dict[Any, Any] = {t: start[NAMES[t]] for t in NETWORK.parameters}
    arrays |= {tensor: numbers[Symbol(s, real=True)] for s, tensor in step.numbers}
    arrays |= step.begun(Plan(1, 1, 1), "float64")
    arrays |= {NETWORK.inputs[0]: X, NETWORK.targets[0]: X[:, :1]}
    for _ in range(2):
        slopes = 2 / len(X) * (X @ values["W1"][w] + values["b1"][w] - X[:, :1])
        values["W1"][g], values["b1"][g] = X.T @ slopes, slopes.sum(axis=0)
        executed(rule, values)
        found = sb.evaluate(step.program, {t: arrays[t] for t in step.program.inputs})
        arrays |= {old: found[new] for old, new in step.program.updates}
    for tensor in NETWORK.parameters:
        np.testing.assert_allclose(arrays[tensor], values[NAMES[tensor]][w], rtol=1e-9, atol=1e-12)
