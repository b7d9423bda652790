"""Controls: each row of stability is needed somewhere in float64, and enough there."""

from collections.abc import Sequence

import mpmath
import pytest
import sympy
from sympy import Abs, Max, cosh, exp, log, sinh, sqrt, tanh

import symbackprop as sb
from symbackprop.backprop import partial_derivatives
from symbackprop.collect import program
from symbackprop.functions import expm1, sigmoid, softplus
from symbackprop.interpreter import evaluate
from symbackprop.rewriting import Rule, Step, rewrite
from symbackprop.rules.facts import FACTS
from symbackprop.rules.stability import STABILITY
from symbackprop.simplification import RULES

t = sympy.Symbol("t", real=True)

#: Where the written form, or its derivative by t, is wrong in float64 and the rewritten is not.
CONTROLS = [
    (1 / (1 + exp(t)), 800.0), (exp(t) / (1 + exp(t)), 800.0), (log(1 + exp(t)), 800.0),
    (log(1 / (1 + exp(-t))), -800.0), (log(1 - 1 / (1 + exp(-t))), 800.0), (log(2 * exp(t)), 800.0),
    (log(exp(t) + exp(2)), 800.0), (log(exp(2 * t) + exp(t) + 1), 800.0), (log(1 + t**2), 1e-9),
    (1 / (exp(t) + exp(-t) + 3), 800.0), (exp(t) / (exp(t) + exp(-t) + 3), 800.0),
    (exp(-t) * (exp(t) + 1), 800.0),
    (log(1 + exp(t)) - t, 60.0), (Max(0, t) + log(1 + exp(-Abs(t))), -60.0),
    ((1 + exp(t))**2 - 1, -60.0),
    (1 - sigmoid(t), 60.0), (exp(t) - 1, 1e-12), (2 * sigmoid(t) - 1, 1e-12),
    (1 + tanh(t), -60.0), (1 - tanh(t), 60.0), ((exp(t) - 1) / (exp(t) + 1), 800.0),
    (sinh(t) / cosh(t), 800.0), (log(cosh(t)), 800.0), (sigmoid(t) - sigmoid(-t), 1e-12),
    (softplus(t) - softplus(-t), 1e-12), (sigmoid(t) + sigmoid(-t), 60.0),
    (log(sigmoid(t)), -800.0), (log(exp(t) * sigmoid(t)), 800.0),
    (sqrt(t**2 + 4 * t**4), 0.0), (t * log(t), 0.0), (t * log(3 * t), 0.0),
    (t**2 * log(t), 0.0),
    ((1 - t) * log(1 - t), 1.0), (t * (log(t) + 2), 0.0),
    (log(t + sqrt(t**2 + 1)), -1e9), (exp(t) / (exp(t) - 1), 800.0), (log(exp(t) - 1), 800.0),
    (log(1 - exp(-exp(t))), -800.0), (log(1 - exp(-3 * exp(t))), -60.0), (expm1(t) + 1, -60.0),
    (t**3 * (2 * log(t) + 1), 0.0), (t**(2 + t**2) / t, 0.0),
]
FREE = {  # for the shape: other rows, and facts, match what these leave
    "powers of a bit", "exponential of a softplus"}


def both_values(expr: sympy.Expr, place: float, digits: int | None, rules: Sequence[Rule] = ()
                ) -> list[mpmath.mpf]:
    """An expression and its derivative by t, which some rules rewrite as well."""
    tensor = sb.parameter("t")
    body = expr.xreplace({t: tensor})
    slope = rewrite(partial_derivatives(body, body, [tensor])[tensor], rules)
    targets = [sb.define("value", (), body), sb.define("slope", (), slope)]
    declared = program(targets)
    found = evaluate(declared, {"t": place} if declared.inputs else {}, digits)
    return [mpmath.mpf(found[target.tensor].item()) for target in targets]


@pytest.mark.parametrize(("written", "place"), CONTROLS, ids=str)
def test_a_stability_row_is_needed_and_sufficient(written: sympy.Expr, place: float) -> None:
    stable = rewrite(written, RULES)
    with mpmath.workdps(1500):
        exact = both_values(stable, place, 1500, RULES)
        if place not in (0.0, 1.0):
            for one, other in zip(both_values(written, place, 1500), exact, strict=True):
                assert mpmath.almosteq(one, other, rel_eps=1e-50,
                                       abs_eps=mpmath.mpf("1e-600"))

        def wrong(expr: sympy.Expr, rules: Sequence[Rule] = ()) -> bool:
            return not all(
                value == true or mpmath.almosteq(value, true, rel_eps=1e-14, abs_eps=1e-300)
                for value, true in zip(both_values(expr, place, None, rules), exact, strict=True))

        assert wrong(written)
        assert not wrong(stable, RULES)


def test_every_row_of_stability_has_a_control() -> None:
    steps: list[Step] = []
    for written, _ in CONTROLS:
        rewrite(written, RULES, steps)
    named = {step.rule for step in steps} | FREE
    assert named >= {row.name for row in (*STABILITY, *FACTS)}
