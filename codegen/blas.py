"""Matrix products from nopython code.

    gemm_nn(m, n, k, α, A, B, β, C)        C ← α·A·B + β·C           A: m×k, B: k×n, C: m×n
    gemm_tn(…)                             C ← α·Aᵀ·B + β·C          A is stored k×m
    gemm_nt(…), gemm_tt(…)                 C ← α·A·Bᵀ + β·C, …       B is stored n×k
    gemm_nn_from(m, n, k, α, A, B, d, C)   C ← α·A·B + 1·dᵀ          d: n, added to every row; …
    gemm_nt_short(…)                       as gemm_nt; the way depends on m and n (see `dots`)

Rows lie contiguous in memory; columns may be a slice of a wider array.  Products are written out
(`microkernel`, `blocking`); where registers are short, large ones are BLAS's.  A row-major matrix
is the transpose of a column-major one, so BLAS is asked for Cᵀ = Bᵀ·Aᵀ.  The routine is known to
LLVM by a symbol (`symbols`), resolved by name when a cached kernel is loaded in another process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from symbackprop.codegen import blocking, dots
from symbackprop.codegen.blocking import NARROW
from symbackprop.codegen.machine import FITTING, IS_WRITTEN_OUT
from symbackprop.codegen.microkernel import DEEPEST
from symbackprop.codegen.microkernel import function as microkernel
from symbackprop.codegen.symbols import symbol_of
from symbackprop.codegen.vectors import BIT, INT, once

_ROUTINES = {types.float32: "sgemm", types.float64: "dgemm"}
_INT = ir.IntType(32)


def _product(left_transposed: bool, right_transposed: bool, begun: bool = False,
             may_be_short: bool = False) -> Any:
    """The intrinsic for one pair of layouts; `begun`: a row stands in the place of β."""

    def gemm(typingctx: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, b: Any, old: Any,
             c: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def operand(place: int, columns: Any) -> tuple[Any, Any]:
                """Where an array begins, and how far apart its rows are."""
                kind = signature.args[place]
                array = make_array(kind)(context, builder, arguments[place])
                if kind.layout == "C":
                    return array.data, columns
                strides = cgutils.unpack_tuple(builder, array.strides)
                return array.data, builder.sdiv(strides[0], array.itemsize)

            m_, n_, k_ = arguments[:3]
            flags = [BIT(flag) for flag in (left_transposed, right_transposed)]
            target = operand(7, n_)
            real = context.get_value_type(c.dtype)
            row = make_array(signature.args[6])(context, builder, arguments[6]) if begun else None
            beta, start = (real(1), (row.data, INT(0))) if row else (arguments[6], target)
            passed = [m_, n_, k_, arguments[3],
                      *operand(4, m_ if left_transposed else k_), flags[0],
                      *operand(5, k_ if right_transposed else n_), flags[1],
                      beta, *start, *target]
            known = [getattr(kind, "literal_value", None) for kind in (m, n, k)]
            is_small = _is_small(known, left_transposed, c.dtype)
            whole = _chosen(builder.module, c.dtype, real, is_small)
            with _unless_empty(builder, real, known, passed):
                if may_be_short and known[2] is not None and known[2] >= dots.LONG:
                    with builder.if_else(_is_short(builder, m_, n_)) as (short, long):
                        with short:
                            builder.call(dots.function(builder.module, real), [
                                *passed[:6], *passed[7:9], beta, *target])
                        with long:
                            builder.call(whole, passed)
                else:
                    builder.call(whole, passed)
            return context.get_dummy_value()

        size, real = types.int64, c.dtype
        return types.void(size, size, size, real, a, b, old if begun else real, c), codegen

    layout = "".join("nt"[flag] for flag in (left_transposed, right_transposed))
    suffix = "_from" if begun else "_short" if may_be_short else ""
    gemm.__name__ = gemm.__qualname__ = f"gemm_{layout}{suffix}"
    return intrinsic(prefer_literal=True)(gemm)


def _chosen(module: Any, dtype: Any, real: Any, is_small: bool) -> Any:
    """The function of a product."""
    if IS_WRITTEN_OUT and is_small:
        return blocking.function(module, real, is_small=True)
    return _either(module, real, _ROUTINES[dtype])


def _is_small(lengths: Sequence[int | None], left_transposed: bool, dtype: Any) -> bool:
    """Whether lengths that are literals say that nothing needs to be packed; one is the batch."""
    _, n, k = lengths
    known = [length for length in lengths if length is not None]
    fits = (n is not None and k is not None and not left_transposed
            and n * k * dtype.bitwidth // 8 <= FITTING)
    return fits or (len(known) > 1 and max(known) <= NARROW)


@contextmanager
def _unless_empty(builder: Any, real: Any, known: Sequence[int | None], passed: Sequence[Any]
                  ) -> Iterator[None]:
    """What is written inside runs where no length is 0; else C is β·D, with no term of the sum."""
    unknown = [length for length, number in zip(passed, known, strict=False) if number is None]
    if not unknown:
        yield
        return
    is_empty = reduce(builder.or_, (builder.icmp_signed("<=", length, INT(0))
                                    for length in unknown))
    with builder.if_else(is_empty, likely=False) as (empty, full):
        with empty:
            builder.call(_without_terms(builder.module, real), [*passed[:2], *passed[10:]])
        with full:
            yield


def _without_terms(module: Any, real: Any) -> Any:
    """kept(m, n, β, D, ldd, C, ldc): C is β·D, and 0 where β is 0, whatever D holds."""
    def write(made: Any) -> None:
        m, n, beta, d, ldd, c, ldc = made.args
        builder = ir.IRBuilder(made.append_basic_block("entry"))
        with cgutils.for_range(builder, m) as row, cgutils.for_range(builder, n) as column:
            old, new = (builder.gep(begin, [builder.add(builder.mul(row.index, step),
                                                        column.index)])
                        for begin, step in ((d, ldd), (c, ldc)))
            is_zero = builder.fcmp_ordered("==", beta, real(0))
            builder.store(builder.select(is_zero, real(0), builder.fmul(beta, builder.load(old))),
                          new)
        builder.ret_void()

    pointer = real.as_pointer()
    return once(module, f"symbackprop_kept_{real}", [INT, INT, real, *(pointer, INT)*2], write)


def _is_short(builder: Any, *lengths: Any) -> Any:
    """Whether one of these lengths is at most what `dots` is made for."""
    return builder.or_(*(builder.icmp_signed("<=", length, length.type(dots.FEW))
                         for length in lengths))


def _either(module: Any, real: Any, routine: str) -> Any:
    """product(m, n, k, α, A, lda, transposed, B, ldb, transposed, β, D, ldd, C, ldc), written once.

    The instructions of `microkernel` where the operands stay in the cache, else those of
    `blocking`, or BLAS.  The number of rows that are computed together has no part in the choice:
    an A that is read by columns counts as wide as the array of which they are a part.
    """
    pointer = real.as_pointer()
    return once(module, f"symbackprop_product_{routine}", [
        INT, INT, INT, real, *(pointer, INT, BIT)*2, real, *(pointer, INT)*2],
        lambda made: _write_either(made, real, routine))


def _write_either(made: Any, real: Any, routine: str) -> None:
    m, n, k, alpha, a, lda, left, b, ldb, right, beta, d, ldd, c, ldc = made.args
    builder = ir.IRBuilder(made.append_basic_block("entry"))
    most = INT(FITTING // (4 if isinstance(real, ir.FloatType) else 8))
    along = builder.select(left, builder.mul(lda, k), INT(0))
    fits = builder.and_(builder.icmp_signed("<=", builder.mul(n, k), most),
                        builder.icmp_signed("<=", along, most))
    shallow = builder.icmp_signed("<=", k, INT(DEEPEST))
    is_small = builder.and_(fits, builder.or_(shallow, builder.not_(right)))
    one = INT(1)
    with builder.if_else(is_small) as (small, large):
        with small:
            builder.call(microkernel(made.module, real), [
                m, n, k, alpha, a, builder.select(left, one, lda), builder.select(left, lda, one),
                b, ldb, right, BIT(0), beta, d, ldd, c, ldc])
        with large:
            if IS_WRITTEN_OUT:
                builder.call(blocking.function(made.module, real), made.args)
            else:
                with builder.if_then(builder.icmp_unsigned("!=", d, c)):
                    _copied(builder, m, n, (d, ldd), (c, ldc))
                _call_blas(builder, routine, [*made.args[:11], c, ldc])
    builder.ret_void()


def _copied(builder: Any, rows: Any, columns: Any, source: tuple[Any, Any],
            target: tuple[Any, Any]) -> None:
    """One matrix into another; each is where it begins, and how far apart its rows are."""
    with cgutils.for_range(builder, rows) as row:
        old, new = (builder.gep(begin, [builder.mul(row.index, step)])
                    for begin, step in (source, target))
        with cgutils.for_range(builder, columns) as column:
            builder.store(builder.load(builder.gep(old, [column.index])),
                          builder.gep(new, [column.index]))


def _call_blas(builder: Any, routine: str, arguments: Any) -> None:
    m, n, k, alpha, a, lda, left, b, ldb, right, beta, c, ldc = arguments
    letter = ir.IntType(8)

    def stored(value: Any) -> Any:
        place = cgutils.alloca_once(builder, value.type)
        builder.store(value, place)
        return place

    def length(value: Any) -> Any:
        return stored(builder.trunc(value, _INT))

    def layout(is_transposed: Any) -> Any:
        return stored(builder.select(is_transposed, letter(ord("T")), letter(ord("N"))))

    passed = [layout(right), layout(left), length(n), length(m), length(k), stored(alpha),
              b, length(ldb), a, length(lda), stored(beta), c, length(ldc)]
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol_of(routine)), passed)


gemm_nn = _product(False, False)
gemm_nt = _product(False, True)
gemm_tn = _product(True, False)
gemm_tt = _product(True, True)
gemm_nt_short = _product(False, True, may_be_short=True)
gemm_nn_from = _product(False, False, begun=True)
gemm_nt_from = _product(False, True, begun=True)
gemm_tn_from = _product(True, False, begun=True)
gemm_tt_from = _product(True, True, begun=True)
