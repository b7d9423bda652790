"""turn(program, batch): what has few columns is stored column by column.

    z[n,l] = Σ_k h[n,k]·W[k,l]        z[l,n] = Σ_k h[n,k]·W[k,l]        for a few values of l

A row of four scores fills a quarter of a vector register, and a sum over it is too short for one;
its four columns are as long as the batch.  So the scores of a network with few outputs, what a
loss makes of them, their sensitivities and the gradient of their weights are turned.  The products
of a layer with 4 columns, forward and backward, take 250 in place of 500 µs for 10,000 rows of 64,
with 8 columns 330 : 510, with 10 columns 450 : 530 (float32, AVX-512).  Few columns that are made
of few lie by rows: the gradient of their weights would be a product of two turned arrays, and a
step of 8-8-8-3 took 7 % longer.  A turned gradient is no longer what an update absorbs (`absorb`):
it has an array and a loop of its own, over few entries.

Rows still pass through the step one tile at a time: of an array that is longer than a tile each
tile has its own columns, one tile after the other.  So all that read a turned tensor do it row by
row, or sum over the rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sympy import Expr, Integer, Mul, Symbol

from symbackprop.codegen.schedule.products import product
from symbackprop.codegen.schedule.tiling import ByColumns, is_parted, is_rowwise
from symbackprop.notation import Definition, Program, Tensor, elements_in, extent, tensors_in

FEW = 10  # columns


def turn(program: Program, batch: Symbol | None) -> Program:
    """The same values; narrow tensors of the step, and gradients by narrow weights, are turned."""
    if batch is None:
        return program
    names = program.names
    turned: dict[Tensor, Tensor] = {}
    for tensor in _narrow(program, batch):
        kind = ByColumns if tensor.axes[0] == batch else Tensor
        turned[tensor] = kind(names[tensor], tensor.axes[::-1], tensor.letters[::-1],
                              "intermediate", where=tensor.where)
    return replace(program, definitions=tuple(rewritten(d, turned) for d in program))


def _narrow(program: Program, batch: Symbol) -> Collection[Tensor]:
    """What is turned: few columns from many, all that is made of them, and gradients by W.

    Of a gradient Σ_n h[n,k]·δ[l,n] the rows l are those of the factor that is turned, so that the
    other one is read as it lies.
    """
    kept = {*program.outputs, *(t for pair in program.updates for t in pair)}
    whole = {t for d in program for t in tensors_in(d.body)
             if not is_rowwise(d, batch) and not is_parted(d, batch)}
    found: dict[Tensor, None] = {}
    for definition in program:
        target = definition.target
        if target.rank != 2 or not _is_few(target.axes[1]) or target in kept:
            continue
        read = [e for e in elements_in(definition.body) if e.tensor in found]
        gemm = product(definition)
        if target.axes[0] == batch:
            wide = gemm and not _is_few(Mul(*(extent(i) for i in gemm.inner)))
            if target not in whole and is_rowwise(definition, batch) and (read or wide):
                found[target] = None
        elif gemm and len(read) == 1 and definition.indices[1] in read[0].indices:
            found[target] = None
    return found


def _is_few(length: Expr) -> bool:
    return isinstance(length, Integer) and 1 < length <= FEW


def rewritten(definition: Definition, turned: dict[Tensor, Tensor]) -> Definition:
    """The definition with the row of what is turned behind its other indices."""
    new = {e: turned[e.tensor].at(*e.indices[1:], e.indices[0])
           for e in elements_in(definition.body) if e.tensor in turned}
    made = replace(definition, body=definition.body.xreplace(new))
    if definition.target not in turned:
        return made
    return replace(made, target=turned[definition.target],
                   indices=(*definition.indices[1:], definition.indices[0]))
