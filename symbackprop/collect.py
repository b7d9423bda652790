"""program(outputs): every definition that the outputs need, in an order in which all is read after
it is defined.  Walks by an explicit stack: a chain of 10,000 definitions is no problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from symbackprop.conditions import joined_conditions
from symbackprop.declare import attach, scalar, tensor_of
from symbackprop.errors import DeclarationError, ProgramError, where
from symbackprop.folding import fold
from symbackprop.indexing import free_indices
from symbackprop.notation import Definition, Program, Tensor, TensorSymbol, tensors_in
from symbackprop.pending import resolve_definitions, resolve_penalties


def program(outputs: Any, keep: Any = ()) -> Program:
    """The definitions behind tensors or losses, as declared; `print(program(L))` shows them.

    outputs: a tensor, an expression of rank-0 tensors such as a loss, or a list of them;
    keep: unnamed tensors of array notation that are wanted as definitions of their own.
    Raises DeclarationError for anything else and ProgramError for a definition that needs itself.

    >>> from sympy import Sum
    >>> import symbackprop as sb
    >>> n, i = sb.indices("n i", sb.size("N"), 3)
    >>> x, w = sb.data("x", n, i), sb.parameter("w", i)
    >>> print(sb.program(sb.define("z", (n,), Sum(x[n, i]*w[i], i))))
    z[n] = Σ_i x[n,i]·w[i]
    """
    wanted = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    targets = tuple(output_tensor(output) for output in wanted)
    kept = keep if isinstance(keep, (list, tuple)) else [keep]
    alone = (*targets, *(tensor_of(t) for t in kept if not isinstance(t, str)))
    folded = fold(resolve_definitions(ordered(targets)), alone)
    return Program(tuple(replace(d, body=joined_conditions(d.body)) for d in folded), targets)


def output_tensor(output: Any) -> Tensor:
    """The tensor of an output; an expression of rank-0 tensors becomes one, called L."""
    if isinstance(output, (Tensor, TensorSymbol)):
        return tensor_of(output)
    expr = scalar(output, "program(…)", ", nor a tensor; write tensors, e.g. [L, d[W1]]")
    for index in free_indices(expr):
        raise DeclarationError(
            f"program(…): {expr} has the free index {index}: it is an entry of a tensor, not a "
            f"loss; sum over it, e.g. Sum(…, {index}), or make a tensor with sb.define"
        )
    expr = resolve_penalties(expr, ordered(tuple(tensors_in(expr))))
    made: TensorSymbol = attach(None, (), (), expr, hint="L", numbered=False)
    made.tensor.definition = Definition(made.tensor, (), expr, where=where())
    return made.tensor


def ordered(targets: Sequence[Tensor],
            defined: Callable[[Tensor], Definition | None] = attrgetter("definition")
            ) -> tuple[Definition, ...]:
    """All definitions that the targets need, each after what it reads, by depth-first search."""
    done: dict[Tensor, Definition | None] = {}
    active: set[Tensor] = set()
    for target in targets:
        stack = [(target, False)]
        while stack:
            tensor, finished = stack.pop()
            if finished:
                active.discard(tensor)
                done[tensor] = defined(tensor)
            elif tensor in active:
                raise ProgramError(
                    f"{tensor.name or tensor.hint} (declared at {tensor.where}) is defined by "
                    "itself; what a definition reads must be defined before it"
                )
            elif tensor not in done:
                active.add(tensor)
                stack.append((tensor, True))
                definition = defined(tensor)
                read = tensors_in(definition.body) if definition else []
                stack.extend((t, False) for t in reversed(read) if t not in done)
    return tuple(definition for definition in done.values() if definition is not None)
