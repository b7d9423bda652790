"""Parameters that threads share in strips of rows: sums over them, maps, and their next values."""

from collections.abc import Callable

import pytest
from sympy import Expr, Sum, sqrt, tanh

import symbackprop as sb
from symbackprop.declare import declare
from symbackprop.notation import Tensor
from tests.codegen.cases import random
from tests.codegen.test_sharing import (
    assert_same_bits,
    assert_steps_agree,
    compiled,
    in_regions,
    tiny,  # noqa: F401 the fixture
)
from tests.codegen.test_training_kernel import ROWS, N, Net, step
from tests.support.replay import Replay

n, i, j, k = sb.indices("n i j k", N, 9, 10, 9)
r, s, t = sb.indices("r s t", 8, 10, 20)

SUMS: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Expr]]] = {
    "columns before rows": ((9, 10), lambda w: Sum(w[i, j]**2, j, i)),
    "columns first and rows first": ((9, 10), lambda w: Sum(w[i, j]**4, j, i) + Sum(
        w[i, j]**2, i, j)),
    "an array by its transpose": ((9, 9), lambda w: Sum(w[i, k]*w[k, i], i, k)),
    "what is not symmetric": ((9, 9), lambda w: Sum((w[i, k] - w[k, i])**2, i, k)),
    "one row less the row above": ((9, 10), lambda w: Sum((w[r + 1, j] - w[r, j])**2, r, j)),
    "rows some rows apart": ((12, 10), lambda w: Sum(w[i + 3, j]*w[i, j] + w[i + 1, j]**3, i, j)),
    "one column": ((50, 2), lambda w: Sum(w[b50, 0]**2, b50) + Sum(w[b50, 1]**4, b50)),
    "by itself from behind": ((50,), lambda w: Sum(w[b50]*w[49 - b50], b50)),
    "every second column": ((9, 20), lambda w: Sum(w[i, 2*s]*w[i, 2*s + 1], i, s)),
    "a norm": ((9, 10), lambda w: sqrt(Sum(w[i, j]**2, j, i))),
    "a short axis in memory, a long one written first": (
        (4, 9, 5), lambda w: Sum(tanh(w[a4, k, c5]), k, c5, a4)),
}
b50, a4, c5 = sb.indices("b a c", 50, 4, 5)


def net_of(loss: Expr, parameters: tuple[Tensor, ...], arrays: dict[Tensor, object],
           updates: tuple[tuple[Tensor, Tensor], ...] = ()) -> Net:
    """Gradient descent on a loss, beside other updates."""
    rate = sb.hyper("rate", 0.05)
    whole = sb.define("L", (), loss)
    d = sb.derive(whole, parameters or None)
    moved = [(p, sb.define(f"{p.name}_next", p.letters,
                           p.at(*p.letters) - rate*d[p].at(*p.letters))) for p in parameters]
    x = next(t for t in arrays if t.name == "x")
    return Net(step(whole, [*moved, *updates]), (x,), arrays, {rate.tensor: 0.05})


def summed(name: str) -> Net:
    """A row of data by a parameter, and a sum over all entries of another one."""
    shape, total = SUMS[name]
    x, v, w = sb.data("x", n, i), sb.parameter("v", i), sb.parameter("W", *shape)
    return net_of(Sum(tanh(Sum(x[n, i]*v[i], i)), n)/N + total(w)/7, (v, w),
                  {x: random(ROWS, 9), v: random(9), w: random(*shape, seed=2)})


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", SUMS)
def test_sums_over_parameters_are_those_of_the_interpreter(name: str) -> None:
    net = summed(name)
    assert_steps_agree(net, compiled(net), [(10, 1), (10, 3)])
    assert_same_bits(net, (1, 3))


MAPS: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Expr]]] = {
    "rows further down": ((12, 10), lambda w: tanh(w[i + 3, j])),
    "differences": ((10, 10), lambda w: w[i + 1, j] - w[i, j]),
    "columns further on": ((9, 13), lambda w: tanh(w[i, j + 3])),
    "from below": ((9, 10), lambda w: tanh(w[8 - i, j])),
}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", MAPS)
def test_maps_of_parameters_are_those_of_the_interpreter(name: str) -> None:
    shape, body = MAPS[name]
    x, w = sb.data("x", n, i), sb.parameter("W", *shape)
    made = sb.define("M", (i, j), body(w))
    net = net_of(Sum(tanh(Sum(x[n, i]*made[i, j], i)), n, j)/N, (w,),
                 {x: random(ROWS, 9), w: random(*shape)})
    assert_steps_agree(net, compiled(net), [(10, 1), (10, 3)])
    assert_same_bits(net, (1, 3))


def state(name: str, *axes: object) -> Tensor:
    return declare(name, axes, "state", ())


def layer() -> tuple[Tensor, Tensor, Expr, Tensor]:
    """Data, a weight, the loss of a layer, and the weight's gradient."""
    x, w = sb.data("x", n, i), sb.parameter("W", i, j)
    loss = Sum(tanh(Sum(x[n, i]*w[i, j], i))**2, n, j)/N
    return x, w, loss, sb.derive(sb.define("L", (), loss), [w])[w]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("shift", [0, 11])
def test_a_strip_that_reads_rows_of_a_longer_array_waits_for_them(shift: int) -> None:
    """Nine rows are cut into other strips than twenty are."""
    x, w, loss, _ = layer()
    u, v = state("U", i, j), state("V", t, j)
    v_next = sb.define("V_next", (t, j), tanh(v[t, j]) + 1)
    net = net_of(loss, (w,), {x: random(ROWS, 9), w: random(9, 10), u: random(9, 10, seed=1),
                              v: random(20, 10)},
                 ((v, v_next), (u, sb.define("U_next", (i, j), u[i, j] + v_next[i + shift, j]))))
    for threads in (2, 3, 8):
        assert not Replay(in_regions(net), {N: 23}, 4, threads).conflicts()
    assert_steps_agree(net, compiled(net), [(10, 2), (10, 3)])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("made", [Net.kernel, compiled], ids=["whole", "strips"])
def test_a_gradient_that_is_kept_is_computed_though_an_update_reads_it(made: Callable) -> None:
    """V ← g while another update reads the old V, so that g has a copy; and W ← W − rate·g."""
    x, w, loss, g = layer()
    v, u = state("V", i, j), state("U", i, j)
    net = net_of(loss, (), {x: random(ROWS, 9), w: random(9, 10), v: random(9, 10, seed=1),
                            u: random(9, 10, seed=2)},
                 ((v, g), (w, sb.define("W_next", (i, j), w[i, j] - g[i, j]/9)),
                  (u, sb.define("U_next", (i, j), u[i, j] + v[i, j]))))
    assert_steps_agree(net, made(net, "float64"), [(10, 2)])


@pytest.mark.usefixtures("tiny")
def test_maps_of_arrays_whose_rows_have_the_length_of_a_size_are_compiled() -> None:
    m = sb.indices("m", sb.size("M"))
    x, w, v = sb.data("x", n, i), sb.parameter("W", i, m), state("V", i, m)
    loss = sb.define("L", (), Sum(tanh(Sum(x[n, i]*w[i, m], i))**2, n, m)/N)
    v_next = sb.define("V_next", (i, m), v[i, m]/2 + sb.derive(loss, [w])[w][i, m]**2)
    updates = [(v, v_next), (w, sb.define("W_next", (i, m), w[i, m] - v_next[i, m]/9))]
    net = Net(step(loss, updates), (x,), {x: random(ROWS, 9), w: random(9, 11),
                                          v: random(9, 11, seed=1)}, {})
    assert_steps_agree(net, compiled(net), [(10, 1), (10, 3)])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", ["rows", "groups"])
def test_a_size_may_be_called_like_what_a_kernel_counts(name: str) -> None:
    x, w = sb.data("x", n, i), sb.parameter("W", i, sb.size(name))
    m = sb.indices("m", sb.size(name))
    net = net_of(Sum(tanh(Sum(x[n, i]*w[i, m], i)), n, m)/N, (w,),
                 {x: random(ROWS, 9), w: random(9, 11)})
    assert_steps_agree(net, compiled(net), [(10, 1), (10, 3)])
