"""wait(kernel): where threads wait for each other, and nowhere else.

Each region reads and writes memory in *slices*:

    rows       of what lies along the batch, the rows of the thread's own tiles; its groups of parts
    blocks     the thread's own blocks of the first axis, of so many entries
    alone      whatever it likes, on thread 0
    whole      everything, on every thread

Two accesses of one memory, at least one of which writes, are *apart* if the same thread makes
them whatever the number of threads: both alone, or the same slice of the same tensor or of one
that is written over it, entry by entry: within a step tiles, groups and blocks are dealt to threads
by their number alone.  Else a wait must lie between them.

Proof.  Regions are visited in order; a wait is placed before a region as soon as one of its
accesses is not apart from one since the last wait, so every pair within a step has a wait between.
A pair across two steps has one in between unless it lies after the last wait of the one and
before the first wait of the next: these are compared at the end, and a wait ends the step if need
be.  (No region of rows lies after the last wait: what it makes is read as a whole further on, since
no update lies along the batch.  So it does not matter that the next step may have fewer rows, whose
tiles and groups are then dealt otherwise.)  No wait is idle: the pair for which it was placed has
its first access after the wait before and its second in the region that follows, so that no other
wait separates them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from symbackprop.codegen.ir import Kernel, Region, Stage
from symbackprop.codegen.schedule.tiling import ByColumns, lies_along
from symbackprop.notation import Element, Tensor, elements_in, extent, tensors_in


@dataclass(frozen=True, slots=True)
class Access:
    """Memory that a region touches: how a tensor lies in it, in which slices, and if it writes."""

    memory: object
    layout: tuple[object, ...]
    slices: tuple[object, ...]
    writes: bool

    def is_apart(self, other: Access) -> bool:
        """Whether no two threads meet in these two accesses, or neither writes."""
        if self.memory != other.memory or not (self.writes or other.writes):
            return True
        if self.slices == other.slices == ("alone",):
            return True
        return (self.slices == other.slices and self.slices != ("whole",)
                and self.layout == other.layout)


def wait(kernel: Kernel) -> Kernel:
    """The kernel with a wait before each region that needs one, and at the end if need be."""
    since: list[Access] = []
    first: list[Access] = []
    regions: list[Region] = []
    for region in kernel.regions:
        found = list(accesses(kernel, region))
        waits = not all(a.is_apart(b) for a in since for b in found)
        if waits:
            since = []
        elif not any(r.waits for r in regions):
            first.extend(found)
        since.extend(found)
        regions.append(replace(region, waits=waits))
    ends = not all(a.is_apart(b) for a in since for b in first)
    return replace(kernel, regions=tuple(regions), ends_waiting=ends)


def accesses(kernel: Kernel, region: Region) -> Iterator[Access]:
    """What the region touches of the memory that threads share."""
    for tensor in region.gathers:
        yield from _access(kernel, region, tensor, (region.share,), True)
    for stage in region.stages:
        target = stage.definition.target
        yield from _access(kernel, region, target, _written(kernel, region, stage), True)
        for tensor in tensors_in(stage.definition.body):
            yield from _access(kernel, region, tensor, _read(kernel, region, stage, tensor), False)


def _access(kernel: Kernel, region: Region, tensor: Tensor, slices: tuple[object, ...],
            writes: bool) -> Iterator[Access]:
    buffer = kernel.buffer(tensor)
    if buffer.tiled or buffer.place in ("local", "scalar"):
        return
    home = buffer.home if buffer.home is not None else tensor
    layout = (isinstance(home, ByColumns), home.has_fact("label"), *home.axes)
    yield Access(buffer.slot if buffer.place == "slot" else home, layout, slices, writes)


def _written(kernel: Kernel, region: Region, stage: Stage) -> tuple[object, ...]:
    if region.share != "blocks":
        return (region.share,)
    return ("blocks", *stage.definition.target.axes[:1])


def _read(kernel: Kernel, region: Region, stage: Stage, tensor: Tensor) -> tuple[object, ...]:
    if region.share == "alone":
        return ("alone",)
    if region.share == "rows":
        return ("rows",) if lies_along(tensor, kernel.batch) else ("whole",)
    found = [e for e in elements_in(stage.definition.body) if e.tensor is tensor]
    own = all(isinstance(e, Element) and e.indices[0] == stage.split
              and extent(stage.split) == tensor.axes[0] for e in found)
    return ("blocks", *tensor.axes[:1]) if own and found else ("whole",)
