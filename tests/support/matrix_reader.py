"""Reads printed matrix lines as symbackprop/printing/matrix.py says they are read, with NumPy.

    line("δ1 = (δ2 W2ᵀ) ⊙ (1 − H ⊙ H)", {"δ2": …, "W2": …, "H": …})  ->  ("δ1", Matrix)

Shapes must fit exactly: nothing is broadcast but scalars, and the ones 1 whose length is open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class UnreadableError(Exception):
    """This is no line of matrix notation."""


class Matrix(NamedTuple):
    """Entries, and for each axis whether its length is still open (one entry stands for all).

    diagonal: the one entry stands for those of the diagonal of an open square, the others are 0.
    """

    entries: np.ndarray
    open: tuple[bool, bool] = (False, False)
    diagonal: bool = False

    @property
    def is_scalar(self) -> bool:
        return self.entries.shape == (1, 1) and not any(self.open)

    @property
    def transposed(self) -> Matrix:
        return Matrix(self.entries.T, self.open[::-1])


IDENTITY = Matrix(np.ones((1, 1)), (True, True), True)
ONES = Matrix(np.ones((1, 1)), (True, False))
FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "tanh": np.tanh, "exp": np.exp, "log": np.log, "sign": np.sign, "sin": np.sin, "cos": np.cos,
    "√": np.sqrt, "sigmoid": lambda t: 1/(1 + np.exp(-t)), "softplus": lambda t: np.logaddexp(0, t),
    "relu": lambda t: np.maximum(t, 0), "max": np.maximum, "min": np.minimum,
    "softmax": lambda t: np.exp(t)/np.exp(t).sum(axis=1, keepdims=True),
    "leaky_relu": lambda t, slope=0.1: np.where(t > 0, t, slope*t),
}


def _times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A bracket that is false makes the product 0, whatever it meets (Knuth's strong zero)."""
    with np.errstate(invalid="ignore"):
        return np.where((left == 0) | (right == 0), 0.0, left*right)


ENTRYWISE = {"⊙": _times, "⊘": np.divide, "+": np.add, "−": np.subtract}
RELATIONS = {"=": np.equal, "≠": np.not_equal, "≤": np.less_equal, "≥": np.greater_equal,
             "<": np.less, ">": np.greater}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def line(printed: str, values: Mapping[str, Any], side: int = 1) -> tuple[str, np.ndarray]:
    """The name on the left, and the value on the right: 2-dimensional, open axes of length 1.

    side: of what is on the left, for a line that is a multiple of I.
    """
    name, _, right = printed.partition(" = ")
    reader = Reader(tokens(right, values), values)
    value = reader.sum()
    if reader.place != len(reader.tokens):
        raise UnreadableError(f"{reader.tokens[reader.place:]} is left of {right!r}")
    return name, np.eye(side)*value.entries if value.diagonal else value.entries


def readable(printed: str, values: Mapping[str, Any]) -> bool:
    """Whether a line is in matrix notation; the others are in index form."""
    try:
        line(printed, values)
    except UnreadableError:
        return False
    return True


def shaped(entries: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What was read as a value of this shape; a rank-1 tensor may be a column or a row."""
    if len(shape) == 1:
        assert 1 in entries.shape, f"{entries.shape} is no vector"
        entries = entries.reshape(-1)
    return np.broadcast_to(entries, shape) if shape else entries.reshape(())


def tokens(right: str, values: Mapping[str, Any]) -> list[str]:
    """Names (the longest first), functions, numbers and signs."""
    words = [*values, *FUNCTIONS, "diag", "tr", "I", "and", "or", "not"]
    names = sorted(words, key=len, reverse=True)
    pattern = "|".join([
        *(re.escape(name) + r"(?![A-Za-z0-9_′])" for name in names),
        r"\d+(?:\.\d+)?(?:e−?\d+)?", r"\^∘?", r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", r"[ᵀ⊙⊘+−/·()\[\]|,=≠≤≥<>]",
    ])
    found, place = [], 0
    while place < len(right):
        if right[place] == " ":
            place += 1
            continue
        match = re.compile(pattern).match(right, place)
        if not match:
            raise UnreadableError(f"{right[place:]!r} in {right!r}")
        found.append(match.group())
        place = match.end()
    return found


def merged(function: Callable[..., np.ndarray], *given: Matrix) -> Matrix:
    """A function of every entry of matrices of one shape; open axes and scalars fit all."""
    given = _of_one_shape(given)
    wide = [m for m in given if not m.is_scalar]
    if not wide:
        return Matrix(np.asarray(function(*(m.entries for m in given))))
    for axis in (0, 1):
        lengths = {m.entries.shape[axis] for m in wide if not m.open[axis]}
        if len(lengths) > 1:
            raise UnreadableError(f"shapes {[m.entries.shape for m in wide]} do not agree")
    entries = function(*(m.entries for m in given))
    return Matrix(np.asarray(entries), (all(m.open[0] for m in wide), all(m.open[1] for m in wide)))


def _of_one_shape(given: tuple[Matrix, ...]) -> tuple[Matrix, ...]:
    """Multiples of I get the shape of the matrices beside them."""
    shapes = [m.entries.shape for m in given if not m.is_scalar and not m.diagonal]
    if not any(m.diagonal for m in given) or not shapes:
        return given
    side = max(shapes[0])
    return tuple(Matrix(np.eye(side)*m.entries) if m.diagonal else m for m in given)


def product(left: Matrix, right: Matrix) -> Matrix:
    """The matrix product; a 1 × 1 matrix is a scalar."""
    if left.is_scalar or right.is_scalar:
        return (right if left.is_scalar else left)._replace(entries=left.entries*right.entries)
    if left.diagonal or right.diagonal:
        return (right if left.diagonal else left)._replace(entries=left.entries*right.entries)
    a, b, = left.entries, right.entries
    if left.open[1] and right.open[0]:
        raise UnreadableError("a product over an index whose length nothing gives")
    length = b.shape[0] if left.open[1] else a.shape[1]
    if not right.open[0] and b.shape[0] != length:
        raise UnreadableError(f"{a.shape} times {b.shape}")
    a = np.broadcast_to(a, (a.shape[0], length))
    b = np.broadcast_to(b, (length, b.shape[1]))
    return Matrix(a @ b, (left.open[0], right.open[1]))


class Reader:
    """Recursive descent over the grammar of printing/matrix.py."""

    def __init__(self, found: list[str], values: Mapping[str, Any]) -> None:
        self.tokens, self.place, self.values = found, 0, values
        self.ends = [""]  # what closes the brackets and bars around this place

    @property
    def next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        found = self.next
        if not found or (expected and found != expected):
            raise UnreadableError(f"expected {expected or 'more'} in {self.tokens}")
        self.place += 1
        return found

    def sum(self) -> Matrix:
        negative = self.next == "−" and bool(self.take())
        total = self.term()
        total = total._replace(entries=-total.entries) if negative else total
        while self.next in ("+", "−"):
            total = merged(ENTRYWISE[self.take()], total, self.term())
        return total

    def term(self) -> Matrix:
        value = self.product()
        while self.next in ("⊙", "⊘"):
            value = merged(ENTRYWISE[self.take()], value, self.product())
        return value

    def product(self) -> Matrix:
        """Factors side by side; a lone 1 is a number, beside another factor a column of ones."""
        factors: list[Matrix | None] = [self.factor()]
        divisor = Matrix(np.ones((1, 1)))
        while self.starts_factor() or self.next in ("/", "·"):
            if self.next == "/":
                self.take()
                under = self.factor() or Matrix(np.ones((1, 1)))
                assert under.is_scalar, "division by a matrix"
                divisor = product(divisor, under)
            else:
                assert divisor.entries.item() == 1, "a factor after a quotient"
                _ = self.take() if self.next == "·" else None
                factors.append(self.factor())
        alone = Matrix(np.ones((1, 1))) if len(factors) == 1 else ONES
        value = factors[0] or alone
        for factor in factors[1:]:
            value = product(value, factor or ONES)
        return value._replace(entries=value.entries/divisor.entries)

    def starts_factor(self) -> bool:
        begins = ("(", "[", "|", "√", "diag", "tr", "I", *FUNCTIONS)
        return bool(self.next) and self.next != self.ends[-1] and (
            self.next in begins or self.next in self.values or self.next[0].isdigit())

    def factor(self) -> Matrix | None:
        """None stands for a 1, which the product understands."""
        is_one = self.next == "1"
        value = self.atom()
        if is_one and self.next != "ᵀ":
            return None
        value = ONES if is_one else value
        while self.next in ("ᵀ", "^∘", "^") or (self.next and self.next[0] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"):
            sign = self.take()
            if sign == "ᵀ":
                value = value.transposed
            elif sign == "^∘":
                value = merged(np.power, value, self.atom())
            elif sign == "^":
                assert value.is_scalar, "^ of a matrix is written ^∘"
                value = Matrix(value.entries**self.atom().entries)
            else:
                assert value.is_scalar, "² of a matrix is written ⊙ or ^∘2"
                value = Matrix(value.entries**int(sign.translate(SUPERSCRIPTS)))
        return value

    def atom(self) -> Matrix:
        sign = self.take()
        if sign in self.values:
            return _matrix(self.values[sign])
        if sign == "(":
            return self.closed(self.sum, ")")
        if sign == "[":
            return self.closed(self.condition, "]")
        if sign == "|":
            value = self.closed(self.sum, "|")
            return Matrix(np.abs(value.entries), value.open)
        if sign == "I":
            return IDENTITY
        if sign in FUNCTIONS or sign in ("diag", "tr"):
            self.take("(")
            inside = [self.sum()]
            while self.next == ",":
                self.take()
                inside.append(self.sum())
            self.take(")")
            if sign == "tr":
                return Matrix(np.trace(_square(inside[0])).reshape(1, 1))
            return merged(FUNCTIONS[sign], *inside) if sign != "diag" else _diagonal(inside[0])
        if sign[0].isdigit():
            return _matrix(float(sign.replace("−", "-")))
        raise UnreadableError(f"{sign!r} begins nothing")

    def closed(self, inside: Callable[[], Matrix], end: str) -> Matrix:
        self.ends.append(end)
        value = inside()
        self.take(self.ends.pop())
        return value

    def condition(self) -> Matrix:
        value = self.relation()
        while self.next in ("and", "or"):
            both = np.logical_and if self.take() == "and" else np.logical_or
            value = merged(both, value, self.relation())
        return Matrix(value.entries.astype(float), value.open)

    def relation(self) -> Matrix:
        if self.next == "not":
            self.take()
            self.take("(")
            value = self.closed(self.condition, ")")
            return Matrix(1 - value.entries, value.open)
        left = self.sum()
        if self.next not in RELATIONS:
            return left
        return merged(RELATIONS[self.take()], left, self.sum())


def _matrix(value: Any) -> Matrix:
    array = np.asarray(value, float)
    return Matrix(array.reshape(-1, 1) if array.ndim < 2 else array)


def _diagonal(given: Matrix) -> Matrix:
    """Of a column the matrix with it on the diagonal, of a square its diagonal as a column."""
    if given.entries.shape[1] == 1 and not any(given.open):
        return Matrix(np.diag(given.entries[:, 0]))
    return Matrix(np.diag(_square(given)).reshape(-1, 1))


def _square(given: Matrix) -> np.ndarray:
    rows, columns = given.entries.shape
    if any(given.open) or rows != columns:
        raise UnreadableError(f"{given.entries.shape} is no square, or not known to be one")
    return given.entries
