"""Tasks side by side on threads of this process: kernels run without Python's lock.

Results come in the order of the tasks, and so does the first error, so that nothing depends on
how many workers there are or on which of them is faster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

from symbackprop.codegen.processors import cores
from symbackprop.errors import Stopped
from symbackprop.training.progress import progress
from symbackprop.training.settings import known_number

__all__ = ["Stop", "share", "together"]

T = TypeVar("T")
Stop = threading.Event


def share(workers: Any, tasks: int) -> tuple[int, int]:
    """How many workers for so many tasks, and how many threads each of them may use."""
    asked = None if workers is None else known_number("workers", workers)
    count = min(cores() if asked is None else asked, tasks)
    return count, max(1, cores() // count)


def together(tasks: Sequence[Callable[[Stop], T]], workers: int, verbose: bool, unit: str
             ) -> list[T]:
    """What each task returns; a task ends soon once the event that it is handed is set.

    After Ctrl-C or an error the others are stopped before it is raised.
    """
    stop = Stop()
    with progress(len(tasks), verbose, unit) as bar:
        if workers == 1:
            found = []
            for task in tasks:
                found.append(task(stop))
                bar(1, {})
            return found
        with ThreadPoolExecutor(workers, "symbackprop-worker") as pool:
            futures: list[Future[T]] = [pool.submit(task, stop) for task in tasks]
            try:
                for future in as_completed(futures):
                    if future.exception() is not None:
                        break
                    bar(1, {})
                else:
                    return [future.result() for future in futures]
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
    errors = [future.exception() for future in futures if not future.cancelled()]
    raise next(e for e in errors if e is not None and not isinstance(e, Stopped))
