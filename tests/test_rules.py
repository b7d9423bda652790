"""Every row of the tables of rules: its identity, its disguises, its near misses, its need."""

import mpmath
import numpy as np
import pytest
import sympy
from sympy import (
    Abs,
    Add,
    Max,
    Min,
    Mul,
    Sum,
    cosh,
    exp,
    log,
    sign,
    sinh,
    sqrt,
    symbols,
    tanh,
)

import symbackprop as sb
from symbackprop.collect import program
from symbackprop.functions import (
    Iverson,
    expm1,
    log1p,
    logaddexp,
    relu,
    root,
    sigmoid,
    softplus,
    spelled,
    xlogy,
)
from symbackprop.interpreter import evaluate
from symbackprop.normal import normalise
from symbackprop.rewriting import Hole, Rule, Step, match, rewrite
from symbackprop.rules.algebra import ALGEBRA, COMPLEMENT
from symbackprop.rules.facts import FACTS
from symbackprop.rules.forms import factored, shortest, weight
from symbackprop.rules.indices import INDICES
from symbackprop.rules.stability import STABILITY
from symbackprop.simplification import RULES, simplify

ROWS = (*ALGEBRA, *COMPLEMENT, *STABILITY, *FACTS)
a, b, c, s, t = symbols("a b c s t", real=True)
q = sympy.Symbol("q", positive=True)


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


DISGUISES = [
    (1 / (1 + exp(-t)), sigmoid(t)),
    (3 * a / (1 + exp(t)), 3 * a * sigmoid(-t)),
    (exp(t) / (1 + exp(t)), sigmoid(t)),
    (exp(2 * s - t) / (1 + exp(2 * s - t)), sigmoid(2 * s - t)),
    ((1 + exp(-a * b)) ** -2, sigmoid(a * b) ** 2),
    (1 - 1 / (1 + exp(t)), sigmoid(t)),
    (a * b - a * sigmoid(s) * b, a * b * sigmoid(-s)),
    (a / (a + a * exp(-t)), sigmoid(t)),
    (q / (q + exp(s)), sigmoid(log(q) - s)),
    (exp(t) / (exp(t) + exp(s)), sigmoid(t - s)),
    (exp(s) / (exp(t) + exp(s) + 1), sigmoid(-logaddexp(-s, t - s))),
    (2 * exp(t) * b / (exp(t) + exp(s) + exp(q)), 2 * b * sigmoid(-logaddexp(q - t, s - t))),
    (exp(a - log(1 + exp(t))), exp(a) * sigmoid(-t)),
    (exp(-2 * softplus(t) + s), exp(s) * sigmoid(-t) ** 2),
    (log(1 + exp(t - s)), softplus(t - s)),
    (a * log(exp(-t) + 1), a * softplus(-t)),
    (log(1 / (1 + exp(-t))), -softplus(-t)),
    (log(1 - 1 / (1 + exp(-t))), -softplus(t)),
    (log(q * exp(s) * exp(t)), log(q) + s + t),
    (log(q * sigmoid(s) ** 2), log(q) - 2 * softplus(-s)),
    (log(exp(s) + 2 * exp(t)), logaddexp(s, t + log(2))),
    (log(1 + exp(s) + exp(t)), logaddexp(0, s, t)),
    (b * softplus(s - t) - b * s + b * t, b * softplus(t - s)),
    (logaddexp(s, t, q) - s + a, a + logaddexp(0, t - s, q - s)),
    (Max(s, 0) + log(1 + exp(-Abs(s))) + a, softplus(s) + a),
    (2 * log(1 + exp(s)) - 2 * log(1 + exp(-s)), 2 * s),
    (sigmoid(a * s) + sigmoid(-a * s) + t, 1 + t),
    (2 * sigmoid(2 * s) - 1, tanh(s)),
    (a - 2 * a * sigmoid(s), -a * tanh(s / 2)),
    (sigmoid(s) - sigmoid(-s), tanh(s / 2)),
    (a * (exp(s) - exp(-s)) / (exp(s) + exp(-s)), a * tanh(s)),
    ((exp(2 * s) - 1) / (exp(2 * s) + 1), tanh(s)),
    (sinh(s * b) / cosh(s * b) * a, a * tanh(s * b)),
    (q * (1 + tanh(s / 2)) / 2, q * sigmoid(s)),
    (1 - tanh(s), 2 * sigmoid(-2 * s)),
    (b * log(cosh(s)), b * (logaddexp(s, -s) - log(2))),
    (log(1 + a**2 + s), log1p(a**2 + s)),
    (1 / (1 + (1 + exp(s)) ** 2), sigmoid(-s) ** 2 * sigmoid(2 * softplus(s))),
    (a * exp(s) - a, a * expm1(s)),
    (3 - 3 * exp(s), -3 * expm1(s)),
    (exp(t) * exp(-s) * b, b * exp(t - s)),
    (exp(-s) * (exp(s) + b), 1 + b * exp(-s)),
    (Max(t, 0) + Max(0, s), relu(t) + relu(s)),
    (Min(0, t), -relu(-t)),
    (2 * sign(t) * Abs(t), 2 * t),
    (sign(t) * t * a, a * Abs(t)),
    (Iverson(relu(t) > 0), Iverson(t > 0)),
    (a * sqrt(s**2 + 3 * t**4), a * root(s**2 + 3 * t**4)),
    (2 * a * log(a), 2 * xlogy(a, a)),
    (log(b / s) * b, xlogy(b, b / s)),
    ((1 - s) * log(1 - s), xlogy(1 - s, 1 - s)),
    (a * Iverson(s > 0) ** 3, a * Iverson(s > 0)),
]


def test_every_row_fires_on_a_disguise_and_has_a_near_miss() -> None:
    steps: list[Step] = []
    for written, _ in DISGUISES:
        rewrite(written, RULES, steps)
    assert {step.rule for step in steps} >= {row.name for row in RULES}
    kinds = {type(part) for written in NEAR_MISSES for part in sympy.preorder_traversal(written)}
    assert all(row.left.func in kinds for row in RULES if row.left.func is not sympy.Gt)


@pytest.mark.parametrize(("written", "expected"), DISGUISES, ids=str)
def test_a_rule_matches_by_shape_whatever_the_names_and_the_order(
    written: sympy.Expr, expected: sympy.Expr
) -> None:
    assert rewrite(written, RULES) == expected


NEAR_MISSES = [
    1 / (a + exp(-t)), 1 / (2 - exp(t)), 1 / (a + exp(t) + exp(s)), exp(s) * sigmoid(-t),
    log(a + exp(t)), log(a + exp(t) + exp(s)), log(1 + a * exp(t)), log(2 - sigmoid(t)),
    log(t * exp(s)), Max(1, t), Max(t, s), Min(1, t), Min(t, s), sign(t) * Abs(s), sign(t) * s,
    Iverson(relu(t) > 1),
    exp(t) + exp(s), sigmoid(-t), t**2, log(2 + t), exp(t) - 2, exp(t) - a, 2 * sigmoid(t) + 1,
    tanh(t) + 2, 1 - tanh(t)**2, a - sigmoid(t), softplus(t) - s, softplus(t) + t,
    relu(t) + softplus(-Abs(s)), sigmoid(t) + sigmoid(s), sigmoid(t) - sigmoid(s),
    softplus(t) - softplus(s), softplus(t) + softplus(-t), expm1(t) * sigmoid(t),
    expm1(s) * sigmoid(-t), sinh(t) / cosh(s), cosh(t) / sinh(t), log(cosh(t) + 2), log(sinh(t)),
    exp(softplus(t)), exp(softplus(t) / 2), exp(t) * (exp(t) + a), exp(t) * (exp(-s) + a),
    exp(t) * (1 + a + b), exp(t) * sigmoid(logaddexp(t, s)), logaddexp(t, s) - a,
    logaddexp(t, s) + t, logaddexp(t, s) - 2 * t, sqrt(t**2 + 1), sqrt(t**2 + s), sqrt(t**2 - s**2),
    (t**2 + s**2) ** 2, 1 / sqrt(t**2 + s**2), t * log(s), t**2 * log(t), t * log(2 + s),
    (1 + s) * log1p(t), t**2, Iverson(t > 0) * t**2, 1 / Iverson(t > 0),
]


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
]


@pytest.mark.parametrize(("long", "short"), FORMS, ids=str)
def test_the_shortest_form_is_found_and_never_longer(long: sympy.Expr, short: sympy.Expr) -> None:
    found = shortest(long)
    assert weight(found) <= min(weight(long), weight(short))
    assert sympy.expand(sympy.cancel(found - long)) == 0


def test_common_factors_are_taken_out_of_sums_within_products() -> None:
    assert factored(t * (a * b + a * c)) == a * t * (b + c)
    assert factored(Add(a * b, a * c, a)) == a * (b + c + 1)


n, i, k = sb.indices("n i k", sb.size("N"), 3, 4)
y = sb.data("y", n, k, facts=[sb.one_hot(k)])
u = sb.data("u", n, k)
x = sb.data("x", n, i)
label = sb.data("label", n, facts=[sb.label(4)])
wide = sb.data("wide", n, facts=[sb.label(9)])

#: name of the row -> (a sum on which it fires, one on which it must not)
SUMS = {
    "constant summand": (Sum(x[n, i], k), Sum(x[n, i] * u[n, k], k)),
    "bracket contracted": (Sum(Iverson(sympy.Eq(k, label[n])) * u[n, k] * x[n, i], k),
                           Sum(Iverson(sympy.Eq(k, wide[n])) * x[n, i], k)),
    "sum split": (Sum((2 + x[n, i]) * y[n, k] - x[n, i] * Iverson(sympy.Eq(k, label[n])), k),
                  Sum(x[n, i] * y[n, k] + u[n, k], k)),
    "fact": (Sum(2 * x[n, i] * y[n, k], k), Sum(2 * x[n, i] * y[n, k] * u[n, k], k)),
}


def test_every_row_about_sums_has_an_example() -> None:
    assert set(SUMS) == {row.name for row in INDICES}


@pytest.mark.parametrize("name", SUMS)
def test_a_row_about_sums_fires_keeps_the_value_and_leaves_a_near_miss_alone(name: str) -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 5)
    values = {"x": random.normal(size=(5, 3)), "u": random.normal(size=(5, 4)),
              "y": np.eye(4)[labels], "label": labels,
              "wide": 2 * labels}
    for place, total in enumerate(SUMS[name]):
        target = sb.define("target", (n, i), x[n, i] + total)
        declared = program(target)
        simple = simplify(normalise(declared))
        fired = not any(definition.over for definition in simple)
        assert fired == (place == 0)
        before, after = (
            evaluate(p, {t.name: values[t.name] for t in p.inputs})[target]
            for p in (declared, simple)
        )
        np.testing.assert_allclose(after, before, rtol=1e-12)


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
