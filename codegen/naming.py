"""Identifiers for generated code, from a checked alphabet: δ1 becomes delta1, ∂W becomes dW.

Names come from users and never enter the source raw: each letter is spelled in ASCII, what is
a keyword or a function of the generated module gets an underscore, and no two are alike.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Hashable, Iterable
from typing import TypeVar

from symbackprop.codegen.calls import CALLS, OF_INTEGERS, VECTORMATH
from symbackprop.codegen.summation import REGISTERS

RESERVED = frozenset((  # every word of a generated module that is not a name of the user's
    *"kernel train real float32 float64 int64 np njit range".split(),
    *"min max abs math inf nan sqrt".split(),
    *"view gemm_nn gemm_nt gemm_nt_short gemm_tn gemm_tt symbackprop numba".split(),
    *"gemm_nn_from gemm_nt_from gemm_tn_from gemm_tt_from".split(),
    *"order batch_size run first rows losses sum_of_losses block shape self".split(),
    *"thread threads height meeting wait tile tiles group groups low high".split(),
    *"strip first_strip end_strip last control flush_denormals restore".split(),
    *"rows_of columns_of times row flat along places entry add_rows take_rows".split(),
    *(str(tensor.name) for tensor in REGISTERS), *CALLS.values(), *VECTORMATH,
    *OF_INTEGERS.values(),
))
Subject = TypeVar("Subject", bound=Hashable)
_SPELLED = {"∂": "d", "′": "_prime", "'": "_prime", "∇": "grad_", "ℓ": "l"}
_COMBINING = {"COMBINING MACRON": "_bar", "COMBINING CIRCUMFLEX ACCENT": "_hat",
              "COMBINING TILDE": "_tilde", "COMBINING DOT ABOVE": "_dot"}


def spelled(name: str) -> str:
    """The name in ASCII letters, digits and underscores, beginning with a letter.

    >>> spelled("δ1"), spelled("∂W1"), spelled("w′"), spelled("lambda"), spelled("ŷ")
    ('delta1', 'dW1', 'w_prime', 'lambda_', 'y_hat')
    """
    letters = "".join(_letter(c) for c in unicodedata.normalize("NFKD", name))
    word = re.sub(r"[^A-Za-z0-9_]", "", letters).lstrip("_")
    word = word if word[:1].isalpha() else f"t_{word}"
    return f"{word}_" if keyword.iskeyword(word) or word in RESERVED else word


def _letter(letter: str) -> str:
    if letter.isascii() and letter != "'":
        return letter
    if letter in _SPELLED:
        return _SPELLED[letter]
    name = unicodedata.name(letter, "")
    if name in _COMBINING:
        return _COMBINING[name]
    greek = re.match(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)", name)
    if greek:
        return greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize()
    return f"_u{ord(letter):x}_"


def table(words: Iterable[tuple[Subject, str]]) -> dict[Subject, str]:
    """Each subject with an identifier of its own, for all of a module."""
    pairs = tuple(words)
    found = distinct(word for _, word in pairs)
    return {subject: word for (subject, _), word in zip(pairs, found, strict=True)}


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """An identifier for each name, no two alike and none taken: W, W_2, W_3, …"""
    used = set(taken)
    found = []
    for name in names:
        word = candidate = spelled(name)
        number = 1
        while candidate in used:
            number += 1
            candidate = f"{word}_{number}"
        used.add(candidate)
        found.append(candidate)
    return found
