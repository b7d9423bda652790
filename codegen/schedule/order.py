"""reorder(kernel): the innermost loop of each stage runs along memory.

    ∂b[j] = Σ_n δ[n,j]            for n: for j: ∂b[j] += δ[n,j]        and not a column at a time
    s[n]  = Σ_i x[n,i]·w[i]       for n: for i: total += …            a register, and rows

The cost of an index as the innermost one is the number of accesses that it strides through; among
equals the last index wins, which is a bound one, so that the sum stays in a register.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Expr, Idx

from symbackprop.codegen.ir import Kernel, Stage
from symbackprop.codegen.lowering import Nest, loops, nest
from symbackprop.notation import Element, elements_in, extent


def reorder(kernel: Kernel) -> Kernel:
    """The same stages, each with its loops in the order that strides least."""
    return replace(kernel, stages=tuple(_reordered(stage) for stage in kernel.stages))


def _reordered(stage: Stage) -> Stage:
    return replace(stage, statements=loops(stage.definition, best_order(nest(stage.definition))))


def best_order(found: Nest) -> tuple[Idx, ...]:
    """Free indices, then bound ones, then the one of least cost."""
    every = (*found.free, *found.over)
    deciding = {i for other in every for i in extent(other).atoms(Idx)}
    candidates = [i for i in every if i not in deciding]
    if not candidates:
        return every
    innermost = min(reversed(candidates), key=lambda i: _cost(found, i))
    return (*(i for i in every if i != innermost), innermost)


def _cost(found: Nest, index: Idx) -> int:
    reads = sum(_strides(e, index) for e in elements_in(found.body))
    return reads + 2 * _strides(found.target, index)


def _strides(access: Expr, index: Idx) -> bool:
    """Whether stepping the index jumps in memory: anything but the last place, with factor 1."""
    if not isinstance(access, Element) or index not in access.atoms(Idx):
        return False
    *outer, last = access.indices
    if any(index in e.atoms(Idx) for e in outer):
        return True
    step = last.xreplace({index: index + 1}) - last
    return bool(step != 1)
