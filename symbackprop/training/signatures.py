"""Whether a user's function takes what fit will hand to it, found out before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["accepts"]


def accepts(function: Callable[..., Any], count: int) -> bool:
    """Whether function(…) takes so many arguments by position; True where nobody can tell.

    >>> accepts(lambda epoch: None, 1), accepts(lambda: None, 1), accepts(max, 2)
    (True, False, True)
    """
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin without a signature
        return True
    try:
        found.bind(*range(count))
    except TypeError:
        return False
    return True
