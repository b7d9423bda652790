"""Fresh processes that measure on request, so that competitors can be interleaved in one run.

Times of one machine drift; ratios within one run do not.  Each competitor lives in a process of its
own (no shared caches, no shared thread pools) and is asked in turn, round after round.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")


class Worker:
    """A fresh process in which `prepare(*arguments)` made a function that can be called again."""

    def __init__(self, prepare: Callable[..., Callable[[], Any]], *arguments: Any,
                 environment: dict[str, str] | None = None) -> None:
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(
            target=_serve, args=(theirs, prepare, arguments, environment or {}), daemon=True
        )
        self._process.start()
        theirs.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()
        self._process.join(10)

    def __call__(self) -> Any:
        """The function's value; EOFError where its process has failed."""
        self._connection.send("again")
        return self._connection.recv()


def _serve(connection: Connection, prepare: Callable[..., Callable[[], Any]],
           arguments: tuple[Any, ...], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    run = prepare(*arguments)
    try:
        while connection.recv():
            connection.send(run())
    except EOFError:
        return


def once(prepare: Callable[..., Callable[[], Any]], *arguments: Any,
         environment: dict[str, str] | None = None) -> Any:
    """One value from one fresh process."""
    with Worker(prepare, *arguments, environment=environment) as worker:
        return worker()


def interleaved(workers: dict[str, Worker], rounds: int) -> dict[str, float]:
    """The median of each over `rounds` rounds, in which every one is asked once; one to warm up."""
    for worker in workers.values():
        worker()
    times: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            times[name].append(worker())
    return {name: statistics.median(values) for name, values in times.items()}


def median_of_fresh(prepare: Callable[..., Callable[[], Any]], *arguments: Any,
                    rounds: int = 3) -> dict[str, float]:
    """Medians, entry by entry, over fresh processes."""
    found = [once(prepare, *arguments) for _ in range(rounds)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns; floats with three significant digits."""
    texts = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    for row in texts:
        first = row[0].ljust(widths[0])
        print("  ".join([first, *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]),
              flush=True)


def _cell(value: object) -> str:
    return f"{value:,.3g}" if isinstance(value, float) else str(value)
