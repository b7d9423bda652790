"""linked(object): compiled code in this process, from the bytes of an object file.

An object holds one function for others, its entry: that is given a block of words (`passing`) and
a place for a result, and returns 0, or what went wrong.  Each object is linked by an engine of its
own, so that no two of them share a name, and stays until the process ends: a thread may be in it.
LLVM alone does this; Numba, which made the object, is not needed.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_double, c_int
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from symbackprop.codegen.symbols import missing

Native = Callable[[bytes, Any], int]
_Entry = CFUNCTYPE(c_int, c_char_p, POINTER(c_double))  # other threads run Python meanwhile


@dataclass(frozen=True, slots=True)
class Object:
    """The bytes of an object file, its entry, and the symbols that it leaves to others."""

    data: bytes
    entry: str
    needs: tuple[str, ...]


def linked(made: Object) -> Native | None:
    """The entry of an object as a function of this process; None if a symbol is missing here."""
    machine = _target().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)  # opens what we live in
    if missing(made.needs):
        return None
    engine.add_object_file(llvm.ObjectFileRef.from_data(made.data))
    engine.finalize_object()
    entry = _Entry(engine.get_function_address(made.entry))
    engine.detach()  # never given back
    return entry


@cache
def _target() -> Any:
    """The target of this machine, made ready once."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple())
