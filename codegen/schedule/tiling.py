"""tile(program, batch): sums over the batch become sums over tiles of rows, added up in groups.

    ∂b[j] = Σ_n δ[n,j]         b_tile[j] = Σ_n δ[n,j]            over the rows of one tile
                               b_part[g,j] += b_tile[j]          over the tiles of group g
                               ∂b[j] = Σ_g b_part[g,j]

Rows pass through a whole step in tiles that stay in the cache, and threads share the groups.  The
number of groups depends on the batch alone, never on threads: so the order of every sum, and every
bit, is the same for any number of threads.

A definition is *rowwise* if its entry in row n reads row n of what lies along the batch, and no
other: tile by tile it is what it was.  A sum is *parted* if its terms are rowwise and its target
is small enough to be kept once for each group; a larger one (the gradient of a wide layer) is one
product over the whole batch.  A sum over the entries of a large parameter (a penalty) is parted
too, into `BLOCKS` parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sympy import Dummy, Expr, Idx, Integer, Symbol

from symbackprop.codegen.lowering import nest
from symbackprop.codegen.schedule.order import best_order
from symbackprop.codegen.schedule.products import product
from symbackprop.codegen.summation import GROUPS, ROWS
from symbackprop.indexing import fresh
from symbackprop.normal import temporary
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Tensor,
    elements_in,
    extent,
    tensors_in,
)

BLOCKS = 8
LARGEST_PART = 8192  # entries of a sum that is kept once for each group
LARGEST_LOOP = 2**18  # the same for a sum that is no product: its loops are far slower than it
SMALL = 8192  # entries that one thread visits sooner than several agree on who does


@dataclass(frozen=True, slots=True)
class Parts:
    """part -> what is added to it tile by tile; a product of matrices is added to it directly."""

    tiles: dict[Tensor, Tensor]
    blocks: frozenset[Tensor]
    products: frozenset[Tensor]

    @property
    def grouped(self) -> frozenset[Tensor]:
        """The tensors that have one part for each group of tiles."""
        return frozenset((*self.tiles, *self.products))


class ByColumns(Tensor):
    """A tensor [l,n] or [f,u,v,n] whose last axis runs over the batch and which is read by rows.

    Of one that is longer than a tile the columns of each tile lie together, tile after tile.
    """

    __slots__ = ()


def tile(program: Program, batch: Symbol) -> tuple[Program, Parts]:
    """The program with its sums over the batch parted, and which tensors the parts are."""
    made: list[Definition] = []
    tiles: dict[Tensor, Tensor] = {}
    blocks: list[Tensor] = []
    products: list[Tensor] = []
    names = program.names
    for definition in program:
        name = names[definition.target]
        if is_parted(definition, batch):
            first, *last = _parted(definition, batch, name)
            made.extend((first, *last))
            if product(definition) is not None:
                products.append(first.target)
            else:
                tiles[last[0].target] = first.target
        elif is_long(definition, batch):
            part, whole = _in_blocks(definition, name)
            made.extend((part, whole))
            blocks.append(part.target)
        else:
            made.append(definition)
    found = Parts(tiles, frozenset(blocks), frozenset(products))
    return replace(program, definitions=tuple(made)), found


def is_rowwise(definition: Definition, batch: Symbol) -> bool:
    """Whether entry n of the target reads row n of what lies along the batch, and no other row."""
    target = definition.target
    if not lies_along(target, batch):
        return False
    axis, found = _row_axis(target), nest(definition)
    row = definition.indices[axis]
    if found.is_scatter and found.target.indices[axis] != row:
        return False  # it adds to rows that the data choose
    return _reads_rows(definition, row, batch)


def is_parted(definition: Definition, batch: Symbol) -> bool:
    """Whether a definition is a sum over the rows of the batch that is kept once for each group."""
    along = [i for i in definition.over if extent(i) == batch]
    if definition.op != "sum" or len(along) != 1 or nest(definition).is_scatter:
        return False
    axes = definition.target.axes
    if any(batch in axis.free_symbols for axis in axes):
        return False
    by_columns = any(isinstance(t, ByColumns) for t in tensors_in(definition.body))
    largest = LARGEST_LOOP if by_columns or product(definition) is None else LARGEST_PART
    if len(axes) > 1 and entries(definition.target) > largest:
        return False
    return _reads_rows(definition, along[0], batch)


def is_long(definition: Definition, batch: Symbol) -> bool:
    """Whether a definition sums many entries, none of them along the batch, to one number."""
    if definition.op != "sum" or definition.indices or batch in definition.body.free_symbols:
        return False
    if any(batch in extent(i).free_symbols for i in definition.over):
        return False
    order = best_order(nest(definition))
    lengths = [extent(i) for i in order]
    if not order or not all(length.is_Integer for length in lengths) or order[0].lower != 0:
        return False
    reads = [e.tensor for e in elements_in(definition.body)]
    return math.prod(map(int, lengths)) > SMALL and lengths[0] >= BLOCKS and not any(
        batch in axis.free_symbols for tensor in reads for axis in tensor.axes)


def lies_along(tensor: Tensor, batch: Symbol | None) -> bool:
    """Whether a tensor has a row for each of the batch, first axis or by columns, and no more."""
    if isinstance(tensor, ByColumns):
        return bool(tensor.axes[-1] == batch)
    return bool(tensor.axes) and batch is not None and tensor.axes[0] == batch and not any(
        batch in axis.free_symbols for axis in tensor.axes[1:])


def _row_axis(tensor: Tensor) -> int:
    """The axis along the batch of a tensor that lies along it."""
    return tensor.rank - 1 if isinstance(tensor, ByColumns) else 0


def entries(tensor: Tensor) -> float:
    """How many entries a tensor has; infinite where that depends on a size."""
    return math.prod(int(a) if a.is_Integer else math.inf for a in tensor.axes)


def _reads_rows(definition: Definition, row: Idx, batch: Symbol) -> bool:
    others = (*definition.indices, *definition.over)
    if row.lower != 0 or any(batch in extent(i).free_symbols for i in others if i != row):
        return False
    known: dict[Expr, Expr] = {}
    for element in sorted(elements_in(definition.body), key=lambda e: len(e.atoms(Element))):
        tensor = element.tensor
        indices = element.indices if isinstance(element, Element) else ()
        along = lies_along(tensor, batch)
        if not along and any(batch in axis.free_symbols for axis in tensor.axes):
            return False
        place = _row_axis(tensor) if along else len(indices)
        if along and indices[place] != row:
            return False
        rest = (*indices[:place], *indices[place + 1:])
        if any(row in index.xreplace(known).atoms(Idx) for index in rest):
            return False
        known[element] = Dummy(integer=True)
    return row not in definition.body.xreplace(known).atoms(Idx)


def _group(definition: Definition, extent_: Expr, letter: str) -> Idx:
    every = (*definition.indices, *definition.over)
    return fresh(Idx(Symbol(letter, integer=True), (0, extent_ - 1)), every)


def _named(definition: Definition, hint: str) -> Definition:
    definition.target.numbered = False
    definition.target.hint = hint
    return definition


def _parted(definition: Definition, batch: Symbol, name: str) -> tuple[Definition, ...]:
    """(tile, part, whole), or (part, whole) for a product of matrices."""
    group = _group(definition, GROUPS, "g")
    indices, where = definition.indices, definition.where
    if product(definition) is not None:
        part = _named(temporary(definition.body, (group, *indices), definition.over, "sum",
                                where=where), f"{name}_part")
        return part, replace(definition, body=part.element, over=(group,))
    rows = {i: Idx(i.label, (0, ROWS - 1)) for i in definition.over if extent(i) == batch}
    local = _named(temporary(definition.body.xreplace(rows), indices,
                             tuple(rows.get(i, i) for i in definition.over), "sum",
                             where=where), f"{name}_tile")
    part = _named(temporary(local.element, (group, *indices), where=where), f"{name}_part")
    return local, part, replace(definition, body=part.element, over=(group,))


def _in_blocks(definition: Definition, name: str) -> tuple[Definition, Definition]:
    """(part, whole); of a part the first index is the outermost one, whose range strips share."""
    block = _group(definition, Integer(BLOCKS), "b")
    over = tuple(dict.fromkeys((*best_order(nest(definition)), *definition.over)))
    part = _named(temporary(definition.body, (block,), over, "sum",
                            where=definition.where), f"{name}_part")
    return part, replace(definition, body=part.element, over=(block,))
