"""Rows that are added, and gathered, in whole vectors: every width, and what lies beside them."""

import numpy as np
import pytest
from numba import njit
from sympy import tanh

import symbackprop as sb
from symbackprop.codegen.machine import register_bytes
from symbackprop.codegen.rows import add_rows, take_rows
from tests.codegen.inspection import llvm

LANES = register_bytes()//4
WIDTHS = sorted({1, 2, 3, 7, LANES - 1, LANES, LANES + 1, 2*LANES, 2*LANES + 5, 4*LANES + 1, 100})


@njit
def added(totals, matrix, first, end):
    add_rows(totals, matrix, first, end)


@njit
def taken(batch, data, order, run, first, ahead):
    take_rows(batch, data, order[run], first, ahead)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", WIDTHS)
def test_rows_are_added_to_what_is_there_and_to_nothing_else(columns: int, dtype: str) -> None:
    rng = np.random.default_rng(columns)
    matrix = rng.integers(-50, 50, (23, columns)).astype(dtype)  # sums of these are exact
    for first, end in [(0, 23), (0, 0), (5, 6), (3, 7), (1, 20), (22, 23)]:
        memory = rng.integers(-50, 50, columns + 40).astype(dtype)
        before = memory.copy()
        added(memory[20:20 + columns], matrix, first, end)
        expected = before.copy()
        expected[20:20 + columns] += matrix[first:end].sum(axis=0)
        np.testing.assert_array_equal(memory, expected)


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 2, 9)])
def test_rows_of_higher_rank_are_added_as_one_long_row(shape: tuple[int, ...]) -> None:
    matrix = np.random.default_rng(0).integers(-9, 9, (11, *shape)).astype("float32")
    totals = np.zeros(shape, "float32")
    added(totals, matrix, 2, 9)
    np.testing.assert_array_equal(totals, matrix[2:9].sum(axis=0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_special_values_stay_in_their_column(value: float) -> None:
    matrix = np.ones((9, 2*LANES + 3), "float32")
    matrix[4, -2] = value
    totals = np.zeros(matrix.shape[1], "float32")
    added(totals, matrix, 0, 9)
    np.testing.assert_array_equal(totals, matrix.sum(axis=0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", WIDTHS)
def test_rows_are_gathered_in_order_and_nothing_else_is_written(columns: int, dtype: str) -> None:
    rng = np.random.default_rng(columns)
    data = rng.normal(size=(31, columns)).astype(dtype)
    order = np.stack([rng.permutation(31) for _ in range(3)])
    for first, count in [(0, 31), (30, 1), (7, 12), (28, 3)]:
        memory = np.full((count + 2, columns), 7, dtype)
        taken(memory[1:-1], data, order, 2, first, 16)
        np.testing.assert_array_equal(memory[1:-1], data[order[2, first:first + count]])
        assert (memory[[0, -1]] == 7).all()


def test_a_single_row_has_its_own_width_whatever_its_stride() -> None:
    wide = np.arange(2*LANES*40, dtype="float32").reshape(40, 2*LANES)
    memory = np.full(5 + 3*LANES, 7, "float32")
    added(memory[:5], wide[:1, :5], 0, 1)
    np.testing.assert_array_equal(memory[:5], wide[0, :5] + 7)
    assert (memory[5:] == 7).all()
    memory[:] = 7
    taken(memory[:5].reshape(1, 5), wide[1:2, :5], np.zeros((1, 1), np.int64), 0, 0, 1)
    np.testing.assert_array_equal(memory[:5], wide[1, :5])
    assert (memory[5:] == 7).all()


def test_the_next_rows_are_fetched_while_some_are_gathered() -> None:
    data = np.zeros((4, 8), "float32")
    taken(np.empty_like(data), data, np.arange(8).reshape(2, 4) % 4, 0, 0, 4)
    assert "@llvm.prefetch.p0(" in next(iter(taken.inspect_llvm().values()))


def test_kernels_may_use_whole_registers() -> None:
    n = sb.indices("n", sb.size("N"))
    function = sb.compile(sb.define("register_wide", (n,), tanh(sb.data("x", n)[n])))
    assert '"prefer-vector-width"="512"' in llvm(function)
