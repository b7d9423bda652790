"""minimax: polynomials of least greatest weighted error, with coefficients that are floats.

Remez's exchange in 60 digits: the error of the best polynomial takes its greatest size, with
signs in turn, at one place more than there are coefficients (Chebyshev).  Coefficients are rounded
one at a time, the lowest first, and those that remain are found anew beside the rounded ones;
all at once on an interval around 0, where that theorem needs the constant, and in float64 from the
fourth on, where rounding is far below the error.

    python -m symbackprop.codegen.minimax      derive all of codegen/coefficients.py and write it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mpmath as mp

DIGITS = 60
EXCHANGES = 12
SAMPLES = 16  # between two places where the error is greatest
BITS = {"float32": 24, "float64": 53}

Real = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A function on an interval, the weight of its error, and a degree for each arithmetic.

    ends: (low, high) for float32 and for float64.
    """

    name: str
    function: Real
    weight: Real
    ends: tuple[tuple[str, str], tuple[str, str]]
    degrees: tuple[int, int]


def _tail(function: Real, order: int, known: Callable[[int], Any]) -> Real:
    """(f(t) − Σ_{k<order} known(k)·t^k)/t^order, without loss of digits near 0."""

    def value(t: Any) -> Any:
        with mp.workdps(3 * DIGITS):
            t = mp.mpf(t) if abs(t) > mp.mpf(10)**-12 else mp.mpf(10)**-12
            return (function(t) - sum(known(k) * t**k for k in range(order))) / t**order

    return value


def _atanh_series(k: int) -> Any:
    """The coefficient of z^k in atanh(√z)·2/√z."""
    return mp.mpf(2) / (2 * k + 1)


def _of_root(function: Real) -> Real:
    """f(√z)/√z as a function of z."""
    return lambda z: function(mp.sqrt(z)) / mp.sqrt(z)


def _inverse_tanh(s: Any) -> Any:
    return 2 * mp.atanh(s)


_HALF_LOG = ("-0.34658", "0.34658")  # ln 2/2, and what rounding adds
_RATIOS = ("0", "0.029438")          # ((√2 − 1)/(√2 + 1))², and what rounding adds
_QUARTER = ("0", "0.61686")          # (π/4)², and what rounding adds
_SMALL_TANH = ("0", "0.4901")        # elementary.SMALL_TANH², and what rounding adds
_QUARTER_LOG = ("-0.17329", "0.17329")  # ln 2/4, and what rounding adds

TARGETS = (
    # e^r = 1 + r + r²·E(r)
    Target("EXP", _tail(mp.exp, 2, lambda k: 1), lambda r: r**2, (_HALF_LOG, _HALF_LOG), (4, 9)),
    # e^2r = 1 + r·X(r)
    Target("EXP_TWICE", _tail(lambda r: mp.exp(2 * r), 1, lambda k: 1), lambda r: r / mp.exp(2 * r),
           (_QUARTER_LOG, _QUARTER_LOG), (5, 10)),
    # log((1 + s)/(1 − s)) = 2·s + s³·L(s²)
    Target("LOG", _tail(_of_root(_inverse_tanh), 1, _atanh_series), lambda z: z,
           (_RATIOS, _RATIOS), (2, 6)),
    # log((1 + s)/(1 − s)) = 2·s + 2/3·s³ + s⁵·P(s²)
    Target("POWER", _tail(_of_root(_inverse_tanh), 2, _atanh_series), lambda z: z**2,
           (_RATIOS, _RATIOS), (3, 8)),
    # sin r = r + r³·S(r²), cos r = 1 − r²/2 + r⁴·C(r²)
    Target("SIN", _tail(_of_root(mp.sin), 1, lambda k: 1), lambda z: z,
           (_QUARTER, _QUARTER), (2, 5)),
    Target("COS", _tail(lambda z: mp.cos(mp.sqrt(z)), 2, lambda k: (1, mp.mpf(-1) / 2)[k]),
           lambda z: z**2, (_QUARTER, _QUARTER), (2, 5)),
    # tanh t = t + t³·T(t²)
    Target("TANH", _tail(_of_root(mp.tanh), 1, lambda k: 1), lambda z: z,
           (_SMALL_TANH, _SMALL_TANH), (4, 11)),
    # erf t = t + t·S(t²) for small t; 1 − e^T(t − 1) for t from there to where it rounds to 1
    Target("ERF_SMALL", lambda z: _of_root(mp.erf)(z + mp.mpf(10)**-30) - 1, lambda z: 1,
           (("0", "1"), ("0", "1")), (6, 12)),
    Target("ERF_LARGE", lambda t: mp.log(mp.erfc(t + 1)),
           lambda t: mp.erfc(t + 1) / mp.erf(t + 1), (("0", "3"), ("0", "5")), (8, 20)),
)

# numbers in two parts: the first times any exponent of that arithmetic is exact
PARTS: dict[str, tuple[Real, dict[str, int]]] = {
    "LN2": (lambda: mp.log(2), {"float32": 8, "float64": 11}),
    "TWO_THIRDS": (lambda: mp.mpf(2) / 3, {"float32": 0, "float64": 0}),
    "HALF_PI": (lambda: mp.pi / 2, {"float32": 0, "float64": 0}),
}


def derived(target: Target, dtype: str) -> tuple[float, ...]:
    """The coefficients from the lowest power up, each a float of this dtype."""
    with mp.workdps(DIGITS):
        place = list(BITS).index(dtype)
        low, high = map(mp.mpf, target.ends[place])
        count = target.degrees[place] + 1
        grid = _grid(low, high, count * SAMPLES)
        values = [target.function(t) for t in grid]
        weights = [target.weight(t) for t in grid]
        fixed: list[Any] = []
        while len(fixed) < count:
            rest = [v - mp.polyval(fixed[::-1], t) if fixed else v
                    for t, v in zip(grid, values, strict=True)]
            best = _remez(grid, rest, weights, range(len(fixed), count))
            done = low < 0 or (dtype == "float64" and len(fixed) > 2)
            wanted = count - len(fixed) if done else 1
            fixed += [_rounded(c, BITS[dtype]) for c in best[:wanted]]
        return tuple(float(c) for c in fixed)


def error_of(target: Target, dtype: str, coefficients: tuple[float, ...]) -> Any:
    """The greatest weighted error of a polynomial with these coefficients."""
    with mp.workdps(DIGITS):
        low, high = map(mp.mpf, target.ends[list(BITS).index(dtype)])
        backwards = [mp.mpf(c) for c in coefficients[::-1]]
        return max(abs(mp.polyval(backwards, t) - target.function(t)) * target.weight(t)
                   for t in _grid(low, high, 200))


def _constant(name: str, dtype: str) -> tuple[float, ...]:
    """A number of PARTS as a sum of two floats."""
    value, short = PARTS[name]
    with mp.workdps(DIGITS):
        number = value()
        first = _rounded(number, BITS[dtype] - short[dtype])
        return float(first), float(_rounded(number - first, BITS[dtype]))


def _grid(low: Any, high: Any, count: int) -> list[Any]:
    """Chebyshev's places, which crowd at the ends."""
    middle, radius = (low + high) / 2, (high - low) / 2
    return [middle - radius * mp.cos(mp.pi * (k + mp.mpf(1) / 2) / count) for k in range(count)]


def _rounded(number: Any, bits: int) -> Any:
    with mp.workprec(bits):
        return +number


def _remez(grid: list[Any], values: list[Any], weights: list[Any], powers: range) -> list[Any]:
    """Coefficients of these powers with the least greatest weighted error on the grid."""
    count = len(powers)
    step = len(grid) / (count + 1)
    places = [int(step * (k + 0.5)) for k in range(count + 1)]
    solution: list[Any] = []
    for _ in range(EXCHANGES):
        rows = mp.matrix(count + 1, count + 1)
        for row, place in enumerate(places):
            for column, power in enumerate(powers):
                rows[row, column] = weights[place] * grid[place]**power
            rows[row, count] = (-1)**row
        right = mp.matrix([weights[place] * values[place] for place in places])
        found = mp.lu_solve(rows, right)
        solution = [found[k] for k in range(count)]
        backwards = [*solution[::-1], *[0] * powers.start]
        errors = [w * (v - mp.polyval(backwards, t))
                  for t, v, w in zip(grid, values, weights, strict=True)]
        exchanged = _alternation(errors, count + 1)
        if exchanged == places:
            break
        places = exchanged
    return solution


def _alternation(errors: list[Any], count: int) -> list[int]:
    """Places of the greatest errors of each run of one sign; the outermost small ones dropped."""
    places: list[int] = []
    for k, error in enumerate(errors):
        if not places or (error > 0) != (errors[places[-1]] > 0):
            places.append(k)
        elif abs(error) > abs(errors[places[-1]]):
            places[-1] = k
    while len(places) > count:
        last = abs(errors[places[-1]]) < abs(errors[places[0]])
        places.pop(-1 if last else 0)
    missing = count - len(places)
    return places + [k for k in range(len(errors)) if k not in places][:missing]


def module() -> str:
    """The text of codegen/coefficients.py."""
    rows: list[tuple[str, Real]] = [(t.name, partial(derived, t)) for t in TARGETS]
    rows += [(name, partial(_constant, name)) for name in PARTS]
    lines = ['"""Written by minimax.py: coefficients, lowest power first, and numbers in parts."""',
             "", "COEFFICIENTS: dict[str, dict[str, tuple[float, ...]]] = {"]
    for name, values in rows:
        lines.append(f'    "{name}": {{')
        for dtype in BITS:
            lines.append(f'        "{dtype}": (')
            lines += [f"            {c!r}," for c in values(dtype)]
            lines.append("        ),")
        lines.append("    },")
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("coefficients.py").write_text(module(), encoding="utf-8")
