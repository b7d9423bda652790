"""Proximal operators come out of formulas: each is a minimum, whatever the formula is."""

import math
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Abs, Integer, Max, Min, Piecewise, Rational, Sum, Symbol, log, sqrt

import symbackprop as sb
from tests.support.minimisers import is_minimum, least_number

P, C = sb.penalties, sb.constraints
V = np.array([-7.3, -2.0, -0.4, -1e-9, 0.0, 1e-9, 0.3, 1.0, 1.7, 9.0])
x = Symbol("x", real=True)


def huber(w: Any, delta: float) -> Any:
    return np.where(abs(w) <= delta, w**2 / 2, delta * (abs(w) - delta / 2))


WALLS = {"box": (-0.5, 1.5), "box above": (-50, 1.5), "nonnegative": (0, 50),
         "l1 and box": (-1, 0.5), "barrier": (1e-12, 50)}
ELEMENTWISE: dict[str, tuple[Any, Any]] = {
    "l1": (lambda: P.l1(0.7), lambda w: 0.7 * abs(w)),
    "l2": (lambda: P.l2(0.7), lambda w: 0.7 * w**2),
    "elastic net": (lambda: P.elastic_net(0.7, 0.2), lambda w: 0.7 * abs(w) + 0.2 * w**2),
    "huber": (lambda: P.huber(0.7, 0.6), lambda w: float(0.7 * huber(w, 0.6))),
    "box": (lambda: C.box(-0.5, 1.5), lambda w: 0),
    "box above": (lambda: C.box(None, 1.5), lambda w: 0),
    "nonnegative": (lambda: C.nonnegative(), lambda w: 0),
    "l1 and box": (lambda: [P.l1(0.7), C.box(-1, 0.5)],
                   lambda w: 0.7 * abs(w)),
    "pinball": (lambda: P.elementwise(1, lambda w: Max(0.3 * w, -0.7 * w)),
                lambda w: max(0.3 * w, -0.7 * w)),
    "cube": (lambda: P.elementwise(0.7, lambda w: Abs(w)**3), lambda w: 0.7 * abs(w)**3),
    "power 3/2": (lambda: P.elementwise(0.7, lambda w: Abs(w)**Rational(3, 2)),
                  lambda w: 0.7 * abs(w)**1.5),
    "dead zone": (lambda: P.elementwise(0.7, lambda w: sb.relu(abs(w) - 1)**2),
                  lambda w: 0.7 * max(abs(w) - 1, 0)**2),
    "barrier": (lambda: P.elementwise(0.7, lambda w: -log(w)),
                lambda w: -0.7 * np.log(w)),
    "nested": (lambda: P.elementwise(0.7, lambda w: Max(Abs(w + 1), 2 * Abs(w - 1), 3)),
               lambda w: 0.7 * max(abs(w + 1), 2 * abs(w - 1), 3)),
    "leaky": (lambda: P.elementwise(0.7, lambda w: sb.leaky_relu(w, Rational(1, 5))),
              lambda w: 0.7 * max(w, w / 5)),
    "minus a minimum": (lambda: P.elementwise(0.7, lambda w: -Min(w, 2 * w)),
                        lambda w: -0.7 * min(w, 2 * w)),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_operator_of_a_function_of_one_number_is_its_minimum(name: str) -> None:
    make, function = ELEMENTWISE[name]
    operator = sb.proximal(make())
    low, high = WALLS.get(name, (-50, 50))
    for step in (0.1, 1.0, 4.0):
        found = operator(V, step)
        wanted = [least_number(function, v, step, low, high) for v in V]
        assert found == pytest.approx(wanted, abs=2e-6)
        for w, v in zip(found, V, strict=True):
            others = w + 10.0**np.arange(-6, 2) * np.array([[-1.0], [1.0]])
            for other in np.clip(others, low, high).ravel():
                least = 0.5 * (w - v)**2 + step * function(w)
                total = 0.5 * (other - v)**2 + step * function(other)
                assert total >= least + 0.5 * (other - w)**2 - 1e-11 * (1 + abs(total))


@st.composite
def piecewise_quadratics(draw: Any) -> tuple[list[Rational], list[Rational], Rational, Rational]:
    """Breakpoints, jumps of the slope there and of the curvature, a first slope and curvature."""
    parts = st.fractions(-4, 4, max_denominator=8).map(lambda f: Rational(f.numerator,
                                                                          f.denominator))
    places = sorted(draw(st.sets(parts, min_size=1, max_size=4)))
    curves = [abs(draw(parts)) for _ in range(len(places) + 1)]
    slopes = [abs(draw(parts)) for _ in places]
    return places, slopes, draw(parts), curves


def convex_function(places: list[Any], jumps: list[Any], slope: Any, curves: list[Any]) -> Any:
    """A convex function that is quadratic between the places, as nested cases."""
    value, pieces = sympy.Integer(0), []
    for k, curve in enumerate(curves):
        start = places[0] if k == 0 else places[k - 1]
        rise = value + slope * (x - start) + curve * (x - start)**2
        pieces.append(rise)
        if k == 0:
            slope, value = slope + jumps[0], value
        elif k < len(places):
            end = places[k]
            value = rise.subs(x, end)
            slope = slope + 2 * curve * (end - start) + jumps[k]
    conditions = [x <= place for place in places]
    return Piecewise(*zip(pieces, [*conditions, True], strict=True))


@settings(max_examples=40, deadline=None)
@given(piecewise_quadratics(), st.floats(0.05, 3), st.floats(-8, 8))
def test_the_operator_of_any_convex_piecewise_quadratic_is_its_minimum(
        given_: Any, step: float, v: float) -> None:
    places, jumps, slope, curves = given_
    function = convex_function(places, jumps, slope, curves)
    assume(function.has(x))
    operator = sb.proximal(function, x)

    def value(w: Any) -> float:
        return float(function.subs(x, Rational(float(w))))

    w = operator(v, step)
    near = w + np.array([-1, -1e-2, -1e-5, 1e-5, 1e-2, 1])
    least = 0.5 * (w - v)**2 + step * value(w)
    for other in (*near, *map(float, places), v):
        total = 0.5 * (other - v)**2 + step * value(other)
        assert total >= least + 0.5 * (other - w)**2 - 1e-11 * (1 + abs(total))


def norms(w: Any, axis: int) -> Any:
    return np.sqrt((w**2).sum(axis))


def most(w: Any, bound: float, axis: int) -> bool:
    return bool((norms(w, axis) <= bound * (1 + 1e-12)).all())


W = sb.parameter("W", 4, 3)
c = sb.data("c", 4, facts=[sb.positive])
i, j = W.letters
mu, ROW = sb.hyper("mu", 0.4), np.arange(4)[:, np.newaxis]
BLOCKS: dict[str, tuple[Any, Any, Any]] = {
    "group lasso": (lambda: P.group_lasso(0.7, W), lambda w: 0.7 * norms(w, 1).sum(), None),
    "group lasso by columns": (lambda: P.group_lasso(0.7, W, axis=0),
                               lambda w: 0.7 * norms(w, 0).sum(), None),
    "one group": (lambda: P.group_lasso(0.7, W, axis=(0, 1)),
                  lambda w: 0.7 * norms(w, None), None),
    "sparse group lasso": (lambda: P.sparse_group_lasso(0.3, 0.7, W),
                           lambda w: 0.3 * abs(w).sum() + 0.7 * norms(w, 1).sum(), None),
    "sparse group lasso and l2": (
        lambda: P.sparse_group_lasso(0.3, 0.7, W) + P.l2(0.4, W),
        lambda w: 0.3 * abs(w).sum() + 0.7 * norms(w, 1).sum() + 0.4 * (w**2).sum(), None),
    "groups within a group": (
        lambda: P.l1(0.2, W) + P.group_lasso(0.3, W) + P.group_lasso(0.4, W, axis=(0, 1)),
        lambda w: 0.2 * abs(w).sum() + 0.3 * norms(w, 1).sum() + 0.4 * norms(w, None), None),
    "square of a group's norm": (
        lambda: 0.6 * Sum(sb.relu(sqrt(Sum(W[i, j]**2, j)) - 1)**2, i),
        lambda w: 0.6 * (np.maximum(norms(w, 1) - 1, 0)**2).sum(), None),
    "nonnegative groups": (lambda: [P.group_lasso(0.7, W), C.nonnegative(W)],
                           lambda w: 0.7 * norms(w, 1).sum(), lambda w: bool((w >= 0).all())),
    "max norm": (lambda: C.max_norm(1.1, W), lambda w: 0.0, lambda w: most(w, 1.1, 0)),
    "norm": (lambda: C.norm(2.5, W), lambda w: 0.0, lambda w: (w**2).sum() <= 2.5 + 1e-12),
    "l1 and max norm": (lambda: [P.l1(0.3, W), C.max_norm(1.1, W, axis=1)],
                        lambda w: 0.3 * abs(w).sum(), lambda w: most(w, 1.1, 1)),
    "part of the entries": (lambda: 0.6 * Sum(Abs(W[i, j]), (i, 1, 3), (j, 0, 1)),
                            lambda w: 0.6 * abs(w[1:, :2]).sum(), None),
    "norms of a part": (lambda: 0.6 * Sum(sqrt(Sum(W[i, j]**2, (i, 0, 2))), j),
                        lambda w: 0.6 * norms(w[:3], 0).sum(), None),
    "parts that are apart": (
        lambda: 0.6 * Sum(Abs(W[i, j]), (i, 0, 1), j) + Abs(W[3, 1] - 1) / 3
        + 0.5 * Sum(sb.relu(W[i, j] - 1)**2, (i, 2, 2), j),
        lambda w: (0.6 * abs(w[:2]).sum() + abs(w[3, 1] - 1) / 3
                   + 0.5 * (np.maximum(w[2] - 1, 0)**2).sum()), None),
    "parts within groups": (
        lambda: 0.3 * Sum(Abs(W[i, j]), (i, 0, 1), j) + 0.7 * Sum(Abs(W[i, j]), (i, 2, 3), j)
        + P.group_lasso(0.5, W, axis=0),
        lambda w: 0.3 * abs(w[:2]).sum() + 0.7 * abs(w[2:]).sum() + 0.5 * norms(w, 0).sum(), None),
    "a shifted index": (lambda: 0.6 * Sum(Abs(W[i + 1, j]), (i, 0, 2), j),
                        lambda w: 0.6 * abs(w[1:]).sum(), None),
    "rows of other strengths": (lambda: Sum((1 + i) * Abs(W[i, j]), i, j) / 5,
                                lambda w: (np.arange(1, 5) / 5 @ abs(w)).sum(), None),
    "rows of no strength": (lambda: sb.hyper("mu", 0.3) * Sum(i * Abs(W[i, j]), i, j),
                            lambda w: 0.3 * (np.arange(4) @ abs(w)).sum(), None),
    "norms around one": (
        lambda: 0.6 * Sum(sqrt(Sum((W[i, j] - 1)**2, j)), i),
        lambda w: 0.6 * norms(w - 1, 1).sum(), None),
    "a norm around other numbers, and a strength within": (
        lambda: 0.6 * sqrt(Sum(2 * (W[i, j] - (1 - i) / 2)**2, i, j)),
        lambda w: 0.6 * math.sqrt(2) * norms(w - (1 - ROW) / 2, None), None),
    "a square that is multiplied out": (
        lambda: 0.6 * Sum(sqrt(Sum(W[i, j]**2 - i * W[i, j] + i**2 / Integer(4), j)), i),
        lambda w: 0.6 * norms(w - ROW / 2, 1).sum(), None),
    "norms and entries around a hyper": (
        lambda: (0.6 * Sum(sqrt(Sum((W[i, j] - mu)**2, j)), i) + 0.2 * Sum(Abs(W[i, j] - mu), i, j)
                 + 0.3 * sqrt(Sum((W[i, j] - mu)**2, i, j))),
        lambda w: (0.6 * norms(w - 0.4, 1).sum() + 0.2 * abs(w - 0.4).sum()
                   + 0.3 * norms(w - 0.4, None)), None),
    "norms around a hyper and squares around 0": (
        lambda: 0.6 * Sum(sqrt(Sum((W[i, j] - mu)**2, j)), i) + 0.3 * Sum(W[i, j]**2, i, j),
        lambda w: 0.6 * norms(w - 0.4, 1).sum() + 0.3 * (w**2).sum(), None),
    "parts around other numbers": (
        lambda: (0.6 * sqrt(Sum((W[i, j] - 1)**2, (i, 0, 1), j))
                 + 0.5 * sqrt(Sum((W[i, j] + 1)**2, (i, 2, 3), j))),
        lambda w: 0.6 * norms(w[:2] - 1, None) + 0.5 * norms(w[2:] + 1, None), None),
    "a ball around one": (
        lambda: C.Custom(sqrt(Sum((W[i, j] - 1)**2, i)) <= 0.7), lambda w: 0.0,
        lambda w: most(w - 1, 0.7, 0)),
    "by array notation": (lambda: 0.4 * sb.sqrt((W**2).sum(axis=0)).sum() + abs(W).sum() / 5,
                          lambda w: 0.4 * norms(w, 0).sum() + abs(w).sum() / 5, None),
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("step", [0.2, 1.0])
def test_the_operator_of_blocks_is_the_minimum_over_the_whole_tensor(name: str, step: float,
                                                                     ) -> None:
    make, function, allowed = BLOCKS[name]
    random = np.random.default_rng(len(name))
    operator = sb.proximal(make())
    for scale in (0.3, 1.0, 5.0):
        v = scale * random.normal(size=(4, 3))
        found = operator(v, step)
        assert allowed is None or allowed(found)
        assert is_minimum(lambda w: float(function(w)), found, v, step, random,
                          allowed or (lambda w: True))


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.sampled_from([0, 0.2, 0.5, 1.3])] * 6), st.sampled_from([0, 1]),
       st.booleans(), st.integers(0, 10**6))
def test_levels_of_any_strength_compose(strengths: Any, axis: int, signed: bool, seed: int
                                        ) -> None:
    """Slopes on either side of 0, squares, norms of groups and of all, and perhaps a sign."""
    up, down, square, group, group_square, whole = strengths
    assume(any(strengths) or signed)
    along, other = (i, j) if axis == 0 else (j, i)
    size = sqrt(Sum(W[i, j]**2, along))
    penalty = (Sum(up * sb.relu(W[i, j]) + down * sb.relu(-W[i, j]) + square * W[i, j]**2, i, j)
               + Sum(group * size + group_square * size**2, other)
               + whole * sqrt(Sum(W[i, j]**2, i, j)))
    operator = sb.proximal([penalty, C.nonnegative(W)] if signed else penalty)

    def value(w: Any) -> float:
        return float((up * np.maximum(w, 0) + down * np.maximum(-w, 0)).sum()
                     + (square + group_square) * (w**2).sum() + group * norms(w, axis).sum()
                     + whole * norms(w, None))

    random = np.random.default_rng(seed)
    v = random.normal(size=(4, 3)) * random.choice([0.3, 1, 3])
    found = operator(v, 0.7)
    assert not signed or (found >= 0).all()
    assert is_minimum(value, found, v, 0.7, random,
                      (lambda w: bool((w >= 0).all())) if signed else (lambda w: True))


def test_one_norm_may_be_over_several_tensors() -> None:
    w, b, mu = sb.parameter("w", 3), sb.parameter("b"), sb.hyper("mu", 0.8)
    (k,) = w.letters
    operator = sb.proximal(P.l1(0.3, w) + mu * sqrt(Sum(w[k]**2, k) + b**2))
    before = {operator.tensors[0]: sb.data("p", k), operator.tensors[1]: sb.data("q").tensor}
    after = operator.definitions(before, dict.fromkeys(before, sympy.Rational(1, 2)))
    whole = sb.program([after[t] for t in operator.tensors])
    for seed in range(5):
        v = np.random.default_rng(seed).normal(size=4)
        found = sb.evaluate(whole, {"p": v[:3], "q": v[3], "lam": 0.3, "mu": 0.8})
        point = np.append(found[whole.outputs[0]], found[whole.outputs[1]])
        assert is_minimum(lambda w: 0.3 * abs(w[:3]).sum() + 0.8 * float(norms(w, 0)), point, v,
                          0.5, np.random.default_rng(seed))


def test_zeros_are_exact_and_a_block_of_zeros_stays_zero() -> None:
    operator = sb.proximal(P.sparse_group_lasso(0.3, 0.7, W))
    found = operator(0.5 * np.ones((4, 3)))
    assert (found == 0).all()
    assert (operator(np.zeros((4, 3))) == 0).all()


def test_hypers_are_given_at_run_time_and_cases_are_sorted_again_where_they_must() -> None:
    box = sb.proximal(C.box(-1, 1))
    assert box(V, lo=2, hi=3).tolist() == np.clip(V, 2, 3).tolist()
    assert box(V, lo=-3.5, hi=-3).tolist() == np.clip(V, -3.5, -3).tolist()
    both = sb.proximal([P.l1(0.5), C.box(-1, 1)])
    assert both(V, lo=2, hi=3).tolist() == np.clip(V - 0.5, 2, 3).tolist()
    assert both(V, lo=0, hi=3).tolist() == np.clip(V - 0.5, 0, 3).tolist()
    assert both(V, lam=0).tolist() == np.clip(V, -1, 1).tolist()


def test_a_strength_of_zero_does_nothing() -> None:
    for penalty in (P.l1(0), P.l2(0), P.huber(0, 1), P.elementwise(0, lambda w: Abs(w)**3)):
        assert sb.proximal(penalty)(V) == pytest.approx(V, abs=1e-15)
    zeros = np.zeros((4, 3))
    assert (sb.proximal(P.group_lasso(0, W))(zeros) == 0).all()


def test_no_penalty_is_known_by_its_name() -> None:
    mine = P.elementwise(0.1, lambda w: Max(w, -w))
    assert sb.proximal(mine).text() == sb.proximal(P.l1(0.1)).text()
    disguised = 0.1 * Sum(Piecewise((W[i, j], W[i, j] > 0), (-W[i, j], True)), i, j)
    v = np.random.default_rng(0).normal(size=(4, 3))
    assert (sb.proximal(disguised)(v) == sb.proximal(P.l1(0.1, W))(v)).all()
