"""verify_kernel(kernel): every sentence that emission relies on; bugs of passes end here.

    an index is bound by one loop around its use, and by one only
    a stage writes its own target and nothing else
    what a stage reads was given, or written by a stage before it, and not written over since
    rows, columns and inner indices of a Gemm are those of its operands
    what lies by columns, tile after tile, is read and written in tiles
    what holds one tile is met by rows of that tile only
"""

from __future__ import annotations

from collections.abc import Iterable

from sympy import Basic, Expr, Idx

from symbackprop.codegen.ir import (
    Accumulate,
    Assign,
    Blocks,
    Flat,
    Gemm,
    Kernel,
    Loop,
    Rows,
    Stage,
    Statement,
)
from symbackprop.codegen.lowering import nest
from symbackprop.codegen.schedule.tiling import ByColumns
from symbackprop.codegen.stability import formula
from symbackprop.codegen.summation import REGISTERS
from symbackprop.errors import CompilationError
from symbackprop.notation import Element, Tensor, elements_in, extent, tensors_in


def verify_kernel(kernel: Kernel) -> Kernel:
    """The kernel itself; raises CompilationError with the stage and the sentence that it breaks."""
    holders: dict[object, Tensor] = {}
    for buffer in kernel.buffers:
        if buffer.place in ("argument", "scalar"):
            holders[buffer.tensor] = buffer.tensor
    for stage in kernel.stages:
        try:
            _check_reads(kernel, stage, holders)
            _check_tiles(kernel, stage)
            dealt = stage.definition.indices[:1] if stage.definition.target in kernel.parts else ()
            _check_statements(stage, (*stage.opening, *stage.statements), dealt)
        except _BrokenError as broken:
            line = formula(stage.definition, kernel.names)
            raise CompilationError(f"internal error: {broken} in the kernel of {line}") from None
        for tensor in (stage.rest, stage.definition.target):
            if tensor is not None:
                holders[_memory(kernel, tensor)] = tensor
    return kernel


class _BrokenError(Exception):
    """A sentence that does not hold."""


def _memory(kernel: Kernel, tensor: Tensor) -> object:
    """What identifies the memory of a tensor: a slot, or the tensor whose array it is."""
    buffer = kernel.buffer(tensor)
    if buffer.place == "slot":
        return buffer.slot, buffer.tiled
    return tensor if buffer.home is None else buffer.home


def _check_reads(kernel: Kernel, stage: Stage, holders: dict[object, Tensor]) -> None:
    own = _memory(kernel, stage.definition.target)
    rest = None if stage.rest is None else _memory(kernel, stage.rest)
    if rest == own:
        raise _BrokenError("what a sum rounds off is kept where the sum is")
    for tensor in tensors_in(stage.definition.body):
        memory = _memory(kernel, tensor)
        if holders.get(memory) is not tensor:
            raise _BrokenError(f"{kernel.names[tensor]} is read before it is written, or after "
                               "its memory was used again")
        if memory == rest:
            raise _BrokenError(f"{kernel.names[tensor]} is read where a rest is kept")
        if memory == own and not _is_entrywise(stage, tensor):
            raise _BrokenError(f"{kernel.names[tensor]} is written over while it is read")


def _check_tiles(kernel: Kernel, stage: Stage) -> None:
    if all(region.share == "rows" for region in kernel.regions if stage in region.stages):
        return
    rest = () if stage.rest is None else (stage.rest,)
    for tensor in (stage.definition.target, *rest, *tensors_in(stage.definition.body)):
        buffer = kernel.buffer(tensor)
        if isinstance(tensor, ByColumns) or (buffer.place == "slot" and buffer.tiled):
            raise _BrokenError(f"{kernel.names[tensor]} lies in tiles and is met as a whole")


def _is_entrywise(stage: Stage, tensor: Tensor) -> bool:
    accesses = [e for e in elements_in(stage.definition.body) if e.tensor is tensor]
    entry = tensor.at(*stage.definition.indices)
    in_place = stage.definition.op == "map" and not nest(stage.definition).is_scatter
    return in_place and all(access == entry for access in accesses)


def _check_statements(stage: Stage, statements: Iterable[Statement], bound: tuple[Idx, ...]
                      ) -> None:
    for statement in statements:
        match statement:
            case Loop(index, body):
                if index in bound:
                    raise _BrokenError(f"two loops bind {index}")
                _check_bound(extent(index), bound)
                _check_statements(stage, body, (*bound, index))
            case Flat(indices, assignment):
                if set(indices) & set(bound):
                    raise _BrokenError(f"two loops bind {indices}")
                _check_statements(stage, (assignment,), (*bound, *indices))
            case Blocks(index, _, body):
                _check_bound(extent(index), bound)
                _check_statements(stage, body, bound)
            case Assign(target, value):
                _check_entries(stage, (target,), value, bound)
            case Accumulate(_, target, value, rest):
                _check_entries(stage, (target,) if rest is None else (target, rest), value, bound)
            case Rows(target, source, row, columns):
                if {row, *columns} & set(bound):
                    raise _BrokenError(f"two loops bind {(row, *columns)}")
                if source.indices != (row, *columns) or target.indices != columns:
                    raise _BrokenError("rows are not added column by column")
                _check_target(stage, target)
            case Gemm():
                _check_target(stage, statement.target)
                _check_gemm(statement, bound)


def _check_entries(stage: Stage, entries: tuple[Expr, ...], value: Expr, bound: tuple[Idx, ...]
                   ) -> None:
    for entry in entries:
        _check_target(stage, entry)
        _check_bound(entry, bound)
    _check_bound(value, bound)


def _check_target(stage: Stage, target: Expr) -> None:
    if target.tensor is not stage.definition.target and target.tensor not in (
            *REGISTERS, stage.rest):
        raise _BrokenError("another tensor is written")


def _check_bound(expr: Basic, bound: tuple[Idx, ...]) -> None:
    for index in sorted(expr.atoms(Idx), key=str):
        if index not in bound:
            raise _BrokenError(f"no loop binds {index}")


def _check_gemm(gemm: Gemm, bound: tuple[Idx, ...]) -> None:
    operands = ((gemm.target, gemm.rows, gemm.columns), (gemm.left, gemm.rows, gemm.inner),
                (gemm.right, gemm.inner, gemm.columns))
    for access, first, second in operands:
        indices = access.indices if isinstance(access, Element) else ()
        batch = tuple(i for i in gemm.batch if i in indices)
        if indices not in ((*batch, *first, *second), (*batch, *second, *first)):
            raise _BrokenError(f"the indices of {access} are not those of the product")
    if gemm.target.indices != (*gemm.batch, *gemm.rows, *gemm.columns):
        raise _BrokenError("the target of the product is transposed")
    if gemm.start is not None and (
            gemm.start.indices != gemm.columns or gemm.batch or gemm.beta != 0):
        raise _BrokenError("a product does not begin at a row")
    if set(gemm.batch) != set(bound) & set(gemm.target.indices):
        raise _BrokenError("the loops around the product are not over its batch")
    _check_bound(gemm.alpha, bound)
    _check_bound(gemm.beta, bound)
