"""What enters a unit, and what leaves an input, follow from how a weight is read."""

from __future__ import annotations

from typing import Any

import pytest
from sympy import Sum

import symbackprop as sb

N = sb.size("N")


def images(rank: int, channels: int = 3) -> Any:
    return sb.data("x", N, channels, *[6]*rank)


def dense(**options: Any) -> Any:
    return sb.layers.dense(sb.data("x", N, 4), 3, "tanh", **options)


def index_notation() -> Any:
    n, i, j = sb.indices("n i j", N, 4, 3)
    x, W = sb.data("x", n, i), sb.parameter("W1", j, i)  # outputs first
    return sb.define("h", (n, j), Sum(W[j, i]*x[n, i], i))


def sliding() -> Any:
    n, u, a, f = sb.indices("n u a f", N, 4, 3, 2)
    x, W = sb.data("x", n, 6), sb.parameter("W1", f, a)
    return sb.define("h", (n, f, u), Sum(x[n, u + a]*W[f, a], a))


def gathered(deep: bool) -> Any:
    E = sb.layers.embedding(sb.data("x", N, 5, facts=[sb.label(7)]), 4)
    return E @ sb.parameter("V", 4, 2) if deep else E


def tied() -> Any:
    V = sb.parameter("W1", 4, 3)
    return sb.layers.dense(sb.layers.dense(sb.data("x", N, 4), 3, weight=V), 4, weight=V.T)


def heads() -> Any:
    n, t, h, d, k = sb.indices("n t h d k", N, 5, 2, 3, 4)
    x, W = sb.data("x", n, t, h, d), sb.parameter("W1", h, d, k)
    return sb.define("h", (n, t, k), Sum(x[n, t, h, d]*W[h, d, k], h, d))


def masked() -> Any:
    x = sb.data("x", N, 4)
    return x @ (sb.parameter("W1", 4, 3) * sb.data("mask", 4, 3))


# the axes of the first weight along which all that enters a unit lies, and all that leaves an input
CASES: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
    "dense": (dense, (0,), (1,)),
    "folded bias": (lambda: dense(bias="folded"), (0,), (1,)),
    "outputs first": (index_notation, (1,), (0,)),
    "tied": (tied, (0,), (1,)),
    "masked": (masked, (0,), (1,)),
    "maxout": (lambda: sb.layers.maxout(sb.data("x", N, 4), 3, pieces=2), (0,), (1, 2)),
    "two axes in": (heads, (0, 1), (2,)),
    "series": (lambda: sb.layers.convolution(images(1), 2, 3), (1, 2), (0, 2)),
    "images": (lambda: sb.layers.convolution(images(2), 2, 3, "relu"), (1, 2, 3), (0, 2, 3)),
    "padded": (lambda: sb.layers.convolution(images(2), 2, 3, padding="same", stride=1),
               (1, 2, 3), (0, 2, 3)),
    "strided": (lambda: sb.layers.convolution(images(2), 2, 3, stride=2), (1, 2, 3), (0, 2, 3)),
    "one series": (sliding, (1,), (0, 1)),
    "vector": (lambda: sb.data("x", N, 4) @ sb.parameter("W1", 4), (0,), (0,)),
    "embedding": (lambda: gathered(False), (1,), (1,)),
    "embedding that is read at once": (lambda: gathered(True), (1,), (1,)),
    "one-hot rows": (lambda: sb.data("x", N, 4, facts=["one_hot"]) @ sb.parameter("W1", 4, 3),
                     (0,), (1,)),
}


def loss_of(h: Any) -> Any:
    return sb.losses.squared_error(h, sb.data("y", *h.shape))


def first_weight(program: Any) -> str:
    return next(name for t, name in program.names.items() if name in ("W1", "E1"))


@pytest.mark.parametrize("name", CASES)
def test_the_norm_of_a_unit_runs_over_all_that_enters_it(name: str) -> None:
    make, unit, _ = CASES[name]
    h = make()
    name = first_weight(sb.program(h))
    assert conditions(h, sb.constraints.max_norm(2, name)) == conditions(
        h, sb.constraints.max_norm(2, name, axis=unit))


@pytest.mark.parametrize("name", CASES)
def test_groups_are_all_that_leaves_an_input_and_by_word_all_that_enters_a_unit(name: str) -> None:
    make, unit, leaving = CASES[name]
    h = make()
    name = first_weight(sb.program(h))
    for axis, word in ((leaving, "input"), (unit, "unit")):
        for lasso in (lambda axis: sb.penalties.group_lasso(0.1, name, axis=axis),
                      lambda axis: sb.penalties.sparse_group_lasso(0.1, 0.2, name, axis=axis)):
            assert penalised(h, lasso(word)) == penalised(h, lasso(axis))
    assert penalised(h, sb.penalties.group_lasso(0.1, name)) == penalised(
        h, sb.penalties.group_lasso(0.1, name, axis=leaving))


def test_all_weights_of_a_network_get_groups_of_their_own_kind() -> None:
    x = images(2, 1)
    h = sb.layers.dense(sb.layers.flatten(sb.layers.convolution(x, 2, 3, "relu")), 3)
    text = "\n".join(conditions(h, sb.constraints.max_norm(2)))
    assert text == ("√(Σ_{i,a,b} W1[f,i,a,b]²) ≤ c\n"
                    "√(Σ_i W2[i,j]²) ≤ c")


def test_a_tensor_given_itself_is_read_where_the_loss_is_taken() -> None:
    n, i, j = sb.indices("n i j", N, 4, 3)
    x, W = sb.data("x", n, i), sb.parameter("W", j, i)
    h = sb.define("h", (n, j), Sum(W[j, i]*x[n, i], i))
    assert "√(Σ_j W[j,i]²)" in penalised(h, sb.penalties.group_lasso(0.1, W))
    assert "√(Σ_i W[j,i]²)" in penalised(h, sb.penalties.group_lasso(0.1, W, axis="unit"))


def test_a_loss_may_itself_hold_the_product() -> None:
    n, i, j = sb.indices("n i j", N, 4, 3)
    x, y, W = sb.data("x", n, i), sb.data("y", n, j), sb.parameter("W", j, i)
    L = Sum((Sum(W[j, i]*x[n, i], i) - y[n, j])**2, n, j) + sb.penalties.group_lasso(0.1, W)
    assert "√(Σ_j W[j,i]²)" in str(sb.program(L))


def test_what_a_network_computes_may_be_grouped_along_its_last_axis() -> None:
    h = dense()
    assert "√(Σ_j h1[n,j]²)" in penalised(h, sb.penalties.group_lasso(0.1, h))


@pytest.mark.parametrize("make", [
    lambda: sb.penalties.group_lasso(1, "W1", axis="units"),
    lambda: sb.constraints.max_norm(1, "W1", axis="rows"),
])
def test_another_word_for_an_axis_is_refused_with_those_that_there_are(make: Any) -> None:
    with pytest.raises(sb.DeclarationError, match='"input" or "unit"'):
        make()


def penalised(h: Any, penalty: Any) -> str:
    return str(sb.program(loss_of(h) + penalty)).rpartition("L = ")[2]


def conditions(h: Any, constraint: Any) -> list[str]:
    """The conditions as a model of this output prints them."""
    L = sb.define("L", (), loss_of(h))
    program = sb.program(L)
    holds = constraint.definitions(L.tensor, program.definitions)
    lines = str(sb.program([L, *holds])).splitlines()[-len(holds):]
    return [line.split(" = ", 1)[1].strip("[]") for line in lines]
