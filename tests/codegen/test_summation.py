"""float32 sums over many rows keep their digits, in every form that a sum takes in a kernel."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from numba import njit
from sympy import Expr, Sum, log

import symbackprop as sb
from symbackprop.codegen.vectormath import added
from tests.codegen.inspection import llvm

ROWS = 200_000
N = sb.size("N")
n, i, k, one = sb.indices("n i k o", N, 4, 3, 1)
x, w, table = sb.data("x", n, i), sb.parameter("w", i), sb.parameter("E", k, i)
label, y = sb.data("c", n, facts=[sb.label(k)]), sb.data("y", n, one)
many = sb.indices("m", ROWS)
z = sb.data("z", many)
SUMS: dict[str, Callable[[], list[Expr]]] = {
    "a total over rows": lambda: [Sum(x[n, 0], n)],
    "a total over rows that does not vectorise": lambda: [Sum(log(3 + x[n, 1]**2), n)],
    "a total over rows and columns": lambda: [Sum(x[n, i]*w[i], n, i)],
    "a total over rows and a single column": lambda: [Sum(y[n, one]**2, n, one)],
    "a total over a number of rows": lambda: [Sum(z[many]**2, many)],
    "a gathered total": lambda: [Sum(table[label[n], i]*x[n, i], n, i)],
    "a mean": lambda: [(x*w).mean(), ((x - w)**2).mean()],
}
GRADIENTS = {"a total over rows and columns": w, "a gathered total": table}


def values(equal: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = np.full((ROWS, 4), 0.1) if equal else rng.random((ROWS, 4))
    rows = rows.astype("float32")
    return {"x": rows, "w": np.full(4, 0.1, "float32"), "c": np.arange(ROWS) % 2, "y": rows[:, :1],
            "E": np.full((3, 4), 0.3, "float32"), "z": np.ascontiguousarray(rows[:, 0])}


@pytest.mark.parametrize("equal", [True, False], ids=["equal", "random"])
@pytest.mark.parametrize("name", SUMS)
def test_a_float32_sum_over_200_000_rows_is_right_to_a_few_ulp(name: str, equal: bool) -> None:
    outputs = [sb.define(f"L{place}", (), body) if isinstance(body, Expr) else body
               for place, body in enumerate(SUMS[name]())]
    outputs += [sb.derive(outputs[0])[GRADIENTS[name]]] if name in GRADIENTS else []
    f = sb.compile(outputs)
    given = {name: v for name, v in values(equal).items() if name in f._inputs}
    exact = sb.compile(outputs, dtype="float64")(**given)
    for found, expected in zip(f(**given), exact, strict=True):
        np.testing.assert_allclose(found, expected, rtol=8*np.finfo("float32").eps)


@pytest.mark.parametrize("shape", [(3, 200_000, 4), (200_000, 3, 4), (16, 112, 112, 3)])
def test_sums_over_several_indices_in_memory_keep_their_digits(shape: tuple[int, ...]) -> None:
    axes = [sb.indices(f"a{place}", sb.size(f"M{place}")) for place in range(len(shape) - 1)]
    column = sb.indices("c", shape[-1])
    terms = sb.data("terms", *axes, column)
    f = sb.compile(sb.define("s", (column,), Sum(terms[(*axes, column)], *axes)))
    exact = float(np.float32(0.1))*np.prod(shape[:-1])
    np.testing.assert_allclose(f(terms=np.full(shape, 0.1, "float32")), exact,
                               rtol=8*np.finfo("float32").eps)


def test_column_sums_and_all_the_rest_are_float32() -> None:
    j = sb.indices("j", 64)
    v = sb.data("v", n, j)
    columns = llvm(sb.compile(sb.define("s", (j,), Sum(v[n, j], n))))
    total = llvm(sb.compile(sb.define("t", (), Sum(v[n, j]**2, n, j))))
    for text in (columns, total):
        assert "double" not in text
        assert re.search(r"fadd .*<\d+ x float>", text)  # a rest is no reason not to vectorise


def test_short_sums_inside_of_loops_stay_one_register() -> None:
    source = sb.compile(sb.define("s", (n,), Sum(x[n, i]*w[i], i))).source
    assert "total += x[n, i]*w[i]" in source
    assert "added" not in source


def test_a_sum_that_overflows_is_infinite_and_not_nan() -> None:
    total = sb.compile(sb.define("L", (), Sum(x[n, i]**2, n, i)))
    columns = sb.compile(sb.define("s", (i,), Sum(x[n, i]**2, n)))
    huge = np.full((100, 4), 1e19)
    assert total(x=huge) == np.inf
    np.testing.assert_array_equal(columns(x=huge), np.full(4, np.inf))


def test_nothing_is_lost_by_an_addition() -> None:
    """Also where it is compiled for a caller that may reorder sums."""

    @njit(fastmath={"reassoc", "nsz", "contract"})
    def sums(terms):
        total, rest = terms[0] - terms[0], terms[0] - terms[0]
        for term in terms:
            total, rest = added(total, rest, term)
        return total, rest

    assert sums(np.array([1, 2**-30, 2**-31], np.float32)) == (1, 2**-30 + 2**-31)


def test_a_sum_over_entries_side_by_side_arrives_where_it_lies_in_memory() -> None:
    """The gradient by the last entry, which all entries of h read, beside those that none reads."""
    k, m = sb.indices("k m", 4, N)
    w = sb.parameter("w", N)
    h = sb.define("h", (k, m), w[N - 1])
    loss = sb.define("L", (), Sum(h[k, m]**2, k, m))
    gradient = sb.compile(sb.derive(loss).gradient(w), dtype="float64")(w=[3.0, 5.0, 2.0])
    np.testing.assert_allclose(gradient, [0, 0, 4*3*2*2.0], rtol=1e-14)
