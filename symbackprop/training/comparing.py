"""What each output is compared with, where a model has no targets: as the loss says it.

    loss = 1/N Σ (z[n,i] − x[n,i])²        the output z is compared with the input x

It is the one tensor of data, of the shape of the output, that is read with it, at the same indices,
in the smallest part of the loss that reads both: x, and no mask that multiplies (z − x)².
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sympy import Basic, Expr

from symbackprop.indexing import replace_indices
from symbackprop.notation import Definition, Element, Program, Tensor, elements_in
from symbackprop.training.network import Network, needed

__all__ = ["compared", "scores"]


def compared(network: Network) -> tuple[Tensor, ...]:
    """The targets in the order of the outputs; without any, what the loss compares outputs with.

    Nothing where the loss compares an output with several tensors, or with none.
    """
    if network.targets:
        return network.targets
    found = [_beside(network, output) for output in network.predicted]
    return tuple(t for t in found if t is not None) if None not in found else ()


def scores(output: Tensor, known: Mapping[Tensor, Definition]) -> Iterator[Expr]:
    """p[n,k], then z[n,k] where p = sigmoid(z), and so on: each a function of the next alone.

    They are entries at the indices of the output; known: the definitions that there are.
    """
    entry = output.at(*output.letters)
    while (definition := known.get(entry.tensor)) is not None:
        yield entry
        below = [e for e in elements_in(definition.body) if e.tensor.role != "hyper"]
        if definition.op != "map" or len(below) != 1:
            return
        places = dict(zip(definition.indices, getattr(entry, "indices", ()), strict=True))
        entry = replace_indices(below[0], places)


def _beside(network: Network, output: Tensor) -> Tensor | None:
    """The data that the loss reads beside an output, or beside p = sigmoid(z) for the output z."""
    known = {d.target: d for d in network.inference}
    root = _root(output, known)
    alike = {t for t in known if _root(t, known) is root}
    behind = needed(Program(network.inference.definitions, (network.measured,)),
                    (network.measured,))
    found = dict.fromkeys(t for d in behind for t in _partners(d.body, alike))
    found = {t: None for t in found if t.axes == output.axes}
    return next(iter(found)) if len(found) == 1 else None


def _root(tensor: Tensor, known: Mapping[Tensor, Definition]) -> Tensor:
    """What a tensor is in the end a function of, entry by entry."""
    root = tensor
    for entry in scores(tensor, known):
        root = entry.tensor if getattr(entry, "indices", ()) == tensor.letters else root
    return root


def _partners(body: Basic, outputs: set[Tensor]) -> list[Tensor]:
    """The data in the smallest parts of a body that read an entry of both."""
    found, stack = [], [body]
    while stack:
        node = stack.pop()
        if isinstance(node, Element) or not _data(node, outputs):
            continue
        inner = [arg for arg in node.args if _data(arg, outputs)]
        stack += inner
        found += [] if inner else _data(node, outputs)
    return found


def _data(node: Basic, outputs: set[Tensor]) -> list[Tensor]:
    """The data that a part reads at the indices of an output."""
    read = [e for e in elements_in(node) if isinstance(e, Element)]
    places = {e.indices for e in read if e.tensor in outputs}
    return [e.tensor for e in read if e.tensor.role == "data" and e.indices in places]
