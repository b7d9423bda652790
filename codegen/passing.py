"""The arguments of a compiled function, as one block of words of eight bytes.

    2.5, 3, A        →        2.5 | 3 | where A begins | 4 | 5        for an A of shape 4×5

The function reads them there, and knows each word by its place: numbers are int64 or float64,
arrays are C-contiguous and aligned, so that an address and lengths say all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ctypes import addressof, c_char
from dataclasses import dataclass
from typing import Any

import numpy as np

from symbackprop.codegen.layout import Argument
from symbackprop.errors import CompilationError
from symbackprop.notation import Tensor

_NUMBERS = {np.dtype(np.int64): "q", np.dtype(np.float32): "d", np.dtype(np.float64): "d"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What one argument is: a number of this dtype, or an array of so many axes."""

    dtype: np.dtype[Any]
    rank: int | None = None

    @property
    def format(self) -> str:
        """Its words in the language of `struct`."""
        return _NUMBERS[self.dtype] if self.rank is None else "q" * (1 + self.rank)


@dataclass(frozen=True, slots=True)
class Placed:
    """An array that is passed many times, and its words."""

    array: np.ndarray
    words: tuple[int, ...]


class Block:
    """packed(values): the words of all arguments of a function, in order."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.kinds = tuple(kinds)
        self._packing = struct.Struct("=" + "".join(kind.format for kind in self.kinds))

    def packed(self, values: tuple[Any, ...]) -> bytes:
        """The words of these values, which must live until the function returns."""
        words: list[Any] = []
        for kind, value in zip(self.kinds, values, strict=True):
            if kind.rank is None:
                words.append(value)
            else:
                words += value.words if type(value) is Placed else words_of(value, kind)
        return self._packing.pack(*words)


def placed(array: np.ndarray) -> Placed:
    """The array with its words; it must keep its memory and its shape."""
    return Placed(array, words_of(array, Kind(array.dtype, array.ndim)))


def words_of(array: np.ndarray, kind: Kind) -> tuple[int, ...]:
    """Where an array begins, and its lengths; CompilationError for one of another kind."""
    if array.dtype != kind.dtype or array.ndim != kind.rank or not array.flags.carray:
        raise CompilationError(
            f"a kernel is given an array of {array.dtype} of shape {array.shape} where it expects "
            f"{kind.dtype} of rank {kind.rank}, C-contiguous, aligned and writable")
    first: Any = array  # mypy learns from Python 3.12 on that an array is a buffer
    return addressof(c_char.from_buffer(first)), *array.shape


def kinds_of(arguments: Iterable[Argument], dtype: str) -> tuple[Kind, ...]:
    """The kind of each argument of a generated function of this dtype."""
    return tuple(_kind(argument, np.dtype(dtype)) for argument in arguments)


def _kind(argument: Argument, real: np.dtype[Any]) -> Kind:
    integer = np.dtype(np.int64)
    match argument.kind, argument.subject:
        case ("size" | "batch_size" | "thread" | "threads" | "height", _):
            return Kind(integer)
        case "meeting", _:
            return Kind(integer, 1)
        case "scalar", _:
            return Kind(real)
        case "order", _:
            return Kind(integer, 2)
        case "losses", _:
            return Kind(np.dtype(np.float64), 2)
        case ("slot" | "labels") as kind, _:
            return Kind(real if kind == "slot" else integer, 1)
        case kind, Tensor() as tensor:
            rank = 1 if kind == "batch" else tensor.rank
            return Kind(integer if tensor.has_fact("label") else real, rank)
    raise CompilationError(f"the argument {argument.name} has no type")
