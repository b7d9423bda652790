"""arrange(kernel): stages in regions, so that threads meet as seldom as may be.

    rows      x[tile], s1, h1, …, δ1, b1_part       every tile of rows through the whole step
    ── wait
    blocks    W1 ← W1 − rate·xᵀ·δ1                  each thread some rows of W1
    alone     ∂b1 = Σ_g b1_part[g], b1 ← …, L       one thread
    ── wait

Stages are taken greedily: what one thread does and can run at once, where nobody waits for it; then
all rowwise ones that can run, then all others that can, and so on; a mean over the batch in the
middle of a network simply makes two regions of rows.  A stage that writes the next value of a
tensor comes after all that read the old one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sympy import Idx, S

from symbackprop.codegen.ir import (
    Accumulate,
    Assign,
    Flat,
    Gemm,
    Kernel,
    Loop,
    Region,
    Share,
    Stage,
)
from symbackprop.codegen.lowering import nest
from symbackprop.codegen.schedule.flattening import flat
from symbackprop.codegen.schedule.products import product
from symbackprop.codegen.schedule.tiling import (
    BLOCKS,
    SMALL,
    Parts,
    entries,
    is_rowwise,
    lies_along,
)
from symbackprop.codegen.summation import looped
from symbackprop.notation import Tensor, extent, tensors_in


def arrange(kernel: Kernel, parts: Parts, gathered: tuple[Tensor, ...] = ()) -> Kernel:
    """The same stages in regions; definitions in the order in which they run.

    gathered: data whose rows are copied from a whole data set, where they are first read.
    """
    kernel = replace(kernel, stages=tuple(_with_parts(s, parts) for s in kernel.stages))
    shares = {stage.definition.target: _share(stage, kernel, parts) for stage in kernel.stages}
    waiting = _Waiting(kernel, shares)
    early = waiting.taken("alone")
    regions = [Region("alone", tuple(early))] if early else []
    while waiting.stages:
        taken = waiting.taken("rows") or waiting.taken("blocks") or waiting.taken("alone")
        share = shares[taken[0].definition.target]
        if share == "blocks":
            regions.extend(Region(share, (_split(stage),)) for stage in taken)
        else:
            regions.append(Region(share, tuple(taken)))
    regions = _with_gathers(regions, gathered)
    stages = tuple(stage for region in regions for stage in region.stages)
    definitions = {d.target: d for d in kernel.program}
    order = [definitions[s.definition.target] for s in stages if s.definition.target in definitions]
    rest = [d for d in kernel.program if d.target not in {o.target for o in order}]
    program = replace(kernel.program, definitions=(*rest, *order))
    grouped = parts.grouped | parts.blocks
    return replace(kernel, program=program, stages=stages, regions=tuple(regions), parts=grouped)


def _with_gathers(regions: list[Region], gathered: tuple[Tensor, ...]) -> list[Region]:
    """Each data set is gathered in the first region of rows, or of one thread, that reads it."""
    left = list(gathered)
    found: list[Region] = []
    for region in regions:
        read = {t for s in region.stages for t in tensors_in(s.definition.body)}
        here = tuple(t for t in left if t in read)
        left = [t for t in left if t not in here]
        if here and region.share == "blocks":
            found.append(Region("alone", (), here))
        found.append(region if region.share == "blocks" else replace(region, gathers=here))
    return found


def _with_parts(stage: Stage, parts: Parts) -> Stage:
    """A part is opened with zeros, and tiles are added to it; a block has its part of a sum."""
    definition = stage.definition
    target, indices = definition.target, definition.indices
    if target in parts.blocks:
        (loop,) = stage.statements
        assert isinstance(loop, Loop), "a part is one number"
        return replace(stage, statements=loop.body, split=definition.over[0])
    if target not in parts.grouped:
        return stage
    zeros = flat(looped(indices[1:], (Assign(definition.element, S.Zero),)))
    if target in parts.products:
        one = Tensor(None, target.axes[1:], target.letters[1:], "intermediate")
        gemm = product(replace(definition, target=one, indices=indices[1:]))
        assert gemm is not None, "a product that was one before it had a group"
        added = replace(gemm, target=definition.element, batch=(indices[0], *gemm.batch),
                        beta=S.One)
        return replace(stage, statements=looped(gemm.batch, (added,)), opening=zeros)
    rest = Tensor(None, target.axes[1:], target.letters[1:], "intermediate", hint="rest")
    left_over = rest.at(*indices[1:])
    return replace(
        stage, opening=(*zeros, *flat(looped(indices[1:], (Assign(left_over, S.Zero),)))),
        statements=flat(looped(indices[1:], (Accumulate(
            "sum", definition.element, definition.body, left_over),))))


def _split(stage: Stage) -> Stage:
    return stage if stage.split is not None else replace(stage, split=_outermost(stage))


def _outermost(stage: Stage) -> Idx | None:
    """The index of the rows of a product, or of the outermost loop."""
    match stage.statements:
        case (Gemm() as gemm,) if len(gemm.rows) == 1 and not gemm.batch:
            return gemm.rows[0]
        case (Loop(index, _),) | (Flat((index, *_), _),):
            return index
    return None


def _share(stage: Stage, kernel: Kernel, parts: Parts) -> Share:
    definition, batch = stage.definition, kernel.batch
    target = definition.target
    if target in parts.grouped or target in parts.tiles.values():
        return "rows"
    if target in parts.blocks:
        return "blocks"
    if batch is not None and is_rowwise(definition, batch):
        return "rows"
    index = _outermost(stage)
    is_own = index is not None and definition.indices[:1] == (index,) and (
        index.lower == 0 and extent(index).is_Integer and extent(index) >= BLOCKS)
    is_large = entries(target) > SMALL and not lies_along(target, batch)
    return "blocks" if is_own and is_large and not nest(definition).is_scatter else "alone"


@dataclass(slots=True)
class _Waiting:
    """Stages that have not run, and what each of them waits for."""

    kernel: Kernel
    shares: dict[Tensor, Share]
    stages: list[Stage] = None  # type: ignore[assignment]
    needs: dict[Tensor, set[Tensor]] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.stages = list(self.kernel.stages)
        made = {s.definition.target for s in self.stages}
        self.needs = {s.definition.target: set(tensors_in(s.definition.body)) & made
                      - {s.definition.target} for s in self.stages}
        for old, new in self.kernel.program.updates:
            readers = [s.definition.target for s in self.stages
                       if old in tensors_in(s.definition.body) and s.definition.target is not new]
            if new in self.needs and not any(self._reaches(new, r) for r in readers):
                self.needs[new].update(readers)

    def _reaches(self, start: Tensor, end: Tensor) -> bool:
        """Whether `end` needs `start`, directly or not."""
        stack, seen = [end], {end}
        while stack:
            for tensor in self.needs[stack.pop()]:
                if tensor is start:
                    return True
                if tensor not in seen:
                    seen.add(tensor)
                    stack.append(tensor)
        return False

    def taken(self, share: Share) -> list[Stage]:
        """The stages of this share that can run now, one after the other, taken out."""
        found: list[Stage] = []
        pending = {s.definition.target for s in self.stages}
        for stage in self.stages:
            target = stage.definition.target
            if self.shares[target] == share and not self.needs[target] & pending:
                found.append(stage)
                pending.discard(target)
        self.stages = [s for s in self.stages if s.definition.target in pending]
        return found
