"""BLAS's threads held at one while a kernel runs.

A kernel is itself what runs in parallel, so BLAS must not start threads in it.  Setting the
number of threads acts on the whole process: `single_threaded` knows its users, the first saves
the setting and the last restores it.  Each step of that may be made twice: Ctrl-C in the midst of
one, and what is done again at the end, leaves no user behind and no setting.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import threadpoolctl

_lock = threading.RLock()
_users: set[object] = set()
_controller: Any = None
_saved: list[tuple[Any, int]] = []  # libraries, and how many threads each had


@contextmanager
def single_threaded() -> Iterator[None]:
    """SciPy's BLAS runs on the calling thread only, until the last user of this leaves."""
    user = object()
    try:
        _enter(user)
        yield
    finally:
        try:
            _leave(user)
        finally:
            _leave(user)


def _enter(user: object) -> None:
    global _controller, _saved
    with _lock:
        _users.add(user)
        if _controller is None:
            _controller = _scipy_blas()
        if not _saved:
            _saved = [(library, library.num_threads) for library in _controller.lib_controllers]
            for library, _ in _saved:
                library.set_num_threads(1)


def _leave(user: object) -> None:
    global _saved
    with _lock:
        _users.discard(user)
        if not _users:
            for library, threads in _saved:
                library.set_num_threads(threads)
            _saved = []


def _begin_anew() -> None:
    """In a child of a fork none of the parent's threads goes on: nobody uses BLAS here yet."""
    _users.clear()
    _leave(None)
    _lock.release()


if hasattr(os, "register_at_fork"):  # a fork waits for a setting that is half made
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release,
                        after_in_child=_begin_anew)


def _scipy_blas() -> Any:
    """A controller of the BLAS that SciPy brings; of every BLAS where it uses a shared one."""
    every = threadpoolctl.ThreadpoolController()
    blas = every.select(user_api="blas")
    own = [lib.filepath for lib in blas.lib_controllers
           if Path(lib.filepath).parent.name.startswith("scipy")]
    return blas.select(filepath=own) if own else blas
