"""emit(kernel): a readable Numba module, each statement under the formula that it computes.

    # h[n,j] = tanh(z[n,j])
    for n in range(N):
        for j in range(32):
            h[n, j] = tanh(z[n, j])

The loop variables are the letters of the formula.  A kernel for training wraps the stages in a
loop over the steps of an order of rows, and gathers each batch first.
"""

from __future__ import annotations

from collections.abc import Iterator

from sympy import Expr, Idx, Symbol

from symbackprop.codegen.ir import (
    Accumulate,
    Assign,
    Blocks,
    Gemm,
    Kernel,
    Loop,
    Stage,
    Statement,
    walk,
)
from symbackprop.codegen.layout import Argument, Module, comment, indented, module, printable
from symbackprop.codegen.naming import distinct, table
from symbackprop.codegen.scalars import Scope
from symbackprop.codegen.stability import formula
from symbackprop.codegen.summation import REGISTERS
from symbackprop.errors import CompilationError
from symbackprop.notation import Tensor, extent

_UPDATES = {
    "sum": "{target} += {value}",
    "max": "{target} = maximum({target}, {value})",
    "min": "{target} = minimum({target}, {value})",
}


def emit(kernel: Kernel, dtype: str) -> Module:
    """The module of a kernel that evaluates once: kernel(sizes, inputs, outputs, slots)."""
    emission = _Emission(kernel)
    arguments = [*emission.given(()), *emission.outputs(), *emission.slots()]
    lines = [*emission.stages(), *emission.returned()]
    return module("kernel", arguments, lines or ["return"], dtype)


def emit_training(kernel: Kernel, gathered: tuple[Tensor, ...], loss: Tensor, dtype: str) -> Module:
    """The module of a kernel that runs steps: train(order, batch_size, inputs, slots, losses).

    Each run of the order, e.g. an epoch, ends with a batch of its own, which may be smaller.
    It returns the sum over the steps of loss·rows in float64.
    """
    emission = _Emission(kernel)
    batch = () if kernel.batch is None else (kernel.batch,)
    arguments = [
        Argument("order", "order"), Argument("batch_size", "batch_size"),
        *emission.given((*gathered, *batch)), *emission.gathers(gathered), *emission.slots(),
        Argument("losses", "losses"),
    ]
    rows = emission.scope.sizes.get(kernel.batch, "rows")
    value = emission.scope.entry(loss.symbol)
    step = [
        f"{rows} = min(batch_size, order.shape[1] - first)",
        *(line for tensor in gathered for line in emission.gathering(tensor)),
        *emission.stages(),
        "",
        f"losses[run, first//batch_size] = {value}",
        f"sum_of_losses += float64({value})*float64({rows})",
    ]
    steps = ["for first in range(0, order.shape[1], batch_size):", *indented(step)]
    lines = ["sum_of_losses = 0.0", "for run in range(order.shape[0]):", *indented(steps),
             "return sum_of_losses"]
    return module("train", arguments, lines, dtype)


class _Emission:
    """The names of one kernel, and its parts as lines without indentation."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.names = kernel.names
        local = [b.tensor for b in kernel.buffers if b.place in ("local", "scalar")]
        slots = sorted({b.slot for b in kernel.buffers if b.place == "slot"})
        tensors = [buffer.tensor for buffer in kernel.buffers]
        self.called = table((
            *((size, str(size)) for size in kernel.sizes),
            *((tensor, self.names[tensor]) for tensor in tensors),
            *((slot, f"slot{slot}") for slot in slots),
            *(((t, ending), f"{self.names[t]}_{ending}") for ending in ("rows", "batch", "out")
              for t in tensors),
        ))
        by_tensor = {tensor: self.called[tensor] for tensor in tensors}
        by_tensor |= {tensor: str(tensor.name) for tensor in REGISTERS}
        sizes = {size: self.called[size] for size in kernel.sizes}
        self.scope = Scope(by_tensor, frozenset((*local, *REGISTERS)), {}, sizes)

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
        for slot in sorted({b.slot for b in self.kernel.buffers if b.place == "slot"}):
            yield Argument(self.called[slot], "slot", slot)

    def stages(self) -> Iterator[str]:
        """All stages, a blank line before each."""
        for stage in self.kernel.stages:
            yield ""
            yield from self._stage(stage)

    def returned(self) -> Iterator[str]:
        """Rank-0 results are stored at the end."""
        local = [(a.name, a.subject) for a in self.outputs() if isinstance(a.subject, Tensor)
                 and a.subject.rank == 0]
        yield from [""] if local else []
        yield from (f"{name}[()] = {self.scope.tensors[tensor]}" for name, tensor in local)

    def gathering(self, tensor: Tensor) -> Iterator[str]:
        """The rows of this step, copied side by side."""
        scope = self._scope_of(tensor.letters)
        name, rows = scope.tensors[tensor], self.called[tensor, "rows"]
        letters = [scope.indices[i] for i in _apart(tensor.letters)]
        lengths = [scope.integer(axis) for axis in tensor.axes]
        source = ", ".join([f"order[run, first + {letters[0]}]", *letters[1:]])
        yield ""
        yield comment(f"{self.names[tensor]}[{','.join(letters)}]: the rows of this batch")
        yield self._view(tensor, self.called[tensor, "batch"])
        lines = [f"{name}[{', '.join(letters)}] = {rows}[{source}]"]
        for letter, length in reversed(list(zip(letters, lengths, strict=True))):
            lines = [f"for {letter} in range({length}):", *indented(lines)]
        yield from lines

    def _stage(self, stage: Stage) -> Iterator[str]:
        yield comment(formula(stage.definition, self.names))
        tensor = stage.definition.target
        buffer = self.kernel.buffer(tensor)
        name = self.scope.tensors[tensor]
        if buffer.place == "slot":
            yield self._view(tensor, self.called[buffer.slot])
        elif buffer.home is not None:
            yield f"{name} = {self.scope.tensors[buffer.home]}"
        if stage.rest is not None:
            yield self._view(stage.rest, self.called[self.kernel.buffer(stage.rest).slot])
        indices = dict.fromkeys(s.index for s, _ in walk(stage.statements) if isinstance(s, Loop))
        scope = self._scope_of((*indices, *stage.definition.indices))
        try:
            for statement in stage.statements:
                yield from _lines(statement, scope)
        except CompilationError as error:
            where = stage.definition.where
            raise CompilationError(f"{error} ({self.names[tensor]} is defined at {where})"
                                   ) from None

    def _view(self, tensor: Tensor, memory: str) -> str:
        lengths = ", ".join(self.scope.integer(axis) for axis in tensor.axes)
        comma = "," if tensor.rank == 1 else ""
        return f"{self.scope.tensors[tensor]} = view({memory}, ({lengths}{comma}))"

    def _scope_of(self, indices: tuple[Idx, ...]) -> Scope:
        """The scope with a loop variable for each of these indices."""
        apart = _apart(indices)
        letters = distinct([str(i.label) for i in apart], self.called.values())
        known = dict(zip(apart, letters, strict=True))
        return Scope(self.scope.tensors, self.scope.scalars, known, self.scope.sizes)


def _apart(indices: tuple[Idx, ...]) -> list[Idx]:
    return list(dict.fromkeys(indices))


def _lines(statement: Statement, scope: Scope, blocks: Blocks | None = None) -> Iterator[str]:
    """The lines of a statement, which stands inside of these blocks."""
    match statement:
        case Blocks(index, length, body):
            first, end = _ends(index, scope)
            yield f"for block in range({first}, {end}, {length}):"
            for inner in body:
                yield from indented(_lines(inner, scope, statement))
        case Loop(index, body):
            first, end = _ends(index, scope)
            span = end if first == "0" else f"{first}, {end}"
            if blocks is not None and blocks.index == index:
                span = f"block, min(block + {blocks.length}, {end})"
            yield f"for {scope.indices[index]} in range({span}):"
            for inner in body:
                yield from indented(_lines(inner, scope, blocks))
        case Assign(target, value):
            yield f"{scope.entry(target)} = {scope.real(value)}"
        case Accumulate(op, target, value, None):
            yield _UPDATES[op].format(target=scope.entry(target), value=scope.real(value))
        case Accumulate(_, target, value, rest):
            pair = f"{scope.entry(target)}, {scope.entry(rest)}"
            yield f"{pair} = added({pair}, {scope.real(value)})"
        case Gemm():
            yield _gemm(statement, scope)


def _ends(index: Idx, scope: Scope) -> tuple[str, str]:
    """The first value of an index, and the one after its last."""
    return scope.integer(index.lower), scope.integer(index.upper + 1)


def _gemm(gemm: Gemm, scope: Scope) -> str:
    def operand(access: Expr) -> str:
        name = scope.tensors[access.tensor]
        places = ", ".join(scope.indices[i] for i in gemm.batch)
        return f"{name}[{places}]" if places else name

    def length(group: tuple[Idx, ...]) -> str:
        return "*".join(scope.integer(extent(i)) for i in group)

    skipped = len(gemm.batch)
    layout = "n" if gemm.left.indices[skipped:][:len(gemm.rows)] == gemm.rows else "t"
    layout += "n" if gemm.right.indices[skipped:][:len(gemm.inner)] == gemm.inner else "t"
    lengths = ", ".join(length(g) for g in (gemm.rows, gemm.columns, gemm.inner))
    return (f"gemm_{layout}({lengths}, {scope.real(gemm.alpha)}, {operand(gemm.left)}, "
            f"{operand(gemm.right)}, {scope.real(gemm.beta)}, {operand(gemm.target)})")
