"""Narrow arrays of a step, stored column by column: what is turned, and the same numbers."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from sympy import Sum, exp, log, sqrt, tanh

import symbackprop as sb
from symbackprop.codegen.driver import kernel_of
from symbackprop.codegen.ir import Kernel
from symbackprop.codegen.schedule import columns, costs, regions, tiling
from symbackprop.codegen.schedule.storage import with_defined_updates
from tests.codegen.cases import random
from tests.codegen.test_sharing import (
    EVERY,
    assert_same_bits,
    assert_steps_agree,
    compiled,
    in_regions,
)
from tests.codegen.test_training_kernel import ROWS, N, Net, step
from tests.support.replay import Replay

n, i, j, k = sb.indices("n i j k", N, 6, 12, 3)


def classifier(hidden: int = 12, classes: int = 3) -> Net:
    """tanh and softmax, one-hot labels, plain gradient descent."""
    j, k = sb.indices("j k", hidden, classes)
    x, y = sb.data("x", n, i), sb.data("y", n, k, facts=["one_hot"])
    w1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
    w2, b2, rate = sb.parameter("W2", j, k), sb.parameter("b2", k), sb.hyper("rate")
    h = sb.define("h", (n, j), tanh(Sum(x[n, i]*w1[i, j], i) + b1[j]))
    z = sb.define("z", (n, k), Sum(h[n, j]*w2[j, k], j) + b2[k])
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    loss = sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/N)
    d = sb.derive(loss)
    updates = [(w, sb.define(f"{w.name}_next", w.letters,
                             w.at(*w.letters) - rate*d[w].at(*w.letters)))
               for w in (w1, b1, w2, b2)]
    arrays = {x: random(ROWS, 6), y: np.eye(classes)[np.arange(ROWS) % classes],
              w1: random(6, hidden)/4, b1: random(hidden)/4, w2: random(hidden, classes)/4,
              b2: random(classes)/4}
    return Net(step(loss, updates), (x, y), arrays, {rate.tensor: 0.5})


def normed_scores() -> Net:
    """Scores whose mean and spread over the batch are known before anybody reads them."""
    x, y, w = sb.data("x", n, i), sb.data("y", n, k), sb.parameter("W", i, k)
    rate = sb.hyper("rate")
    z = sb.define("z", (n, k), Sum(x[n, i]*w[i, k], i))
    mean = sb.define("mean", (k,), Sum(z[n, k], n)/N)
    spread = sb.define("spread", (k,), Sum((z[n, k] - mean[k])**2, n)/N)
    q = sb.define("q", (n, k), (z[n, k] - mean[k])/sqrt(spread[k] + 1))
    loss = sb.losses.cross_entropy(sb.softmax(q), y)
    d = sb.derive(loss)
    updates = [(w, sb.define("W_next", (i, k), w[i, k] - rate*d[w][i, k]))]
    arrays = {x: random(ROWS, 6), y: np.eye(3)[np.arange(ROWS) % 3], w: random(6, 3)/4}
    return Net(step(loss, updates), (x, y), arrays, {rate.tensor: 0.1})


def formulas(net: Net) -> list[str]:
    kernel: Kernel = kernel_of(with_defined_updates(net.program), N)
    return [line[2:] for line in str(kernel).splitlines() if line.startswith("# ")]


def test_scores_their_sensitivities_and_the_gradient_of_their_weights_are_turned() -> None:
    found = formulas(classifier())
    for line in ("z[k,n] = b2[k] + s2[k,n]", "p[k,n] = e1[k,n]/s4[n]",
                 "δ2[k,n] = (p[k,n] − y[n,k])/N", "∂L/∂W2[k,j] = Σ_n h[n,j]·δ2[k,n]",
                 "h[n,j] = tanh(z1[n,j])"):
        assert line in found, found


@pytest.mark.parametrize(("hidden", "classes"), [(12, 11), (8, 3)])
def test_many_columns_and_few_from_few_lie_by_rows(hidden: int, classes: int) -> None:
    found = formulas(classifier(hidden, classes))
    assert any(line.startswith("p[n,k] = ") for line in found), found
    assert any(line.startswith("h[n,j] = ") for line in found), found


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has 2 to 4 columns counts as narrow; tiles of 4 rows, and strips of small arrays."""
    monkeypatch.setattr(columns, "FEW", 4)
    for module in (tiling, regions):
        monkeypatch.setattr(module, "SMALL", 40)
    monkeypatch.setattr(tiling, "LARGEST_PART", 40)
    monkeypatch.setattr(costs, "height", lambda *_: 4)
    monkeypatch.setattr("symbackprop.codegen.training.height", lambda *_: 4)


NARROW = {"classifier": EVERY["classifier"], "normed": EVERY["normed"],
          "classifier of 12 and 3": classifier, "normed scores": normed_scores}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", NARROW)
def test_these_networks_have_turned_arrays(name: str) -> None:
    stages = in_regions(NARROW[name]()).stages
    assert any(isinstance(stage.definition.target, tiling.ByColumns) for stage in stages)


@pytest.mark.usefixtures("few")
def test_tiles_of_a_turned_array_lie_one_after_the_other() -> None:
    source = compiled(normed_scores()).source
    assert re.search(r" z = columns_of\(slot\d+, low, \(3, rows\)\)", source)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("made", [Net.kernel, compiled], ids=["whole", "tiles"])
@pytest.mark.parametrize("name", NARROW)
def test_steps_with_turned_arrays_are_those_of_the_interpreter(name: str, made: Callable) -> None:
    net = NARROW[name]()
    assert_steps_agree(net, made(net, "float64"), [(1, 2), (7, 2), (10, 3), (100, 4)])


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", NARROW)
def test_threads_do_not_meet_in_turned_arrays(name: str) -> None:
    net = NARROW[name]()
    assert not Replay(in_regions(net), {N: 23}, 4, 3).conflicts()
    assert_same_bits(net, (1, 3))
