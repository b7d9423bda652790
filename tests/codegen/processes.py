"""Fresh processes with a cache of kernels of their own."""

import os
import subprocess
import sys
from pathlib import Path


def environment(cache: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "SYMBACKPROP_CACHE_DIR": str(cache), "PYTHONHASHSEED": "0", **more}


def run_in(cache: Path, script: str, **more: str) -> list[str]:
    """The words that a script prints, and no warning."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script],
                          env=environment(cache, **more), capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()
