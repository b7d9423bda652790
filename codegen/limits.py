"""BLAS's threads held at one while a kernel runs.

A kernel is itself what runs in parallel, so BLAS must not start threads in it.  Setting the
number of threads acts on the whole process: `single_threaded` counts its users, the first saves
the setting and the last restores it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import threadpoolctl

_lock = threading.Lock()
_users = 0
_controller: Any = None
_limiter: Any = None


@contextmanager
def single_threaded() -> Iterator[None]:
    """SciPy's BLAS runs on the calling thread only, until the last user of this leaves."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _controller, _limiter
    with _lock:
        if _users == 0:
            if _controller is None:
                _controller = _scipy_blas()
            _limiter = _controller.limit(limits=1)
        _users += 1


def _leave() -> None:
    global _users, _limiter
    with _lock:
        _users -= 1
        if _users == 0:
            limiter, _limiter = _limiter, None
            limiter.restore_original_limits()


def _forget_users() -> None:
    """In a child of a fork none of the parent's threads goes on: nobody uses BLAS here yet."""
    global _users, _lock
    _lock = threading.Lock()
    while _users:
        _leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_users)


def _scipy_blas() -> Any:
    """A controller of the BLAS that SciPy brings; of every BLAS where it uses a shared one."""
    every = threadpoolctl.ThreadpoolController()
    blas = every.select(user_api="blas")
    own = [lib.filepath for lib in blas.lib_controllers
           if Path(lib.filepath).parent.name.startswith("scipy")]
    return blas.select(filepath=own) if own else blas
