"""Every identifier of a generated module is its own: no letter or name of a user's shadows one."""

import ast
import re

import numpy as np
import pytest
from sympy import Max, Piecewise, Sum, exp, log, sqrt

import symbackprop as sb
from symbackprop.codegen import scalars
from symbackprop.codegen.naming import RESERVED, spelled, table
from tests.codegen.cases import random
from tests.codegen.test_training_kernel import classifier

N = sb.size("N")
EMITTED = [
    "slot0", "slot1", "total", "rest", "part", "block", "first", "run", "order", "losses", "real",
    "added", "where", "view", "gemm_nn", "L_out", "z_rest", "x_rows", "kernel", "nan", "inf",
    "np", "range", "min", "max", "exp", "sqrt", "relu", "leaky_relu", "self", "N"
]


def program(first: str, second: str) -> tuple[list, dict[str, np.ndarray]]:
    """All kinds of sums, with these letters."""
    rows = N if "N" not in (first, second) else sb.size("M")
    n, i, j = sb.indices(f"{first} {second} j", rows, 4, 3)
    x, w = sb.data("x", n, i), sb.parameter("w", i, j)
    s = sb.define("s", (n, j), exp(Sum(x[n, i]*w[i, j], i)/8))
    z = sb.define("z", (j,), Sum(sqrt(s[n, j]) + n, n) + sb.Maximum(s[n, j], n))
    loss = sb.define("L", (), Sum(Piecewise((x[n, i], x[n, i] > 0), (Max(-1, x[n, i]), True)), n, i)
                     + Sum(sb.relu(x[n, 0]) + log(s[n, 0]), n) + Sum(z[j]**2, j))
    return [loss, z, s, sb.derive(loss)[w]], {"x": random(5, 4), "w": random(4, 3)}


@pytest.mark.parametrize("word", EMITTED)
def test_an_index_may_have_the_name_of_anything_that_is_emitted(word: str) -> None:
    """Once the letter of rows, once of columns; the values are those of the interpreter."""
    outputs, values = program(word, "i")
    f = sb.compile(outputs, dtype="float64")
    exact = sb.evaluate(f.program, values)
    for found, tensor in zip(f(**values), f.program.outputs, strict=True):
        np.testing.assert_allclose(found, np.asarray(exact[tensor]), rtol=1e-12)


@pytest.mark.parametrize("word", ["slot0", "total", "rest", "nan", "added", "L_out", "block"])
def test_a_tensor_may_have_the_name_of_anything_that_is_emitted(word: str) -> None:
    n = sb.indices("n", N)
    x = sb.data(word, n)
    loss = sb.define("L", (), Sum(exp(x[n]), n))
    d = sb.derive(loss, [x])
    found = sb.compile([loss, d[x]], dtype="float64")(**{word: np.arange(3.0)})
    np.testing.assert_allclose(found[1], np.exp(np.arange(3)))


def test_reserved_words_are_all_words_of_generated_modules() -> None:
    """What is imported, called or assigned there and is no name of the user's."""
    tree = ast.parse(classifier().kernel().source)
    words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    words |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    words |= {a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
              for a in node.names}
    users = {"x", "y", "W1", "b1", "W2", "v1", "t", "rate", "momentum", "lam", "N", "i", "j", "k",
             "n", "h", "z", "p", "L"}
    ending = r"d?[a-zA-Z]+\d?_(rows|batch|rest|next)|\w+_flat|slot\d"
    users |= {w for w in words if re.fullmatch(ending, w)}
    made = {w for w in words if re.fullmatch(r"[a-z]+\d|dLd\w+", w)}  # s1, delta2, …
    assert words - users - made - RESERVED == set()
    called = {w for w in (*scalars.CALLS.values(), "sqrt", "inf", "nan") if "." not in w}
    assert called <= RESERVED


def test_a_table_gives_each_subject_an_identifier_of_its_own() -> None:
    found = table([(1, "δ"), (2, "delta"), ("three", "total"), (4, "total_")])
    assert found == {1: "delta", 2: "delta_2", "three": "total_", 4: "total__2"}
    assert spelled("block") == "block_"
