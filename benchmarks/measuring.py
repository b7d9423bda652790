"""Fresh processes of this library that measure on request: no caches and no imports are shared."""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Callable
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


def median_of_fresh(prepare: Callable[..., Callable[[], Any]], *arguments: Any,
                    rounds: int = 3) -> dict[str, float]:
    """Medians, entry by entry, over fresh processes."""
    found = [once(prepare, *arguments) for _ in range(rounds)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}
