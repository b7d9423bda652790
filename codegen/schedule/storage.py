"""allocate(kernel): where every tensor lives; memory is used again as soon as it is free.

    inputs       the caller's arrays; hypers, and numbers that no step updates, are scalars
    outputs      fresh arrays of the caller
    rank 0       local variables
    next values  in the array of the tensor that they replace, if the definition reads that tensor
                 at the same entry only and nobody reads the old value afterwards
    all others   slots of a workspace: a slot is free after its tensor was read for the last time,
                 and a map may write over an operand that it reads for the last time, entry by entry

Which tensors share a slot depends on the order of definitions alone, never on widths; a slot is as
large as the largest tensor in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sympy import Idx

from symbackprop.codegen.ir import Buffer, Kernel, Place, Region, Stage
from symbackprop.codegen.lowering import loops, nest
from symbackprop.indexing import fresh
from symbackprop.normal import temporary
from symbackprop.notation import Definition, Program, Tensor, elements_in, tensors_in


def allocate(kernel: Kernel) -> Kernel:
    """The kernel with a buffer for every tensor, and copies for next values with no home."""
    program = kernel.program
    overwritten = homes(program)
    copies = tuple(_copy(old, new) for old, new in program.updates
                   if overwritten.get(new) is not old)
    kernel = replace(kernel, stages=(*kernel.stages, *copies))
    buffers = [Buffer(t, "scalar" if is_number(t, program) else "argument")
               for t in inputs(program)]
    buffers += [Buffer(new, "next", home=old) for new, old in overwritten.items()]
    known = {buffer.tensor for buffer in buffers}
    slots = _Slots(last_reads(kernel))
    for place, stage in enumerate(kernel.stages):
        target = stage.definition.target
        if target not in known:
            slot = -1 if target.rank == 0 or target in program.outputs else (
                slots.taken_by(stage.definition, place))
            where: Place = "slot" if slot >= 0 else "output" if target.rank else "local"
            buffers.append(Buffer(target, where, slot))
            known.add(target)
        rest = slots.free_one() if stage.rest is not None else None
        slots.release(stage.definition, place)
        if stage.rest is not None and rest is not None:
            buffers.append(Buffer(stage.rest, "slot", rest))
            slots.free.append(rest)
    return replace(kernel, buffers=tuple(buffers))


def allocate_shared(kernel: Kernel) -> Kernel:
    """The same for a kernel in regions: what one region of rows makes and reads lives in a tile.

    Memory that threads share is used once, but for a target that is written over an operand.
    """
    program = kernel.program
    overwritten = homes(program)
    copies = tuple(_copy(old, new) for old, new in program.updates
                   if overwritten.get(new) is not old)
    regions = kernel.regions + ((Region("alone", copies),) if copies else ())
    kernel = replace(kernel, stages=(*kernel.stages, *copies), regions=regions)
    gathers = {t: region for region in regions for t in region.gathers}
    last, own = last_reads(kernel), _Slots(last_reads(kernel))
    shared = _Slots(last, keeps=True)
    buffers = [Buffer(t, "scalar" if is_number(t, program) else "argument",
                      tiled=t in gathers and _is_tiled(kernel, t, gathers[t]))
               for t in inputs(program)]
    buffers += [Buffer(new, "next", home=old) for new, old in overwritten.items()]
    known = {buffer.tensor for buffer in buffers}
    place = 0
    for region in regions:
        for stage in region.stages:
            for tensor in (stage.definition.target, stage.rest):
                if tensor is None or tensor in known:
                    continue
                tiled = (region.share == "rows" if tensor is stage.rest
                         else _is_tiled(kernel, tensor, region))
                slots = own if tiled else shared
                kept = bool(stage.opening) and tensor is stage.rest
                buffers.append(_placed(kernel, stage, tensor, region, tiled, slots, place, kept))
                known.add(tensor)
            own.release(stage.definition, place)
            place += 1
    return replace(kernel, buffers=tuple(buffers))


def _placed(kernel: Kernel, stage: Stage, tensor: Tensor, region: Region, tiled: bool,
            slots: _Slots, place: int, kept: bool) -> Buffer:
    """Where a new tensor of a region lives."""
    if tensor in kernel.program.outputs and tensor.rank:
        return Buffer(tensor, "output")
    if not tensor.rank and (tiled or _stays_alone(kernel, tensor)):
        return Buffer(tensor, "local", tiled=tiled)
    if tensor is stage.rest:
        kept = kept or slots.keeps
        slot = slots.new_one() if kept else slots.free_one()
        if not kept:
            slots.free.append(slot)
        return Buffer(tensor, "slot", slot, tiled=tiled)
    return Buffer(tensor, "slot", slots.taken_by(stage.definition, place), tiled=tiled)


def _is_tiled(kernel: Kernel, tensor: Tensor, region: Region) -> bool:
    """Whether only this region of rows touches a tensor, so that one tile of it is enough."""
    if region.share != "rows" or tensor in kernel.parts or tensor in kernel.program.outputs:
        return False
    readers = [r for r in kernel.regions for s in r.stages
               if tensor in tensors_in(s.definition.body)]
    return all(r is region for r in readers)


def _stays_alone(kernel: Kernel, tensor: Tensor) -> bool:
    """Whether only the thread that works alone touches a tensor."""
    touching = [r for r in kernel.regions for s in r.stages
                if tensor in (s.definition.target, *tensors_in(s.definition.body))]
    return all(r.share == "alone" for r in touching)


def inputs(program: Program) -> tuple[Tensor, ...]:
    """What the caller gives: what is read and not defined, and what is updated."""
    found = dict.fromkeys((*program.inputs, *(old for old, _ in program.updates)))
    return tuple(sorted(found, key=lambda tensor: tensor.serial))


def is_number(tensor: Tensor, program: Program) -> bool:
    """Whether an input is passed by value: reading w[()] costs Numba's compiler more than w."""
    return tensor.role == "hyper" or (
        not tensor.rank and not program.updates and not tensor.has_fact("label"))


def last_reads(kernel: Kernel) -> dict[Tensor, int]:
    """The last stage that reads a tensor; its own stage if none does."""
    found: dict[Tensor, int] = {}
    for place, stage in enumerate(kernel.stages):
        found.setdefault(stage.definition.target, place)
        found.update(dict.fromkeys(tensors_in(stage.definition.body), place))
    return found


def homes(program: Program) -> dict[Tensor, Tensor]:
    """next value -> the tensor in whose array it may be written at once."""
    places = {d.target: place for place, d in enumerate(program)}
    last: dict[Tensor, int] = {}
    for place, definition in enumerate(program):
        last.update(dict.fromkeys(tensors_in(definition.body), place))
    found: dict[Tensor, Tensor] = {}
    for old, new in program.updates:
        if new in found or new in program.outputs:
            continue
        definition = program.definitions[places[new]]
        unread_later = last.get(old, -1) <= places[new] and old not in program.outputs
        if unread_later and same_axes(old, new) and is_entrywise(definition, old):
            found[new] = old
    return found


def same_axes(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape, and entries of the same kind."""
    return one.axes == other.axes and one.has_fact("label") == other.has_fact("label")


def is_entrywise(definition: Definition, tensor: Tensor) -> bool:
    """Whether the definition may be written over this tensor while it reads it."""
    found = nest(definition)
    if found.op != "map" or found.is_scatter:
        return not any(t is tensor for t in tensors_in(definition.body))
    accesses = [e for e in elements_in(definition.body) if e.tensor is tensor]
    return all(e == tensor.at(*definition.indices) for e in accesses)


def _copy(old: Tensor, new: Tensor) -> Stage:
    definition = Definition(old, letters(new), new.at(*letters(new)))
    return Stage(definition, loops(definition, letters(new)))


@dataclass(slots=True)
class _Slots:
    """Which slots are free, last freed first, and who holds the others; `keeps`: for good."""

    last: dict[Tensor, int]
    free: list[int] = field(default_factory=list)
    held: dict[Tensor, int] = field(default_factory=dict)
    count: int = 0
    keeps: bool = False

    def taken_by(self, definition: Definition, place: int) -> int:
        """A slot for the target: that of an operand that dies here, a free one, or a new one."""
        target = definition.target
        for tensor in tensors_in(definition.body):
            dies = tensor in self.held and self.last[tensor] == place
            if dies and same_axes(tensor, target) and is_entrywise(definition, tensor):
                self.held[target] = self.held.pop(tensor)
                return self.held[target]
        self.held[target] = self.free_one()
        return self.held[target]

    def free_one(self) -> int:
        """A slot that nobody holds."""
        return self.free.pop() if self.free else self.new_one()

    def new_one(self) -> int:
        """A slot that nobody has held before."""
        self.count += 1
        return self.count - 1

    def release(self, definition: Definition, place: int) -> None:
        """Free the slots of what is read here for the last time."""
        for tensor in (*tensors_in(definition.body), definition.target):
            if not self.keeps and tensor in self.held and self.last[tensor] == place:
                self.free.append(self.held.pop(tensor))


def with_defined_updates(program: Program) -> Program:
    """Every next value has a definition: W ← V becomes next = V, W ← next."""
    defined = {d.target for d in program}
    made, updates = [], []
    for old, new in program.updates:
        if new not in defined:
            copy = temporary(new.at(*letters(new)), letters(new), hint="next")
            made.append(copy)
            new = copy.target
        updates.append((old, new))
    return replace(program, definitions=(*made, *program.definitions), updates=tuple(updates))


def letters(tensor: Tensor) -> tuple[Idx, ...]:
    """An index for each axis, no two alike."""
    found: list[Idx] = []
    for index in tensor.letters:
        found.append(fresh(index, found))
    return tuple(found)
