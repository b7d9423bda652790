"""What is known of the definitions before one, and what a row that reads them looks like."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sympy import Add, Expr, Mul, Pow

from symbackprop.notation import Definition, Element, Tensor, TensorSymbol
from symbackprop.rewriting import Rule, Steps

LARGEST = 60
Contents = dict[Tensor, tuple[Definition, Expr]]


@dataclass(slots=True)
class Known:
    """What is known of definitions: exponentials, shifts, norms and partial functions.

    keep: tensors that formulas must go on reading; logs: what log leads through; partials: what
    is not finite everywhere; poles: what has a logarithm and no name; zeros: what is t^c by
    definition, with that t; shifts: differences with a term that lacks an index.
    """

    keep: Collection[Tensor]
    rules: Sequence[Rule]
    steps: Steps = None
    maps: Contents = field(default_factory=dict)
    sums: Contents = field(default_factory=dict)
    logs: Contents = field(default_factory=dict)
    shifts: Contents = field(default_factory=dict)
    partials: Contents = field(default_factory=dict)
    poles: Contents = field(default_factory=dict)
    zeros: Contents = field(default_factory=dict)
    norms: set[Tensor] = field(default_factory=set)
    lses: set[Tensor] = field(default_factory=set)

    def keep_steps(self, steps: Steps) -> None:
        """The steps of a trial that is kept."""
        if self.steps is not None and steps:
            self.steps.extend(steps)


@dataclass(frozen=True, slots=True)
class Passage:
    """left → right in a body, by the definitions that it reads; `apply` may leave it alone."""

    name: str
    left: str
    right: str
    where: str
    why: str
    apply: Callable[..., Expr]


def at(element: Expr, definition: Definition, body: Expr) -> Expr:
    """A body at the indices of an element of its definition."""
    if not definition.indices:
        return body
    return body.xreplace(dict(zip(definition.indices, element.indices, strict=True)))


def factors(body: Expr) -> list[Expr]:
    """What sums, products and powers are made of, however deep they nest."""
    found, stack = [], [body]
    while stack:
        node = stack.pop()
        if isinstance(node, (Add, Mul)):
            stack.extend(node.args)
        elif isinstance(node, Pow):
            stack.append(node.args[0])
        else:
            found.append(node)
    return found


def tensor_of(node: Expr) -> Tensor | None:
    """The tensor that a node is an entry of, if it is one."""
    return node.tensor if isinstance(node, (Element, TensorSymbol)) else None
