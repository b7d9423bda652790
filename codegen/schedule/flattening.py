"""flatten(kernel): a map, or a sum, over whole arrays becomes one loop over all entries.

    for n: for k: e[n,k] = exp(d[n,k])          for entry: e_flat[entry] = exp(d_flat[entry])
    for i: for j: total += w[i,j]**2            for entry: total += w_flat[entry]**2

    for n: for k: b[k] += d[n,k]                add_rows(b, d, …): a few rows at a time in registers

    for u: for v: for n: h[f,u,v,n] += x[a+u,b+v,n]*w[f,a,b]        for u: one loop over v and n

Rows of ten entries are too short for vector instructions, or leave a rest that is done singly;
side by side they are one long row.  Only where arrays are read as they lie; whether a row is short
is not asked, so that kernels of all widths are alike.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Expr, Idx, S

from symbackprop.codegen.ir import (
    Accumulate,
    Assign,
    Blocks,
    Flat,
    Kernel,
    Loop,
    Rows,
    Stage,
    Statement,
)
from symbackprop.codegen.ranges import inside
from symbackprop.codegen.schedule.products import is_whole
from symbackprop.codegen.summation import ROWS, looped
from symbackprop.notation import Element, elements_in, extent


def flatten(kernel: Kernel) -> Kernel:
    """The same kernel, with such maps in one loop."""
    return replace(kernel, stages=tuple(_flattened(stage) for stage in kernel.stages))


def _flattened(stage: Stage) -> Stage:
    return replace(stage, statements=flat(stage.statements))


def flat(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """The statements, with every nest of loops that steps along memory made one."""
    made: list[Statement] = []
    for statement in statements:
        loops, inner = _nest((statement,))
        long_sum, rows = _long_sum(statement), _rows(loops, inner)
        if long_sum is not None:
            made.append(long_sum)
        elif rows is not None:
            made.append(rows)
        elif isinstance(inner, (Assign, Accumulate)):
            made.extend(_in_runs(statement, loops, inner))
        elif isinstance(statement, (Loop, Blocks)):
            made.append(replace(statement, body=flat(statement.body)))
        else:
            made.append(statement)
    return tuple(made)


def _in_runs(statement: Statement, loops: tuple[Idx, ...], inner: Assign | Accumulate
             ) -> tuple[Statement, ...]:
    """The statement with as many of its inner loops as may be made one."""
    for place in range(len(loops) - 1):
        if is_run(inner, loops[place:]):
            return looped(loops[:place], (Flat(loops[place:], inner),))
    return (statement,)


def _long_sum(statement: Statement) -> Flat | None:
    """A sum of parts, some rows each, as a sum of parts that do not end where rows do."""
    match statement:
        case Blocks(body=(Assign(part, S.Zero), Loop() as rows, Accumulate("sum") as step)):
            every, inner = _nest((rows,))
            if len(every) > 1 and isinstance(inner, Accumulate) and (
                    inner.target == part == step.value and is_run(inner, every)):
                return Flat(every, replace(step, value=inner.value))
    return None


def _rows(loops: tuple[Idx, ...], inner: Statement | None) -> Rows | None:
    """Rows of a whole array, added one after the other."""
    match inner:
        case Accumulate("sum", Element() as target, Element() as source, None) if (
                len(loops) > 1 and source.indices == loops and target.indices == loops[1:]
                and _are_rows(source) and is_whole(target)):
            return Rows(target, source, loops[0], loops[1:])
    return None


def _are_rows(source: Expr) -> bool:
    """Whether an access runs through all rows of a real array, or through those of a tile."""
    row, *columns = source.indices
    first, *others = source.tensor.axes
    return (not source.tensor.has_fact("label") and extent(row) in (first, ROWS)
            and [extent(i) for i in columns] == others and all(i.lower == 0 for i in source.indices)
            and len(set(source.indices)) == len(source.indices))


def _nest(statements: tuple[Statement, ...]) -> tuple[tuple[Idx, ...], Statement | None]:
    """The indices of loops that hold nothing but each other, and what the innermost one holds."""
    indices: list[Idx] = []
    while len(statements) == 1 and isinstance(statements[0], Loop):
        indices.append(statements[0].index)
        statements = statements[0].body
    return tuple(indices), statements[0] if len(statements) == 1 else None


def is_run(inner: Assign | Accumulate, loops: tuple[Idx, ...]) -> bool:
    """Whether arrays are read and written along these loops as they lie, or at one place.

    The last places of an access are the loops' indices, the first of them moved at most.
    """
    axes = tuple(extent(i) for i in loops)
    known: dict[Expr, Expr] = {}
    entries = [inner.target, *elements_in(inner.value)]
    entries += [inner.rest] if isinstance(inner, Accumulate) and inner.rest is not None else []
    for element in entries:
        if not isinstance(element, Element):
            continue
        if element.atoms(Idx) & set(loops):
            if not _lies_along(element, loops, axes):
                return False
            known[element] = element.tensor.symbol
        elif not all(map(inside, element.indices, element.tensor.axes)):
            return False
    return bool(known) and all(i.lower == 0 for i in loops) and (
        not inner.value.xreplace(known).atoms(Idx) & set(loops))


def _lies_along(element: Expr, loops: tuple[Idx, ...], axes: tuple[Expr, ...]) -> bool:
    """Whether the last places of an access are those of the loops, one after the other."""
    before = len(element.indices) - len(loops)
    if before < 0 or any(i.atoms(Idx) & set(loops) for i in element.indices[:before]):
        return False
    first, *others = element.indices[before:]
    whole = all(axis in (own, ROWS) for own, axis in zip(
        element.tensor.axes[before + 1:], axes[1:], strict=True))
    return (whole and tuple(others) == loops[1:] and not (first - loops[0]).atoms(Idx) & set(loops)
            and all(map(inside, element.indices, element.tensor.axes))
            and not element.tensor.has_fact("label"))
