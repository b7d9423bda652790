"""Windows in training steps: rows side by side, runs along memory, the same numbers."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from numba import njit
from sympy import Sum, tanh

import symbackprop as sb
from symbackprop import layers
from symbackprop.codegen.places import places
from symbackprop.codegen.schedule.tiling import ByColumns
from symbackprop.codegen.schedule.windows import align
from symbackprop.interpreter import evaluate
from symbackprop.normal import normalise
from tests.codegen.cases import random
from tests.codegen.test_sharing import (
    assert_same_bits,
    assert_steps_agree,
    compiled,
    in_regions,
    tiny,  # noqa: F401 the fixture
    window_net,
)
from tests.codegen.test_training_kernel import ROWS, N, Net, step
from tests.support.replay import Replay


def series() -> Net:
    """Two convolutions in one dimension, seven channels between them, a rest that fills no pool."""
    return window_net(lambda x: layers.convolution(layers.mean_pool(
        layers.convolution(x, 7, 3, "relu", padding=2), 3), 2, 2, "tanh"), 2, 9)


def images() -> Net:
    """Channels that are added four and two at a time, an odd width, padding before the second."""
    def made(x: object) -> object:
        h = layers.max_pool(layers.convolution(x, 8, 3, "relu"), 2)
        return layers.convolution(h, 6, (2, 3), "relu", padding=(0, 1), stride=(1, 2))
    return window_net(made, 1, 8, 7)


def wide() -> Net:
    """Windows of five by seven, longer than what is written out, and pools that overlap."""
    return window_net(lambda x: layers.max_pool(layers.convolution(
        x, 2, (5, 7), "tanh", padding="same"), 3, stride=2), 3, 7, 9)


def thin() -> Net:
    """One channel, and a window that no few terms divide; then one channel and one place."""
    def made(x: object) -> object:
        h = layers.convolution(x, 1, 7, "tanh", stride=2)
        return layers.convolution(layers.mean_pool(h, 2, 1), 3, 1, "tanh")
    return window_net(made, 1, 13)


def pointwise() -> Net:
    """A weight between channels, whose gradient is a product of matrices once rows are last."""
    c, f, q, u, a = sb.indices("c f q u a", 8, 9, 6, 4, 3)
    x, w, v = sb.data("x", N, c, q), sb.parameter("w", f, c), sb.parameter("v", f, a)
    rate, n = sb.hyper("rate", 0.05), sb.indices("n", N)
    g = sb.define("g", (n, c, q), tanh(x[n, c, q]))
    h = sb.define("h", (n, f, q), tanh(Sum(g[n, c, q]*w[f, c], c)))
    z = sb.define("z", (n, f, u), Sum(h[n, f, u + a]*v[f, a], a))
    loss = sb.define("L", (), Sum(z[n, f, u]**2, n, f, u)/N)
    d = sb.derive(loss)
    updates = [(t, sb.define(f"{t.name}_next", t.letters,
                             t.at(*t.letters) - rate*d[t].at(*t.letters))) for t in (w, v)]
    return Net(step(loss, updates), (x,), {x: random(ROWS, 8, 6), w: random(9, 8)/4,
                                           v: random(9, 3)}, {rate.tensor: 0.05})


WINDOWS: dict[str, Callable[[], Net]] = {"series": series, "images": images, "wide": wide,
                                         "thin": thin, "pointwise": pointwise}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("made", [Net.kernel, compiled], ids=["whole", "tiles"])
@pytest.mark.parametrize("name", WINDOWS)
def test_steps_with_windows_are_those_of_the_interpreter(name: str, made: Callable) -> None:
    """Batches of 1, 7, 10 and 23 rows: the last tile of 4 has three, two and three."""
    net = WINDOWS[name]()
    assert_steps_agree(net, made(net, "float64"), [(1, 2), (7, 2), (10, 3), (100, 4)])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", WINDOWS)
def test_threads_do_not_meet_in_windows_and_leave_the_same_bits(name: str) -> None:
    net = WINDOWS[name]()
    assert not Replay(in_regions(net), {N: 23}, 4, 3).conflicts()
    assert_same_bits(net, (1, 2, 3))


def formulas(net: Net) -> list[str]:
    return [line[2:] for line in str(in_regions(net)).splitlines() if line.startswith("# ")]


def test_rows_are_last_in_what_has_windows() -> None:
    found = formulas(images())
    assert any(re.match(r"x_turned\[i,j,k,n\] = x\[n,i,j,k\]", line) for line in found), found
    assert any(line.startswith("m1[f,u,v,n] = max_{a,b} h1[f,2·u + a,2·v + b,n]")
               for line in found), found


def test_what_stays_the_same_in_a_scatter_is_computed_before_it() -> None:
    """Pieces of the derivative of a pool: a division for each window and not for each entry."""
    divided = [line for line in formulas(images()) if "/t" in line]
    assert len(divided) == 1
    assert re.match(r"q\d*\[f,u′′,v′′,n\] = ∂L/∂m1\[f,u′′,v′′,n\]/t\d*\[f,u′′,v′′,n\]", divided[0])


def test_attention_keeps_its_rows_first() -> None:
    """Products of two arrays for each row by itself are products of matrices as they lie."""
    x = sb.parameter("w", N, 3, 4)
    n, i, j, k = sb.indices("n i j k", N, 3, 3, 4)
    q = sb.define("q", (n, i, k), x[n, (i + 1) % 3, k])
    s = sb.define("s", (n, i, j), Sum(q[n, i, k]*x[n, j, k], k))
    window = sb.define("window", (n, i, k), q[n, i, k] + x[n, i, 3 - k])
    for made, turned in ((s, False), (window, True)):
        kept = sb.define("kept", (n,), Sum(made.at(*made.letters), *made.letters[1:]))
        found = align(normalise(sb.program(kept)), N)
        assert any(isinstance(d.target, ByColumns) for d in found) is turned
        assert found.inputs == (x,)  # also a parameter has a copy that is turned


def test_a_run_is_one_loop_and_short_windows_are_written_out() -> None:
    source = compiled(images()).source
    assert re.search(r"for f, u in places\(\(8, 6\)\):", source)
    assert re.search(r"s\d_flat\[entry\] \+= \(?\s*x_turned_flat\[entry\]\*W1_value\s*"
                     r"\+ x_turned_flat_2\[entry\]\*W1_value_2", source)
    assert re.search(r"m1\[f, u, v, n\] = \(\s*maximum\(maximum\(maximum\(", source)


def test_a_convolution_without_a_batch_is_compiled_too() -> None:
    x = sb.data("x", 2, 6, 5)
    c, f, u, v, a, b = sb.indices("c f u v a b", 2, 3, 5, 4, 2, 2)
    w = sb.parameter("W", f, c, a, b)
    z = sb.define("z", (f, u, v), Sum(x[c, u + a, v + b]*w[f, c, a, b], c, a, b))
    given = {"x": random(2, 6, 5), "W": random(3, 2, 2, 2)}
    np.testing.assert_allclose(sb.compile(z, dtype="float64")(**given),
                               evaluate(sb.program(z), given)[z], rtol=1e-12)


@pytest.mark.parametrize("lengths", [(3, 2), (0, 4), (2, 3, 1, 4), (5, 1)])
def test_places_are_those_of_loops_in_each_other(lengths: tuple[int, ...]) -> None:
    letters = ", ".join("abcd"[:len(lengths)])
    space = {"places": places}
    exec(f"def visited(lengths, found):\n k = 0\n for {letters} in places(lengths):\n"
         f"  for place, value in enumerate(({letters})):\n   found[k, place] = value\n"
         "  k += 1\n return k", space)
    found = np.zeros((50, len(lengths)), np.int64)
    count = njit(space["visited"])(lengths, found)
    np.testing.assert_array_equal(found[:count], list(np.ndindex(*lengths)) or found[:0])
