"""Optimizers are SymPy assignments; what is state, shared or a number is read off the rule."""

import re
from typing import Any

import pytest
from sympy import Symbol, sin

from symbackprop.errors import TrainingError
from symbackprop.notation import tensors_in
from symbackprop.penalties import weights
from symbackprop.training.optimizers import (
    SGD,
    Adam,
    Custom,
    Rule,
    clip_global_norm,
    g,
    m,
    momentum,
    rate,
    t,
    v,
    w,
)
from symbackprop.training.schedules import inverse
from symbackprop.training.step import training_step
from tests.training.networks import classifier, line, samples


def test_rules_print_as_assignments() -> None:
    assert str(SGD(0.1).rule) == "w ← w − η·g"
    assert str(SGD(0.1, 0.9).rule) == "v ← μ·v + g\nw ← w − η·v"
    assert str(Adam().rule).splitlines()[0] == "t ← 1 + t"


@pytest.mark.parametrize(("optimizer", "states", "numbers"), [
    (SGD(1), (), ["rate"]),
    (SGD(1, 0.5), (v,), ["momentum", "rate"]),
    (Adam(), (t, m, v), ["beta1", "beta2", "epsilon", "rate"]),
], ids=["sgd", "momentum", "adam"])
def test_states_and_numbers_are_read_off_the_rule(optimizer: Any, states: Any,
                                                  numbers: list[str]) -> None:
    assert optimizer.rule.states == states
    assert list(map(str, optimizer.rule.numbers)) == numbers
    assert all(isinstance(getattr(optimizer, name), float) for name in numbers)


def test_what_depends_on_the_gradient_has_an_entry_for_each_weight() -> None:
    c = Symbol("c", real=True)
    rule = Rule(((t, t + 1), (c, momentum**t), (v, c * v + g), (w, w - rate * v)))
    assert rule.elementwise == {w, g, v}
    assert set(rule.targets) - rule.elementwise == {t, c}


def test_other_numbers_are_the_same_rule_and_no_momentum_is_another() -> None:
    assert SGD(0.1, 0.9).rule == SGD(0.2, 0.5).rule
    assert hash(Adam(1).rule) == hash(Adam(2).rule)
    assert SGD(0.1).rule != SGD(0.1, 0.9).rule


@pytest.mark.parametrize(("make", "message"), [
    (lambda: SGD(0), "SGD: rate must be a number above 0, found 0"),
    (lambda: SGD("0.1"), "SGD: rate must be a number above 0, found '0.1'"),
    (lambda: SGD(True), "SGD: rate must be a number above 0, found True"),
    (lambda: SGD(float("nan")), "SGD: rate must be a number above 0, found nan"),
    (lambda: SGD(0.1, 1.0), "SGD: momentum must be a number from 0 up to, but not including, 1"),
    (lambda: SGD(0.1, -0.1), "SGD: momentum must be a number from 0"),
    (lambda: Adam(-1), "Adam: rate must be a number above 0, found -1"),
    (lambda: Adam(beta1=1), "Adam: beta1 must be a number from 0"),
    (lambda: Adam(beta2=1j), "Adam: beta2 must be a number from 0"),
    (lambda: Adam(epsilon=0), "Adam: epsilon must be a number above 0, found 0"),
])
def test_numbers_out_of_range_are_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_a_step_is_one_program_with_a_next_value_for_every_parameter_and_state() -> None:
    model = line()
    network, derivation = model._network, model.derivation()
    gradients = {p: derivation.gradient(p) for p in network.trained}
    step = training_step(network.loss, gradients, SGD(0.1, 0.9).rule, network.names)
    names = step.program.names
    assert [(names[old], names[new]) for old, new in step.program.updates] == [
        ("v_W1", "v_W1_next"), ("W1", "W1_next"), ("v_b1", "v_b1_next"), ("b1", "b1_next")]
    assert "W1_next[i,j] = W1[i,j] − rate·v_W1_next[i,j]" in str(step.program)
    assert [name for name, _ in step.numbers] == ["momentum", "rate"]
    assert [tensor.role for tensor in step.states] == ["state", "state"]


def test_new_tensors_get_out_of_the_way_of_the_users_names() -> None:
    model = line()
    network, derivation = model._network, model.derivation()
    gradients = {p: derivation.gradient(p) for p in network.trained}
    taken = {**network.names, network.loss: "rate"}
    step = training_step(network.loss, gradients, SGD(0.1).rule, taken)
    assert [(name, str(tensor.name)) for name, tensor in step.numbers] == [("rate", "rate_")]


def step_of(optimizer: Any) -> Any:
    """The step of a straight line, its weights W1 and its bias b1."""
    model = line()
    network, derivation = model._network, model.derivation()
    gradients = {p: derivation.gradient(p) for p in network.trained}
    return training_step(network.loss, gradients, optimizer.rule, network.names,
                         weights(network.program))


def test_clipping_reads_each_gradient_once_more_and_stores_nothing() -> None:
    plain, clipped = (step_of(o).program for o in (SGD(0.1, 0.9), clip_global_norm(
        SGD(0.1, 0.9), 1.0)))
    for name in ("W1", "b1"):
        readers = [len([d for d in p if any(f"∂L/∂{name}" == p.names[t] for t in tensors_in(
            d.body))]) for p in (plain, clipped)]
        assert readers == [1, 2]
    full = [[d for d in p if d.target.rank == 2 and p.names[d.target].startswith(("v_", "W1"))]
            for p in (plain, clipped)]
    assert len(full[0]) == len(full[1]) == 2


def test_a_long_rule_is_no_larger_than_its_assignments() -> None:
    """Each of them reads the one before twice: written out, there would be 2^30 of them."""
    h = Symbol("h")
    rule = Custom((h, g), *[(h, sin(h) + h**2)] * 30, (w, w - h))
    assert len(str(step_of(rule).program)) < 6000


def test_decay_and_a_scheduled_rate_stay_within_the_product_of_the_gradient() -> None:
    model = classifier()
    X, labels = samples()
    model.fit(X, labels, epochs=1, optimizer=SGD(inverse(0.1, steps=9), weight_decay=0.1))
    assert re.search(r"W1_next\[i,j\] = W1\[i,j\]·\(1 − .*\) − rate·Σ_n x\[n,i\]·δ1\[n,j\]",
                     model.kernels["fit"].source)
