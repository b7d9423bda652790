"""A replay of a kernel in regions: which entries each thread touches between two waits.

It knows nothing of the analysis that placed the waits: it deals tiles, groups and strips to
threads as the emitted loops do, evaluates every index of every access for concrete sizes, and
reports entries that two threads touch between the same two waits, one of them writing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np
from sympy import Idx, Symbol

from symbackprop.codegen.gate import evaluated
from symbackprop.codegen.ir import Kernel, Region, Stage
from symbackprop.codegen.schedule.tiling import BLOCKS, ByColumns
from symbackprop.codegen.summation import GROUPS, MOST_GROUPS, ROWS
from symbackprop.notation import Element, elements_in, extent

Entry = tuple[object, int]


class Replay:
    """Two steps of a kernel on so many threads, in tiles of so many rows.

    last: the rows of the second step, which may be fewer; tiles and groups are then other threads'.
    """

    def __init__(self, kernel: Kernel, sizes: dict[Symbol, int], height: int, threads: int,
                 last: int | None = None) -> None:
        self.kernel, self.height, self.threads = kernel, height, threads
        self.given = sizes
        self.lengths = (sizes[kernel.batch], sizes[kernel.batch] if last is None else last)
        self.phase = 0
        self.readers: dict[tuple[int, Entry], set[int]] = defaultdict(set)
        self.writers: dict[tuple[int, Entry], set[int]] = defaultdict(set)

    def conflicts(self) -> set[str]:
        """The names of tensors whose entries two threads touch between the same waits."""
        for rows in self.lengths:
            self._begin(rows)
            for region in self.kernel.regions:
                self.phase += region.waits
                for thread in range(self.threads):
                    self._run(region, thread)
            self.phase += self.kernel.ends_waiting
        found = {entry for entry, who in self.writers.items()
                 if len(who | self.readers.get(entry, set())) > 1}
        return {str(memory) for _, (memory, _) in found}

    def _begin(self, rows: int) -> None:
        """A step of so many rows."""
        self.rows = rows
        self.tiles = -(-rows // self.height)
        self.groups = min(self.tiles, MOST_GROUPS)
        self.sizes = {**self.given, self.kernel.batch: rows, GROUPS: self.groups,
                      ROWS: self.height}

    def _run(self, region: Region, thread: int) -> None:
        for ranges in self._parts(region, thread):
            for tensor in region.gathers:
                self._touch(self.writers, thread, tensor.at(*tensor.letters), ranges)
            for stage in region.stages:
                for element in elements_in(stage.definition.body):
                    self._touch(self.readers, thread, element, ranges, stage)
                self._touch(self.writers, thread, stage.definition.element, ranges, stage)

    def _parts(self, region: Region, thread: int) -> Iterator[dict[object, range]]:
        """The ranges of extents, and of the index that is split, for each part of a thread."""
        if region.share == "alone":
            yield from [{}] if thread == 0 else []
        elif region.share == "rows":
            for group in self._dealt(thread, self.groups):
                for tile in range(group, self.tiles, self.groups):
                    low = tile*self.height
                    rows = range(low, min(low + self.height, self.rows))
                    yield {self.kernel.batch: rows, ROWS: rows, GROUPS: range(group, group + 1)}
        else:
            (stage,) = region.stages
            length = evaluated(extent(stage.split), self.sizes)
            for strip in self._dealt(thread, BLOCKS):
                own = range(strip*length//BLOCKS, (strip + 1)*length//BLOCKS)
                yield {stage.split: own, "strip": range(strip, strip + 1)}

    def _dealt(self, thread: int, count: int) -> range:
        """The groups or strips of a thread."""
        return range(thread*count//self.threads, (thread + 1)*count//self.threads)

    def _touch(self, log: dict[tuple[int, Entry], set[int]], thread: int, access: object,
               ranges: dict[object, range], stage: Stage | None = None) -> None:
        buffer = self.kernel.buffer(access.tensor)
        if buffer.tiled or buffer.place in ("local", "scalar"):
            return
        home = access.tensor if buffer.home is None else buffer.home
        memory = f"slot {buffer.slot}" if buffer.place == "slot" else home
        shape = tuple(evaluated(axis, self.sizes) for axis in access.tensor.axes)
        for place in self._places(access, shape, ranges, stage):
            flat = int(np.ravel_multi_index(place, shape)) if shape else 0
            if isinstance(access.tensor, ByColumns):
                flat = self._in_its_tile(place, shape)
            log[self.phase, (memory, flat)].add(thread)

    def _in_its_tile(self, place: tuple[int, ...], shape: tuple[int, ...]) -> int:
        """Where an entry of an array by columns lies: its tile has these columns side by side."""
        (*rows, column), length = place, prod(shape[:-1])
        row = int(np.ravel_multi_index(rows, shape[:-1]))
        low = column//self.height*self.height
        return low*length + row*min(self.height, self.rows - low) + column - low

    def _places(self, access: object, shape: tuple[int, ...], ranges: dict[object, range],
                stage: Stage | None) -> Iterator[tuple[int, ...]]:
        indices = access.indices if isinstance(access, Element) else ()
        is_part = stage is not None and "strip" in ranges and (
            stage.definition.op == "sum" and access == stage.definition.element)
        axes = []
        for number, (index, length) in enumerate(zip(indices, shape, strict=True)):
            if is_part and number == 0 and stage.split in stage.definition.over:
                axes.append(ranges["strip"])
            elif isinstance(index, Idx):
                axes.append(ranges.get(index, ranges.get(extent(index), range(length))))
            else:
                axes.append(range(length))  # a computed place: any
        yield from product(*axes)


