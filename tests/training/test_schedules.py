"""Schedules: their values, their letters in a rule, and what is refused."""

from typing import Any

import numpy as np
import pytest
from sympy import Float, Min, cos, pi, symbols

import symbackprop as sb
from symbackprop.errors import TrainingError

o, s = sb.optimizers, sb.schedules
a, b = symbols("a b")


@pytest.mark.parametrize(("schedule", "expected"), [
    (s.constant(0.1), [0.1, 0.1, 0.1, 0.1, 0.1]),
    (s.step(0.1, 0.5, steps=2), [0.1, 0.1, 0.05, 0.05, 0.025]),
    (s.exponential(0.1, 0.5), [0.1, 0.05, 0.025, 0.0125, 0.00625]),
    (s.exponential(0.1, 0.25, steps=2), [0.1, 0.05, 0.025, 0.0125, 0.00625]),
    (s.cosine(0.1, steps=2, least=0.02), [0.1, 0.06, 0.02, 0.02, 0.02]),
    (s.inverse(0.1, steps=2), [0.1, 0.1 / 1.5, 0.05, 0.04, 0.1 / 3]),
    (s.warmup(0.1, steps=4), [0.025, 0.05, 0.075, 0.1, 0.1]),
    (s.warmup(s.step(0.1, 0.5, steps=1), steps=2), [0.05, 0.1, 0.1, 0.05, 0.025]),
    (s.warmup(s.warmup(0.1, steps=1), steps=2), [0.05, 0.1, 0.1, 0.1, 0.1]),
    (s.custom(a / (b + s.t), a=0.1, b=1), [0.1, 0.05, 0.1 / 3, 0.025, 0.02]),
], ids=lambda given: None if isinstance(given, list) else given.formula())
def test_the_value_after_each_step(schedule: Any, expected: list[float]) -> None:
    np.testing.assert_allclose([schedule(t) for t in range(5)], expected, rtol=1e-14)


@pytest.mark.parametrize("given", [np.arange(3), [0, 1], "3", None, float("nan"), 1j])
def test_a_schedule_is_asked_for_one_number_of_steps(given: Any) -> None:
    with pytest.raises(TrainingError, match=r"steps must be one finite number, .*for t in range"):
        s.constant(0.1)(given)
    with pytest.raises(TrainingError, match="epochs must be one finite number"):
        s.constant(0.1)(np.int64(2), given)


def test_a_schedule_is_shown_as_its_formula() -> None:
    schedule = s.inverse(0.1, steps=50)
    assert str(schedule) == schedule.formula()
    assert repr(o.SGD(schedule)) == (
        "SGD(rate=Schedule(start/(1 + t/length) where length = 50, start = 0.1))")


def test_an_epoch_counts_where_the_length_is_in_epochs() -> None:
    schedule = s.warmup(s.cosine(0.1, epochs=2), steps=4)
    assert schedule(9, epochs=1) == pytest.approx(0.05)
    assert schedule(1, epochs=1) == pytest.approx(0.025)


def test_other_numbers_are_the_same_rule() -> None:
    one, other = s.cosine(0.1, steps=10), s.cosine(0.3, steps=99, least=0.1)
    assert o.SGD(one).rule == o.SGD(other).rule != o.SGD(s.cosine(0.1, epochs=10)).rule
    assert o.SGD(0.1 / (1 + s.t)).rule == o.SGD(0.2 / (1 + s.t)).rule
    assert o.SGD(0.1 / (1 + s.t)).values == {"rate_number": 0.1, "momentum": 0, "weight_decay": 0}


def test_decimals_of_an_expression_are_run_time_numbers_and_whole_ones_are_not() -> None:
    rule = o.SGD(Float("0.1") * (Float("1.5") + cos(pi * s.t / 3))**2).rule
    assert [n.name for n in rule.numbers] == ["rate_number", "rate_number2"]


def test_each_field_has_letters_of_its_own() -> None:
    rule = o.SGD(s.inverse(0.1, steps=9), momentum=s.inverse(0.9, steps=5)).rule
    assert [n.name for n in rule.numbers] == [
        "momentum_length", "momentum_start", "rate_length", "rate_start"]
    assert str(rule).splitlines() == [
        "η ← η_start/(1 + t/η_length)", "μ ← μ_start/(1 + t/μ_length)", "v ← μ·v + g",
        "w ← w − η·v", "t ← 1 + t"]


def test_a_clip_of_epochs_counts_before_all_else() -> None:
    inner = o.Adam(s.step(0.1, epochs=2))
    rule = o.clip_value(inner, s.step(1.0, epochs=3)).rule
    assert [str(target) for target, _ in rule.assignments][:3] == ["epoch", "limit", "g"]
    assert [target.name for target in rule.states] == ["t", "m", "v"]


def test_a_schedule_may_begin_at_0_come_to_0_and_grow_beyond_all_bounds() -> None:
    for rate in (s.cosine(0.1, steps=10), 0.1*Min(1, s.t/10), s.step(0.1, 0.01, steps=1),
                 s.exponential(1e-6, 10), s.warmup(s.cosine(0.1, epochs=2), steps=4)):
        assert o.SGD(rate).rule.numbers


def test_a_letter_is_known_by_its_name() -> None:
    assert s.custom(
        a / (1 + symbols("t", positive=True)), a=1)(1) == 0.5


@pytest.mark.parametrize(("make", "message"), [
    (lambda: s.cosine(0.1), "schedules.cosine: give the length as steps=… or as epochs=…"),
    (lambda: s.cosine(0.1, 5, 5), "schedules.cosine: give the length as steps=… or as epochs=…"),
    (lambda: s.cosine(0.1, steps=0), "schedules.cosine: steps must be a number above 0, found 0"),
    (lambda: s.step("0.1", steps=1), "schedules.step: value must be a finite number, found '0.1'"),
    (lambda: s.step(0.1, 0, steps=1), "schedules.step: factor must be a number above 0, found 0"),
    (lambda: s.step(0.1, epochs=float("nan")), "schedules.step: epochs must be a finite number"),
    (lambda: s.warmup(0.1), "schedules.warmup: give the length"),
    (lambda: s.warmup("fast", steps=3), "warmup: schedule must be a number, a schedule such as"),
    (lambda: s.inverse(True, steps=3), "schedules.inverse: value must be a finite number"),
    (lambda: s.custom(0.1), "schedules.custom: expected a SymPy expression of sb.schedules.t"),
    (lambda: s.custom(a / s.t), "schedules.custom: the letter a of a/t has no value"),
    (lambda: s.custom(1 / s.t, a=1), "schedules.custom: the expression 1/t does not read the "
                                     "number a"),
    (lambda: s.custom(a / s.t, a=None), "schedules.custom: a must be a finite number, found None"),
    (lambda: o.SGD(a / s.t), "schedules.custom: the letter a of a/t has no value"),
    (lambda: o.SGD(s.cosine), "SGD: rate must be a number above 0"),
    (lambda: o.SGD(s.constant(-1)), "SGD: rate must be a number above 0, found -1.0 at t = 0 of "),
    (lambda: o.SGD(s.constant(0)), "SGD: rate must be a number above 0, found 0.0"),
    (lambda: o.SGD(1 / s.t), "SGD: rate must be a number above 0, found nan at t = 0 of "),
    (lambda: o.SGD(0.1 * (1 - s.t / 9)), "SGD: rate must be a number above 0, found -0.0111"),
    (lambda: o.SGD(0.1 - s.epoch), "SGD: rate must be a number above 0, found -0.9 at epoch = 1"),
    (lambda: o.SGD(0.1, momentum=s.constant(-3)),
     "SGD: momentum must be a number from 0 up to, but not including, 1, found -3.0 at t = 0"),
    (lambda: o.Adam(0.1, beta1=s.exponential(0.9, 1.01)), "Adam: beta1 must be a number from 0"),
    (lambda: o.AdamW(0.1, weight_decay=s.constant(-1)), "AdamW: weight_decay must be a number of"),
    (lambda: o.clip_norm(o.SGD(1), s.constant(-1)), "clip_norm: limit must be a number above 0"),
    (lambda: o.SGD([0.1]), "SGD: rate must be a number above 0, found [0.1]"),
])
def test_what_is_no_schedule_is_refused(make: Any, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        make()
    assert str(caught.value).startswith(message)
