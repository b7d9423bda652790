"""Numbers as they are written by hand: 4/9, −0.53, 1.2e−7; matrices and vectors of them."""

from __future__ import annotations

import math
import unicodedata
from fractions import Fraction
from typing import Any

import numpy as np

from symbackprop.operations import Number, as_float

__all__ = ["array_lines", "array_text", "clean", "decimal", "number_text", "shape_text"]

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
LONGEST = 9  # characters of a fraction that is still written as one


def number_text(number: Number, digits: int = 6) -> str:
    """A fraction as p/q, anything else in so many significant digits.

    >>> number_text(Fraction(-4, 9)), number_text(0.1234567891)
    ('−4/9', '0.123457')
    """
    if isinstance(number, Fraction):
        text = str(number)
        if len(text) <= 2 * LONGEST:
            return text.replace("-", "−")
    return _signed(f"{as_float(number):.{digits}g}")


def decimal(number: Number) -> str:
    """A number for a picture: a short fraction exactly, anything else rounded to two places, and
    to two digits where two places would show nothing.

    >>> decimal(-0.5344), decimal(Fraction(2, 3)), decimal(0.00123)
    ('−0.53', '2/3', '0.0012')
    """
    if isinstance(number, Fraction) and len(str(number)) <= LONGEST:
        return str(number).replace("-", "−")
    value = as_float(number)
    if not math.isfinite(value) or (abs(value) < 1e5 and value == int(value)):
        return _signed(f"{value:g}")
    return _signed(f"{value:.2f}" if 0.095 <= abs(value) < 1e5 else f"{value:.2g}")


def _signed(text: str) -> str:
    shown = text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("inf", "∞")
    return "0" if shown == "-0" else shown.replace("-", "−")


def shape_text(shape: tuple[int, ...]) -> str:
    """2×3, and nothing for a single number."""
    return "×".join(map(str, shape))


def array_lines(array: Any, largest: int = 3) -> tuple[str, ...]:
    """The rows of a small array, one line each; of a large one its shape and its range."""
    values = np.asarray(array, dtype=object)
    if values.ndim == 0:
        return (decimal(values.item()),)
    if values.ndim <= 2 and max(values.shape) <= largest:
        rows = values.reshape(-1, values.shape[-1])
        return tuple(f"[{', '.join(decimal(entry) for entry in row)}]" for row in rows)
    return (_range(values),)


def _range(values: Any) -> str:
    low, high = min(values.flat, key=as_float), max(values.flat, key=as_float)
    return f"{decimal(low)} … {decimal(high)}"


def array_text(array: Any, largest: int = 64) -> str:
    """All entries in brackets, or shape and range where there are too many."""
    values = np.asarray(array, dtype=object)
    if values.ndim == 0:
        return number_text(values.item())
    if values.size > largest:
        return f"{shape_text(values.shape)} numbers, {_range(values)}"
    return _nested(values.tolist())


def _nested(entries: Any) -> str:
    if isinstance(entries, list):
        return f"[{', '.join(_nested(entry) for entry in entries)}]"
    return number_text(entries)


def clean(name: str, longest: int = 24) -> str:
    r"""A name on one line: what cannot be seen is shown as �, what is too long is cut.

    >>> clean("a\nb")
    'a�b'
    """
    seen = "".join("�" if unicodedata.category(c) in _UNSEEN else c for c in name)
    return seen if len(seen) <= longest else seen[:longest - 1] + "…"
