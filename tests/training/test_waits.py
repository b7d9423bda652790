"""The waits of threads in training steps of drawn networks: enough of them, and none too many."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from symbackprop.codegen import compile_training
from symbackprop.codegen.driver import shared_kernel_of
from symbackprop.codegen.ir import Kernel
from symbackprop.codegen.schedule.storage import with_defined_updates
from symbackprop.notation import Program
from symbackprop.training.trainers import Trainers
from symbackprop.training.tuning import tuning
from tests.support.random_layers import Draw, data_loss, weights_of
from tests.support.random_training import Training, begun, numbers, regime
from tests.support.replay import Replay
from tests.support.tiles import short_tiles

SEEDS = (13, 41, 55, 57)  # windows by columns; a map that is written over another's target


@pytest.fixture
def tiny() -> Iterator[None]:
    with short_tiles(4):
        yield


def drawn(seed: int) -> tuple[Training, Program]:
    """A network of up to four layers, and the step of a drawn optimizer."""
    draw = Draw(np.random.default_rng(seed))
    loss = data_loss(draw, 4)
    made = begun(draw, "", loss, regime(draw, weights_of(loss)), True)
    chosen = tuning(made.model._network, made.regime.optimizer, (), None)
    step = Trainers(made.model._network, "float64").step(
        chosen.rule, made.model.derivation(), chosen.trained, made.model.hypers.numbers())
    return made, with_defined_updates(replace(step.program, outputs=(step.loss,)))


def in_regions(made: Training, program: Program) -> Kernel:
    network = made.model._network
    gathered = tuple(t for t in program.inputs if network.has_batch(t))
    return shared_kernel_of(program, network.batch, gathered)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_threads_meet_and_every_wait_is_needed(seed: int) -> None:
    kernel = in_regions(*drawn(seed))
    for rows, threads, last in [(23, 2, 23), (23, 3, 9), (40, 4, 3), (9, 8, 9)]:
        assert not Replay(kernel, {kernel.batch: rows}, 4, threads, last).conflicts()
    fewer = [replace(kernel, regions=(*kernel.regions[:place], replace(region, waits=False),
                                      *kernel.regions[place + 1:]))
             for place, region in enumerate(kernel.regions) if region.waits]
    fewer += [replace(kernel, ends_waiting=False)] if kernel.ends_waiting else []
    assert fewer
    for less in fewer:
        assert any(Replay(less, {kernel.batch: 23}, 4, threads).conflicts()
                   for threads in (2, 3, 8))


@pytest.mark.usefixtures("tiny")
def test_a_step_in_tiles_on_threads_is_the_step_as_it_stands() -> None:
    made, _ = drawn(SEEDS[-1])
    network = made.model._network
    chosen = tuning(network, made.regime.optimizer, (), None)
    step = Trainers(network, "float64").step(chosen.rule, made.model.derivation(), chosen.trained,
                                             made.model.hypers.numbers())
    gathered = tuple(t for t in step.program.inputs if network.has_batch(t))
    order, found = np.arange(made.plan.rows), []
    for shared, threads in ((False, 1), (True, 1), (True, 3)):
        kernel = compile_training(step.program, gathered, network.batch, step.loss, "float64",
                                  shared)
        arrays = {t: np.array(a) for t, a in {
            **numbers(made), **made.data, **step.begun(made.plan, "float64")}.items()}
        hypers = {**made.model.hypers.numbers(), **chosen.numbers(step, made.plan)}
        kernel.run(order, 11, arrays, hypers, threads=threads)
        found.append([arrays[old] for old, _ in step.program.updates])
    for plain, tiled, on_threads in zip(*found, strict=True):
        np.testing.assert_allclose(tiled, plain, rtol=1e-8, atol=1e-10)
        np.testing.assert_array_equal(on_threads, tiled)
