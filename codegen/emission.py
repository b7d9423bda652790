"""The lines of a kernel, each statement under the formula that it computes.

    # h[n,j] = tanh(z[n,j])
    for n in range(N):
        for j in range(32):
            h[n, j] = tanh(z[n, j])

The loop variables are the letters of the formula.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sympy import Expr, Idx, Symbol

from symbackprop.codegen.entries import assignment, flat_lines
from symbackprop.codegen.extents import block_length, ends, gemm_call
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
    walk,
)
from symbackprop.codegen.layout import Argument, comment, indented, printable
from symbackprop.codegen.naming import distinct, table
from symbackprop.codegen.scalars import Scope
from symbackprop.codegen.stability import formula
from symbackprop.codegen.summation import GROUPS, REGISTERS, ROWS
from symbackprop.errors import CompilationError
from symbackprop.notation import Tensor, extent


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a kernel that a region's lines compute at a time.

    lengths: how many values an index of this extent has; number: what the first index of a part of
    a sum is.
    """

    lengths: Mapping[Expr, str]
    number: str = ""


WHOLE = Part({})


class Emission:
    """The names of one kernel, and its parts as lines without indentation."""

    def __init__(self, kernel: Kernel, gathered: tuple[Tensor, ...] = ()) -> None:
        self.kernel = kernel
        self.gathered = gathered
        self.names = kernel.names
        local = [b.tensor for b in kernel.buffers if b.place in ("local", "scalar")]
        slots = kernel.slots
        tensors = [buffer.tensor for buffer in kernel.buffers]
        self.called = table((
            *((size, str(size)) for size in kernel.sizes),
            *((tensor, self.names[tensor]) for tensor in tensors),
            *((slot, f"{'tile' if slot[1] else 'slot'}{slot[0]}") for slot in slots),
            *(((t, ending), f"{self.names[t]}_{ending}") for ending in ("rows", "batch", "out")
              for t in tensors),
        ))
        by_tensor = {tensor: self.called[tensor] for tensor in tensors}
        by_tensor |= {tensor: str(tensor.name) for tensor in REGISTERS}
        sizes = {size: self.called[size] for size in kernel.sizes}
        sizes |= {GROUPS: "groups", ROWS: "rows"}
        places = {b.tensor: (b.slot, b.tiled) if b.home is None else b.home
                  for b in kernel.buffers if b.home is not None or b.place == "slot"}
        self.scope = Scope(by_tensor, frozenset((*local, *REGISTERS)), {}, sizes, places=places)

    def given(self, without: tuple[Tensor | Symbol, ...]) -> Iterator[Argument]:
        """The sizes, scalars and arrays that the caller has, but for some."""
        for size in self.kernel.sizes:
            if size not in without:
                yield Argument(self.scope.sizes[size], "size", size)
        for place, kind in (("scalar", "scalar"), ("argument", "array")):
            for buffer in self.kernel.buffers:
                if buffer.place == place and buffer.tensor not in without:
                    yield Argument(self.scope.tensors[buffer.tensor], kind, buffer.tensor,
                                   self._remark(buffer.tensor))

    def gathers(self, gathered: tuple[Tensor, ...]) -> Iterator[Argument]:
        """Whole data sets, and the buffers that batches are gathered into."""
        for ending in ("rows", "batch"):
            for tensor in gathered:
                yield Argument(self.called[tensor, ending], ending, tensor,
                               self._remark(tensor))

    def outputs(self) -> Iterator[Argument]:
        """Arrays for the results; a rank-0 one has its value in a local variable first."""
        for tensor in dict.fromkeys(self.kernel.program.outputs):
            place = self.kernel.buffer(tensor).place
            if place == "output":
                yield Argument(self.scope.tensors[tensor], "output", tensor, self._remark(tensor))
            elif place == "local":
                yield Argument(self.called[tensor, "out"], "output", tensor)

    def _remark(self, tensor: Tensor) -> str:
        shape = " × ".join(map(str, tensor.axes))
        return printable(f"{tensor.role} {self.names[tensor]}: {shape}") if shape else ""

    def slots(self) -> Iterator[Argument]:
        """The workspace."""
        whole = {(b.slot, b.tiled) for b in self.kernel.buffers if b.tensor.has_fact("label")}
        for slot in self.kernel.slots:
            yield Argument(self.called[slot], "labels" if slot in whole else "slot", slot)

    def stages(self) -> Iterator[str]:
        """All stages, a blank line before each."""
        for stage in self.kernel.stages:
            yield ""
            yield from self.stage(stage)

    def returned(self) -> Iterator[str]:
        """Rank-0 results are stored at the end."""
        local = [(a.name, a.subject) for a in self.outputs() if isinstance(a.subject, Tensor)
                 and a.subject.rank == 0]
        yield from [""] if local else []
        yield from (f"{name}[()] = {self.scope.tensors[tensor]}" for name, tensor in local)

    def gathering(self, tensor: Tensor, view: str | None = None, part: Part = WHOLE,
                  start: str = "first") -> Iterator[str]:
        """The rows of this step, copied side by side; `start`: the place of row 0 in the order."""
        scope = self._scope_of(tensor.letters, part)
        name, rows = scope.tensors[tensor], self.called[tensor, "rows"]
        letters = [scope.indices[i] for i in _apart(tensor.letters)]
        ends = [part.lengths.get(axis) or scope.integer(axis) for axis in tensor.axes]
        yield ""
        yield comment(f"{self.names[tensor]}[{','.join(letters)}]: the rows of this batch")
        yield view or self.view(tensor, self.called[tensor, "batch"])
        if tensor.rank > 1 and not tensor.has_fact("label"):
            yield f"take_rows({name}, {rows}, order[run], {start}, batch_size)"
            return
        row = ", ".join([f"order[run, {start} + {letters[0]}]", *letters[1:]])
        lines = [f"{name}[{', '.join(letters)}] = {rows}[{row}]"]
        for letter, end in reversed(list(zip(letters, ends, strict=True))):
            lines = [f"for {letter} in range({end}):", *indented(lines)]
        yield from lines

    def stage(self, stage: Stage, view: str | None = None, part: Part = WHOLE) -> Iterator[str]:
        """A stage under its formula; `view`: where its target is, if not as its buffer says."""
        line = formula(stage.definition, self.names)
        yield comment(line.replace(" = ", " += ", 1) if stage.opening else line)
        tensor = stage.definition.target
        buffer = self.kernel.buffer(tensor)
        if view is not None:
            yield from [view] if view else []
        elif buffer.place == "slot":
            yield self.view(tensor, self.called[buffer.slot, buffer.tiled])
        elif buffer.home is not None:
            yield f"{self.scope.tensors[tensor]} = {self.scope.tensors[buffer.home]}"
        if stage.rest is not None and not stage.opening:
            yield from self.rest(stage, part)
        yield from self.statements(stage, stage.statements, part)

    def rest(self, stage: Stage, part: Part) -> Iterator[str]:
        """Where a sum in memory keeps what it rounds off."""
        if stage.rest is not None and stage.rest.rank:
            slot = self.kernel.buffer(stage.rest)
            yield self.view(stage.rest, self.called[slot.slot, slot.tiled], part)

    def statements(self, stage: Stage, statements: tuple[Statement, ...], part: Part = WHOLE
                   ) -> Iterator[str]:
        """The lines of statements of a stage."""
        indices = dict.fromkeys(s.index for s, _ in walk(statements) if isinstance(s, Loop))
        every = (*indices, *stage.definition.indices, *stage.definition.over)
        scope = self._scope_of(every, part, stage.split)
        if stage.definition.target in self.kernel.parts and part.number:
            scope = replace(scope, indices={**scope.indices, every[len(indices)]: part.number})
        try:
            for statement in statements:
                yield from _lines(statement, scope)
        except CompilationError as error:
            where = stage.definition.where
            name = self.names[stage.definition.target]
            raise CompilationError(f"{error} ({name} is defined at {where})") from None

    def view(self, tensor: Tensor, memory: str, part: Part = WHOLE) -> str:
        """The line that makes the name of a tensor a view of memory."""
        lengths = ", ".join(part.lengths.get(axis) or self.scope.integer(axis)
                            for axis in tensor.axes)
        comma = "," if tensor.rank == 1 else ""
        return f"{self.scope.tensors[tensor]} = view({memory}, ({lengths}{comma}))"

    def _scope_of(self, indices: tuple[Idx, ...], part: Part = WHOLE, split: Idx | None = None
                  ) -> Scope:
        """The scope with a loop variable for each of these indices."""
        apart = _apart(indices)
        letters = distinct([str(i.label) for i in apart], self.called.values())
        known = dict(zip(apart, letters, strict=True))
        spans = {i: ("0", part.lengths[extent(i)]) for i in apart if extent(i) in part.lengths}
        if split is not None:
            spans[split] = ("low", "high")
        return replace(self.scope, indices=known, spans=spans)


def _apart(indices: tuple[Idx, ...]) -> list[Idx]:
    return list(dict.fromkeys(indices))


def _lines(statement: Statement, scope: Scope, blocks: Blocks | None = None) -> Iterator[str]:
    """The lines of a statement, which stands inside of these blocks."""
    match statement:
        case Blocks(index, body=body):
            first, end = ends(index, scope)
            yield f"for block in range({first}, {end}, {block_length(statement, scope)}):"
            for inner in body:
                yield from indented(_lines(inner, scope, statement))
        case Loop():
            yield from _loop_lines(statement, scope, blocks)
        case Flat(indices, body):
            yield from flat_lines(indices, body, scope)
        case Assign() | Accumulate():
            yield assignment(statement, scope)
        case Rows(target, source, row):
            first, end = _range(row, scope, blocks)
            names = ", ".join(scope.tensors[e.tensor] for e in (target, source))
            yield f"add_rows({names}, {first}, {end})"
        case Gemm():
            yield gemm_call(statement, scope)


def _loop_lines(loop: Loop, scope: Scope, blocks: Blocks | None) -> Iterator[str]:
    """One loop, or one over all places of several that hold nothing but each other."""
    around = [loop, *(_inner(loop, scope) if blocks is None else ())]
    letters = ", ".join(scope.indices[each.index] for each in around)
    spans = [_range(each.index, scope, blocks) for each in around]
    first, end = spans[0]
    if len(around) > 1 and first == "0":
        yield f"for {letters} in places(({', '.join(end for _, end in spans)})):"
    else:
        around = [loop]
        span = end if first == "0" else f"{first}, {end}"
        span = f"times({span})" if first == "0" and _is_around_long(loop.body, scope) else span
        yield f"for {scope.indices[loop.index]} in range({span}):"
    for statement in around[-1].body:
        yield from indented(_lines(statement, scope, blocks))


def _inner(loop: Loop, scope: Scope) -> Iterator[Loop]:
    """The loops of a known length that a loop holds one in the other, around further ones."""
    match loop.body:
        case (Loop() as inner,) if _holds_loops(inner):
            first, end = ends(inner.index, scope)
            if first == "0" and end.isdigit():
                yield inner
                yield from _inner(inner, scope)


def _holds_loops(loop: Loop) -> bool:
    return any(isinstance(statement, (Loop, Flat, Blocks)) for statement in loop.body)


def _is_around_long(body: tuple[Statement, ...], scope: Scope) -> bool:
    """Whether a loop holds one whose length is no literal."""
    return any(isinstance(inner, Flat) or (
        isinstance(inner, Loop) and not ends(inner.index, scope)[1].isdigit())
        for inner, _ in walk(body))


def _range(index: Idx, scope: Scope, blocks: Blocks | None) -> tuple[str, str]:
    """The first value of an index inside of these blocks, and the one after its last."""
    first, end = ends(index, scope)
    if blocks is None or blocks.index != index:
        return first, end
    return "block", f"min(block + {block_length(blocks, scope)}, {end})"
