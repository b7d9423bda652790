"""missing(names): of the symbols that an object file leaves to others, those LLVM cannot find.

LLVM ends the process where it links an object and a symbol is missing, so that it is asked before.
What the system's libraries hold it finds by itself; two things it is told here, the first at once:
how a thread gives its core away, and where SciPy's BLAS is.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from ctypes import CDLL, PYFUNCTYPE, c_char_p, c_void_p, cast, py_object, pythonapi

import llvmlite.binding as llvm

YIELD = "symbackprop_sched_yield"
ROUTINES = ("sgemm", "dgemm")

if hasattr(os, "sched_yield"):
    llvm.add_symbol(YIELD, cast(CDLL(None).sched_yield, c_void_p).value)


def missing(names: Iterable[str]) -> list[str]:
    """Those of the names that LLVM does not find in this process."""
    wanted = list(names)
    for routine in ROUTINES:
        if _named(routine) in wanted:
            symbol_of(routine)
    return [name for name in wanted if llvm.address_of_symbol(name) is None]


def symbol_of(routine: str) -> str:
    """The symbol of a routine of SciPy's BLAS, made known to LLVM."""
    name, table = _named(routine), importlib.import_module("scipy.linalg.cython_blas").__pyx_capi__
    capsule = table[routine]
    label = PYFUNCTYPE(c_char_p, py_object)(("PyCapsule_GetName", pythonapi))(capsule)
    place = PYFUNCTYPE(c_void_p, py_object, c_char_p)(("PyCapsule_GetPointer", pythonapi))
    llvm.add_symbol(name, place(capsule, label))
    return name


def _named(routine: str) -> str:
    return f"symbackprop_{routine}"
