"""inference(L): what is computed outside of training, from the same declaration.

    d[n,j] = h[n,j]·m[n,j]/(1 − drop)            d[n,j] = h[n,j]
    mean[j] = Σ_n x[n,j]/N                       mean[j] = running[j]

Noise is replaced by its mean, and a definition with a body for inference takes that one.  What
comes back are tensors with definitions, so that printing, deriving, compiling and a Model need
nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symbackprop.collect import ordered, output_tensor
from symbackprop.declare import twin
from symbackprop.laws import AtInference, Distribution
from symbackprop.notation import Definition, Tensor
from symbackprop.pending import resolve_definitions
from symbackprop.randomness import without_noise

__all__ = ["has_modes", "inference", "inferred"]


def inference(outputs: Any) -> Any:
    """The tensors as they are outside of training; one, or a list of them, as it was given.

    outputs: a tensor or an expression of rank-0 tensors, or a list of such.  What depends on no
    noise, and on no definition with a body for inference, comes back as it is.
    Raises ProgramError where a body for inference would need itself.

    >>> import symbackprop as sb
    >>> x = sb.data("x", sb.size("N"), 3)
    >>> h = sb.layers.dropout(x, 0.5)
    >>> print(sb.program(h))
    h1[n,i] = x[n,i]·m1[n,i]/(1 − drop)
    >>> print(sb.program(inference(h)))
    h1[n,i] = x[n,i]
    """
    several = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    targets = tuple(output_tensor(output) for output in several)
    twins = inferred(targets)
    found = [other if other.axes else other.symbol for other in twins]
    return found if isinstance(outputs, (list, tuple)) else found[0]


def inferred(targets: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The tensors that stand for these at inference; the same ones where nothing differs.

    All intermediates are made again, in the order of the old ones, so that names are the same; a
    penalty is one of the tensors that it is of in training.
    """
    if not has_modes(targets):
        return targets
    declared = {d.target: d for d in resolve_definitions(ordered(targets))}
    definitions = ordered(targets, lambda tensor: _at_inference(tensor, declared))
    twins = {d.target: twin(d.target) for d in sorted(definitions, key=lambda d: d.target.serial)}
    symbols = {old.symbol: new.symbol for old, new in twins.items()}
    for definition in definitions:
        new = twins[definition.target]
        new.definition = Definition(new, definition.indices, definition.body.xreplace(symbols),
                                    definition.over, definition.op, definition.where)
    return tuple(twins.get(target, target) for target in targets)


def has_modes(targets: tuple[Tensor, ...]) -> bool:
    """Whether something that the targets need is not the same in training and at inference."""
    return any(isinstance(t.law, Distribution) for t in targets) or any(
        isinstance(d.target.law, AtInference) or without_noise(d.body) != d.body
        for d in ordered(targets))


def _at_inference(tensor: Tensor, declared: Mapping[Tensor, Definition]) -> Definition | None:
    definition = declared.get(tensor, tensor.definition)
    if isinstance(tensor.law, Distribution):  # where a noise is itself a target
        return Definition(tensor, tensor.letters, tensor.law.mean, where=tensor.where)
    if definition is None:
        return None
    body = tensor.law.body if isinstance(tensor.law, AtInference) else definition.body
    return Definition(tensor, definition.indices, without_noise(body), definition.over,
                      definition.op, definition.where)
