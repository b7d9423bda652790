"""clear(directory): kernels that no process has read for 90 days go, and what a killed one left.

A kernel is read by the name of its text, of this package and of its tools: each new version of one
of them leaves the old ones behind.  `mark` says that one is read, at most once a day.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import time

DAY = 86_400.0  # seconds
LIFE = {  # seconds without a reader, by what a file is called
    re.compile(r"kernel_[0-9a-f]{20}\.(py|o|json)"): 90*DAY,
    re.compile(r"kernel_[0-9a-f]{20}\w*\.new"): DAY,
}


def mark(path: Path) -> None:
    """The files of a kernel are read today; without effect where they cannot be marked."""
    for ending in (".py", ".o", ".json"):
        file = path.with_suffix(ending)
        with suppress(OSError):
            if time() - file.stat().st_mtime > DAY:
                os.utime(file)


@cache
def clear(directory: Path) -> None:
    """Remove what is old, once in a process; what cannot be removed stays."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            life = next((life for name, life in LIFE.items() if name.fullmatch(entry.name)), None)
            with suppress(OSError):
                if life and time() - entry.stat(follow_symlinks=False).st_mtime > life:
                    os.unlink(entry.path)
