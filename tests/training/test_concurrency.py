"""Fits that are interrupted, run beside each other, or go on in a forked process."""

import copy
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.codegen import limits, store

ROWS, WIDTH = 96, 256
WHOLE: dict[str, Any] = {"batch_size": None, "shuffle": False, "threads": 2,
                         "optimizer": sb.optimizers.SGD(2.0**-10)}
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def network(seed: int) -> tuple[sb.Model, dict[str, np.ndarray]]:
    """Large enough for threads; the parameter `steps` grows by the rate at each step."""
    x, y = sb.data("x", sb.size("N"), 64), sb.data("y", sb.size("N"), 4)
    h = sb.layers.dense(x, WIDTH, "tanh")
    out = sb.layers.dense(sb.layers.dense(h, WIDTH, "tanh"), 4)
    steps = sb.parameter("steps")
    model = sb.Model(inputs=x, targets=y, output=out,
                     loss=sb.losses.squared_error(out, y) - steps, seed=seed)
    draws = np.random.default_rng(seed)
    return model, {"X": draws.normal(size=(ROWS, 64)), "Y": draws.normal(size=(ROWS, 4))}


def fitted(seed: int, epochs: int = 3) -> dict[str, np.ndarray]:
    """The parameters after some epochs of one step each."""
    model, data = network(seed)
    model.fit(**data, epochs=epochs, **WHOLE)
    assert model.kernels["fit"].kernel.regions, "this net is to be shared by threads"
    return {name: np.array(value) for name, value in model.parameters.items()}


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def interrupted() -> int:
    """The steps of a fit that Ctrl-C ends; the parameters must be those of so many steps."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the parent ignores it
    model, data = network(0)
    model.fit(**data, epochs=1, **WHOLE)  # compiled
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(**data, epochs=10**5, **WHOLE)
    timer.join()
    steps = float(model.parameters["steps"])*2**10
    assert steps == int(steps) > 1
    assert_same(model.parameters, fitted(0, int(steps)))
    assert model.fit(**data, epochs=1)["loss"]  # and it goes on
    return int(steps)


def in_a_process(call: str) -> str:
    """What a call of this module prints as a program of its own, which must end well."""
    script = f"from tests.training.test_concurrency import *; print({call})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          timeout=300, check=False, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_after_an_interruption_the_parameters_are_those_of_the_last_finished_step() -> None:
    assert 1 < int(in_a_process("interrupted()")) < 10**5


def test_a_program_ends_while_kernels_have_threads() -> None:
    assert in_a_process("len(fitted(0))") == "7"


def test_fits_on_several_threads_of_python_do_not_disturb_each_other() -> None:
    expected = {seed: fitted(seed) for seed in range(4)}
    found: dict[int, dict[str, np.ndarray]] = {}
    before = [lib.num_threads for lib in limits._scipy_blas().lib_controllers]
    workers = [threading.Thread(target=lambda seed=seed: found.__setitem__(seed, fitted(seed)))
               for seed in expected]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for seed, parameters in expected.items():
        assert_same(found[seed], parameters)
    assert [lib.num_threads for lib in limits._scipy_blas().lib_controllers] == before


def in_child(model: sb.Model, data: dict[str, np.ndarray], answers: Any) -> None:
    model.fit(**data, epochs=2, **WHOLE)
    answers.put({name: np.array(value) for name, value in model.parameters.items()})


def forked(model: sb.Model, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters after two more epochs in a child of this process."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=in_child, args=(model, data, answers))
    child.start()
    found: dict[str, np.ndarray] = answers.get(timeout=120)
    child.join(timeout=120)
    assert child.exitcode == 0
    return found


@needs_fork
def test_a_forked_process_trains_on_threads_of_its_own() -> None:
    model, data = network(5)
    model.fit(**data, epochs=1, **WHOLE)
    assert_same(forked(model, data), fitted(5))


@needs_fork
def test_a_process_forked_in_the_middle_of_a_fit_trains_too() -> None:
    """The child has the locks that the other thread held, and not that thread."""
    busy, data = network(6)
    busy.fit(**data, epochs=1, **WHOLE)
    model, _ = network(7)
    model.fit(**data, epochs=1, **WHOLE)
    ended = threading.Event()

    worker = threading.Thread(target=lambda: busy.fit(
        **data, epochs=10**7, callbacks=[lambda epoch: ended.is_set()], **WHOLE))
    worker.start()
    try:
        time.sleep(0.2)
        for other in (model, busy):
            assert forked(other, data)
    finally:
        ended.set()
        worker.join()


def test_a_model_is_trained_by_one_thread_at_a_time() -> None:
    """And a copy beside it; the fit that was there first is not disturbed."""
    model, data = network(9)
    begun, ended = threading.Event(), threading.Event()

    def wait(epoch: sb.callbacks.Epoch) -> None:
        if epoch.number == 2:
            begun.set()
            ended.wait(60)

    worker = threading.Thread(target=lambda: model.fit(**data, epochs=3, callbacks=[wait], **WHOLE))
    worker.start()
    try:
        assert begun.wait(120)
        with pytest.raises(sb.TrainingError, match=r"another thread is training.*copy\.deepcopy"):
            model.fit(**data, epochs=1, **WHOLE)
        assert len(copy.deepcopy(model).fit(**data, epochs=1, **WHOLE)["loss"]) == 1
    finally:
        ended.set()
        worker.join()
    assert len(model.history["loss"]) == 3
    assert_same(model.parameters, fitted(9))
    assert model.fit(**data, epochs=1, **WHOLE)["loss"]


def test_a_callback_may_train_the_model_that_it_sees() -> None:
    model, data = network(10)
    model.fit(**data, epochs=2, callbacks=[lambda epoch: bool(model.fit(
        **data, epochs=1, **WHOLE)) and None], **WHOLE)
    assert_same(model.parameters, fitted(10, 4))


def is_held(lock: Any) -> bool:
    """Whether another thread has it."""
    if lock.acquire(blocking=False):
        lock.release()
        return False
    return True


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("stage", ["derived", "compiled"])
def test_a_process_forked_while_a_model_is_derived_or_compiled_trains_too(
    stage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The child has the locks of the thread that is at it, and Numba's and LLVM's too."""
    monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", str(tmp_path))
    x, y = sb.data("x", sb.size("N"), 6), sb.data("y", sb.size("N"), 2)
    out = sb.layers.dense(sb.layers.dense(sb.layers.dense(x, 7, "tanh"), 9, "gelu"), 2)
    model = sb.Model(inputs=x, targets=y, output=out, loss=sb.losses.squared_error(out, y))
    draws = np.random.default_rng(1)
    data = {"X": draws.normal(size=(40, 6)), "Y": draws.normal(size=(40, 2))}
    worker = threading.Thread(target=lambda: model.fit(**data, epochs=1))
    lock = model._core.kernels._guard.lock if stage == "derived" else store._lock
    worker.start()
    while worker.is_alive() and not is_held(lock):
        time.sleep(0.001)
    found = forked(copy.deepcopy(model), data)
    worker.join()
    assert set(found) == set(model.parameters)
