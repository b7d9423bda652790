"""Matrix products by SciPy's BLAS from nopython code, and its threads held at one meanwhile.

    gemm_nn(m, n, k, α, A, B, β, C)        C ← α·A·B + β·C           A: m×k, B: k×n, C: m×n
    gemm_tn(…)                             C ← α·Aᵀ·B + β·C          A is stored k×m
    gemm_nt(…), gemm_tt(…)                 C ← α·A·Bᵀ + β·C, …       B is stored n×k

Arrays are C-contiguous.  A row-major matrix is the transpose of a column-major one, so BLAS is
asked for Cᵀ = Bᵀ·Aᵀ.  The routine is known to LLVM by a symbol, resolved by name when a cached
kernel is loaded in another process: importing this module registers it.

A kernel is itself what runs in parallel, so BLAS must not start threads in it.  Setting the
number of threads acts on the whole process: `single_threaded` counts its users, the first saves
the setting and the last restores it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import threadpoolctl
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic
from numba.np.arrayobj import make_array

_ROUTINES = {types.float32: "sgemm", types.float64: "dgemm"}
_INT = ir.IntType(32)


def _symbol(routine: str) -> str:
    return f"symbackprop_{routine}"


for _routine in _ROUTINES.values():
    llvm.add_symbol(_symbol(_routine),
                    get_cython_function_address("scipy.linalg.cython_blas", _routine))


def _product(left_transposed: bool, right_transposed: bool) -> Any:
    """The intrinsic for one pair of layouts."""

    def gemm(typingctx: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, b: Any, beta: Any,
             c: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def stored(value: Any, kind: Any) -> Any:
                place = cgutils.alloca_once(builder, kind)
                builder.store(value, place)
                return place

            def data(place: int) -> Any:
                return make_array(signature.args[place])(context, builder, arguments[place]).data

            lengths = [builder.trunc(arguments[i], _INT) for i in range(3)]
            m_, n_, k_ = (stored(length, _INT) for length in lengths)
            scalar = context.get_value_type(c.dtype)
            alpha_, beta_ = stored(arguments[3], scalar), stored(arguments[6], scalar)
            letters = {flag: stored(ir.Constant(ir.IntType(8), ord(letter)), ir.IntType(8))
                       for flag, letter in ((False, "N"), (True, "T"))}
            passed = [letters[right_transposed], letters[left_transposed], n_, m_, k_, alpha_,
                      data(5), k_ if right_transposed else n_,
                      data(4), m_ if left_transposed else k_, beta_, data(7), n_]
            kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
            routine = cgutils.get_or_insert_function(
                builder.module, kind, _symbol(_ROUTINES[c.dtype]))
            builder.call(routine, passed)
            return context.get_dummy_value()

        size, real = types.int64, c.dtype
        return types.void(size, size, size, real, a, b, real, c), codegen

    layout = "".join("nt"[flag] for flag in (left_transposed, right_transposed))
    gemm.__name__ = gemm.__qualname__ = f"gemm_{layout}"
    return intrinsic(gemm)


gemm_nn = _product(False, False)
gemm_nt = _product(False, True)
gemm_tn = _product(True, False)
gemm_tt = _product(True, True)

_lock = threading.Lock()
_users = 0
_controller: Any = None
_limiter: Any = None


@contextmanager
def single_threaded() -> Iterator[None]:
    """SciPy's BLAS runs on the calling thread only, until the last user of this leaves."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _controller, _limiter
    with _lock:
        if _users == 0:
            if _controller is None:
                _controller = _scipy_blas()
            _limiter = _controller.limit(limits=1)
        _users += 1


def _leave() -> None:
    global _users, _limiter
    with _lock:
        _users -= 1
        if _users == 0:
            limiter, _limiter = _limiter, None
            limiter.restore_original_limits()


def _scipy_blas() -> Any:
    """A controller of the BLAS that SciPy brings; of every BLAS where it uses a shared one."""
    every = threadpoolctl.ThreadpoolController()
    blas = every.select(user_api="blas")
    own = [lib.filepath for lib in blas.lib_controllers
           if Path(lib.filepath).parent.name.startswith("scipy")]
    return blas.select(filepath=own) if own else blas
