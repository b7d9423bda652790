"""The lines of a kernel in regions: what each thread does, tile by tile and block by block.

    tiles = (N + height - 1)//height
    groups = min(tiles, 8)
    for group in range(thread*groups//threads, (thread + 1)*groups//threads):
        …                                                 parts of sums begin at zero
        for tile in range(group, tiles, groups):
            low = tile*height
            rows = min(height, N - low)
            …                                             stages, with `rows` for the batch
    wait(meeting, threads)
    first_strip, end_strip = thread*8//threads, (thread + 1)*8//threads
    low, high = first_strip*784//8, end_strip*784//8
    …                                                     a product, with low … high for its rows
    for strip in range(thread*8//threads, (thread + 1)*8//threads):
        low, high = strip*784//8, (strip + 1)*784//8
        …                                                 a loop, or a sum of parts, in each strip
    if thread == 0:
        …

Each thread has groups, and strips, that lie side by side: dealt out in turn, the parts of two
threads would share lines of the cache, which took a fifth of the time of a narrow net.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from sympy import Expr

from symbackprop.codegen.emission import Emission, Part
from symbackprop.codegen.ir import Assign, Flat, Gemm, Kernel, Region, Stage
from symbackprop.codegen.layout import Argument, indented
from symbackprop.codegen.machine import IS_WRITTEN_OUT
from symbackprop.codegen.schedule.tiling import BLOCKS, ByColumns, lies_along
from symbackprop.codegen.summation import MOST_GROUPS, ROWS
from symbackprop.notation import Tensor, extent, tensors_in

THREADS = tuple(Argument(name, name) for name in ("thread", "threads", "height", "meeting"))
NEAR = 2**14  # entries of each array that maps visit together
WAIT = "wait(meeting, threads)"


def shared_lines(emission: Emission) -> Iterator[str]:
    """All regions of a kernel."""
    kernel = emission.kernel
    batch = emission.scope.sizes[kernel.batch]
    yield f"tiles = ({batch} + height - 1)//height"
    yield f"groups = min(tiles, {MOST_GROUPS})"
    for regions in _together(kernel):
        region = regions[0]
        yield ""
        if region.waits:
            yield WAIT
        match region.share:
            case "rows":
                yield from _rows(emission, region, batch)
            case "blocks" if len(regions) > 1:
                yield from _nearby(emission, regions)
            case "blocks":
                yield from _blocks(emission, region)
            case _:
                yield "if thread == 0:"
                yield from indented(_alone(emission, region))


def _together(kernel: Kernel) -> Iterator[list[Region]]:
    """The regions; maps of equal strips, one after the other without a wait, side by side."""
    found: list[Region] = []
    for region in kernel.regions:
        if found and (region.waits or _strips(region) is None
                      or _strips(region) != _strips(found[0])):
            yield found
            found = []
        found.append(region)
    if found:
        yield found


def _strips(region: Region) -> tuple[Expr, ...] | None:
    """The lengths of a map in strips, if they are numbers; None for any other region."""
    if region.share != "blocks":
        return None
    (stage,) = region.stages
    match stage.statements:
        case (Flat(indices, Assign()),) if indices[0] == stage.split:
            lengths = tuple(extent(index) for index in indices)
            return lengths if all(length.is_Integer for length in lengths) else None
    return None


def _dealt(count: str) -> str:
    """The first of so many groups or strips that a thread has, and the one after its last."""
    return f"thread*{count}//threads, (thread + 1)*{count}//threads"


def _rows(emission: Emission, region: Region, batch: str) -> Iterator[str]:
    kernel = emission.kernel
    part = Part({kernel.batch: "rows", ROWS: "rows"}, "group")
    yield f"for group in range({_dealt('groups')}):"
    for tensor in _met(kernel, region):
        if not lies_along(tensor, kernel.batch):
            yield from indented(_view(emission, tensor))
    for stage in region.stages:
        target = stage.definition.target
        if not lies_along(target, kernel.batch) and not kernel.buffer(target).tiled:
            yield from indented(_view(emission, target))
        if stage.opening:
            yield from indented(emission.rest(stage, part))
            yield from indented(emission.statements(stage, stage.opening, part))
    lines = [*_tile(emission, region, part)]
    yield from indented(["for tile in range(group, tiles, groups):",
                         *indented(["low = tile*height", f"rows = min(height, {batch} - low)",
                                    *lines])])


def _tile(emission: Emission, region: Region, part: Part) -> Iterator[str]:
    """The stages for one tile of rows."""
    kernel = emission.kernel
    for tensor in _met(kernel, region):
        if lies_along(tensor, kernel.batch):
            yield _rows_of(emission, tensor, part)
    for tensor in region.gathers:
        view = (emission.view(tensor, emission.called[tensor, "batch"], part)
                if kernel.buffer(tensor).tiled else _rows_of(emission, tensor, part))
        yield from emission.gathering(tensor, view, part, "first + low")
    for stage in region.stages:
        yield ""
        target = stage.definition.target
        view = ""
        if lies_along(target, kernel.batch):
            slot = kernel.buffer(target)
            view = (emission.view(target, emission.called[slot.slot, True], part)
                    if slot.tiled else _rows_of(emission, target, part))
        elif kernel.buffer(target).tiled and kernel.buffer(target).place == "slot":
            view = emission.view(target, emission.called[kernel.buffer(target).slot, True], part)
        yield from emission.stage(stage, view, part)


def _rows_of(emission: Emission, tensor: Tensor, part: Part) -> str:
    """The line that makes a name the rows of this tile of what is whole in memory."""
    memory = _memory(emission, tensor)
    view = emission.view(tensor, memory, part)
    part_of = "columns_of" if isinstance(tensor, ByColumns) else "rows_of"
    return view.replace(f"view({memory}, ", f"{part_of}({memory}, low, ", 1)


def _memory(emission: Emission, tensor: Tensor) -> str:
    buffer = emission.kernel.buffer(tensor)
    return (emission.called[buffer.slot, buffer.tiled] if buffer.place == "slot"
            else emission.called[tensor, "batch"])


def _blocks(emission: Emission, region: Region) -> Iterator[str]:
    (stage,) = region.stages
    length = extent(stage.split)
    for tensor in _met(emission.kernel, region):
        yield from _view(emission, tensor)
    target = stage.definition.target
    yield from _view(emission, target)
    if _is_alike_in_parts(stage):
        yield f"first_strip, end_strip = {_dealt(str(BLOCKS))}"
        yield f"low, high = first_strip*{length}//{BLOCKS}, end_strip*{length}//{BLOCKS}"
        yield from emission.stage(stage, "", Part({}))
        return
    yield f"for strip in range({_dealt(str(BLOCKS))}):"
    yield from indented([f"low, high = strip*{length}//{BLOCKS}, (strip + 1)*{length}//{BLOCKS}",
                         *emission.stage(stage, "", Part({}, "strip"))])


def _nearby(emission: Emission, regions: list[Region]) -> Iterator[str]:
    """Maps of the same strips, some rows at a time: what one has written is near for the next."""
    stages = [stage for region in regions for stage in region.stages]
    length, *row = _strips(regions[0]) or ()
    for tensor in dict.fromkeys(t for region in regions for t in (
            *_met(emission.kernel, region), *(s.definition.target for s in region.stages))):
        yield from _view(emission, tensor)
    rows = max(1, NEAR // prod(map(int, row)))
    lines = [line for stage in stages for line in emission.stage(stage, "", Part({}))]
    yield f"for strip in range({_dealt(str(BLOCKS))}):"
    yield from indented([f"last = (strip + 1)*{length}//{BLOCKS}",
                         f"for low in range(strip*{length}//{BLOCKS}, last, {rows}):",
                         *indented([f"high = min(low + {rows}, last)", *lines])])


def _is_alike_in_parts(stage: Stage) -> bool:
    """Whether the bits of a row are the same whichever rows are computed beside it.

    Not those of a loop: LLVM writes the entries that fill no vector in another way, and where it
    begins decides which they are.
    """
    is_part = stage.split not in stage.definition.indices
    is_product = any(isinstance(statement, Gemm) for statement in stage.statements)
    return not is_part and is_product and IS_WRITTEN_OUT


def _alone(emission: Emission, region: Region) -> Iterator[str]:
    yield from (line for tensor in _met(emission.kernel, region)
                for line in _view(emission, tensor))
    for tensor in region.gathers:
        yield from emission.gathering(tensor)
    for place, stage in enumerate(region.stages):
        yield from [""] if place else []
        yield from emission.stage(stage)


def _view(emission: Emission, tensor: Tensor) -> Iterator[str]:
    """The line that makes the name of a tensor a view of all of it, where it needs one."""
    buffer = emission.kernel.buffer(tensor)
    if buffer.home is not None:
        yield f"{emission.scope.tensors[tensor]} = {emission.scope.tensors[buffer.home]}"
    elif buffer.place == "slot" or tensor in emission.gathered:
        yield emission.view(tensor, _memory(emission, tensor))


def _met(kernel: Kernel, region: Region) -> list[Tensor]:
    """What a region reads of what others have made or gathered."""
    own = {s.definition.target for s in region.stages} | set(region.gathers)
    read = dict.fromkeys(t for s in region.stages for t in tensors_in(s.definition.body))
    given = {b.tensor for b in kernel.buffers if b.place in ("scalar", "local")}
    gathered = {t for r in kernel.regions for t in r.gathers}
    plain = {b.tensor for b in kernel.buffers if b.place == "argument"} - gathered
    return [t for t in read if t not in own | given | plain]
