"""One class of error for each stage; every message gives back the user's own words.

A message says what was expected, what was found, where it was declared (file:line) and what to
write instead.  All derive from `SymbackpropError`, so one `except` catches whatever we refuse.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = [
    "CompilationError",
    "DeclarationError",
    "DerivationError",
    "Diverged",
    "InputError",
    "ProgramError",
    "Stopped",
    "SymbackpropError",
    "TrainingError",
    "where",
]

_PACKAGE = str(Path(__file__).parent) + os.sep


class SymbackpropError(Exception):
    """Anything that this library refuses, with the reason in the user's words."""


class DeclarationError(SymbackpropError, TypeError):
    """A size, index, tensor or definition that cannot be declared as written."""


class ProgramError(SymbackpropError, ValueError):
    """A program that breaks a sentence of `verify`: what, where, and what to write instead."""


class DerivationError(SymbackpropError, ValueError):
    """A derivative that was asked for and does not exist, e.g. of a tensor the loss never reads."""


class CompilationError(SymbackpropError, ValueError):
    """A program that cannot be turned into a kernel, e.g. an undefined function σ in it."""


class InputError(SymbackpropError, ValueError):
    """An array or number that does not fit its declaration; nothing has run or changed."""


class TrainingError(SymbackpropError, ValueError):
    """A training request that makes no sense, or a run that produced NaN or infinity."""


class Diverged(TrainingError):
    """A run that produced NaN or infinity, or broke a fact; the parameters are as before."""


class Stopped(TrainingError):
    """A run that another thread has ended."""


def where() -> str:
    """file:line of the user's statement that is being executed."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
