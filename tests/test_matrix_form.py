"""What the matrix form prints, read back by its own grammar and evaluated with NumPy, is what the
definition means."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Sum

import symbackprop as sb
from symbackprop.notation import Program
from symbackprop.printing.index import definition_text
from symbackprop.printing.matrix import matrix_text
from tests.support import matrix_reader
from tests.support.matrix_lines import read_back, whole
from tests.support.printed_networks import DENSE, GOLDEN, OTHERS, classifier
from tests.support.random_networks import dense_network, drawn


def checked(derivation: sb.Derivation, seed: int) -> tuple[int, int]:
    """How many lines there are, and how many of them in matrix form; each means its definition."""
    return read_back(derivation, drawn(whole(derivation), seed))


@pytest.mark.parametrize("chunk", range(15))
def test_the_lines_of_twenty_random_dense_networks_are_matrix_lines_and_mean_their_definitions(
        chunk: int, seed: int) -> None:
    draw = random.Random(1000*seed + chunk)
    lines = matrices = 0
    for number in range(20):
        found = checked(sb.derive(dense_network(draw)), seed + number)
        lines, matrices = lines + found[0], matrices + found[1]
    assert matrices >= 0.95*lines, f"{matrices} of {lines} lines are in matrix form"


@pytest.mark.parametrize("network", OTHERS, ids=lambda f: f.__name__)
def test_every_line_means_its_definition(network: Callable[[], Any], seed: int) -> None:
    lines, _ = checked(sb.derive(network()), seed)
    assert lines


@pytest.mark.parametrize("network", DENSE, ids=lambda f: f.__name__)
def test_every_line_is_in_matrix_form_and_means_its_definition(network: Callable[[], Any],
                                                               seed: int) -> None:
    lines, matrices = checked(sb.derive(network()), seed)
    assert lines == matrices


@pytest.mark.parametrize("network", GOLDEN, ids=lambda f: f.__name__)
def test_the_matrix_form_is_as_it_was(network: Callable[[], Any],
                                      golden: Callable[[str, str], None]) -> None:
    golden(f"printing/{network.__name__}.matrix.txt", sb.derive(network()).text("matrix") + "\n")


def test_the_classifier_of_the_lectures_has_six_lines() -> None:
    assert str(sb.derive(classifier())) == """\
δ2 = (P − Y)/N
∂L/∂W2 = Hᵀ δ2
∂L/∂b2 = 1ᵀ δ2
δ1 = (δ2 W2ᵀ) ⊙ (1 − H ⊙ H)
∂L/∂W1 = Xᵀ δ1 + 2 lam W1
∂L/∂b1 = 1ᵀ δ1"""


r, c, s = sb.indices("r c s", 4, 3, 5)
A, B, C = sb.data("A", r, c), sb.data("B", r, c), sb.data("C", c, s)
u, v, w, a = sb.data("u", r), sb.data("v", c), sb.data("w", s), sb.hyper("a", 1.0)
q, p, s4 = sb.indices("q p s4", 4, 4, 4)
D, E = sb.data("D", r, q), sb.data("E", q, r)
S = sb.data("S", r, p, facts=[sb.symmetric(r, p)])
G = sb.define("G", (r, p), Sum(A[r, c]*A[p, c], c))
col, one = sb.data("col", r, 1), sb.data("one", 1, 1)
delta = sb.Iverson(sympy.Eq(r, q))
PHRASES: list[tuple[str, tuple[sympy.Idx, ...], sympy.Expr]] = [
    ("A C", (r, s), Sum(A[r, c]*C[c, s], c)),
    ("Cᵀ Aᵀ", (s, r), Sum(A[r, c]*C[c, s], c)),
    ("A ⊙ B", (r, c), A[r, c]*B[r, c]),
    ("(A ⊙ B) C", (r, s), Sum(A[r, c]*B[r, c]*C[c, s], c)),
    ("A diag(v) C", (r, s), Sum(A[r, c]*v[c]*C[c, s], c)),
    ("2 a A ⊙ B", (r, c), 2*a*A[r, c]*B[r, c]),
    ("−A/a", (r, c), -A[r, c]/a),
    ("A ⊘ B", (r, c), A[r, c]/B[r, c]),
    ("(A ⊘ B)/3", (r, c), A[r, c]/B[r, c]/3),
    ("a − A ⊘ B", (r, c), a - A[r, c]/B[r, c]),
    ("A ⊙ (1 − B)", (r, c), A[r, c]*(1 - B[r, c])),
    ("A^∘3", (r, c), A[r, c]**3),
    ("√(u)", (r,), sympy.sqrt(u[r])),
    ("1 ⊘ √(u)", (r,), 1/sympy.sqrt(u[r])),
    ("tanh(A + u 1ᵀ)", (r, c), sympy.tanh(A[r, c] + u[r])),
    ("A + 1 vᵀ", (r, c), A[r, c] + v[c]),
    ("A + a", (r, c), A[r, c] + a),
    ("u vᵀ", (r, c), u[r]*v[c]),
    ("A ⊙ (u vᵀ)", (r, c), A[r, c]*u[r]*v[c]),
    ("A ⊘ (u 1ᵀ)", (r, c), A[r, c]/u[r]),
    ("A ⊙ (1 vᵀ) ⊘ (u 1ᵀ)", (r, c), A[r, c]*v[c]/u[r]),
    ("u 1ᵀ/a", (r, c), u[r]/a),
    ("(2/a) 1", (r,), 2/a),
    ("1ᵀ A", (c,), Sum(A[r, c], r)),
    ("A 1", (r,), Sum(A[r, c], c)),
    ("2 (1ᵀ A)", (c,), 2*Sum(A[r, c], r)),
    ("(A 1)/a", (r,), Sum(A[r, c], c)/a),
    ("Aᵀ u", (c,), Sum(A[r, c]*u[r], r)),
    ("uᵀ u", (), Sum(u[r]**2, r)),
    ("1ᵀ |u|", (), Sum(sympy.Abs(u[r]), r)),
    ("uᵀ A v", (), Sum(u[r]*A[r, c]*v[c], r, c)),
    ("tr(Aᵀ B)", (), Sum(A[r, c]*B[r, c], r, c)),
    ("tr(Aᵀ A)", (), Sum(A[r, c]**2, r, c)),
    ("1ᵀ A^∘3 1", (), Sum(A[r, c]**3, r, c)),
    ("tr(Aᵀ A)² B", (r, c), B[r, c]*Sum(A[r, c]**2, r, c)**2),
    ("tr(D E)", (), Sum(D[r, q]*E[q, r], r, q)),
    ("tr(D)", (), Sum(D[r, r], r)),
    ("diag(D)", (r,), D[r, r]),
    ("1ᵀ Col", (), Sum(col[r, 0], r)),
    ("uᵀ Col", (), Sum(col[r, 0]*u[r], r)),
    ("One u", (r,), one[0, 0]*u[r]),
    ("uᵀ diag(D)", (), Sum(D[r, r]*u[r], r)),
    ("I", (r, q), delta),
    ("tr(D) I", (r, q), delta*Sum(D[r, r], r)),
    ("D − 2 I", (r, q), D[r, q] - 2*delta),
    ("D ⊙ I", (r, q), D[r, q]*delta),
    ("diag(u)", (r, q), u[q]*delta),
    ("−2 (A + B)", (r, c), -2*A[r, c] - 2*B[r, c]),
    ("2 S D", (r, q), Sum(S[r, p]*D[p, q], p) + Sum(S[p, r]*D[p, q], p)),
    ("G D", (r, q), Sum(G[p, r]*D[p, q], p)),
    ("3 Dᵀ Dᵀ", (r, q), 3*Sum(D[p, r]*D[q, p], p)),
    ("2 Eᵀ D", (r, q), Sum(E[p, r]*D[p, q], p) + Sum(E[s4, r]*D[s4, q], s4)),
    ("A^∘B", (r, c), A[r, c]**B[r, c]),
    ("0", (r, c), sympy.Integer(0)),
    ("uᵀ A C w", (), Sum(u[r]*A[r, c]*C[c, s]*w[s], r, c, s)),
    ("(uᵀ u) A", (r, c), A[r, c]*Sum(u[r]**2, r)),
    ("2 (A − B)", (r, c), 2*A[r, c] - 2*B[r, c]),
    ("2 (A − B) v", (r,), Sum((2*A[r, c] - 2*B[r, c])*v[c], c)),
    ("a² A", (r, c), a**2*A[r, c]),
    ("A/(3 a)", (r, c), A[r, c]/(3*a)),
    ("(1 − a) A", (r, c), (1 - a)*A[r, c]),
    ("[A > u 1ᵀ]", (r, c), sb.Iverson(A[r, c] > u[r])),
    ("[A > 0 and A < a]", (r, c), sb.Iverson(sympy.And(A[r, c] > 0, A[r, c] < a))),
    ("max(A, B)", (r, c), sympy.Max(A[r, c], B[r, c])),
]


@pytest.mark.parametrize(("expected", "indices", "body"), PHRASES, ids=[p[0] for p in PHRASES])
def test_a_body_is_written_as_on_a_blackboard(expected: str, indices: tuple[sympy.Idx, ...],
                                              body: sympy.Expr) -> None:
    program = sb.program(sb.define("t", indices, body))
    line = matrix_text(program, program.names).split("\n")[-1]
    assert line == f"{'T' if len(indices) == 2 else 't'} = {expected}"


INDEX_FORM: list[tuple[str, tuple[sympy.Idx, ...], sympy.Expr]] = [
    ("a maximum", (r,), sb.Maximum(A[r, c], c)),
    ("three axes", (r, c, s), A[r, c]*w[s]),
    ("one entry", (c,), A[2, c]),
    ("an index as a number", (r,), u[r]*r),
    ("a shift", (sb.indices("q", 3),), u[sb.indices("q", 3) + 1]),
    ("a part of an axis", (sb.indices("q", 3),), u[sb.indices("q", 3)]),
    ("a condition on indices", (r, c), A[r, c]*sb.Iverson(r > c)),
]


@pytest.mark.parametrize(("indices", "body"), [p[1:] for p in INDEX_FORM],
                         ids=[p[0] for p in INDEX_FORM])
def test_what_is_no_matrix_expression_stays_in_index_form(indices: tuple[sympy.Idx, ...],
                                                          body: sympy.Expr) -> None:
    made = sb.define("t", indices, body)
    definition = made.definition
    program = Program((definition,), (definition.target,))
    assert matrix_text(program, program.names) == definition_text(definition, program.names)


def test_a_name_that_is_taken_is_not_given_again() -> None:
    h, H = sb.data("h", r, c), sb.data("H", c, s)
    program = sb.program(sb.define("z", (r, s), Sum(h[r, c]*H[c, s], c)))
    assert matrix_text(program, program.names) == "Z = h H"


def test_a_gradient_that_other_lines_read_is_bracketed_where_it_is_transposed() -> None:
    x, W = sb.data("x", r, c), sb.parameter("W", c, s)
    z = sb.define("z", (r, s), Sum(x[r, c]*W[c, s], c))
    L = sb.define("L", (), Sum(z[r, s]**3, r, s))
    assert "∂L/∂W = Xᵀ ∂L/∂Z" in sb.derive(L, [z, W]).text("matrix").replace("∂z", "∂Z")


def test_a_trace_computes_the_diagonal_of_a_product_alone() -> None:
    t = sb.data("D", 4, 3) @ sb.data("E", 3, 4)
    i = sb.indices("i", 4)
    assert str(sb.program(sb.define("L", (), Sum(t[i, i], i)))) == "L = Σ_{k,i} D[i,k]·E[k,i]"


def test_the_adjoint_of_a_trace_contracts_where_the_product_has_a_name() -> None:
    W = sb.parameter("W", r, c)
    F = sb.define("F", (r, q), Sum(W[r, c]*A[q, c], c))
    assert str(sb.derive(sb.define("L", (), Sum(F[r, r], r)), [W])) == "∂L/∂W = A"
    assert str(sb.derive(sb.define("L", (), Sum(F[r, r]*u[r], r)), [W])) == "∂L/∂W = A ⊙ (u 1ᵀ)"


def test_what_is_called_i_is_no_identity() -> None:
    I, K = sb.data("I", r, q), sb.data("K", r, q)
    body = I[r, q] + K[r, q]*delta
    program = sb.program(sb.define("t", (r, q), body))
    assert matrix_text(program, program.names) == "t[r,q] = K[r,q]·[q = r] + I[r,q]"


def test_unnamed_products_are_written_out_and_named_ones_are_not() -> None:
    x, y, W = sb.data("x", 5, 3), sb.data("y", 5, 2), sb.parameter("W", 3, 2)
    r1 = x @ W - y
    assert str(sb.derive(sb.define("L", (), Sum(r1[r1.letters]**2, *r1.letters)))) == (
        "∂L/∂W = 2 Xᵀ (X W − Y)")
    n, k = r1.letters
    named = sb.define("e", (n, k), r1[n, k])
    assert str(sb.derive(sb.define("L", (), Sum(named[n, k]**2, n, k)))) == "∂L/∂W = 2 Xᵀ E"


def test_a_wrong_line_is_found() -> None:
    values = {"A": np.ones((4, 3)), "C": np.ones((3, 5)), "v": np.arange(1.0, 4)}
    for wrong in ("T = C A", "T = A + C", "T = A v v", "T = A ⊙ v", "T = A +", "T = Q A",
                  "T = tr(A)", "T = diag(A)"):
        assert not matrix_reader.readable(wrong, values), wrong
    assert not np.allclose(matrix_reader.line("t = A v", values)[1],
                           matrix_reader.line("t = A 1", values)[1])


def test_a_softmax_that_has_no_name_is_written_as_one() -> None:
    """The user named the scores only; what the gradient says of them is their softmax by rows."""
    n, k, other = sb.indices("n k other", sb.size("N"), 3, 3)
    x, y = sb.data("x", n, k), sb.data("y", n, k, facts=[sb.one_hot(k)])
    z = sb.define("z", (n, k), x[n, k]**2)
    log_p = z[n, k] - sympy.log(Sum(sympy.exp(z[n, other]), other))
    line = sb.derive(sb.define("L", (), -Sum(y[n, k]*log_p, n, k)), [z]).text("matrix")
    assert line.split("\n")[-1].endswith("softmax(Z) − Y")
