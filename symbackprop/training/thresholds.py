"""Thresholds: from where on an output says yes, as the loss says it.

    threshold = 0     where ℓ(u, yes) and ℓ(−u, no) fall and rise together: logits, hinges, −1 and 1
              = 1/2   where ℓ(1/2 + u, yes) and ℓ(1/2 − u, no) do: probabilities, zeros and ones

So it is the middle between the outputs that the loss wants for its two labels; the weight of a
class does not move it.  Where the loss does not read the output, as with p = sigmoid(z) beside a
loss of z, the threshold is that of z, and p's is what p is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import ProgramError
from symbackprop.interpreter import evaluate
from symbackprop.notation import Program, Tensor, tensors_in
from symbackprop.training.comparing import compared, scores
from symbackprop.training.core import Core
from symbackprop.training.dataset import Dataset
from symbackprop.training.network import Network, needed

__all__ = ["thresholds"]

Values = Mapping[Tensor, Any]
ROWS = 16  # at most, at which the loss is looked at
ASIDE = np.linspace(-0.45, 0.45, 10)  # from the middle: between 0 and 1 around 1/2


def thresholds(core: Core, data: Dataset) -> Callable[[int], float]:
    """The threshold of the output at a place, for its target at the same place, found when asked.

    data: those of the training; a target with numbers below 0 has the labels −1 and 1, else 0 and
    1.  Where the loss does not say, or has a function that the interpreter lacks, the threshold is
    the middle of the labels.
    """
    @cache
    def found(place: int) -> float:
        network = core.network
        target, output = compared(network)[place], network.predicted[place]
        labels = -1 if (data.arrays[target] < 0).any() else 0, 1
        chosen = _telling(network, data, target)
        rows = {t: array[chosen] if network.has_batch(t) else array
                for t, array in data.arrays.items()}
        values = {**rows, **core.arrays(), **core.hypers.numbers()}
        score = _score(network, output)
        try:
            if score is not None:
                for middle in (0.0, 0.5):
                    if _is_middle(middle, network, score, target, labels, values):
                        return _value(network, output, score, middle, values)
        except ProgramError:
            pass
        return sum(labels) / 2

    return found


def _score(network: Network, output: Tensor) -> Tensor | None:
    """The output, or what it is a function of, that the loss reads; None where there is none."""
    known = {d.target: d for d in network.inference}
    found = (entry.tensor for entry in scores(output, known))
    return next((t for t in found if any(
        t in tensors_in(d.body) for d in _needed(network, network.measured, t))), None)


def _telling(network: Network, data: Dataset, target: Tensor) -> NDArray[Any]:
    """Some rows, those first at which no data, such as the weights of samples, are 0 throughout."""
    silent = np.zeros(data.rows, bool)
    for tensor, array in data.arrays.items():
        if network.has_batch(tensor) and tensor is not target:
            silent |= ~array.reshape(data.rows, -1).any(1)
    return np.argsort(silent, kind="stable")[:ROWS]


def _is_middle(middle: float, network: Network, score: Tensor, target: Tensor,
               labels: tuple[int, int], values: Values) -> bool:
    """Whether the loss of the one label changes above the middle as that of the other below."""
    no, yes = (_slopes(np.array([
        _value(network, network.measured, score, middle + sign * aside,
               {**values, target: np.full_like(values[target], label)}) for aside in ASIDE
    ])) for label, sign in zip(labels, (-1, 1), strict=True))
    return bool((no == yes).all() and no.any())


def _slopes(losses: NDArray[Any]) -> NDArray[Any]:
    """The signs of the changes, NaN where a loss is none; 0 for a change by rounding."""
    steps = np.diff(losses)
    found: NDArray[Any] = np.sign(np.where(abs(steps) <= 1e-9 * abs(losses).max(), 0, steps))
    return found


def _value(network: Network, wanted: Tensor, score: Tensor, number: float,
           values: Values) -> float:
    """The first entry of a tensor where each entry of the score is this number."""
    if wanted is score:
        return number
    sizes = {axis: length for tensor, array in values.items()
             for axis, length in zip(tensor.axes, np.shape(array), strict=True)}
    shape = [int(axis.xreplace(sizes)) for axis in score.axes]
    known = {**values, score: np.full(shape, number)}
    part = Program(_needed(network, wanted, score), (wanted,))
    found = evaluate(part, {t: known[t] for t in part.inputs})[wanted]
    return float(found.flat[0])


def _needed(network: Network, wanted: Tensor, score: Tensor) -> tuple[Any, ...]:
    """The definitions behind a tensor where the score is given."""
    kept = tuple(d for d in network.inference if d.target is not score)
    return needed(Program(kept, (wanted,)), (wanted,))
