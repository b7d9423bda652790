"""Importing the compiler, and what the gate needs, loads no compiler of others."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("module", "heavy"), [
    ("symbackprop.codegen", {"numba", "llvmlite", "scipy"}),
    ("symbackprop.codegen.gate", {"numba", "llvmlite", "scipy"}),
    ("symbackprop.codegen.driver", {"numba", "scipy"})])
def test_importing_it_imports_no_numba(module: str, heavy: set[str]) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=True)
    assert not heavy & set(done.stdout.split())
    assert module in done.stdout.split()
