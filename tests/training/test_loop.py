"""The loop without kernels: every step of every epoch runs once, in order, however it is cut."""

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from symbackprop.errors import TrainingError
from symbackprop.training import loop
from symbackprop.training.loop import Between, Pace, Plan, calls, train


def steps_of(plan: Plan, pace: Pace, together: bool) -> list[list[int]]:
    """The rows of each step, as a kernel would see them."""
    return [
        run[start:start + plan.batch_size].tolist()
        for call in calls(plan, pace, together) for run in call.order
        for start in range(0, len(run), plan.batch_size)
    ]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("seconds", [10.0, 0.021, 0.004, 1e-6])
@pytest.mark.parametrize(("rows", "batch_size"), [(10, 3), (10, 10), (1, 1), (7, 2), (12, 4)])
def test_every_epoch_visits_each_row_once_in_the_seeds_order(
        rows: int, batch_size: int, seconds: float, together: bool) -> None:
    plan = Plan(rows, batch_size, epochs=5, seed=1)
    generator = np.random.default_rng(1)
    orders = [generator.permutation(rows).tolist() for _ in range(5)]
    expected = [order[start:start + batch_size] for order in orders
                for start in range(0, rows, batch_size)]
    assert steps_of(plan, Pace(seconds), together) == expected


def test_short_epochs_share_a_call_and_long_ones_are_cut() -> None:
    fast, slow = Pace(loop.SECONDS / 40), Pace(loop.SECONDS / 2)
    plan = Plan(rows=100, batch_size=10, epochs=8)
    assert [call.order.shape for call in calls(plan, fast, True)] == [(4, 100), (4, 100)]
    assert [call.order.shape for call in calls(plan, slow, True)] == [(1, 20)] * 40
    assert [call.order.shape for call in calls(plan, fast, False)] == [(1, 100)] * 8


def test_the_mean_of_an_epoch_weighs_steps_by_their_rows() -> None:
    plan = Plan(rows=10, batch_size=4, epochs=1)
    assert plan.weights.tolist() == [0.4, 0.4, 0.2]
    values = itertools.count(1)

    def steps(order: Any, batch_size: int, losses: NDArray[np.float64]) -> None:
        losses[...] = [[next(values) for _ in range(losses.shape[1])] for _ in losses]

    between = Between({}, lambda saved: None)
    assert train(plan, steps, between, lambda done, values: None) == {
        "loss": [pytest.approx(0.4 * 1 + 0.4 * 2 + 0.2 * 3)]}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_reported_with_its_epoch(bad: float) -> None:
    plan = Plan(rows=4, batch_size=2, epochs=9)
    seen = itertools.count(1)

    def steps(order: Any, batch_size: int, losses: NDArray[np.float64]) -> None:
        for run in losses:
            run[...] = 1.0
            run[-1] = bad if next(seen) == 5 else 1.0

    between = Between({}, lambda saved: None)
    between.measures = dict  # something waits for each epoch: one call an epoch
    with pytest.raises(TrainingError, match=rf"the loss became {bad} in epoch \d"):
        train(plan, steps, between, lambda done, values: None)
    assert len(between.history["loss"]) < 9


def test_an_interruption_between_calls_passes_on() -> None:
    def steps(order: Any, batch_size: int, losses: NDArray[np.float64]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Plan(4, 2, 3), steps, Between({}, lambda saved: None), lambda done, values: None)
