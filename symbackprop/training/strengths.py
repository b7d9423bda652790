"""Noise at the present hypers: whether there is a distribution, and what a step draws from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import TrainingError
from symbackprop.interpreter import Machine
from symbackprop.laws import Distribution
from symbackprop.notation import Tensor, tensors_in
from symbackprop.sampling import draws, words_of
from symbackprop.training.core import Core
from symbackprop.training.network import Network
from symbackprop.training.settings import known_seed

__all__ = ["check_strengths", "drawn"]

#: What the numbers of each kind of distribution must be.
RANGES: dict[str, tuple[str, Callable[..., bool]]] = {
    "bernoulli": ("a probability from 0 to 1", lambda probability: 0 <= probability <= 1),
    "gaussian": ("a standard deviation of at least 0", lambda mean, deviation: deviation >= 0),
    "uniform": ("low at most high", lambda low, high: low <= high),
}


def check_strengths(network: Network, hypers: Mapping[Tensor, float]) -> None:
    """Raises TrainingError where a noise has no distribution at these hypers.

    For example, where a dropout rate has been set to 1.5.
    """
    machine = Machine(None)
    machine.arrays = {tensor: np.asarray(number) for tensor, number in hypers.items()}
    for noise in network.given:
        if not isinstance(noise.law, Distribution):
            continue
        law = noise.law
        found = [float(machine.value(parameter, {}, 0)) for parameter in law.parameters]
        words, fits = RANGES[law.kind]
        if not fits(*found):
            read = dict.fromkeys(t for parameter in law.parameters for t in tensors_in(parameter))
            shown = ", ".join(f"{network.names[t]} = {hypers[t]:g}" for t in read)
            remedy = "".join(f"; set model.hypers[{network.names[t]!r}]" for t in list(read)[:1])
            raise TrainingError(
                f"the noise {network.names[noise]} (declared at {noise.where}) is "
                f"{law.kind}({', '.join(f'{number:g}' for number in found)}) where {shown}; "
                f"expected {words}{remedy}")


def drawn(core: Core, rows: Any, seed: Any, step: int, steps: int) -> dict[str, NDArray[Any]]:
    """name -> what a training step draws for each noise; see `Model.noise`."""
    network, hypers = core.network, core.hypers.numbers()
    check_strengths(network, hypers)
    chosen = np.arange(rows) if np.ndim(rows) == 0 else np.asarray(rows)
    counted = {"seed": words_of(known_seed(seed)), "row": chosen, "step": step, "steps": steps}
    wanted = tuple(t for t in network.given if t.role == "noise")
    read = {t for noise in wanted if isinstance(noise.law, Distribution)
            for parameter in noise.law.parameters for t in tensors_in(parameter)}
    found = draws(wanted, network.batch, {t: hypers[t] for t in read}, counted)
    return {network.names[t]: array.astype(core.dtype) for t, array in found.items()}
