"""Numbers as they are written by hand: 4/9, −0.53, 1.2e−7; matrices and vectors of them."""

from __future__ import annotations

import math
import unicodedata
from fractions import Fraction
from typing import Any

import numpy as np

from symbackprop.operations import Number, as_float

__all__ = ["array_lines", "array_text", "clean", "decimal", "float_text", "integer_text",
           "number_text", "shape_text"]

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ROUNDING = 2  # units in the last place that a decimal written by hand may have lost
ZEROS = 7  # at the end of an integer that is written as a power of ten
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


def float_text(value: float) -> str:
    """1e-5 and 0.1: the shortest decimal that is this number, or is off by its rounding only.

    >>> float_text(1 - 0.1), float_text(3*0.1), float_text(1e10), float_text(0.1 + 2**-40)
    ('0.9', '0.3', '1e10', '0.1000000000009095')
    """
    if math.isfinite(value) and value == int(value) and abs(value) < 1e16:
        return integer_text(int(value))
    shown, short = repr(value), f"{value:.15g}"
    if len(short) < len(shown) - 1 and abs(float(short) - value) <= ROUNDING * math.ulp(value):
        shown = short
    return shown.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").removesuffix(".0")


def integer_text(value: int) -> str:
    """All digits, or a power of ten where most of them are zeros.

    >>> integer_text(64000), integer_text(10**10), integer_text(-25 * 10**8)
    ('64000', '1e10', '-2.5e9')
    """
    shown = str(value)
    digits = shown.lstrip("-").rstrip("0")
    if len(shown.lstrip("-")) - len(digits) < ZEROS or len(digits) > ZEROS:
        return shown
    power = len(shown.lstrip("-")) - 1
    rest = f".{digits[1:]}" if digits[1:] else ""
    return f"{'-' if value < 0 else ''}{digits[0]}{rest}e{power}"


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
