"""The counter-based generator: published vectors, and the same bits in kernel and interpreter."""

from typing import Any

import mpmath as mp
import numpy as np
import pytest
from sympy import Integer, log, sqrt

import symbackprop as sb
from symbackprop.functions import costurn
from symbackprop.interpreter import evaluate
from symbackprop.notation import Fact
from symbackprop.philox import philox, unit, words
from tests.codegen import loops

N = sb.size("N")
ONES, PI_DIGITS = 0xFFFFFFFF, (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)

# kat_vectors of Random123: philox4x32, 10 rounds
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,)*4, (ONES,)*2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (PI_DIGITS, (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS, ids=range(3))
def test_words_are_those_of_the_published_vectors(
        counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert tuple(map(int, words(counter, key))) == expected
    for pair in (0, 1):
        first, second = expected[2*pair:2*pair + 2]
        assert unit(pair, *key, *counter) == (first*2**21 + (second >> 11))/2**53


def whole(name: str, *axes: Any) -> Any:
    return sb.data(name, *axes, facts=[Fact("label", (), Integer(2**32))])


def numbers(kind: str) -> tuple[Any, dict[str, Any]]:
    """A tensor [n, j] of numbers that depend on large integers, and values for these."""
    n, j = sb.indices("n j", N, 16)
    row, seed, when = whole("row", n), whole("seed", 2), whole("when")

    def drawn(pair: int) -> Any:
        return philox(pair, seed[0], seed[1], j, row[n], when, 5)

    body = {
        "first": drawn(0), "second": drawn(1), "mask": sb.Iverson(drawn(0) < 0.3),
        "normal": sqrt(-2*log(1 - drawn(0)))*costurn(drawn(1)),
    }[kind]
    values = {"row": np.arange(65) + 2**32 - 65, "seed": np.array([2**32 - 1, 2**31]),
              "when": np.array(2**31 + 7)}
    return sb.define("u", (n, j), body), values


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["first", "second", "mask"])
def test_kernels_draw_the_bits_of_the_interpreter(kind: str, dtype: str) -> None:
    u, values = numbers(kind)
    found = sb.compile(u, dtype=dtype)(**values)
    expected = evaluate(sb.program(u), values)[u]
    if dtype == "float32" and kind != "mask":
        expected = np.floor(expected*2**24)/2**24
    np.testing.assert_array_equal(found, expected)
    assert found.max() < 1 or kind == "mask"


def test_normal_numbers_of_a_kernel_are_those_of_the_interpreter() -> None:
    u, values = numbers("normal")
    found = sb.compile(u, dtype="float64")(**values)
    np.testing.assert_allclose(found, evaluate(sb.program(u), values)[u], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_cosine_of_turns_is_right_within_two_places(dtype: str, seed: int) -> None:
    draws = np.random.default_rng(seed)
    x = np.concatenate([draws.random(4000), draws.uniform(-4, 4, 4000), np.arange(-8, 9)/8])
    x = x.astype(dtype)
    found = loops.values("costurn", x)
    if dtype == "float64":
        kept = (4*x) % 2 != 1  # at its zeros the exact value has no digits to compare
        exact = loops.precise_errors(found[kept], lambda t: mp.cospi(2*t), x[kept])
        assert exact.max() <= 2
    else:
        exact = np.array([float(mp.cospi(2*mp.mpf(float(t)))) for t in x])
        assert loops.errors(found, exact).max() <= 1.5
    assert (found[(4*x) % 2 == 1] == 0).all()
