"""reorder(kernel): the innermost loop of each stage runs along memory.

    ∂b[j] = Σ_n δ[n,j]            for n: for j: ∂b[j] += δ[n,j]        and not a column at a time
    s[n]  = Σ_i x[n,i]·w[i]       for n: for i: total += …            a register, and rows

The cost of an index as the innermost one is the number of accesses that it strides through; among
equals the last index wins, which is a bound one, so that the sum stays in a register.  Where the
innermost one runs along a few rows, those that lie before it in every access go with it:

    s[f,u,v,n] = Σ_{i,a,b} x[i,a+u,b+v,n]·w[f,i,a,b]      for f, u, i, a, b: for v: for n: s += x·w
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from sympy import Expr, Idx

from symbackprop.codegen.ir import Assign, Kernel, Stage
from symbackprop.codegen.lowering import Nest, loops, nest
from symbackprop.codegen.schedule.flattening import is_run
from symbackprop.codegen.schedule.terms import write_out
from symbackprop.notation import Element, elements_in, extent

SHORT = 128  # entries beside each of the rows of a batch that are worth another index


def reorder(kernel: Kernel) -> Kernel:
    """The same stages, each with its loops in the order that strides least."""
    return replace(kernel, stages=tuple(_reordered(stage) for stage in kernel.stages))


def _reordered(stage: Stage) -> Stage:
    found = nest(stage.definition)
    found, order = write_out(found, best_order(found))
    return replace(stage, statements=loops(stage.definition, order, found))


def best_order(found: Nest) -> tuple[Idx, ...]:
    """Free indices, then bound ones, then the one of least cost.

    Innermost runs no index of a sum that its terms do not have: a part of a long sum is one number.
    """
    every = (*found.free, *found.over)
    passed = {i for i in found.free if i not in found.body.atoms(Idx)} if found.over else set()
    candidates = [i for i in every if i not in passed]
    if not candidates:
        return every
    run = [min(reversed(candidates), key=lambda i: _cost(found, i))]
    while not extent(run[-1]).is_Integer and _is_short(run):
        before = next((i for i in reversed(candidates) if i not in run
                       and _steps_along(found, (i, *run))), None)
        if before is None:
            break
        run.insert(0, before)
    return (*(i for i in every if i not in run), *run)


def _is_short(run: list[Idx]) -> bool:
    return prod(int(extent(i)) for i in run if extent(i).is_Integer) < SHORT


def _steps_along(found: Nest, run: tuple[Idx, ...]) -> bool:
    """Whether the loop nest is one loop over these indices."""
    return is_run(Assign(found.target, found.body), run)


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
