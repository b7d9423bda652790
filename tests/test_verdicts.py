"""Controls of the oracle: what is wrong is caught, what only rounds differently is not."""

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.functions import sigmoid, softplus
from symbackprop.interpreter import evaluate
from symbackprop.notation import Tensor
from tests.support import comparison, jaxpr_values, verdicts
from tests.support.jax_oracle import jax, jnp
from tests.support.random_programs import Case, random_case

T = sb.parameter("t")
LOST = sp.log(1 - sigmoid(T))  # at t = 20 float64 keeps only seven digits of it
KEPT = -softplus(T)


def judged(found, body=LOST, formulas=KEPT, place=20.0):
    """The verdict on a value of log(1 - sigmoid(t)), or of another body."""
    declared, other = (sb.define("L", (), each).definition for each in (body, formulas))
    program = sb.program(declared.target)
    given = {"t": np.asarray(place)}
    truth = verdicts.of_program(program, [declared.target], given)
    expected = [evaluate(program, given)[declared.target]]
    exact = [evaluate(sb.program(other.target), given, 50)[other.target]]
    return verdicts.verdict([np.asarray(found)], expected, 1e-10, truth, lambda: exact)


def test_what_is_nearer_to_the_truth_than_the_reference_passes() -> None:
    right = -np.logaddexp(0, 20.0)
    assert abs(np.log(1 - 1/(1 + np.exp(-20.0)))/right - 1) > 1e-10
    error, allowed = judged(right)
    assert error < 1e-15
    assert error <= allowed


def test_what_errs_by_more_than_the_rounding_of_the_reference_is_caught() -> None:
    error, allowed = judged(-np.logaddexp(0, 20.0)*(1 + 1e-6))
    assert error > allowed
    error, allowed = judged(-20.0*(1 + 1e-9), -T, -T)  # well-conditioned
    assert error > allowed == 1e-10


def test_no_loss_of_digits_forgives_a_wrong_formula() -> None:
    right = -np.logaddexp(0, 20.0)
    error, allowed = judged(right*(1 + 1e-9), formulas=KEPT*(1 + sp.Float(1e-9)))
    assert error > allowed


@pytest.mark.parametrize("slip", [1e-9, 1e-4])
def test_a_gradient_that_is_slightly_wrong_is_caught(monkeypatch, slip, seed) -> None:
    right = comparison.wanted

    def wrong(case: Case) -> list[Tensor]:
        loss, gradient, *others = right(case)
        letters = gradient.letters
        element = gradient.at(*letters)
        made = sb.define("g", letters, element + sp.Float(slip)*(1 + element**2))
        return [loss, made if isinstance(made, Tensor) else made.tensor, *others]

    monkeypatch.setattr(comparison, "wanted", wrong)
    for number in range(3):
        with pytest.raises(AssertionError, match="relative error"):
            comparison.check_gradients(seed, 6, number)


def test_a_trace_has_the_values_of_the_compiled_function(seed) -> None:
    for number in range(5):
        case = random_case(seed, 5, number, layers=None)
        expected = comparison.reference(case)
        function, chosen = comparison.jax_oracle.value_and_gradients(
            case.program, case.loss, case.wrt, case.values, case.sizes)
        traced = jax.make_jaxpr(function)(chosen)
        for arithmetic in (jaxpr_values.plain(float), jaxpr_values.EXACT):
            found = jaxpr_values.values(traced, chosen, arithmetic)
            assert verdicts.error(found, expected) < 1e-6, str(case)


def test_a_trace_in_fifty_digits_has_fifty_digits() -> None:
    traced = jax.make_jaxpr(jax.grad(lambda t: jnp.log(1 - jax.nn.sigmoid(t))))(20.0)
    (found,) = jaxpr_values.values(traced, [20.0], jaxpr_values.EXACT)
    with jaxpr_values.mpmath.workdps(50):
        error = found.item() + 1/(1 + jaxpr_values.mpmath.exp(-20))
        assert abs(error) < 1e-45
