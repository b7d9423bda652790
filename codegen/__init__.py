"""The compiler: programs of definitions to readable Numba source; knows no network or loss."""

from __future__ import annotations

import importlib
from typing import Any

if __name__ != "symbackprop.codegen":
    raise ImportError("the folder codegen/ is installed as symbackprop.codegen: run "
                      "`pip install -e .` once and write `import symbackprop.codegen`")

_HOME = {
    "compile": "symbackprop.codegen.driver",
    "compile_training": "symbackprop.codegen.driver",
    "Executable": "symbackprop.codegen.runtime",
    "is_shared": "symbackprop.codegen.schedule.costs",
    "TrainingKernel": "symbackprop.codegen.training",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Loaded on first use, so that importing the package imports no Numba."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'symbackprop.codegen' has no attribute {name!r}")
