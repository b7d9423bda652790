"""The letters of update rules: how each is written in a formula, and which numbers it may be.

    name            sign   range
    rate            η      above 0
    momentum        μ      from 0 up to, but not including, 1

A field of an optimizer is named by the word; its formula shows the sign.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sympy import Dummy, Expr, Mul, Symbol, log

from symbackprop.arrays import Array
from symbackprop.broadcasting import finite_number
from symbackprop.errors import TrainingError
from symbackprop.functions import expm1
from symbackprop.laws import RANGES, Range
from symbackprop.notation import Role, Tensor
from symbackprop.printing.text import text

__all__ = ["LETTERS", "Letter", "in_range", "shown", "sign", "unused"]


@dataclass(frozen=True, slots=True)
class Letter:
    """A row: the sign in formulas, and which numbers the letter may be."""

    sign: str
    numbers: Range


LETTERS = {
    "rate": Letter("η", RANGES["positive"]),
    "momentum": Letter("μ", RANGES["below_one"]),
    "beta1": Letter("β1", RANGES["below_one"]),
    "beta2": Letter("β2", RANGES["below_one"]),
    "alpha": Letter("α", RANGES["below_one"]),
    "epsilon": Letter("ε", RANGES["positive"]),
    "momentum_decay": Letter("ψ", RANGES["not_negative"]),
    "weight_decay": Letter("λ", RANGES["not_negative"]),
    "limit": Letter("c", RANGES["positive"]),
}
_SIGNS = {"is_weight": "[weight]", "factor": "factor", "steps_per_epoch": "S"}
_OWN = re.compile(r"([a-z0-9_]+?)_(start|least|factor|length|warmup|number)(_\d+|\d*)")


def sign(name: str) -> str:
    """How a letter is written: η for rate, η_start for rate_start, its own name for others."""
    if name in LETTERS:
        return LETTERS[name].sign
    own = _OWN.fullmatch(name)
    if own and own[1] in LETTERS:
        return f"{LETTERS[own[1]].sign}_{own[2]}{own[3]}"
    return _SIGNS.get(name, name)


def in_range(owner: str, name: str, value: Any, letter: str | None = None) -> float:
    """The value as a float; raises TrainingError, in words, for what is not in the letter's range.

    A letter without a row may be any finite number.
    """
    row = LETTERS.get(letter or name)
    numbers = RANGES["real"] if row is None else row.numbers
    number = finite_number(value)
    if number is None or not numbers.fits(number):
        raise TrainingError(f"{owner}: {name} must be {numbers.words}, found {value!r}")
    return number


def shown(expr: Expr, numbers: Iterable[Symbol]) -> str:
    """An expression of letters as a formula, its numbers before what it computes with.

    >>> from symbackprop.training.rules import g, rate, w
    >>> shown(w - rate*g, [rate])
    'w − η·g'
    """
    first = set(numbers)
    expr = _with_powers(expr)
    tensors = {s: _tensor(s, s in first) for s in sorted(expr.free_symbols, key=_order)}
    return text(expr.xreplace({s: made.symbol for s, made in tensors.items()}), {})


def unused(stem: str, taken: Collection[str]) -> str:
    """The stem, or the stem with the least number from 2 on, that is not taken.

    >>> unused("limit", {"limit", "limit2"})
    'limit3'
    """
    tried = itertools.chain([stem], (f"{stem}{number}" for number in itertools.count(2)))
    return next(name for name in tried if name not in taken)


def _with_powers(expr: Expr) -> Expr:
    """−expm1(t·log β) as 1 − βᵗ; kernels compute the former, which keeps the digits."""
    found: dict[Expr, Expr] = {}
    for node in expr.atoms(expm1):
        base = next((f.args[0] for f in Mul.make_args(node.args[0]) if isinstance(f, log)), None)
        if base is not None:
            found[node] = 1 - base**(node.args[0] / log(base))
    named = {node: Dummy() for node in found}
    return expr.xreplace({node: -name for node, name in named.items()}).xreplace(
        {name: found[node] for node, name in named.items()})


def _order(symbol: Symbol) -> tuple[bool, str]:
    return symbol.name in "wg", symbol.name


def _tensor(symbol: Symbol, is_number: bool) -> Tensor:
    role: Role = "hyper" if is_number else "intermediate"
    return Array(sign(symbol.name), (), (), role)
