"""Every row of the tables of rules: its identity, its disguises, its near misses, its need."""

import mpmath
import numpy as np
import pytest
import sympy
from sympy import (
    Add,
    Max,
    Mul,
    Sum,
    exp,
    log,
    sqrt,
    symbols,
)

import symbackprop as sb
from symbackprop.collect import program
from symbackprop.functions import (
    Iverson,
    expm1,
    log1p,
    logaddexp,
    root,
    sigmoid,
    softplus,
    spelled,
    xlogy,
)
from symbackprop.interpreter import evaluate
from symbackprop.rewriting import Hole, Rule, Step, match, rewrite
from symbackprop.rules.algebra import ALGEBRA, COMPLEMENT
from symbackprop.rules.facts import FACTS
from symbackprop.rules.forms import COLLECTED, SHORTENING, factored, shortest, weight
from symbackprop.rules.numbers import number_in
from symbackprop.rules.stability import STABILITY
from symbackprop.simplification import RULES
from tests.support.row_expressions import DISGUISES, NEAR, NEAR_MISSES

ROWS = (*ALGEBRA, *COMPLEMENT, *STABILITY, *FACTS, *COLLECTED, *SHORTENING)
a, b, c, s, t = symbols("a b c s t", real=True)


def value(expr: sympy.Expr, places: dict[sympy.Symbol, float], digits: int) -> mpmath.mpf:
    """A scalar expression by the slow evaluator, at some decimal digits."""
    tensors = {place: sb.parameter(f"v{k}") for k, place in enumerate(places)}
    target = sb.define("value", (), expr.xreplace(tensors))
    declared = program(target)
    given = {f"v{k}": number for k, number in enumerate(places.values())}
    read = {tensor.name: given[tensor.name] for tensor in declared.inputs}
    return mpmath.mpf(evaluate(declared, read, digits)[target.tensor].item())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_both_sides_of_a_row_are_equal_to_fifty_digits_on_its_domain(row: Rule) -> None:
    random = np.random.default_rng(7)
    holes = sorted(row.left.atoms(Hole), key=str)
    low, high = row.domain
    for _ in range(8):
        drawn = {hole: float(random.uniform(low, high)) for hole in holes}
        for hole in holes:
            if hole.is_positive or hole.is_negative:
                drawn[hole] = abs(drawn[hole]) * (1 if hole.is_positive else -1)
        if isinstance(row.left, sympy.core.relational.Relational):
            left, right = (value(Iverson(side), drawn, 60) for side in (row.left, row.right))
        else:
            left, right = (value(side, drawn, 60) for side in (row.left, row.right))
        assert mpmath.almosteq(left, right, rel_eps=mpmath.mpf(10) ** -50)


def test_every_row_fires_on_a_disguise_and_has_a_near_miss_of_its_own() -> None:
    steps: list[Step] = []
    for written, _ in DISGUISES:
        rewrite(written, RULES, steps)
    for written, _ in FORMS:
        shortest(written, steps)
    assert {step.rule for step in steps} >= {row.name for row in ROWS}
    assert set(NEAR) == {row.name for row in ROWS}


@pytest.mark.parametrize("name", NEAR)
def test_a_row_leaves_what_is_nearly_its_left_side_alone(name: str) -> None:
    (row,) = (row for row in ROWS if row.name == name)
    for written in NEAR[name]:
        assert any(isinstance(part, row.left.func) for part in sympy.preorder_traversal(written))
        for part in sympy.preorder_traversal(written):
            assert not isinstance(part, row.left.func) or row.apply(part) in (None, part)


@pytest.mark.parametrize(("written", "expected"), DISGUISES, ids=str)
def test_a_rule_matches_by_shape_whatever_the_names_and_the_order(
    written: sympy.Expr, expected: sympy.Expr
) -> None:
    assert rewrite(written, RULES) == expected


@pytest.mark.parametrize("written", NEAR_MISSES, ids=str)
def test_a_near_miss_is_left_alone(written: sympy.Expr) -> None:
    assert rewrite(written, RULES) == written


def test_steps_name_each_rule_with_what_stood_before_and_after() -> None:
    steps: list[Step] = []
    rewrite(log(1 / (1 + exp(-t))), RULES, steps)
    assert [step.rule for step in steps] == ["own sigmoid", "log sigmoid"]
    assert steps[-1] == Step("log sigmoid", log(sigmoid(t)), -softplus(-t))


def test_what_a_pattern_leaves_of_a_product_stays() -> None:
    hole = Hole("h")
    found = list(match(exp(hole) * sigmoid(-hole), a * exp(s) * b * sigmoid(-s)))
    assert [(dict(bindings), Mul(*rest)) for bindings, rest in found] == [({hole: s}, a * b)]


def test_a_wrong_row_is_caught_by_the_numerical_check() -> None:
    hole = Hole("h")
    wrong = Rule("wrong", log(1 + exp(hole)), softplus(-hole), "a sign is wrong")
    with pytest.raises(AssertionError):
        test_both_sides_of_a_row_are_equal_to_fifty_digits_on_its_domain(wrong)


FORMS = [
    (-a / c + b / c, (b - a) / c),
    (-a * (1 - s) - (a - 1) * s, s - a),
    (s * (1 - s) * (-a / s + (1 - a) / (1 - s)), s - a),
    ((2 * a - 2 * b) * c, 2 * (a - b) * c),
    (a * b + a * c, a * (b + c)),
    ((a + b) * c, (a + b) * c),
    (b / (a + c) - b * c / (a + c) ** 2, a * b / (a + c) ** 2),
    (1 / sqrt(1 + a**2) - a**2 / (1 + a**2) ** sympy.Rational(3, 2),
     (1 + a**2) ** sympy.Rational(-3, 2)),
    (1 + a * b * c * s - 2 * a * b * c * t, 1 + a * b * c * (s - 2 * t)),
    (-c * (a * sigmoid(-t) - b * sigmoid(t)) - c * b * sigmoid(t), -a * c * sigmoid(-t)),
    (-(1 - a) * sigmoid(-t) + sigmoid(t) * a, a - sigmoid(-t)),
]


@pytest.mark.parametrize(("long", "short"), FORMS, ids=str)
def test_the_shortest_form_is_found_and_never_longer(long: sympy.Expr, short: sympy.Expr) -> None:
    found = shortest(long)
    assert weight(found) <= min(weight(long), weight(short))
    left = (found - long).xreplace({sigmoid(-t): 1 - sigmoid(t)})
    assert sympy.expand(sympy.cancel(left)) == 0


def test_a_denominator_to_a_power_that_is_no_number_stays() -> None:
    power = sympy.Symbol("q", positive=True)
    written = a + b * (c + t) ** -power
    assert shortest(written) == written


def test_common_factors_are_taken_out_of_sums_within_products() -> None:
    assert factored(t * (a * b + a * c)) == a * t * (b + c)
    assert factored(Add(a * b, a * c, a)) == a * (b + c + 1)


@pytest.mark.parametrize(("total", "number"), [
    (4 + 0.3 * s, 4), (6 * a + 0.5 * s, 2), (3 * a + 0.5 * s, 1), (a / 2 + 0.5 * s, 1),
    (0.25 * a + 0.5 * s, 1), (6 * a + 9 * s, 3), (a / 2 + 3 * s / 2, sympy.Rational(1, 2)),
    (-4 * a - 6 * s, -2), (-4 * a - 0.3 * s, 4),
])
def test_beside_decimal_fractions_a_number_in_common_is_a_power_of_two(
    total: sympy.Expr, number: sympy.Expr
) -> None:
    assert number_in(total) == number
    shown = factored(c * total)
    assert sympy.expand(shown - c * total) == 0


n, i, k = sb.indices("n i k", sb.size("N"), 3, 4)
y = sb.data("y", n, k, facts=[sb.one_hot(k)])
u = sb.data("u", n, k)
x = sb.data("x", n, i)
label = sb.data("label", n, facts=[sb.label(4)])
wide = sb.data("wide", n, facts=[sb.label(9)])

def test_without_the_fact_the_sum_of_the_labels_stays_in_the_gradient() -> None:
    z = sb.parameter("z", n, k)
    plain = sb.data("plain", n, k)
    lines = []
    for target in (y, plain):
        p = sb.define("p", (n, k), exp(z[n, k]) / Sum(exp(z[n, k]), k))
        loss = sb.define("L", (), -Sum(target[n, k] * log(p[n, k]), n, k))
        lines.append(sb.derive(loss, [z]).text("index"))
    assert lines[0] == "∂L/∂z[n,k] = p[n,k] − y[n,k]"
    assert "Σ" in lines[1]


def test_safe_functions_of_numbers_are_numbers_and_print_as_their_plain_spelling() -> None:
    half = sqrt(2) / 8
    for safe, plain in ((logaddexp(half, -half), log(exp(half) + exp(-half))),
                        (log1p(half), log(1 + half)), (expm1(half), exp(half) - 1),
                        (xlogy(half, half), half * log(half)), (softplus(half), log(1 + exp(half))),
                        (sigmoid(half), 1 / (1 + exp(-half))), (root(half), sqrt(half))):
        assert sympy.Abs(safe.evalf(30) - plain.evalf(30)) < 1e-29
        assert Max(safe, half).is_number
    written = a * logaddexp(a, b) + log1p(a) + xlogy(a, b)
    assert spelled(written) == a * log(exp(a) + exp(b)) + log(1 + a) + a * log(b)
