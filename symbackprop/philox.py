"""philox(pair, seed, counter): a number in [0, 1) that depends on these integers alone.

    words(counter, key)              the four words of Philox4x32-10, 32 bits each
    philox(0, k₀, k₁, c₀, …, c₃)     (w₀·2²¹ + ⌊w₁/2¹¹⌋)/2⁵³;  pair 1 is made of w₂ and w₃

There is no state that is carried on: an entry of a noise is a function of where it stands, so that
it is the same for any number of threads, order of rows and batch size, forward and backward.  In
float32 the first 24 bits of w₀ are the number, so that two precisions draw the same masks but
where the threshold lies between the two (once in 2²⁴ entries).

Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"; its test vectors
are in the tests.  Tried and left: one word for each entry of a row (fewer rounds, but then an
entry depends on how many others a kernel computes beside it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symbackprop.accurate import RealFunction

__all__ = ["KEYS", "MULTIPLIERS", "ROUNDS", "WORD", "philox", "unit", "words"]

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEYS = 0x9E3779B9, 0xBB67AE85  # what is added to the key after each round
WORD = 2**32


class philox(RealFunction):  # noqa: N801  functions are named as they are written in formulas
    """philox(pair, k₀, k₁, c₀, c₁, c₂, c₃) of integers, each taken modulo 2³²; pair is 0 or 1."""

    nargs = 7
    is_nonnegative = True


def words(counter: tuple[Any, ...], key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The four words of ten rounds for four words of counter and two of key, entry by entry.

    >>> [hex(int(word)) for word in words((0, 0, 0, 0), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    a, b, c, d = (np.asarray(part).astype(np.int64).astype(np.uint64) % WORD for part in counter)
    one, two = (np.asarray(part).astype(np.int64).astype(np.uint64) % WORD for part in key)
    shift = np.uint64(32)
    for _ in range(ROUNDS):
        first, second = a * np.uint64(MULTIPLIERS[0]), c * np.uint64(MULTIPLIERS[1])
        a, b, c, d = ((second >> shift) ^ b ^ one, second % WORD, (first >> shift) ^ d ^ two,
                      first % WORD)
        one, two = (one + np.uint64(KEYS[0])) % WORD, (two + np.uint64(KEYS[1])) % WORD
    return a, b, c, d


def unit(pair: Any, *integers: Any) -> Any:
    """The value of philox over arrays, in float64."""
    (low, high, *counter) = (np.asarray(given, dtype=float) for given in integers)
    found = words(tuple(counter), (low, high))
    second = np.asarray(pair, dtype=float) > 0
    first, rest = (np.where(second, found[k + 2], found[k]) for k in (0, 1))
    return ((first << np.uint64(21)) + (rest >> np.uint64(11))) / 2.0**53
