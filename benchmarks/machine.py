"""What figures depend on: processor, versions, commit, load."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.environments import FOLDER
from benchmarks.peers import ENVIRONMENTS

PACKAGES = ("symbackprop", "sympy", "numba", "numpy", "scipy")


def machine() -> dict[str, str]:
    """Processor, Python, our packages, those of the peers, commit, load of the last minute."""
    found = {"processor": processor(), "python": platform.python_version(), "commit": commit(),
             "load": f"{os.getloadavg()[0]:.1f}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def peer_versions() -> dict[str, str]:
    """The version of each peer that is installed under .peers/."""
    names = {"jax": "jax", "torch": "torch", "sklearn": "scikit_learn", "pytensor": "pytensor"}
    found = {}
    for environment in ENVIRONMENTS:
        pattern = f"lib/python*/site-packages/{names[environment]}-*.dist-info"
        for place in (FOLDER / environment).glob(pattern):
            found[environment] = place.name.removesuffix(".dist-info").rpartition("-")[2]
    return found


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def warning() -> str:
    """A sentence where others keep this machine busy; "" where they do not."""
    load, most = os.getloadavg()[0], processors()
    return (f"Others use this machine (load {load:.1f} on {most} processors): times are longer "
            "than they need be, and medians may mislead; look at the column `best`."
            if load > most / 2 else "")


def processor() -> str:
    """For example '2 × AMD EPYC'."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} × {models[0]}" if models else platform.processor()


def commit() -> str:
    """The short name of the commit, with + where files have changed since."""
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False,
                              cwd=Path(__file__).parent)
        return done.stdout.strip()

    changed = bool(git("diff", "--name-only", "HEAD"))
    return (git("rev-parse", "--short", "HEAD") or "unknown") + "+" * changed
