"""flatten(kernel): a map over rows becomes one loop over all entries.

    for n: for k: e[n,k] = exp(d[n,k])          for e: e_flat[e] = exp(d_flat[e])

Rows of ten entries are too short for vector instructions, or leave a rest that is done singly;
side by side they are one long row.  Only where every entry is read at the place that is written;
whether a row is short is not asked, so that kernels of all widths are alike.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Idx

from symbackprop.codegen.ir import Assign, Flat, Kernel, Loop, Stage, Statement
from symbackprop.notation import Element, elements_in, extent


def flatten(kernel: Kernel) -> Kernel:
    """The same kernel, with such maps in one loop."""
    return replace(kernel, stages=tuple(_flattened(stage) for stage in kernel.stages))


def _flattened(stage: Stage) -> Stage:
    loops, inner = _nest(stage.statements)
    definition = stage.definition
    if not isinstance(inner, Assign) or len(loops) < 2 or loops != definition.indices:
        return stage
    whole = inner.target == definition.element and all(
        i.lower == 0 and extent(i) == axis
        for i, axis in zip(loops, definition.target.axes, strict=True))
    if whole and _is_flat(inner, loops):
        return replace(stage, statements=(Flat(loops, inner),))
    return stage


def _nest(statements: tuple[Statement, ...]) -> tuple[tuple[Idx, ...], Statement | None]:
    """The indices of loops that hold nothing but each other, and what the innermost one holds."""
    indices: list[Idx] = []
    while len(statements) == 1 and isinstance(statements[0], Loop):
        indices.append(statements[0].index)
        statements = statements[0].body
    return tuple(indices), statements[0] if len(statements) == 1 else None


def _is_flat(inner: Assign, loops: tuple[Idx, ...]) -> bool:
    """Whether the value reads entries at the loops' own places, or at none of them."""
    axes = inner.target.tensor.axes
    known = {}
    for element in elements_in(inner.value):
        if isinstance(element, Element):
            if element.indices != loops or element.tensor.axes != axes:
                return False
            known[element] = element.tensor.symbol
    return not inner.value.xreplace(known).atoms(Idx)
