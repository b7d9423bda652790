"""multiply(kernel): a stage that is a matrix product becomes a Gemm.

    C[b,m,n] = α·Σ_k A[b,m,k]·B[b,k,n]

Rows, columns, inner and batch indices are read off from who carries what; each may be a group
of several that lie side by side in all operands (then they are one long index).  An operand may
be stored the other way round.  Whatever does not fit stays a loop nest.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Expr, Idx, Integer, Mul

from symbackprop.codegen.ir import Gemm, Kernel, Stage
from symbackprop.codegen.summation import looped
from symbackprop.notation import Definition, Element, extent


def multiply(kernel: Kernel) -> Kernel:
    """The same kernel, with products of matrices as one statement."""
    return replace(kernel, stages=tuple(_multiplied(stage) for stage in kernel.stages))


def _multiplied(stage: Stage) -> Stage:
    gemm = product(stage.definition)
    return stage if gemm is None else replace(stage, statements=looped(gemm.batch, (gemm,)))


def product(definition: Definition) -> Gemm | None:
    """The Gemm that a definition is, None if it is none."""
    factors = Mul.make_args(definition.body)
    matrices = [f for f in factors if isinstance(f, Element)]
    alpha = Mul(*(f for f in factors if not isinstance(f, Element)))
    if definition.op != "sum" or len(matrices) != 2 or alpha.atoms(Idx) or alpha.has(Element):
        return None
    if not all(is_whole(access) for access in (definition.element, *matrices)):
        return None
    return (_arranged(definition, matrices[0], matrices[1], alpha)
            or _arranged(definition, matrices[1], matrices[0], alpha))


def _arranged(definition: Definition, left: Expr, right: Expr, alpha: Expr) -> Gemm | None:
    """The Gemm with this left operand, if the target holds its rows before its columns."""
    a, b, target = left.indices, right.indices, definition.indices
    batch = tuple(i for i in target if i in a and i in b)
    rows = tuple(i for i in target if i in a and i not in b)
    columns = tuple(i for i in target if i in b and i not in a)
    inner = tuple(i for i in a if i in definition.over)
    fits = (
        rows and columns and inner
        and target == (*batch, *rows, *columns)
        and a in ((*batch, *rows, *inner), (*batch, *inner, *rows))
        and b in ((*batch, *inner, *columns), (*batch, *columns, *inner))
        and set(inner) == set(definition.over)
    )
    if not fits:
        return None
    return Gemm(definition.element, left, right, batch, rows, columns, inner, alpha, Integer(0))


def is_whole(access: Expr) -> bool:
    """Whether an access runs through a whole real tensor, an own index along each axis."""
    tensor = access.tensor
    return (
        isinstance(access, Element) and not tensor.has_fact("label")
        and all(isinstance(i, Idx) and i.lower == 0 and extent(i) == axis
                for i, axis in zip(access.indices, tensor.axes, strict=True))
        and len(set(access.indices)) == len(access.indices)
    )
