"""The grammar of kernels: what a program becomes when memory and order are decided.

    Kernel     ::= Buffer ... Region ...             regions run in order
    Region     ::= rows | blocks | alone: Stage ...  how threads share the work; stages in order
    Stage      ::= Definition: Statement ...         the formula, and how it is computed
    Statement  ::= Loop | Flat | Blocks | Assign | Accumulate | Rows | Gemm
    Loop       ::= for Idx: Statement ...            over the whole range of the index
    Flat       ::= for all of Idx ...: Assign | Accumulate   side by side in memory, in one loop
    Blocks     ::= for each block of Idx: Statement ...    a Loop in it runs through the block
    Assign     ::= Entry = Scalar
    Accumulate ::= Entry op= Scalar                  op: sum, max, min
                 | Entry, Entry = added(Entry, Entry, Scalar)     with what is rounded off;
                                                     carried(Entry, Entry) where the Scalar is 0
    Rows       ::= T[j] += Σ_n A[n,j]                all rows, or those of a block
    Gemm       ::= T[b,m,n] = alpha·Σ_k A[b,m,k]·B[b,k,n] + beta·T[b,m,n]
                 | T[m,n] = alpha·Σ_k A[m,k]·B[k,n] + start[n]
    Buffer     ::= a tensor, and where it lives
    Entry      ::= Element | TensorSymbol            Scalar: a body of a normal form

Scalars are SymPy as everywhere.  A tensor lives in an argument (the caller's array), a scalar
argument, an output, a local variable (rank 0), a slot of the workspace, or in the argument of
the tensor that it is the next value of.  Loops carry their index and so the axis that they run
along, buffers the axes of their tensor.  A kernel without regions runs its stages in order.  In
the others each thread has some of the work:

    rows       tiles of rows of the batch, in groups; every stage runs for one tile
    blocks     blocks of the first axis of the target
    alone      everything, on one thread
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sympy import Expr, Idx, Symbol

from symbackprop.codegen.stability import formula
from symbackprop.notation import Definition, Op, Program, Tensor, extent
from symbackprop.printing.text import text

PART = 1024
Place = Literal["argument", "scalar", "output", "local", "slot", "next"]
Share = Literal["rows", "blocks", "alone"]


@dataclass(frozen=True, slots=True)
class Loop:
    """for index: body; the order of the loops is the order of the memory accesses."""

    index: Idx
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """for each `length` values of the index: body, in which the loop over the index has them.

    With inner indices a block has so many terms, or a single value of the index if that has more.
    """

    index: Idx
    length: int
    body: tuple[Statement, ...]
    inner: tuple[Idx, ...] = ()


@dataclass(frozen=True, slots=True)
class Assign:
    """target = value."""

    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class Accumulate:
    """target = op(target, value); `rest` keeps what a long sum has rounded off so far."""

    op: Op
    target: Expr
    value: Expr
    rest: Expr | None = None


@dataclass(frozen=True, slots=True)
class Flat:
    """target[i,j] = value for all values of the indices, each entry at its own place: one loop.

    Or a register op= value; with a rest, parts of `PART` entries are added.
    """

    indices: tuple[Idx, ...]
    body: Assign | Accumulate


@dataclass(frozen=True, slots=True)
class Rows:
    """target[j] += Σ_n source[n,j] for all values of the columns, a few rows at a time."""

    target: Expr
    source: Expr
    row: Idx
    columns: tuple[Idx, ...]


@dataclass(frozen=True, slots=True)
class Gemm:
    """target[b,m,n] = alpha·Σ_k left[b,m,k]·right[b,k,n] + beta·target[b,m,n].

    With a `start`, which has the columns' indices only, each row begins there: … + start[n].
    Each group may hold several indices that lie side by side in every operand, or none of
    `batch`; an operand whose last group is not its second one here is stored transposed.
    """

    target: Expr
    left: Expr
    right: Expr
    batch: tuple[Idx, ...]
    rows: tuple[Idx, ...]
    columns: tuple[Idx, ...]
    inner: tuple[Idx, ...]
    alpha: Expr
    beta: Expr
    start: Expr | None = None


Statement = Loop | Flat | Blocks | Assign | Accumulate | Rows | Gemm


@dataclass(frozen=True, slots=True)
class Stage:
    """One definition of the program and the statements that compute it.

    opening: what is done once for each group of tiles, before the first; split: the index whose
    range blocks share.
    """

    definition: Definition
    statements: tuple[Statement, ...]
    opening: tuple[Statement, ...] = ()
    split: Idx | None = None

    @property
    def rest(self) -> Tensor | None:
        """What a sum in memory has rounded off, if it is kept: an array, or a number for a part."""
        kept = (s.rest for s, _ in walk(self.statements) if isinstance(s, Accumulate))
        return next((r.tensor for r in kept if r is not None and (
            r.tensor.rank or self.opening)), None)


@dataclass(frozen=True, slots=True)
class Region:
    """Stages that run one after the other on each thread, and how the threads share them.

    gathers: the data whose rows of the batch are copied here first; waits: whether all threads
    wait for each other before it.
    """

    share: Share
    stages: tuple[Stage, ...]
    gathers: tuple[Tensor, ...] = ()
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Buffer:
    """Where a tensor lives; `home` is the tensor that it is the next value of.

    tiled: it holds one tile of rows, and each thread has one of its own.
    """

    tensor: Tensor
    place: Place
    slot: int = -1
    home: Tensor | None = None
    tiled: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """A program whose every definition is a stage, and whose every tensor has a buffer.

    sizes: the symbolic extents that the kernel is told; batch: the one that runs over samples.
    regions: the stages once more, for threads; parts: what tiles are added to; ends_waiting:
    whether all threads wait for each other before the next step.
    """

    program: Program
    stages: tuple[Stage, ...]
    sizes: tuple[Symbol, ...]
    buffers: tuple[Buffer, ...] = ()
    batch: Symbol | None = None
    regions: tuple[Region, ...] = ()
    parts: frozenset[Tensor] = frozenset()
    ends_waiting: bool = False

    @property
    def names(self) -> dict[Tensor, str]:
        """What every tensor is called, also one that is updated and never read."""
        known = self.program.names
        unread = {old: old.name or old.hint for old, _ in self.program.updates if old not in known}
        rests = {stage.rest: f"{known[stage.definition.target]}_rest" for stage in self.stages
                 if stage.rest is not None}
        return {**known, **unread, **rests}

    @property
    def slots(self) -> list[tuple[int, bool]]:
        """The slots of the workspace: number, and whether each thread has one of its own."""
        return sorted({(b.slot, b.tiled) for b in self.buffers if b.place == "slot"})

    def buffer(self, tensor: Tensor) -> Buffer:
        """The buffer of a tensor."""
        return next(b for b in self.buffers if b.tensor is tensor)

    def __str__(self) -> str:
        return "\n".join(_kernel_lines(self))


def walk(statements: tuple[Statement, ...]) -> Iterator[tuple[Statement, tuple[Idx, ...]]]:
    """Every statement with the indices of the loops around it, outermost first."""
    for statement in statements:
        yield statement, ()
        if isinstance(statement, Flat):
            yield statement.body, statement.indices
        if isinstance(statement, (Loop, Blocks)):
            bound = (statement.index,) if isinstance(statement, Loop) else ()
            for inner, indices in walk(statement.body):
                yield inner, (*bound, *indices)


Names = Mapping[Tensor, str]


def _kernel_lines(kernel: Kernel) -> Iterator[str]:
    names = kernel.names
    for buffer in kernel.buffers:
        home = f" of {names[buffer.home]}" if buffer.home is not None else ""
        slot = f" {buffer.slot}" if buffer.place == "slot" else ""
        tensor = text(buffer.tensor.at(*buffer.tensor.letters), names)
        yield f"{tensor}: {buffer.place}{slot}{home}"
    for stage in kernel.stages:
        yield f"# {formula(stage.definition, names)}"
        for statement in stage.statements:
            yield from _statement_lines(statement, names, "")


def _statement_lines(statement: Statement, names: Names, indent: str) -> Iterator[str]:
    match statement:
        case Loop(index, body):
            yield f"{indent}for {index.label} < {extent(index)}:"
            for inner in body:
                yield from _statement_lines(inner, names, indent + "  ")
        case Flat(indices, body):
            yield f"{indent}for all {', '.join(str(i.label) for i in indices)}:"
            yield from _statement_lines(body, names, indent + "  ")
        case Blocks(index, length, body, within):
            each = f"{length} of {' '.join(str(i.label) for i in (index, *within))}"
            yield f"{indent}for each {each}:"
            for inner in body:
                yield from _statement_lines(inner, names, indent + "  ")
        case Assign(target, value):
            yield f"{indent}{text(target, names)} = {text(value, names)}"
        case Accumulate(op, target, value, rest):
            kept = "" if rest is None else f", {text(rest, names)}"
            yield f"{indent}{text(target, names)}{kept} {op}= {text(value, names)}"
        case Rows(target, source, row):
            yield f"{indent}{text(target, names)} += Σ_{row.label} {text(source, names)}"
        case Gemm():
            yield indent + _gemm_line(statement, names)


def _gemm_line(gemm: Gemm, names: Names) -> str:
    parts = (("batch", gemm.batch), ("rows", gemm.rows), ("columns", gemm.columns),
             ("inner", gemm.inner))
    groups = ", ".join(f"{name} {' '.join(str(i.label) for i in group)}"
                       for name, group in parts if group)
    target, left, right = (text(e, names) for e in (gemm.target, gemm.left, gemm.right))
    alpha = "" if gemm.alpha == 1 else f"({text(gemm.alpha, names)})·"
    beta = "" if gemm.beta == 0 else f" + ({text(gemm.beta, names)})·{target}"
    beta = beta if gemm.start is None else f" + {text(gemm.start, names)}"
    return f"{target} = {alpha}{left} @ {right}{beta}  ({groups})"
