"""Rules of a user's own: in the form of the built-in ones, or refused in the user's letters."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Function, I, Symbol, oo, symbols

import symbackprop as sb
from symbackprop.errors import TrainingError
from tests.training.networks import classifier, samples

o = sb.optimizers
Custom = o.Custom
w, g, v, mu, rate, t = symbols("w g v mu rate t")
x = sb.parameter("x", 3)


def test_a_built_in_rule_written_down_is_the_same_rule() -> None:
    momentum = Symbol("momentum", positive=True)
    own = Custom((v, momentum * v + g), (w, w - rate * v), momentum=0.9, rate=0.1)
    assert str(own.rule) == str(o.SGD(0.1, 0.9).rule)
    assert own == Custom((v, momentum * v + g), [w, w - rate * v], momentum=0.9, rate=0.1)
    assert hash(own) != hash(Custom((w, w - rate * g), rate=0.1))
    assert repr(Custom((w, w - rate * g), rate=0.1)) == "Custom((w, -g*rate + w), rate=0.1)"


def test_other_numbers_compile_nothing_and_the_kernel_is_the_built_in_ones_twin() -> None:
    X, labels = samples()
    one, other = classifier(), classifier()
    own = Custom((v, mu * v + g), (w, w - rate * v), mu=0.9, rate=0.1)
    one.fit(X, labels, epochs=2, optimizer=own)
    kernel = one.kernels["fit"]
    one.fit(X, labels, epochs=2, optimizer=Custom((v, mu * v + g), (w, w - rate * v), mu=0.5,
                                                  rate=sb.optimizers.SGD(0.2).rate))
    assert one.kernels["fit"] is kernel
    other.fit(X, labels, epochs=2, optimizer=o.SGD(0.1, 0.9))
    other.fit(X, labels, epochs=2, optimizer=o.SGD(0.2, 0.5))
    for name, array in one.parameters.items():
        np.testing.assert_allclose(array, other.parameters[name], rtol=1e-12)


def test_a_clip_takes_a_custom_rule_whose_letters_it_would_use() -> None:
    limit, norm = symbols("limit norm")
    own = Custom((norm, o.grand_total(g**2)), (w, w - limit * g / norm), limit=0.1)
    clipped = o.clip_norm(own, 1)
    assert clipped.values == {"limit": 0.1, "limit2": 1.0}
    assert str(clipped.rule).splitlines() == [
        "norm2 ← √(total(g²))", "scale ← min(1, limit2/(1e-6 + norm2))", "g ← scale·g",
        "norm ← grand_total(g²)", "w ← w − c·g/norm"]


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Custom(), "Custom: the rule assigns nothing, but never w"),
    (lambda: Custom((v, g)), "Custom: the rule assigns v, but never w"),
    (lambda: Custom((w, w - rate * w), rate=1), "Custom: no assignment reads g, the gradient"),
    (lambda: Custom((w, w - rate * g)), "Custom: the letter rate is never assigned, so it is a "
                                        "number, and has no value; write Custom(…, rate=0.1)"),
    (lambda: Custom((w, w - rate * g), rate=1, mu=2),
     "Custom: the rule has no letter mu that waits for a number; it has rate"),
    (lambda: Custom((w, w - g), w=1), "Custom: the rule has no letter w that waits for a number; "
                                      "it has none"),
    (lambda: Custom((w, w - rate * g), rate=-1), "Custom: rate must be a number above 0, found -1"),
    (lambda: Custom((w, w - mu * g), mu="high"), "Custom: mu must be a finite real number, found "),
    (lambda: Custom((w, w - mu * g), mu=float("nan")), "Custom: mu must be a finite real number"),
    (lambda: Custom((v, mu * v + g), (w, w - g), mu=1), "Custom: v is assigned, but w does"),
    (lambda: Custom((g, 2 * g), ("w", w - g)), "Custom: 'w' cannot be assigned to; the letter"),
    (lambda: Custom((w, "w - g")), "Custom: w ← w - g: 'w - g' is not a scalar SymPy expression"),
    (lambda: Custom((w, g > 0)), "Custom: w ← g > 0: g > 0 is not a scalar SymPy expression"),
    (lambda: Custom((w, np.ones(3))), "Custom: w ← "),
    (lambda: Custom((w, w - x)), "Custom: w ← "),
    (lambda: Custom((w, w - x[0] * g)), "Custom: w ← -g*x[0] + w: a rule speaks of letters"),
    (lambda: Custom((x, w)), "Custom: <parameter x[i]> cannot be assigned to"),
    (lambda: Custom((w + 1, w)), "Custom: w + 1 cannot be assigned to"),
    (lambda: Custom((w, w - I * g)), "Custom: w ← -I*g + w is not a real number"),
    (lambda: Custom((w, oo * g)), "Custom: w ← oo*g is not a real number"),
    (lambda: Custom((w, w - Function("f")(g))), "Custom: w ← w - f(g): f(g) has no value"),
    (lambda: Custom((t, t + 2), (w, w - g / t)), "Custom: t counts the steps; write (t, t + 1)"),
    (lambda: Custom((Symbol("epoch"), g), (w, w - g)), "Custom: epoch is given to the rule"),
    (lambda: Custom((w, w - g, 3)), "Custom: expected assignments (letter, expression), found ("),
    (lambda: Custom(w - g), "Custom: expected assignments (letter, expression), found -g + w"),
])
def test_a_rule_that_cannot_train_is_refused(make: Any, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        make()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: o.clip_norm(1.0, o.SGD(0.1)), "clip_norm: the optimizer comes first"),
    (lambda: o.clip_value(o.LBFGS(), 1.0), "clip_value: the optimizer comes first"),
    (lambda: o.clip_value(o.SGD(0.1), 0), "clip_value: limit must be a number above 0, found 0"),
    (lambda: o.clip_global_norm(o.SGD, 1), "clip_global_norm: the optimizer comes first"),
    (lambda: replace(o.clip_norm(o.SGD(0.1), 1), limit=-1), "clip_norm: limit must be a number "),
    (lambda: o.SGD(0.1, nesterov=True), "SGD: nesterov needs momentum"),
    (lambda: o.SGD(0.1, 0.9, nesterov=1), "SGD: nesterov must be True or False, found 1"),
    (lambda: o.SGD(0.1, weight_decay=-1), "SGD: weight_decay must be a number of at least 0"),
    (lambda: o.AdamW(decoupled=None), "AdamW: decoupled must be True or False, found None"),
    (lambda: o.RMSProp(alpha=1), "RMSProp: alpha must be a number from 0 up to"),
    (lambda: o.NAdam(momentum_decay=-0.1), "NAdam: momentum_decay must be a number of at least 0"),
    (lambda: o.Adamax(epsilon=sympy.Symbol("a")), "schedules.custom: the letter a"),
])
def test_optimizers_check_what_they_are_given(make: Any, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_a_rule_may_use_functions_of_sympy() -> None:
    """PowerSign (Bello et al. 2017, arXiv:1709.07417) with functions of SymPy's own."""
    own = Custom((v, mu * v + (1 - mu) * g),
                 (w, w - rate * sympy.exp(sympy.sign(g) * sympy.sign(v)) * g), mu=0.9, rate=0.01)
    X, labels = samples()
    model = classifier()
    before = model.loss(X, labels)
    model.fit(X, labels, epochs=5, optimizer=own)
    assert model.loss(X, labels) < before
