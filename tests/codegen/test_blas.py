"""Products by BLAS, and its threads: one inside of kernels, restored afterwards in any case."""

import contextlib
import threading

import numpy as np
import pytest
import threadpoolctl
from numba import njit

from symbackprop.codegen import blas, limits
from symbackprop.codegen.limits import single_threaded
from tests.support.interruptions import interruptions

LAYOUTS = ["nn", "nt", "tn", "tt"]
WITH_SHORT = [*LAYOUTS, "nt_short"]
SHAPES = [  # every kind of block and rest, and of the choice between whole and cut matrices
    (3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1), (17, 33, 8), (11, 16, 16), (24, 40, 21),
    (13, 70, 255), (13, 70, 257), (5, 9, 300), (130, 300, 120), (600, 20, 70), (200, 130, 600),
    (530, 300, 260), (530, 7, 5000), (2, 40_000, 3),
    (3, 4, 0), (0, 4, 5), (3, 0, 5), (600, 70, 0), (0, 300, 400),
    (1, 300, 400), (2, 1000, 260), (3, 130, 64), (4, 200, 33), (5, 64, 20), (400, 3, 70),
]


def tolerance(terms: int, dtype: str) -> float:
    """What rounding may do to a sum of so many terms of size one."""
    return float(4*(terms + 16)*np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", WITH_SHORT)
def test_products_have_alpha_and_beta_in_every_layout(layout: str, dtype: str) -> None:
    gemm = getattr(blas, f"gemm_{layout}")

    @njit
    def product(m, n, k, alpha, a, b, beta, c):
        gemm(m, n, k, alpha, a, b, beta, c)

    rng = np.random.default_rng(0)
    for m, n, k in SHAPES:
        a, b, c = (rng.normal(size=s).astype(dtype) for s in ((m, k), (k, n), (m, n)))
        expected = 2*(a.astype(float) @ b) - 0.5*c
        stored_a = a if layout[0] == "n" else np.ascontiguousarray(a.T)
        stored_b = b if layout[1] == "n" else np.ascontiguousarray(b.T)
        real = np.dtype(dtype).type
        product(m, n, k, real(2), stored_a, stored_b, real(-0.5), c)
        np.testing.assert_allclose(c, expected, atol=tolerance(k, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_products_begin_at_a_row_in_every_layout(layout: str, dtype: str) -> None:
    gemm = getattr(blas, f"gemm_{layout}_from")

    @njit
    def product(m, n, k, alpha, a, b, row, c):
        gemm(m, n, k, alpha, a, b, row, c)

    rng = np.random.default_rng(0)
    for m, n, k in SHAPES:
        a, b, row = (rng.normal(size=s).astype(dtype) for s in ((m, k), (k, n), n))
        c = np.full((m, n), np.nan, dtype)
        stored_a = a if layout[0] == "n" else np.ascontiguousarray(a.T)
        stored_b = b if layout[1] == "n" else np.ascontiguousarray(b.T)
        product(m, n, k, np.dtype(dtype).type(2), stored_a, stored_b, row, c)
        np.testing.assert_allclose(c, 2*(a.astype(float) @ b) + row, atol=tolerance(k, dtype))


def test_operands_may_be_columns_of_wider_arrays() -> None:
    @njit
    def product(m, n, k, a, b, c):
        blas.gemm_tn(m, n, k, a.dtype.type(1), a[:, 2:5], b[:, 1:9], a.dtype.type(0), c[:, 3:11])

    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(6, 7)), rng.normal(size=(6, 12)), np.full((3, 14), 5.0)
    product(3, 8, 6, a, b, c)
    np.testing.assert_allclose(c[:, 3:11], a[:, 2:5].T @ b[:, 1:9])
    assert (c[:, :3] == 5).all()
    assert (c[:, 11:] == 5).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_have_the_same_bits_however_many_are_computed_together(layout: str, dtype: str
                                                                    ) -> None:
    gemm = getattr(blas, f"gemm_{layout}")

    @njit
    def product(m, n, k, a, b, c):
        gemm(m, n, k, a.dtype.type(1), a, b, a.dtype.type(0), c)

    rng = np.random.default_rng(0)
    large = [(300, 300), (40, 1000)] if blas.IS_WRITTEN_OUT else []
    for n, k in [(2, 64), (10, 33), (32, 250), *large]:
        a = rng.normal(size=(k, 290) if layout[0] == "t" else (290, k)).astype(dtype)
        b = rng.normal(size=(n, k) if layout[1] == "t" else (k, n)).astype(dtype)
        whole, parts = np.zeros((290, n), dtype), np.zeros((290, n), dtype)
        product(290, n, k, a[:, :], b, whole)
        for start, end in [(0, 1), (1, 12), (12, 116), (116, 290)]:
            left = a[:, start:end] if layout[0] == "t" else a[start:end, :]
            product(end - start, n, k, left, b, parts[start:end])
        np.testing.assert_array_equal(whole, parts)


def threads() -> list[int]:
    """How many threads SciPy's BLAS may use now."""
    controllers = limits._scipy_blas().lib_controllers
    assert controllers
    return [controller.num_threads for controller in controllers]


def test_only_the_blas_of_scipy_is_limited() -> None:
    paths = [lib["filepath"] for lib in threadpoolctl.threadpool_info()
             if lib["user_api"] == "blas"]
    if any("numpy.libs" in path for path in paths) and any("scipy.libs" in path for path in paths):
        assert all("scipy.libs" in lib.filepath for lib in limits._scipy_blas().lib_controllers)


def test_the_first_one_in_saves_and_the_last_one_out_restores() -> None:
    with limits._scipy_blas().limit(limits=2):
        before = threads()
        outer, inner = single_threaded(), single_threaded()
        outer.__enter__()
        inner.__enter__()
        assert set(threads()) == {1}
        outer.__exit__(None, None, None)  # overlapping, not nested
        assert set(threads()) == {1}
        inner.__exit__(None, None, None)
        assert threads() == before


def test_an_exception_restores_the_threads() -> None:
    with limits._scipy_blas().limit(limits=2):
        before = threads()
        with pytest.raises(KeyboardInterrupt), single_threaded():
            assert set(threads()) == {1}
            raise KeyboardInterrupt
        assert threads() == before


def test_many_threads_leave_the_setting_as_it_was() -> None:
    def work() -> None:
        for _ in range(200):
            with single_threaded():
                pass

    with limits._scipy_blas().limit(limits=2):
        before = threads()
        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert threads() == before


def test_wherever_it_is_interrupted_the_threads_are_restored() -> None:
    def call() -> None:
        with single_threaded():
            assert set(threads()) == {1}

    with limits._scipy_blas().limit(limits=2):
        before = threads()
        met = 0
        for _ in interruptions(call, limits, contextlib):
            met += 1
            assert threads() == before
            assert not limits._users
        assert met > 10
        call()
        assert threads() == before
