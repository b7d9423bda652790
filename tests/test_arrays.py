"""Array notation means what NumPy means by the same text, entry by entry."""

import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from scipy import special

import symbackprop as sb
from symbackprop.errors import DeclarationError
from symbackprop.interpreter import evaluate
from symbackprop.notation import TensorSymbol

N = sb.size("N")
SHAPES: dict[str, tuple[Any, ...]] = {
    "x": (N, 4), "y": (N, 4), "W": (4, 3), "V": (3, 3), "b": (3,), "c": (4,), "row": (1, 4),
    "column": (N, 1), "Q": (2, N, 4), "K": (2, 4, 3), "one": (1,), "s": (),
}
ROWS = 5


def tensors() -> dict[str, Any]:
    return {name: sb.data(name, *shape) for name, shape in SHAPES.items()}


def values(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    shapes = {name: [ROWS if e == N else e for e in shape] for name, shape in SHAPES.items()}
    return {name: random.uniform(0.5, 2, shape) for name, shape in shapes.items()}


def computed(result: Any, given: dict[str, np.ndarray]) -> np.ndarray:
    program = sb.program(result)
    sb.verify(program)
    used = {tensor.name: given[tensor.name] for tensor in program.inputs}
    return np.asarray(evaluate(program, used)[program.outputs[0]], dtype=float)


FORMULAS: list[Callable[..., Any]] = [
    lambda x, y, **_: x + y,
    lambda x, y, **_: x - y * 2 + 1,
    lambda x, y, **_: 2.5 * x / y,
    lambda x, **_: 1 / x - 3,
    lambda x, c, **_: x * c,
    lambda x, c, **_: c - x,
    lambda x, row, column, **_: x * row + column,
    lambda row, column, **_: column * row,
    lambda x, s, **_: x * s + s,
    lambda x, s, **_: s / x - s,
    lambda x, **_: x**2 + x**-1,
    lambda x, y, **_: x**y,
    lambda x, **_: 2**x,
    lambda x, **_: -abs(-x),
    lambda x, **_: +x,
    lambda x, W, **_: x @ W,
    lambda x, c, **_: x @ c,
    lambda c, W, **_: c @ W,
    lambda c, **_: c @ c,
    lambda x, W, b, **_: x @ W + b,
    lambda x, W, b, **_: b + x @ W,
    lambda x, W, V, **_: x @ W @ V @ V,
    lambda W, **_: W.T @ W,
    lambda W, **_: W @ W.T,
    lambda x, y, **_: x.T @ y,
    lambda x, y, **_: x @ y.T,
    lambda V, **_: V @ V + V * V.T,
    lambda W, **_: W.T.T,
    lambda Q, **_: Q.T,
    lambda Q, K, **_: Q @ K,
    lambda Q, W, **_: Q @ W,
    lambda x, K, **_: x @ K,
    lambda Q, c, **_: Q @ c,
    lambda c, K, **_: c @ K,
    lambda x, **_: x.sum(),
    lambda x, **_: x.sum(axis=0),
    lambda x, **_: x.sum(-1),
    lambda x, **_: x.sum(axis=()),
    lambda Q, **_: Q.sum(axis=(0, -1)),
    lambda Q, **_: Q.mean(axis=(1, 2)),
    lambda x, **_: x.mean(),
    lambda x, **_: x - x.mean(axis=0, keepdims=True),
    lambda x, **_: x / x.sum(axis=1, keepdims=True),
    lambda x, **_: x - x.mean(axis=0),
    lambda Q, **_: Q.max(axis=1),
    lambda x, **_: x.min(axis=(0, 1)) + x.max(),
    lambda x, W, b, **_: (x @ W + b).max(axis=-1).sum(),
    lambda one, b, **_: one + b,
    lambda one, **_: one.sum(),
    lambda V, b, **_: (V * b).sum(axis=0) - (V * b).sum(axis=1),
    lambda x, y, **_: ((x - y) ** 2).sum() / 7,
]


@pytest.mark.parametrize("formula", FORMULAS, ids=range(len(FORMULAS)))
def test_operators_and_reductions_equal_numpy(formula: Callable[..., Any]) -> None:
    given = values(1)
    expected = formula(**given)
    found = computed(formula(**tensors()), given)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


ELEMENTWISE: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (sb.exp, np.exp), (sb.log, np.log), (sb.sqrt, np.sqrt), (sb.sin, np.sin), (sb.cos, np.cos),
    (sb.tanh, np.tanh), (sb.sigmoid, special.expit), (sb.absolute, np.abs), (abs, np.abs),
    (sb.identity, lambda t: t), (sb.relu, lambda t: np.maximum(t, 0)),
    (sb.softplus, lambda t: np.logaddexp(0, t)),
    (sb.leaky_relu, lambda t: np.where(t > 0, t, 0.1 * t)),
    (lambda t: sb.leaky_relu(t, 0.3), lambda t: np.where(t > 0, t, 0.3 * t)),
    (lambda t: sb.maximum(t, 1), lambda t: np.maximum(t, 1)),
    (lambda t: sb.minimum(1.5, t), lambda t: np.minimum(t, 1.5)),
    (sb.softmax, lambda t: special.softmax(t, axis=-1)),
    (lambda t: sb.softmax(t, axis=0), lambda t: special.softmax(t, axis=0)),
    (sb.log_softmax, lambda t: special.log_softmax(t, axis=-1)),
    (sb.logsumexp, special.logsumexp),
    (lambda t: sb.logsumexp(t, 1), lambda t: special.logsumexp(t, axis=1)),
    (lambda t: sb.logsumexp(t, 1, keepdims=True),
     lambda t: special.logsumexp(t, axis=1, keepdims=True)),
]


@pytest.mark.parametrize(("ours", "theirs"), ELEMENTWISE, ids=range(len(ELEMENTWISE)))
def test_functions_of_tensors_equal_numpy(ours: Any, theirs: Any) -> None:
    given = values(2)
    given["x"] -= 0 if ours in (sb.log, sb.sqrt) else 1.25
    np.testing.assert_allclose(computed(ours(tensors()["x"]), given), theirs(given["x"]),
                               rtol=1e-12)


def test_functions_of_scalars_are_sympy_expressions() -> None:
    t = sympy.Symbol("t", real=True)
    assert sb.tanh(t) == sympy.tanh(t)
    assert sb.exp(2 * t) == sympy.exp(2 * t)
    assert sb.maximum(t, 1) == sympy.Max(1, t)
    assert sb.sigmoid(0) == sympy.Rational(1, 2)
    n = sb.indices("n", N)
    assert sb.log(tensors()["s"]).args[0].name == "s"
    assert str(sb.tanh(sb.data("z", n)[n])) == "tanh(z[n])"


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
SCALARS = [2, 0.5, np.float64(2), np.float32(0.5), np.int64(3), sympy.Integer(2), sympy.Float(0.5),
           sympy.Rational(1, 2), sympy.pi, sympy.sqrt(2) + 1]


@pytest.mark.parametrize("operation", OPERATORS)
@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_numbers_may_stand_on_either_side(operation: Any, scalar: Any) -> None:
    given = values(3)
    x = tensors()["x"]
    number = float(scalar)
    np.testing.assert_allclose(computed(operation(x, scalar), given),
                               operation(given["x"], number), rtol=1e-7)
    np.testing.assert_allclose(computed(operation(scalar, x), given),
                               operation(number, given["x"]), rtol=1e-7)


def test_hypers_and_expressions_of_them_may_stand_on_either_side() -> None:
    W, lam = sb.parameter("W", 4, 3), sb.hyper("lam", 0.5)
    for formula in (lam * W, W * lam, (lam + 1) * W, W / lam, lam - W):
        sb.verify(sb.program(formula))
        assert formula.shape == (4, 3)


def test_rank_0_results_are_sympy_symbols_and_combine_in_expressions() -> None:
    x = tensors()["x"]
    total = x.sum()
    assert isinstance(total, TensorSymbol)
    given = values(4)
    found = computed(total**2 / N + sympy.exp(-total), given)
    expected = given["x"].sum() ** 2 / ROWS + np.exp(-given["x"].sum())
    np.testing.assert_allclose(found, expected)


def test_array_notation_becomes_the_definition_that_one_writes_by_hand() -> None:
    n, i, j = sb.indices("n i j", N, 64, 32)
    x, W, b = sb.data("x", n, i), sb.parameter("W", i, j), sb.parameter("b", j)
    by_hand = sb.define("h", (n, j), sympy.tanh(sympy.Sum(x[n, i] * W[i, j], i) + b[j]))
    (short,) = sb.program(sb.tanh(x @ W + b)).definitions
    assert short.body == by_hand.definition.body
    assert short.indices == by_hand.definition.indices


def test_a_temporary_that_is_read_twice_or_kept_is_a_definition_of_its_own() -> None:
    x, W = sb.data("x", N, 4), sb.parameter("W", 4, 3)
    z = x @ W
    assert count(sb.tanh(z) * z) == 3
    assert count(sb.tanh(z)) == 1
    assert count(sb.tanh(z), keep=z) == 2
    assert count([sb.tanh(z), z]) == 2
    assert count(sb.exp(x) @ W) == 2, "e^x would be computed for every column"


def count(outputs: Any, **options: Any) -> int:
    return len(sb.program(outputs, **options).definitions)


def test_folding_never_makes_a_body_grow_without_bound() -> None:
    x = sb.data("x", N, 4)
    for _ in range(200):
        x = 1 / (x + 1)
    assert 5 < count(x) < 100


def test_a_residual_chain_stays_linear() -> None:
    h = sb.data("x", N, 4)
    for _ in range(40):
        h = h + sb.tanh(h)
    assert count(h) <= 80


def test_shape_and_rank_are_symbolic() -> None:
    x = tensors()["x"]
    assert x.shape == (N, 4)
    assert (x.ndim, x.T.shape, len(x.T)) == (2, (4, N), 4)


def test_equality_is_identity_and_tensors_are_keys() -> None:
    x, y = tensors()["x"], tensors()["x"]
    t = sympy.Symbol("t")
    assert x == x
    assert x != y
    assert x != t
    assert t != x
    assert {x: 1, y: 2}[y] == 2
    assert x not in [t, y]


def test_a_place_is_the_line_of_the_user() -> None:
    x = tensors()["x"]
    frame = inspect.currentframe()
    assert frame is not None
    assert (x + 1).where.endswith(f"test_arrays.py:{frame.f_lineno}")


W, X, n, i = tensors()["W"], tensors()["x"], sb.indices("n", N), sb.indices("i", 4)
a = sympy.Symbol("a", real=True)
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: sympy.exp(W), r"write W\[i, j\] inside sb.define, or the function of sb, e.g. sb.exp"),
    (lambda: sympy.sqrt(W), "SymPy works on its entries"),
    (lambda: sympy.Sum(W, i), "W is a whole tensor"),
    (lambda: sympy.Max(W, 0), "W is a whole tensor"),
    (lambda: sympy.Add(W, W), "W is a whole tensor"),
    (lambda: sympy.Eq(W, 1), "W is a whole tensor"),
    (lambda: sympy.Function("f")(W), "W is a whole tensor"),
    (lambda: a < W, r"sb.Iverson\(W\[i, j\] > 0\)"),
    (lambda: W >= 1, "cannot be compared as a whole"),
    (lambda: 2 % W, r"nor rounded; take its entries, e.g. sb.Iverson\(W\[i, j\] > 0\)"),
    (lambda: round(W // 2), "nor rounded"),
    (lambda: bool(W), "neither true nor false"),
    (lambda: len(X), "N entries, known in a call only"),
    (lambda: list(W), "cannot be looped over"),
    (lambda: np.asarray(W), "holds symbols, no numbers"),
    (lambda: np.exp(W), "for W write .* or sb.exp"),
    (lambda: np.sum(W), r"np.sum works on numbers; for W write W.sum\(…\)"),
    (lambda: np.mean(W, axis=0), r"W.mean\(…\)"),
    (lambda: np.dot(X, W), r"for x write x.dot\(…\)"),
    (lambda: np.ones((3, 3)) * W, r"an array of shape \(3, 3\) .* declare arrays with sb.data"),
    (lambda: W + np.ones(3), "an array of shape"),
    (lambda: W * sympy.Matrix([[1]]), "an array of shape"),
    (lambda: W + "a", "'a' .str. stands in a formula"),
    (lambda: W * {}, "dict"),
    (lambda: W * True, "True .bool."),
    (lambda: W @ 2, r"2 is a scalar: write \*"),
    (lambda: 2 @ W, r"2 is a scalar: write \*"),
    (lambda: X @ X, "the last axis of x .declared at .*test_arrays.py.* has 4 entries"),
    (lambda: X + W, "axis -2 has the extents N and 4"),
    (lambda: tensors()["Q"] @ sb.data("R", 3, 4, 4), "axis -1 has the extents 2 and 3"),
    (lambda: X[n], r"x has 2 axes .declared at .*, not 1; write x\[n, i\]"),
    (lambda: X[n, :], "one index for each axis, no slices"),
    (lambda: X[n, None], "no new axes"),
    (lambda: X[n, i / 2], "i/2 is no integer"),
    (lambda: X[n, 1.0], "1.0 is no integer"),
    (lambda: X[n, True], "True is no integer"),
    (lambda: X[n, "i"], "'i' is no integer"),
    (lambda: X[n, X[n, i]], r"sb.label\(V\)"),
    (lambda: X[n, W], r"the tensor W is no index; gather through entries: W\[i, j\]"),
    (lambda: X[n, i] * W, r"has the free index n and meets the whole tensor W"),
    (lambda: W.sum(axis=2), "there is no axis 2; the tensor has 2 axes, -2 … 1"),
    (lambda: W.sum(axis=(0, -2)), "names an axis twice"),
    (lambda: W.mean(axis="a"), "axis must be an int, a tuple of ints or None, not 'a'"),
    (lambda: W.max(axis=True), "axis must be an int"),
    (lambda: sb.softmax(a), "runs along an axis of a tensor"),
    (lambda: sb.logsumexp(2), "runs along an axis of a tensor"),
    (lambda: sb.softmax(W, axis=5), "there is no axis 5"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_array_arithmetic_is_an_error_that_says_what_to_write(
    bad: Callable[[], Any], message: str
) -> None:
    with pytest.raises(DeclarationError, match=message):
        bad()
