"""Crew: the threads that run a kernel together.

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

from symbackprop.codegen.guards import Guard
from symbackprop.errors import CompilationError

APART = 16  # entries between count and number of a meeting: two cache lines

Task = Callable[[int, int, np.ndarray], Any]
Inboxes = list["SimpleQueue[tuple[_Job, int, Inboxes] | None]"]


@dataclass(slots=True)
class _Job:
    """A task that so many threads share, where they meet, and how many are at work.

    Whoever waits for it may be interrupted between any two instructions, and so takes part by
    single calls of locks and queues, each of which is made or not.
    """

    task: Task
    threads: int
    working: int = 0
    meeting: np.ndarray = field(default_factory=lambda: np.zeros(2 * APART, np.int64))
    begun: threading.Lock = field(default_factory=threading.Lock)  # by who begins, or calls it off
    over: threading.Lock = field(default_factory=threading.Lock)  # taken until all have ended
    counting: threading.Lock = field(default_factory=threading.Lock)
    result: Any = None
    failed: bool = False
    ended: bool = False

    def __post_init__(self) -> None:
        self.over.acquire()
        self.working = self.threads

    def run(self, thread: int) -> None:
        """The share of this thread."""
        found, failed = None, True
        try:
            found = self.task(thread, self.threads, self.meeting)
            failed = False
        finally:
            with self.counting:
                self.result = found if thread == 0 else self.result
                self.failed |= failed
                self.working -= 1
                if not self.working:
                    self.ended = True
                    self.over.release()

    def settle(self) -> None:
        """Returns, or is interrupted, when no thread is at work on this and none will be."""
        if self.begun.acquire(blocking=False):  # called off
            return
        try:
            while not self.ended:
                self.over.acquire()
        finally:
            if not self.ended:
                self.settle()


class Crew:
    """Threads that run a task together; kept from call to call, started anew after a fork.

    The caller only waits: were it one of them, Ctrl-C could stop it while the others wait for it.
    """

    def __init__(self) -> None:
        self._inboxes: Inboxes = []
        self._owner = os.getpid()
        self._guard = Guard()

    def run(self, task: Task, threads: int) -> Any:
        """task(thread, threads, meeting) on each of so many threads; what thread 0 returns.

        Where the system grants fewer threads, fewer share the work.  Ctrl-C, or what another
        signal raises, is raised when all have finished; CompilationError where one fails.
        """
        if threads > 1:
            with self._guard.lock:  # one job at a time: each of its threads must be running
                inboxes = self._workers(threads)
                if len(inboxes) > 1:
                    return self._shared(task, inboxes)
        return task(0, 1, np.zeros(2 * APART, np.int64))

    def _shared(self, task: Task, inboxes: Inboxes) -> Any:
        job = _Job(task, len(inboxes))
        try:
            inboxes[0].put((job, 0, inboxes[1:]))
            job.over.acquire()
        finally:
            job.settle()
        if job.failed:
            self._dismiss()  # the thread that failed has ended
            raise CompilationError("a thread of the kernel failed; its error is printed above")
        return job.result

    def _workers(self, count: int) -> Inboxes:
        """The inboxes of so many running threads, or of as many as the system grants."""
        if self._owner != os.getpid():
            self._inboxes, self._owner = [], os.getpid()
        while len(self._inboxes) < count:
            inbox: SimpleQueue[tuple[_Job, int, Inboxes] | None] = SimpleQueue()
            try:
                threading.Thread(target=_work, args=(inbox,), name="symbackprop", daemon=True
                                 ).start()
            except RuntimeError:  # can't start new thread
                break
            self._inboxes.append(inbox)
        return self._inboxes[:count]

    def _dismiss(self) -> None:
        """No thread waits for a job any more."""
        inboxes, self._inboxes = self._inboxes, []
        for inbox in inboxes:
            inbox.put(None)

    def __del__(self) -> None:
        self._dismiss()


def _work(inbox: SimpleQueue[tuple[_Job, int, Inboxes] | None]) -> None:
    """The life of a thread: jobs, until the crew is gone.  The first one tells the others."""
    while (given := inbox.get()) is not None:
        job, thread, others = given
        if thread or job.begun.acquire(blocking=False):
            for number, other in enumerate(others, 1):
                other.put((job, number, []))
            job.run(thread)
        del job, given, others
