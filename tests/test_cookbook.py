"""The Matrix Cookbook's derivatives, and the inputs that matrixcalculus.org documents.

Each is declared in our notation; its gradient equals that of JAX, and the printed lines are
matrix lines that mean it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sympy.matrices.expressions.tests import test_derivatives as sympy_tests

import symbackprop as sb
from symbackprop.drawing import SPREADS, drawn
from symbackprop.interpreter import evaluate
from tests.support.cookbook_cases import ROWS, Row
from tests.support.jax_oracle import jax
from tests.support.matrix_idioms import IDIOMS
from tests.support.matrix_lines import read_back, whole
from tests.support.matrixcalculus_cases import EXAMPLES, OPERATORS

# What reads an inverse or a determinant, which have no definition in index notation.
EXCLUDED = {
    "61": "aᵀ X⁻¹ b", "62": "det(X⁻¹)", "63": "tr(A X⁻¹ B)", "64": "tr((X + A)⁻¹)",
    "124": "tr(A X⁻¹ B)", "125": "tr((Xᵀ C X)⁻¹ A)", "126": "tr((Xᵀ C X)⁻¹ (Xᵀ B X))",
    "127": "tr((A + Xᵀ C X)⁻¹ (Xᵀ B X))",
}
INVERSE = re.compile(r"Inverse|Determinant|\.inv\(|\*\*\(-1\)")


def numbered() -> dict[str, str]:
    """What SymPy's tests say after each comment "Cookbook example 77:", by number."""
    source = inspect.getsource(sympy_tests)
    parts = re.split(r"# Cookbook example (\d+):", source)
    sections: dict[str, str] = {}
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        sections[number] = sections.get(number, "") + text.split("\ndef ")[0]
    return sections


def values_of(case: Row, by: Any, loss: Any, seed: int) -> dict[Any, np.ndarray]:
    """Random values for the inputs, where the loss is finite."""
    rng = np.random.default_rng(seed)
    program = sb.program([loss, by])
    for spread in SPREADS:
        values = {tensor: drawn(tensor, {}, rng, spread) for tensor in program.inputs}
        if np.isfinite(evaluate(program, values)[loss.tensor]):
            return values
    raise AssertionError(f"{case.formula} is finite nowhere")


def expected(case: Row, values: dict[Any, np.ndarray]) -> np.ndarray:
    """The gradient by JAX, in float64, of the row's own expression."""
    named = {tensor.name: np.asarray(value, float) for tensor, value in values.items()}

    def scalar(moved: Any) -> Any:
        return case.theirs(SimpleNamespace(**{**named, case.by: moved}))

    return np.asarray(jax.grad(scalar)(jax.numpy.asarray(named[case.by])))


def checked(case: Row, seed: int) -> tuple[int, int]:
    """(lines, lines in matrix form) of a row, whose gradient and whose lines are right."""
    loss, by = case.declared()
    derivation = sb.derive(loss, [by])
    values = values_of(case, by, loss, seed)
    known = {t: v for t, v in values.items() if t in whole(derivation).inputs}
    found = evaluate(derivation.backward, {t: v for t, v in known.items()
                                           if t in derivation.backward.inputs})
    np.testing.assert_allclose(found[derivation.gradient(by)], expected(case, values),
                               rtol=1e-9, atol=1e-12, err_msg=case.formula)
    return read_back(derivation, known)


def test_sympy_numbers_43_cases_and_the_table_covers_all_without_inverse_or_determinant() -> None:
    sections = numbered()
    assert len(sections) == 43
    assert {row.number for row in ROWS} == sections.keys() - EXCLUDED.keys()
    assert EXCLUDED.keys() == {n for n, text in sections.items() if INVERSE.search(text)}
    assert len(EXCLUDED) == 8


@pytest.mark.parametrize("case", ROWS, ids=lambda row: f"{row.number} {row.formula}")
def test_a_case_of_the_cookbook_has_its_gradient_and_prints_in_matrix_form(
        case: Row, seed: int) -> None:
    lines, matrices = checked(case, seed)
    assert lines == matrices


@pytest.mark.parametrize("case", [*EXAMPLES, *OPERATORS],
                         ids=lambda row: f"{row.formula} by {row.by}")
def test_an_input_of_matrixcalculus_has_its_gradient_and_prints_in_matrix_form(
        case: Row, seed: int) -> None:
    lines, matrices = checked(case, seed)
    assert lines == matrices


@pytest.mark.parametrize("case", IDIOMS, ids=lambda row: f"{row.formula} by {row.by}")
def test_an_everyday_expression_has_its_gradient_and_prints_in_matrix_form(
        case: Row, seed: int) -> None:
    lines, matrices = checked(case, seed)
    assert lines == matrices


def test_a_wrong_gradient_of_a_case_is_seen(seed: int) -> None:
    case = ROWS[3]
    twisted = Row(case.number, case.formula, case.by, case.shapes, case.ours,
                  lambda t: 2*case.theirs(t))
    with pytest.raises(AssertionError, match="Mismatched"):
        checked(twisted, seed)


def test_the_lines_of_the_cookbook_are_as_they_were(golden: Callable[[str, str], None]) -> None:
    golden("printing/cookbook.txt", printed(ROWS))


def test_the_lines_of_matrixcalculus_are_as_they_were(golden: Callable[[str, str], None]) -> None:
    golden("printing/matrixcalculus.txt", printed((*EXAMPLES, *OPERATORS)))


def test_the_lines_of_everyday_expressions_are_as_they_were(golden: Callable[[str, str], None]
                                                             ) -> None:
    golden("printing/idioms.txt", printed(IDIOMS))


def printed(rows: tuple[Row, ...]) -> str:
    """What stands in the book, and below it what is printed here."""
    shown = []
    for case in rows:
        loss, by = case.declared()
        note = f"  ({case.note})" if case.note else ""
        shown.append(f"{case.number}: {case.formula} by {case.by}{note}\n"
                     + sb.derive(loss, [by]).text("matrix"))
    return "\n\n".join(shown) + "\n"
