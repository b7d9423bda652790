"""The grammar of programs: a network is a list of definitions in index notation.

    Program    ::= Definition ...                     in order: what is read stands before
    Definition ::= Tensor[Idx, ...] = op_{Idx, ...} Body          op: map, sum, max, min, lse
    Body       ::= scalar SymPy over Element, rank-0 Tensor, Idx, size,
                   Sum(Body, Idx, ...), Maximum(Body, Idx, ...), Minimum(Body, Idx, ...)
    Element    ::= Tensor[Index, ...]
    Index      ::= integer SymPy over Idx, size, and Elements of integer data (a gather)

A `Tensor` of rank 0 stands in a body by its bare `symbol`, one of higher rank by an `Element`.
In *normal form* (see `normal.py`) the reductions Sum, Maximum, Minimum stand at the root of a
definition only, as its `op` and its bound indices `over`.  What a user declares need not be in
normal form; what `derive` and the compiler work on is.  Identity is not the name: SymPy compares
by content, and two programs may both have an `h`; a tensor carries a serial number in its content.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NoReturn

from sympy import Basic, Expr, Idx, Integer, Symbol, sympify

from symbackprop.errors import DeclarationError
from symbackprop.laws import Law
from symbackprop.reductions import LogSumExp as LogSumExp
from symbackprop.reductions import Maximum as Maximum
from symbackprop.reductions import Minimum as Minimum
from symbackprop.reductions import Op as Op
from symbackprop.reductions import Reduction as Reduction

Role = Literal["data", "parameter", "state", "hyper", "noise", "intermediate"]

_serials = itertools.count()


@dataclass(frozen=True, slots=True)
class Fact:
    """What rules may rely on, e.g. Fact("one_hot", (1,)): the sum along axis 1 is one.

    kind: one_hot, simplex, label, positive or symmetric; axes: the axes it speaks of;
    extent: for a label, the number of classes V (values 0 … V−1).
    """

    kind: str
    axes: tuple[int, ...] = ()
    extent: Expr | None = None

    def __str__(self) -> str:
        inside = str(self.extent) if self.extent is not None else ", ".join(map(str, self.axes))
        return f"{self.kind}({inside})" if inside else self.kind


class TensorSymbol(Symbol):  # type: ignore[misc]
    """The SymPy atom of a tensor: the whole expression at rank 0, the base of Elements above."""

    __slots__ = ("tensor",)
    tensor: Tensor

    def __new__(cls, tensor: Tensor) -> TensorSymbol:
        assumptions = {"real": True}
        if tensor.has_fact("positive"):
            assumptions["positive"] = True
        if tensor.has_fact("label"):
            assumptions |= {"integer": True, "nonnegative": True}
        symbol: TensorSymbol = Symbol.__xnew__(cls, tensor.name or tensor.hint, **assumptions)
        symbol.tensor = tensor
        return symbol

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*Symbol._hashable_content(self), self.tensor.serial)

    def sort_key(self, order: Any = None) -> Any:
        """By name, then by serial: two tensors of one name never stand in the order of a hash."""
        kind, (count, names), coefficient, exponent = super().sort_key(order)
        return kind, (count, (*names, self.tensor.serial)), coefficient, exponent

    def __reduce__(self) -> tuple[Any, ...]:
        return (getattr, (self.tensor, "symbol"))

    def __getattr__(self, name: str) -> Any:
        if name in ("definition", "role", "facts", "axes", "where"):
            return getattr(self.tensor, name)
        raise AttributeError(f"the rank-0 tensor {self.name} has no attribute {name!r}")


class Element(Expr):  # type: ignore[misc]
    """x[n, i]: one real entry of a tensor; args are the tensor's symbol and the indices."""

    is_commutative = True
    is_real = True
    _diff_wrt = True
    name = property(str)  # SymPy asks it of whatever is a free symbol

    def __new__(cls, symbol: TensorSymbol, *indices: Any) -> Element:
        element: Element = Expr.__new__(
            cls, symbol, *(sympify(index, strict=True) for index in indices))
        return element

    @property
    def tensor(self) -> Tensor:
        """The tensor that this is an entry of."""
        tensor: Tensor = self.args[0].tensor
        return tensor

    @property
    def indices(self) -> tuple[Expr, ...]:
        """The index expressions, one for each axis."""
        return tuple(self.args[1:])

    @property
    def free_symbols(self) -> set[Basic]:
        """With the entry itself, as of an Indexed: else SymPy solves w[0] > 1 for the name w."""
        return {self, *super().free_symbols}

    def _eval_is_positive(self) -> bool | None:
        return True if self.tensor.has_fact("positive") else None

    def _eval_is_integer(self) -> bool | None:
        return True if self.tensor.has_fact("label") else None

    def _eval_is_nonnegative(self) -> bool | None:
        kinds = ("label", "one_hot", "simplex", "positive")
        return True if any(self.tensor.has_fact(kind) for kind in kinds) else None

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return Integer(1) if self == symbol else Integer(0)

    def _eval_subs(self, old: Basic, new: Basic) -> Expr | None:
        return self if old == self.args[0] else None  # a number for the symbol means nothing

    def _sympystr(self, printer: Any) -> str:
        name = self.tensor.name or self.tensor.hint
        return f"{name}[{', '.join(printer._print(i) for i in self.indices)}]"


@dataclass(eq=False, slots=True)
class Tensor:
    """A named array of reals: axes are extents (integers or sizes), letters the indices to print.

    Compared by identity.  `definition` is set once for an intermediate, and None for others; `law`
    says what else is known (`laws`).  A tensor without a name is named per program, from its hint:
    numbered h1, h2, … or, if not `numbered`, L, L_2, L_3, …; b2 if it stands `beside` W2.
    """

    name: str | None
    axes: tuple[Expr, ...]
    letters: tuple[Idx, ...]
    role: Role
    facts: tuple[Fact, ...] = ()
    hint: str = "t"
    numbered: bool = True
    where: str = "?"
    default: float | None = None
    definition: Definition | None = None
    trainable: bool = True
    beside: Tensor | None = None
    law: Law | None = None
    serial: int = field(default_factory=lambda: next(_serials))
    symbol: TensorSymbol = field(init=False)

    def __post_init__(self) -> None:
        self.symbol = TensorSymbol(self)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.axes)

    def __copy__(self) -> Tensor:
        return self  # a tensor is compared by identity, and never changes: there is no other one

    def __deepcopy__(self, memo: object) -> Tensor:
        return self

    def __reduce__(self) -> NoReturn:
        raise DeclarationError(f"{self.name or self.hint} is not pickled: a tensor is known by its "
                               "identity; keep the lines that declare it, or model.save(path)")

    def has_fact(self, kind: str) -> bool:
        """Whether a fact of this kind was declared."""
        return any(fact.kind == kind for fact in self.facts)

    def at(self, *indices: Any) -> Expr:
        """The entry at these indices as an expression: the bare symbol at rank 0."""
        return Element(self.symbol, *indices) if self.axes else self.symbol

    def __repr__(self) -> str:
        inside = ", ".join(map(str, self.letters))
        return f"<{self.role} {self.name or self.hint}[{inside}]>"


@dataclass(frozen=True, slots=True)
class Definition:
    """target[indices] = op_{over} body; `adjoint_of` is set where it is an adjoint."""

    target: Tensor
    indices: tuple[Idx, ...]
    body: Expr
    over: tuple[Idx, ...] = ()
    op: Op = "map"
    where: str = "?"
    adjoint_of: Tensor | None = None

    @property
    def element(self) -> Expr:
        """The left-hand side, target[indices]."""
        return self.target.at(*self.indices)


@dataclass(frozen=True, slots=True)
class Program:
    """Definitions in an order in which everything read stands before; outputs are what is wanted.

    updates: (parameter or state, the tensor that holds its next value): a training step is one
    Program, whose updates take effect when all else has been computed.
    """

    definitions: tuple[Definition, ...]
    outputs: tuple[Tensor, ...]
    updates: tuple[tuple[Tensor, Tensor], ...] = ()

    def __iter__(self) -> Iterator[Definition]:
        return iter(self.definitions)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Data, parameters, hypers and states that are read, in order of declaration."""
        defined = {d.target for d in self.definitions}
        read = {t: None for d in self.definitions for t in tensors_in(d.body)}
        asked = dict.fromkeys(self.outputs)
        return tuple(sorted({**read, **asked}.keys() - defined, key=lambda t: t.serial))

    @property
    def names(self) -> dict[Tensor, str]:
        """A unique name for every tensor: the user's own, else hint and number in order."""
        tensors = dict.fromkeys((*self.inputs, *(d.target for d in self.definitions)))
        names = {t: t.name for t in tensors if t.name is not None}
        taken = set(names.values())
        counters: dict[str, itertools.count[int]] = {}
        for tensor in sorted(tensors, key=lambda t: t.serial):
            if tensor.name is None:
                first = 1 if tensor.numbered else 2
                counter = counters.setdefault(tensor.hint, itertools.count(first))
                bare = iter(() if tensor.numbered else (tensor.hint,))
                stem = tensor.hint if tensor.numbered else f"{tensor.hint}_"
                pair = tensor.beside if tensor.beside in names else None
                own = iter(() if pair is None else (names[pair].replace(pair.hint, stem, 1),))
                tried = itertools.chain(own, bare, (f"{stem}{i}" for i in counter))
                names[tensor] = next(name for name in tried if name not in taken)
                taken.add(names[tensor])
        return names

    def __getitem__(self, name: str) -> Tensor:
        named = {known: tensor for tensor, known in self.names.items()}
        if name in named:
            return named[name]
        raise DeclarationError(f"this program has no tensor {name!r}; it has {', '.join(named)}")

    def __str__(self) -> str:
        from symbackprop.printing.index import program_text  # lazy: printers import this module

        return program_text(self)


@lru_cache(4096)
def elements_in(expr: Basic) -> tuple[Expr, ...]:
    """All accesses to tensors in an expression (Elements, and symbols of rank 0), in order."""
    found: dict[Expr, None] = {}
    stack, seen = [expr], set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Element):
            found[node] = None
            stack.extend(reversed(node.args[1:]))
        elif isinstance(node, TensorSymbol):
            found[node] = None
        elif not isinstance(node, Idx):
            stack.extend(reversed(node.args))
    return tuple(found)


def tensors_in(expr: Basic) -> list[Tensor]:
    """All tensors that an expression reads, in order of first appearance."""
    return list(dict.fromkeys(element.tensor for element in elements_in(expr)))


@lru_cache(4096)
def extent(index: Idx) -> Expr:
    """The number of values of an index, e.g. 64 for Idx("i", 64)."""
    if index.upper is None or index.lower is None:
        raise DeclarationError(f"the index {index} has no extent; make it with "
                               f"sb.indices({str(index)!r}, extent)")
    return index.upper - index.lower + 1
