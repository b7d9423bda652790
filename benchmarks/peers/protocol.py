"""One system in one fresh process: a request a line on stdin, an answer a line on stdout, in JSON.

    {"do": "prepare", "case": {...}, "file": "data.npz"}   declare, load the data, compile if it can
    {"do": "check", "steps": 3, "file": "found.npz"}       run the first steps, write what came out
    {"do": "round", "seed": 7}                             time one round, warm: {"seconds": ...}
    {"do": "memory"}                                       {"peak": bytes resident at most}

An answer holds "seconds", what the request took here, or "error".  Every peer imports this module
before anything heavy: the clock starts and the processors are limited here.
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import json  # noqa: E402  (the clock above measures what is imported from here on)
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any, Protocol  # noqa: E402

WARM = 0.05  # seconds of rounds before one is timed: a core that has slept is slow at first
THREADS = int(os.environ.get("BENCHMARKS_THREADS", "0"))
if THREADS and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])

import numpy as np  # noqa: E402

Arrays = dict[str, Any]


class System(Protocol):
    """What a peer's module offers."""

    def order(self, seed: int, steps: int | None = None) -> Any:
        """What a round needs and is not timed: rows for each step in the peer's own form."""

    def run(self, order: Any) -> None:
        """One round, finished on return."""

    def state(self) -> Arrays:
        """What the last round has left: parameters, and `loss`, the mean over its steps."""


FAILURES = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError,
            OSError, RuntimeError, TypeError, ValueError)
Make = Callable[[dict[str, Any], Arrays], System]


def serve(make: Make) -> None:
    """Answer requests until stdin ends; what libraries print goes to stderr."""
    imported = time.perf_counter() - BEGAN
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    systems: list[System] = []
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), make, systems)
        except FAILURES as error:  # the other side names it; this is its log
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps({"imported": imported, **answer}), file=answers, flush=True)


def _answer(request: dict[str, Any], make: Make, systems: list[System]) -> dict[str, Any]:
    start = time.perf_counter()
    match request["do"]:
        case "prepare":
            with np.load(request["file"]) as file:
                systems[:] = [make(request["case"], dict(file))]
        case "check":
            system = systems[0]
            system.run(system.order(0, request["steps"]))
            taken = time.perf_counter() - start
            np.savez(request["file"], **system.state())
            return {"seconds": taken}
        case "round":
            order = systems[0].order(request["seed"])
            while time.perf_counter() - start < WARM:
                systems[0].run(order)
            start = time.perf_counter()
            systems[0].run(order)
        case "memory":
            unit = 1 if sys.platform == "darwin" else 1024
            return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
        case other:
            raise ValueError(f"no such request: {other}")
    return {"seconds": time.perf_counter() - start}
