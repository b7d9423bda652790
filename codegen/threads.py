"""wait(meeting, threads): each thread goes on when all have come; and the threads that do so.

A kernel is one function that every thread runs, each with its number; where one reads what
another has written they wait.  The last one to come opens the way: it resets the count and adds
one to the number of the meeting, with release; the others read that number, with acquire, and
after some turns give their core away (on one core a meeting takes milliseconds without that).

The threads are ordinary ones of Python, started once and kept: starting one costs as much as an
epoch of a small network.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from ctypes import CDLL, c_void_p, cast
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from symbackprop.errors import CompilationError

TURNS = 2000  # reads of the number before the core is given away
_APART = 16  # entries between count and number: two cache lines
_YIELD = "symbackprop_sched_yield"

if hasattr(os, "sched_yield"):
    llvm.add_symbol(_YIELD, cast(CDLL(None).sched_yield, c_void_p).value)


@intrinsic  # type: ignore[untyped-decorator]
def wait(typingctx: Any, meeting: Any, threads: Any) -> Any:
    """Wait until so many threads have called this with the same meeting."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.call(_function(builder.module), [data, arguments[1]])
        return context.get_dummy_value()

    return types.void(meeting, types.int64), codegen


def _function(module: Any) -> Any:
    """The waiting, written into the LLVM module once."""
    name, word = "symbackprop_wait", ir.IntType(64)
    if name in module.globals:
        return module.globals[name]
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), [word.as_pointer(), word]), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    count, threads = made.args
    build = ir.IRBuilder(made.append_basic_block("entry"))
    number = build.gep(count, [word(_APART)])
    last, others, look, again, out = (made.append_basic_block(n) for n in (
        "last", "others", "look", "again", "out"))
    build.cbranch(build.icmp_signed("<=", threads, word(1)), out, others)
    build.position_at_end(others)
    before = build.load_atomic(number, ordering="acquire", align=8)
    come = build.atomic_rmw("add", count, word(1), "acq_rel")
    build.cbranch(build.icmp_signed("==", come, build.sub(threads, word(1))), last, look)
    build.position_at_end(last)
    build.store_atomic(word(0), count, ordering="monotonic", align=8)
    build.store_atomic(build.add(before, word(1)), number, ordering="release", align=8)
    build.branch(out)
    build.position_at_end(look)
    turn = build.phi(word)
    turn.add_incoming(word(0), others)
    now = build.load_atomic(number, ordering="acquire", align=8)
    build.cbranch(build.icmp_signed("==", now, before), again, out)
    build.position_at_end(again)
    with build.if_then(build.icmp_signed(">", turn, word(TURNS))):
        kind = ir.FunctionType(ir.IntType(32), [])
        build.call(cgutils.get_or_insert_function(module, kind, _YIELD), [])
    turn.add_incoming(build.add(turn, word(1)), build.block)
    build.branch(look)
    build.position_at_end(out)
    build.ret_void()
    return made


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
    meeting: np.ndarray = field(default_factory=lambda: np.zeros(2 * _APART, np.int64))
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
