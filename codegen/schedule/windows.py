"""align(program, batch): rows of the batch lie side by side where windows are read.

    m[n,f,u,v] = max_{a,b} h[n,f,2·u + a,2·v + b]     m[f,u,v,n] = max_{a,b} h[f,2·u + a,2·v + b,n]

Windows are short, and a step along one may jump: a loop over v or b fills no vector register.  The
rows of a batch are as many as a register has places, or more, and none of them meets another.  So
all tensors of three axes or more that are read or filled at computed places have their rows last,
and so has whatever is made of them or makes them entry by entry; data are copied once.  Where two
such tensors are multiplied for each row by itself, as in attention, they stay: rows first, each of
these is a product of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sympy import Idx, Symbol

from symbackprop.codegen.lowering import nest
from symbackprop.codegen.schedule.columns import rewritten
from symbackprop.codegen.schedule.products import product
from symbackprop.codegen.schedule.tiling import ByColumns, is_parted, is_rowwise
from symbackprop.indexing import fresh
from symbackprop.notation import Definition, Element, Program, Tensor, elements_in, tensors_in

LEAST = 3  # axes of what has windows; what is made of it at computed places may have two


def align(program: Program, batch: Symbol | None) -> Program:
    """The same values; tensors with windows along them have the rows of the batch last."""
    if batch is None:
        return program
    names = program.names
    found = _aligned(program, batch)
    turned = {tensor: _turned(tensor, names[tensor], batch) for tensor in found}
    given = [tensor for tensor in found if tensor.role != "intermediate"]
    copies = tuple(_copy(tensor, turned[tensor]) for tensor in given)
    made = tuple(rewritten(definition, turned) for definition in program)
    return replace(program, definitions=(*copies, *made))


def _turned(tensor: Tensor, name: str, batch: Symbol) -> Tensor:
    """The tensor that takes the place of another one, and has its name unless that is given."""
    row, *others = tensor.letters
    is_given = tensor.role != "intermediate"
    return ByColumns(None if is_given else name, (*tensor.axes[1:], batch), (*others, row),
                     "intermediate", hint=f"{name}_turned" if is_given else name,
                     numbered=False, where=tensor.where)


def _copy(given: Tensor, turned: Tensor) -> Definition:
    letters: list[Idx] = []
    for letter in given.letters:
        letters.append(fresh(letter, letters))
    row, *others = letters
    return Definition(turned, (*others, row), given.at(*letters), where=given.where)


def _aligned(program: Program, batch: Symbol) -> list[Tensor]:
    """The tensors to be turned, in the order of the program."""
    able = _able(program, batch)
    groups: dict[Tensor, set[Tensor]] = {tensor: {tensor} for tensor in able}
    wanted: set[Tensor] = set()
    kept: set[Tensor] = set()
    for definition in program:
        computed = {e.tensor for e in _computed(definition)}
        met = [t for t in dict.fromkeys((definition.target, *tensors_in(definition.body)))
               if t in groups and (t.rank >= LEAST or t in computed)]
        for tensor in met[1:]:
            joined = groups[met[0]] | groups[tensor]
            groups.update(dict.fromkeys(joined, joined))
        gemm = product(definition)
        kept.update(met if gemm is not None and gemm.batch else ())
        wanted.update(t for t in met if t in computed and t.rank >= LEAST)
    return [t for t in able if groups[t] & wanted and not groups[t] & kept]


def _able(program: Program, batch: Symbol) -> list[Tensor]:
    """Tensors with a row for each of the batch that all readers read row by row, or sum over."""
    outside = {*program.outputs, *(t for pair in program.updates for t in pair)}
    outside |= {t for d in program if not is_rowwise(d, batch)
                for t in (d.target, *(tensors_in(d.body) if not is_parted(d, batch) else ()))}
    computed = {e.tensor for d in program for e in _computed(d)}
    every = dict.fromkeys((*program.inputs, *(d.target for d in program)))
    return [t for t in every if t.rank >= LEAST - (t in computed) and t.axes[0] == batch
            and t not in outside and not t.has_fact("label")
            and (t.role == "intermediate" or t in computed)]


def _computed(definition: Definition) -> Iterator[Element]:
    """The entries that a definition reads or fills at places other than its own letters."""
    found = nest(definition)
    for element in (found.target, *elements_in(found.body)):
        if isinstance(element, Element) and not all(
                isinstance(index, Idx) for index in element.indices):
            yield element
