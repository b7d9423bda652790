"""Guard: a lock that a forked process finds open.

A process that forks has one thread, and a copy of every lock as it was: one that another thread
held would be held for ever.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet


class Guard:
    """`with guard.lock:` is for one thread at a time, which may take it again.

    The lock is one of Python's own, and taken by a statement of Python's own: Ctrl-C comes before
    that or after it, and never leaves it taken.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        _every.add(self)

    def renew(self) -> None:
        """A new lock, unless this one is free or that of the only thread."""
        if self.lock.acquire(blocking=False):
            self.lock.release()
        else:
            self.lock = threading.RLock()


_every: WeakSet[Guard] = WeakSet()


def _renew() -> None:
    for guard in tuple(_every):
        guard.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
