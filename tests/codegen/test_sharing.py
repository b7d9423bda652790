"""Steps in tiles of rows on several threads: the interpreter's numbers, one thread's bits."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sympy import Max, Sum, exp, log, sqrt, tanh

import symbackprop as sb
from symbackprop.codegen import TrainingKernel, compile_training
from symbackprop.codegen.driver import shared_kernel_of
from symbackprop.codegen.ir import Kernel
from symbackprop.codegen.schedule import costs, regions, tiling
from symbackprop.codegen.schedule.storage import with_defined_updates
from symbackprop.codegen.summation import MOST_GROUPS
from symbackprop.declare import declare
from tests.codegen.cases import random
from tests.codegen.test_training_kernel import NETS, ROWS, N, Net, step
from tests.support.replay import Replay

n, i, j, k = sb.indices("n i j k", N, 9, 10, 3)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 4 rows, and arrays of more than 40 entries are shared in strips."""
    for module in (tiling, regions):
        monkeypatch.setattr(module, "SMALL", 40)
    monkeypatch.setattr(tiling, "LARGEST_PART", 40)
    monkeypatch.setattr(costs, "height", lambda *_: 4)
    monkeypatch.setattr("symbackprop.codegen.training.height", lambda *_: 4)


def normed() -> Net:
    """A mean and a maximum over the batch in the middle, labels, an embedding, momentum."""
    x, y = sb.data("x", n, i), sb.data("y", n, facts=[sb.label(k)])
    word = sb.data("word", n, facts=[sb.label(i)])
    w1, w2, e = sb.parameter("W1", i, j), sb.parameter("W2", j, k), sb.parameter("E", i, j)
    rate, v = sb.hyper("rate"), declare("v", (i, j), "state", ())
    a = sb.define("a", (n, j), Sum(x[n, i]*w1[i, j], i) + e[word[n], j])
    mean = sb.define("mean", (j,), Sum(a[n, j], n)/N)
    spread = sb.define("spread", (j,), Sum((a[n, j] - mean[j])**2, n)/N)
    largest = sb.define("largest", (j,), sb.Maximum(a[n, j], n))
    h = sb.define("h", (n, j), tanh((a[n, j] - mean[j])/sqrt(spread[j] + 1)) + largest[j]/9)
    z = sb.define("z", (n, k), Sum(h[n, j]*w2[j, k], j))
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    loss = sb.define("L", (), -Sum(log(p[n, y[n]]), n)/N + Sum(w1[i, j]**2, i, j)/1000)
    d = sb.derive(loss)
    v_next = sb.define("v_next", (i, j), v[i, j]/2 + d[w1][i, j])
    updates = [(v, v_next), (w1, sb.define("W1_next", (i, j), w1[i, j] - rate*v_next[i, j])),
               (e, sb.define("E_next", (i, j), e[i, j] - rate*d[e][i, j])),
               (w2, sb.define("W2_next", (j, k), w2[j, k] - rate*d[w2][j, k]))]
    arrays = {x: random(ROWS, 9), y: np.arange(ROWS) % 3, word: np.arange(ROWS)*2 % 9,
              w1: random(9, 10)/4, w2: random(10, 3)/4, e: random(9, 10)/5, v: np.zeros((9, 10))}
    return Net(step(loss, updates), (x, y, word), arrays, {rate.tensor: 0.5})


def clipped() -> Net:
    """The norm of a whole gradient, which one thread knows, scales the steps of all."""
    x, y, w = sb.data("x", n, i), sb.data("y", n, j), sb.parameter("W", i, j)
    b, rate = sb.parameter("b", j), sb.hyper("rate", 0.1)
    loss = sb.define("L", (), Sum((Sum(x[n, i]*w[i, j], i) + b[j] - y[n, j])**2, n, j)/N)
    d = sb.derive(loss)
    norm = sb.define("norm", (), sqrt(Sum(d[w][i, j]**2, i, j) + Sum(d[b][j]**2, j)))
    scale = sb.define("scale", (), rate/Max(norm, 1))
    updates = [(w, sb.define("W_next", (i, j), w[i, j] - scale*d[w][i, j])),
               (b, sb.define("b_next", (j,), b[j] - scale*d[b][j]))]
    arrays = {x: random(ROWS, 9), y: random(ROWS, 10), w: random(9, 10), b: random(10)}
    return Net(step(loss, updates), (x, y), arrays, {rate.tensor: 0.1})


def weighted() -> Net:
    """A penalty that weighs columns, of which there are as many as strips; a sum over both axes."""
    m = sb.indices("m", 8)
    x, w, c = sb.data("x", n, i), sb.parameter("W", i, m), sb.parameter("c", m)
    rate = sb.hyper("rate", 0.001)
    loss = sb.define("L", (), Sum(Sum(x[n, i]*w[i, m], i)**2, n, m)/N + Sum(c[m]*w[i, m]**2, i, m))
    d = sb.derive(loss)
    updates = [(t, sb.define(f"{t.name}_next", at, t[at] - rate*d[t][at]))
               for t, at in ((w, (i, m)), (c, (m,)))]
    arrays = {x: random(ROWS, 9), w: random(9, 8), c: random(8)}
    return Net(step(loss, updates), (x,), arrays, {rate.tensor: 0.001})


def window_net(made: Callable[[object], object], *shape: int) -> Net:
    """A net of windows over data of this shape for each row, and two linear outputs."""
    x, y = sb.data("x", N, *shape), sb.data("y", N, 2)
    o = sb.layers.dense(sb.layers.flatten(made(x)), 2)
    loss, rate = sb.losses.squared_error(o, y), sb.hyper("rate", 0.05)
    d = sb.derive(loss)
    found = [t for t in sb.program(loss).inputs if t.role == "parameter"]
    updates = [(t, sb.define(f"{t.hint}{t.serial}_next", t.letters,
                             t.at(*t.letters) - rate*d[t].at(*t.letters))) for t in found]
    arrays = {x: random(ROWS, *shape), y: random(ROWS, 2)}
    arrays |= {t: random(*map(int, t.axes), seed=k)/2 for k, t in enumerate(found)}
    return Net(step(loss.tensor, updates), (x, y), arrays, {rate.tensor: 0.05})


def pooled() -> Net:
    """Images: what a window reads, and what its gradient adds to, are rows of their own."""
    return window_net(lambda x: sb.layers.max_pool(sb.layers.convolution(
        x, 3, 2, "tanh", padding=1, stride=2), 2, stride=1), 1, 5, 5)


EVERY: dict[str, Callable[[], Net]] = {**NETS, "normed": normed, "clipped": clipped,
                                    "weighted": weighted, "pooled": pooled}


def compiled(net: Net, dtype: str = "float64") -> TrainingKernel:
    return compile_training(net.program, net.batch, N, net.program.outputs[0], dtype, shared=True)


def assert_steps_agree(net: Net, kernel: TrainingKernel, cases: list[tuple[int, int]]) -> None:
    """Losses, their sum and what is updated, for batches of so many rows on so many threads."""
    for batch_size, threads in cases:
        order = np.random.default_rng(0).permutation(ROWS)
        expected, losses = net.slow(order, batch_size)
        arrays, found = net.copies(), np.zeros(len(losses))
        total = kernel.run(order, batch_size, arrays, net.hypers, found, threads)
        np.testing.assert_allclose(found, losses, rtol=1e-12)
        rows = [min(batch_size, ROWS - first) for first in range(0, ROWS, batch_size)]
        assert total == pytest.approx(float(np.dot(found, rows)), rel=1e-14)
        for old, _ in net.program.updates:
            np.testing.assert_allclose(arrays[old], expected[old], rtol=1e-9, atol=1e-12)


def assert_same_bits(net: Net, counts: tuple[int, ...]) -> None:
    """For any of these numbers of threads, in float32."""
    kernel, order = compiled(net, "float32"), np.tile(np.arange(ROWS), (5, 1))
    runs = []
    for threads in counts:
        arrays, losses = net.copies("float32"), np.zeros((5, 3))
        kernel.run(order, 10, arrays, net.hypers, losses, threads)
        runs.append([losses, *(arrays[old] for old, _ in net.program.updates)])
    for other in runs[1:]:
        for one, another in zip(runs[0], other, strict=True):
            np.testing.assert_array_equal(one, another)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", EVERY)
def test_shared_steps_are_those_of_the_interpreter(name: str) -> None:
    """The last batch of 23 rows is smaller; tiles of 4 rows do not divide one of 7 or 10."""
    net = EVERY[name]()
    assert_steps_agree(net, compiled(net), [(1, 2), (7, 1), (7, 2), (10, 3), (23, 2), (100, 4)])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", EVERY)
def test_the_bits_do_not_depend_on_the_number_of_threads(name: str) -> None:
    assert_same_bits(EVERY[name](), (1, 2, 3, 4))


def in_regions(net: Net) -> Kernel:
    program = with_defined_updates(replace(net.program, outputs=net.program.outputs[:1]))
    return shared_kernel_of(program, N, tuple(t for t in net.batch if t in program.inputs))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", EVERY)
def test_no_two_threads_touch_an_entry_between_two_waits(name: str) -> None:
    kernel = in_regions(EVERY[name]())
    for rows, threads, last in [(23, 2, 23), (23, 3, 23), (9, 8, 9), (3, 2, 3), (23, 2, 9),
                                (23, 3, 5), (40, 4, 3), (5, 2, 23)]:
        assert not Replay(kernel, {N: rows}, 4, threads, last).conflicts()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", EVERY)
def test_without_any_one_of_its_waits_two_threads_meet_in_an_entry(name: str) -> None:
    kernel = in_regions(EVERY[name]())
    fewer = [replace(kernel, regions=(*kernel.regions[:place], replace(region, waits=False),
                                      *kernel.regions[place + 1:]))
             for place, region in enumerate(kernel.regions) if region.waits]
    if kernel.ends_waiting:
        fewer.append(replace(kernel, ends_waiting=False))
    assert fewer
    for less in fewer:
        assert any(Replay(less, {N: 23}, 4, threads).conflicts() for threads in (2, 3, 8))


@pytest.mark.usefixtures("tiny")
def test_maps_of_the_same_strips_are_visited_some_rows_at_a_time() -> None:
    """A momentum and the weights that it moves: no wait, one walk, and one name for one memory."""
    source = compiled(normed()).source
    walk = source[source.index("for low in range(strip*9//8, last, "):]
    together = walk[:walk.index("\n\n")]
    assert "v_flat[entry] = " in together
    assert "W1_flat[entry] = W1_flat[entry] - " in together
    assert "W1_next_flat" not in source
    assert "wait" not in together


@pytest.mark.parametrize("cores", [1, 2, 4, 8])
def test_each_thread_has_about_as_many_rows(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    kernel = in_regions(normed())
    for rows in (1_000, 2_048, 2_500, 4_999, 10_000, 60_001):
        height = costs.height(kernel, {N: rows}, 4)
        tiles = -(-rows//height)
        groups = min(tiles, MOST_GROUPS)
        mine = [sum(min(height, rows - height*tile) for group in
                    range(groups*t//cores, groups*(t + 1)//cores)
                    for tile in range(group, tiles, groups)) for t in range(cores)]
        assert sum(mine) == rows
        assert max(mine) <= 1.1*rows/cores


@pytest.mark.usefixtures("tiny")
def test_a_window_and_what_its_gradient_adds_to_are_rows_of_one_tile() -> None:
    assert compiled(pooled()).source.count("wait(meeting, threads)") == 2


@pytest.mark.usefixtures("tiny")
def test_a_number_that_is_read_before_a_loop_gets_out_of_the_way_of_names() -> None:
    """The scale that one thread makes has the local name scale_value, which a hyper has here."""
    x, w, other = sb.data("x", n, i), sb.parameter("W", i, j), sb.hyper("scale_value", 0.5)
    loss = sb.define("L", (), Sum(Sum(x[n, i]*w[i, j], i)**2, n, j)/N)
    d = sb.derive(loss)
    scale = sb.define("scale", (), 1/(1 + Sum(d[w][i, j]**2, i, j)))
    kept = sb.define("W_next", (i, j), w[i, j] - scale*other*d[w][i, j])
    net = Net(step(loss, [(w, kept)]), (x,), {x: random(ROWS, 9), w: random(9, 10)},
              {other.tensor: 0.5})
    assert_steps_agree(net, compiled(net), [(10, 2)])


@pytest.mark.usefixtures("tiny")
def test_an_order_need_not_be_writable() -> None:
    net, order = EVERY["classifier"](), np.random.default_rng(0).permutation(ROWS)
    kernel, found = compiled(net), []
    for writable in (True, False):
        order.flags.writeable = writable
        arrays = net.copies()
        found.append(kernel.run(order, 8, arrays, net.hypers, threads=2))
    assert found[0] == found[1]
