"""cores(): how many processors this process may use, by its affinity and by its groups' quotas.

Linux keeps quotas in files of the groups that hold a process (cgroups(7), of version 1 or 2):

    /proc/self/cgroup       0::/a/b  or  1:cpu,cpuacct:/a/b         the path of its group
    …/a/b/cpu.max           150000 100000                           1.5 cores; "max": no limit
    …/a/b/cpu.cfs_quota_us, …/cpu.cfs_period_us                     the same in version 1; -1

Each group on the path may have one.  A container sees its own group as the root, whatever the
path says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
FILES = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))


def cores() -> int:
    """How many cores this process may use; at least one, and no more than 64."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (
        os.cpu_count() or 1)
    return min(allowed, quota(ROOT, OWN))


@cache
def quota(root: Path, own: Path) -> int:
    """The least quota of the groups that a file names, below their root; read once."""
    return min((limit for folder in _groups(root, own) for limit in _limits(folder)), default=64)


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """The folders of all groups that hold the process and may limit its processors."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # another system
        return
    for line in lines:
        _, kinds, place = line.split(":", 2)
        if not kinds or "cpu" in kinds.split(","):
            base = root / "cpu" if kinds else root
            group = base / place.lstrip("/")
            yield from (f for f in (group, *group.parents) if f == base or base in f.parents)


def _limits(folder: Path) -> Iterator[int]:
    """Cores that one group allows; nothing where it sets no limit."""
    for names in FILES:
        try:
            words = " ".join((folder / name).read_text(encoding="ascii") for name in names)
            time, period = map(int, words.split())
        except (OSError, ValueError):  # no such file, or "max"
            continue
        if time > 0 and period > 0:
            yield -(-time // period)
