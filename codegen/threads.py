"""Crew: the threads that run a kernel together; cores(): how many this process may use.

A kernel is one function that every thread runs, each with its number; they meet in an array of
counts (`meetings`).  The threads are ordinary ones of Python, started once and kept: starting one
costs as much as an epoch of a small network.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np

from symbackprop.errors import CompilationError

APART = 16  # entries between count and number of a meeting: two cache lines


def cores() -> int:
    """How many cores this process may use: its affinity, and the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (
        os.cpu_count() or 1)
    return max(1, min(allowed, _quota()))


def _quota() -> int:
    """Cores that the container's quota allows; many where there is none."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return 64


Task = Callable[[int, int, np.ndarray], Any]


@dataclass(slots=True)
class _Job:
    """A task, how many threads share it (0: none, it is off), and where they meet."""

    task: Task
    threads: int = 0
    begun: threading.Event = field(default_factory=threading.Event)
    done: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    meeting: np.ndarray = field(default_factory=lambda: np.zeros(2 * APART, np.int64))
    result: Any = None
    failed: bool = False

    def run(self, thread: int) -> None:
        """The share of this thread."""
        self.begun.wait()
        ended = False
        try:
            if thread < self.threads:
                found = self.task(thread, self.threads, self.meeting)
                self.result = found if thread == 0 else self.result
            ended = True
        finally:
            self.failed |= not ended
            self.done.release()


class Crew:
    """Threads that run a task together; kept from call to call, started anew after a fork.

    The caller only waits: were it one of them, Ctrl-C could stop it while the others wait for it.
    """

    def __init__(self) -> None:
        self._inboxes: list[SimpleQueue[tuple[_Job, int] | None]] = []
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def run(self, task: Task, threads: int) -> Any:
        """task(thread, threads, meeting) on each of so many threads; what thread 0 returns.

        Where the system grants fewer threads, fewer share the work.  Ctrl-C is raised when all
        have finished.
        """
        job = _Job(task)
        if self._owner != os.getpid():  # another thread may have held the lock when this forked
            self._inboxes, self._owner, self._lock = [], os.getpid(), threading.Lock()
        if threads > 1:
            with self._lock:  # one job at a time: each of its threads must be running
                return self._shared(job, threads)
        return task(0, 1, job.meeting)

    def _shared(self, job: _Job, threads: int) -> Any:
        inboxes = self._workers(threads)
        if len(inboxes) < 2:
            return job.task(0, 1, job.meeting)
        interrupt: KeyboardInterrupt | None = None
        for thread, inbox in enumerate(inboxes):
            inbox.put((job, thread))
        job.threads = len(inboxes)
        job.begun.set()
        waiting = len(inboxes)
        while waiting:
            try:
                job.done.acquire()
                waiting -= 1
            except KeyboardInterrupt as pressed:
                interrupt = pressed
        if interrupt is not None:
            raise interrupt
        if job.failed:
            raise CompilationError("a thread of the kernel failed; its error is printed above")
        return job.result

    def _workers(self, count: int) -> list[SimpleQueue[tuple[_Job, int] | None]]:
        """The inboxes of so many running threads, or of as many as the system grants."""
        while len(self._inboxes) < count:
            inbox: SimpleQueue[tuple[_Job, int] | None] = SimpleQueue()
            try:
                threading.Thread(target=_work, args=(inbox,), name="symbackprop", daemon=True
                                 ).start()
            except RuntimeError:  # can't start new thread
                break
            self._inboxes.append(inbox)
        return self._inboxes[:count]

    def __del__(self) -> None:
        for inbox in self._inboxes:
            inbox.put(None)


def _work(inbox: SimpleQueue[tuple[_Job, int] | None]) -> None:
    """The life of a thread: jobs, until the crew is gone."""
    while (given := inbox.get()) is not None:
        job, thread = given
        job.run(thread)
        del job, given
