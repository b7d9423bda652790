"""Threads that share a task: all of them or none, whatever is raised, and again the next time."""

import os
import threading
import time
from typing import Any

import numpy as np
import pytest

from symbackprop.codegen import guards, threads
from symbackprop.codegen.guards import Guard
from symbackprop.codegen.threads import Crew
from symbackprop.errors import CompilationError
from tests.support.interruptions import interruptions

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


class Work:
    """A task that knows how many threads are in it, and how often it was begun."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.inside = 0
        self.begun = 0
        self.lock = threading.Lock()

    def __call__(self, thread: int, count: int, meeting: np.ndarray) -> tuple[int, int]:
        with self.lock:
            self.inside += 1
            self.begun += 1
        time.sleep(self.seconds)
        with self.lock:
            self.inside -= 1
        return thread, count


def in_time(call: Any, seconds: float = 20) -> Any:
    """What a call returns; fails where it does not end."""
    found: list[Any] = []
    caller = threading.Thread(target=lambda: found.append(call()), daemon=True)
    caller.start()
    caller.join(seconds)
    assert found, "the call hangs"
    return found[0]


def test_every_thread_has_its_number_and_the_result_is_that_of_the_first() -> None:
    crew, seen = Crew(), []

    def task(thread: int, count: int, meeting: np.ndarray) -> int:
        seen.append((thread, count, meeting.size))
        return thread

    assert crew.run(task, 3) == 0
    assert sorted(seen) == [(number, 3, 2*threads.APART) for number in range(3)]
    assert crew.run(task, 1) == 0
    assert seen[3:] == [(0, 1, 2*threads.APART)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_after_a_thread_has_failed_the_next_task_runs(failing: int) -> None:
    crew = Crew()

    def task(thread: int, count: int, meeting: np.ndarray) -> None:
        if thread == failing:
            raise ZeroDivisionError("of the task")

    with pytest.raises(CompilationError, match="a thread of the kernel failed"):
        crew.run(task, 3)
    assert in_time(lambda: crew.run(Work(), 3)) == (0, 3)


def test_wherever_a_call_is_interrupted_no_thread_goes_on_and_the_next_call_runs() -> None:
    """The result may be lost; the work is done, or has not begun."""
    crew, work = Crew(), Work(0.003)
    crew.run(work, 2)
    met = 0

    def call() -> None:
        work.begun = 0
        assert crew.run(work, 2) == (0, 2)

    for raised in interruptions(call, threads):
        met += 1
        assert work.inside == 0
        assert work.begun in (0, 2)
        assert isinstance(raised, KeyboardInterrupt)
        if met % 4 == 0:
            assert in_time(lambda: crew.run(work, 2)) == (0, 2)
    assert met > 5
    assert in_time(lambda: crew.run(work, 2)) == (0, 2)


def test_what_another_signal_raises_waits_for_the_threads_too() -> None:
    signal = pytest.importorskip("signal")
    crew, work = Crew(), Work(0.3)
    crew.run(Work(), 2)

    def ring(*_: object) -> None:
        raise TimeoutError("of the user's")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        with pytest.raises(TimeoutError):
            crew.run(work, 2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (work.inside, work.begun) == (0, 2)
    assert crew.run(work, 2) == (0, 2)


def test_several_callers_take_turns() -> None:
    crew, work = Crew(), Work(0.001)
    most = []

    def task(thread: int, count: int, meeting: np.ndarray) -> None:
        work(thread, count, meeting)
        most.append(work.inside)

    callers = [threading.Thread(target=lambda: [crew.run(task, 2) for _ in range(20)])
               for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive()
    assert work.begun == 4*20*2
    assert max(most) <= 1


def test_threads_end_with_their_crew() -> None:
    before, crew = set(threading.enumerate()), Crew()
    crew.run(Work(), 4)
    started = set(threading.enumerate()) - before
    assert len(started) == 4
    del crew
    for thread in started:
        thread.join(20)
        assert not thread.is_alive()


def in_child(call: Any) -> int:
    """The exit code of a forked process that makes a call, 0 where that is true; -1 if it hangs."""
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if call() else 2
        finally:
            os._exit(code)
    for _ in range(1000):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1


def held_elsewhere(guard: Guard) -> threading.Event:
    """Another thread holds the lock until the event is set."""
    taken, given_back = threading.Event(), threading.Event()

    def hold() -> None:
        with guard.lock:
            taken.set()
            given_back.wait()

    threading.Thread(target=hold, daemon=True).start()
    taken.wait()
    return given_back


def is_free(guard: Guard) -> bool:
    return guard.lock.acquire(timeout=5)


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_finds_a_lock_open_that_another_thread_held() -> None:
    guard = Guard()
    end = held_elsewhere(guard)
    assert in_child(lambda: is_free(guard)) == 0
    assert not guard.lock.acquire(blocking=False)  # here it is held still
    end.set()
    assert is_free(guard)
    guard.lock.release()


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_lock_of_the_thread_that_forks_stays_its_own() -> None:
    guard = Guard()

    def released() -> bool:
        guard.lock.release()
        return is_free(guard)

    with guard.lock:
        assert in_child(released) == 0


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    crew = Crew()
    crew.run(Work(), 2)
    end = held_elsewhere(crew._guard)
    assert in_child(lambda: crew.run(Work(), 2) == (0, 2)) == 0
    end.set()
    assert crew.run(Work(), 2) == (0, 2)


def test_guards_that_nobody_has_any_more_are_forgotten() -> None:
    count = len(guards._every)
    some = [Guard() for _ in range(10)]
    assert len(guards._every) >= count + 10
    del some
    assert len(guards._every) <= count + 1
