"""The functions of kernels: right to the last place or two, everywhere, and vectors in a loop."""

import re
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import symbackprop as sb
from symbackprop.codegen import arithmetic, coefficients, minimax, trigonometry
from tests.codegen.loops import (
    FUNCTIONS,
    PAIRS,
    PLAIN,
    by_bits,
    errors,
    loop,
    precise_errors,
    values,
)

BOUND = {"float32": 1.5, "float64": 2.0}
INF, NAN = np.inf, np.nan
ALL = [*FUNCTIONS, *PAIRS, *PLAIN]
DTYPES = ["float32", "float64"]


def uniform(name: str, dtype: str, count: int, draws: np.random.Generator) -> np.ndarray:
    return draws.uniform(*getattr(FUNCTIONS[name], dtype), count).astype(dtype)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_is_right_within_a_place_and_a_half(name: str, seed: int) -> None:
    """Ten million points: of any size by their bits, and where the function bends."""
    draws = np.random.default_rng(seed)
    for part in range(10):
        x = (uniform(name, "float32", 10**6, draws) if part % 2 else
             by_bits("float32", 10**6, draws))
        with np.errstate(all="ignore"):
            found = errors(values(name, x), FUNCTIONS[name].wide(x.astype(np.float64)))
        assert found.max() <= BOUND["float32"], x[found.argmax()]


@pytest.mark.soak
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_float32_is_right_within_a_place_and_a_half(name: str, part: int) -> None:
    """All 2³² of them, an eighth at a time."""
    for start in range(part*2**29, (part + 1)*2**29, 2**22):
        x = np.arange(start, start + 2**22, dtype=np.uint64).astype(np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            found = errors(values(name, x), FUNCTIONS[name].wide(x.astype(np.float64)))
        assert found.max() <= BOUND["float32"], x[found.argmax()]


def check_against_mpmath(name: str, count: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    for x in (uniform(name, "float64", count//3, draws), draws.uniform(-1, 1.5, count//3),
              by_bits("float64", count//3, draws)):
        x = np.abs(x) if name == "log" else x
        x = x[x > -1] if name == "log1p" else x
        found = precise_errors(values(name, x), FUNCTIONS[name].precise, x)
        assert found.max() <= BOUND["float64"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_is_right_within_two_places(name: str, seed: int) -> None:
    check_against_mpmath(name, 10**5, seed)


@pytest.mark.soak
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_is_right_within_two_places_at_a_million_points(name: str, seed: int) -> None:
    check_against_mpmath(name, 10**6, seed)


def powers(dtype: str, count: int, draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Bases of any size, or near 1, and exponents so that most results are numbers."""
    x = np.abs(by_bits(dtype, count, draws))
    x = np.where(np.isfinite(x) & (x > 0) & (draws.random(count) < 0.5), x,
                 draws.uniform(0.5, 2, count).astype(dtype)).astype(dtype)
    ends = {"float32": (-105, 90), "float64": (-747, 711)}[dtype]
    exponent = draws.uniform(*ends, count)
    with np.errstate(all="ignore"):
        y = np.clip(exponent/np.log(x.astype(np.float64)), -1e38, 1e38)
    return x, y.astype(dtype)


def test_powers_in_float32_are_right_within_a_place_and_a_half(seed: int) -> None:
    draws = np.random.default_rng(seed)
    for _ in range(10):
        x, y = powers("float32", 10**6, draws)
        with np.errstate(all="ignore"):
            exact = np.power(x.astype(np.float64), y.astype(np.float64))
        assert errors(values("power", x, y), exact).max() <= BOUND["float32"]


def test_powers_in_float64_are_right_within_two_places(seed: int) -> None:
    x, y = powers("float64", 10**5, np.random.default_rng(seed))
    assert precise_errors(values("power", x, y), lambda a, b: a**b, x, y).max() <= BOUND["float64"]


def test_logaddexp_is_right_to_the_places_of_what_is_added(seed: int) -> None:
    draws = np.random.default_rng(seed)
    a, b = draws.uniform(-100, 100, (2, 10**6)).astype(np.float32)
    exact = np.logaddexp(a.astype(np.float64), b.astype(np.float64))
    scale = np.maximum(np.abs(exact), np.maximum(np.abs(a), np.abs(b)))
    assert errors(values("logaddexp", a, b), exact, scale).max() <= BOUND["float32"]


SPECIALS = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (-1000.0, -1.0)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-2.0, NAN), (-INF, NAN)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (30.0, 1.0)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0), (500.0, 500.0)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "relu": [(-1.0, 0.0), (2.0, 2.0), (INF, INF), (-INF, 0.0)],
    "sign": [(-3.0, -1.0), (0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)],
    "sqrt": [(0.0, 0.0), (-0.0, -0.0), (4.0, 2.0), (INF, INF), (-1.0, NAN)],
}


def same(found: Any, expected: Any) -> np.ndarray:
    """Equal, the sign of zero included; NaN is NaN."""
    signs = np.signbit(found) == np.signbit(expected)
    return np.where(np.isnan(expected), np.isnan(found), (found == expected) & signs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SPECIALS)
def test_special_values_are_exact(name: str, dtype: str) -> None:
    x, expected = np.array([*SPECIALS[name], (NAN, NAN)], dtype).T.copy()
    for length in (1, len(x), 16*len(x)):  # the tail of a loop, and its vectors
        found = values(name, np.resize(x, length))
        assert same(found, np.resize(expected, length)).all(), (x, found)


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_at_the_ends_are_those_of_c99(dtype: str) -> None:
    """0⁰ = 1^NaN = 1, signs of zeros and infinities, NaN for a negative base unless y is whole."""
    odd = 2.0**23 + 1 if dtype == "float32" else 2.0**52 + 1
    ends = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 2.5, INF, -INF, NAN, odd]
    x, y = (axis.ravel() for axis in np.meshgrid(np.array(ends, dtype), np.array(ends, dtype)))
    found = values("power", x, y)
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
        close = same(found, expected) | (np.abs(found/expected - 1) <= 2*np.finfo(dtype).eps)
    assert close.all(), list(zip(x[~close], y[~close], found[~close], strict=True))


@pytest.mark.parametrize(("name", "pair", "expected"), [
    ("maximum", (NAN, 1.0), NAN), ("maximum", (1.0, NAN), NAN), ("minimum", (NAN, 1.0), NAN),
    ("minimum", (1.0, NAN), NAN), ("maximum", (-INF, INF), INF), ("minimum", (2.0, 3.0), 2.0),
    ("logaddexp", (INF, INF), INF), ("logaddexp", (-INF, -INF), -INF),
    ("logaddexp", (-INF, 3.0), 3.0), ("logaddexp", (INF, -INF), INF), ("logaddexp", (NAN, 1), NAN),
    ("leaky_relu", (-2.0, 0.5), -1.0), ("leaky_relu", (2.0, 0.5), 2.0),
    ("leaky_relu", (NAN, 0.5), NAN),
])
@pytest.mark.parametrize("dtype", DTYPES)
def test_special_pairs_are_exact(name: str, pair: tuple[float, float], expected: float, dtype: str
                                 ) -> None:
    x, y = (np.full(19, value, dtype) for value in pair)
    assert same(values(name, x, y), np.full(19, expected, dtype)).all()


def test_denormal_results_are_right_to_their_last_place() -> None:
    x = np.linspace(-104, -87.4, 10**5).astype(np.float32)
    for name in ("exp", "sigmoid", "softplus"):
        found = values(name, x)
        assert ((found > 0) & (found < 2.0**-126)).mean() > 0.8
        assert errors(found, np.exp(x.astype(np.float64))).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_end_where_the_dtype_does(dtype: str) -> None:
    """The last argument with a finite exponential, and the last with one above zero."""
    largest = np.log(np.finfo(dtype).max.astype(np.longdouble))
    last = np.array([largest], dtype)
    last = np.where(last > largest, np.nextafter(last, -last), last)
    assert np.isfinite(values("exp", last)).all()
    assert np.isfinite(values("expm1", last)).all()
    assert values("exp", np.nextafter(last, 2*last)) == INF
    smallest = float(np.log(np.finfo(dtype).smallest_subnormal.astype(np.longdouble)/2))
    assert values("exp", np.array([smallest*(1 + 1e-5)], dtype)) == 0
    assert values("exp", np.array([smallest*(1 - 1e-5)], dtype)) > 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALL)
def test_a_loop_over_it_is_vectors_and_calls_nothing(name: str, dtype: str) -> None:
    text = without_wrapper(loop(name, dtype))
    kind = {"float32": "float", "float64": "double"}[dtype]
    if f"x {kind}>" not in without_wrapper(loop("relu", dtype)):
        pytest.skip("this machine has no vectors")
    assert re.search(rf"<\d+ x {kind}>", text)
    called = set(re.findall(r"call [^@\n]*\b(?:float|double|float>|double>) @([\w.]+)", text))
    assert all(c.startswith("llvm.") for c in called), called
    if dtype == "float32":
        assert "fpext" not in text
        assert "double" not in text


@pytest.mark.parametrize("name", [*FUNCTIONS, "power", "logaddexp"])
def test_no_permission_of_the_kernel_reaches_a_formula(name: str) -> None:
    assert "reassoc" not in without_wrapper(loop(name, "float32"))


def without_wrapper(function: Any) -> str:
    parts = function.inspect_llvm(function.signatures[0]).split("\ndefine ")
    return "\n".join(part for part in parts[1:] if "7cpython" not in part.split("{")[0])


def test_coefficients_are_what_the_script_derives() -> None:
    kept = Path(coefficients.__file__).read_text(encoding="utf-8")
    assert minimax.module() == kept, "run python -m symbackprop.codegen.minimax"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", minimax.TARGETS, ids=lambda target: target.name)
def test_polynomials_are_better_than_rounding(target: minimax.Target, dtype: str) -> None:
    """And a coefficient that is off by a thousandth is seen: the control."""
    kept = coefficients.COEFFICIENTS[target.name][dtype]
    digits = minimax.BITS[dtype]
    assert minimax.error_of(target, dtype, kept) < mp.mpf(2)**-(digits + 1)
    spoiled = (kept[0]*1.001, *kept[1:])
    assert minimax.error_of(target, dtype, spoiled) > mp.mpf(2)**-(digits + 1)


def test_quarter_turns_of_powers_of_two_have_all_their_digits() -> None:
    for format_ in arithmetic.FORMATS.values():
        rows = trigonometry.turns(format_)
        for exponent in (0, 24, format_.bias):
            with mp.workprec(2*format_.bias + 400):
                exact = mp.ldexp(2/mp.pi, exponent - format_.digits + 1) % 4
                lost = abs(exact - sum(map(mp.mpf, rows[exponent])))
                assert lost < mp.mpf(2)**(2 - 4*format_.digits)


def test_kernels_have_the_interpreters_values_at_the_ends() -> None:
    """Inverse roots of 0 and ∞, maxima with NaN, powers: where LLVM's own shortcuts differ."""
    n = sb.indices("n", sb.size("N"))
    x, y = sb.data("x", n), sb.data("y", n)
    q = sb.define("q", (n,), x[n]/y[n])
    bodies = [1/sb.sqrt(q[n]), x[n]/sb.sqrt(q[n]), sb.maximum(q[n], 1), sb.minimum(q[n], x[n]),
              q[n]**x[n], sb.tanh(q[n])]
    outputs = [q, *(sb.define(f"y{i}", (n,), body) for i, body in enumerate(bodies))]
    outputs += [sb.define("most", (), sb.Maximum(q[n], n)),
                sb.define("least", (), sb.Minimum(q[n], n))]
    given = {"x": np.tile([0.0, 4.0, 1.0, 0.0], 8), "y": np.tile([0.0, 1.0, 0.0, 7.0], 8)}
    program = sb.program(outputs)
    expected = sb.evaluate(program, given)
    assert {0.0, np.inf} < set(expected[program.outputs[1]])
    assert np.isnan(expected[program.outputs[-1]])
    for dtype in DTYPES:
        for found, tensor in zip(sb.compile(outputs, dtype=dtype)(**given), program.outputs,
                                 strict=True):
            np.testing.assert_allclose(found, expected[tensor], rtol=1e-6)
