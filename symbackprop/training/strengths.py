"""Noise at the present hypers: whether there is a distribution, and what a step draws from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import InputError, TrainingError
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
    chosen = _rows(rows)
    for what, value, least in (("step", step, 0), ("steps", steps, 1)):
        if not _is_whole(value) or value < least:
            raise InputError(f"noise: {what} must be a whole number, at least {least}; "
                             f"found {value!r}")
    counted = {"seed": words_of(known_seed(seed)), "row": chosen, "step": step, "steps": steps}
    wanted = tuple(t for t in network.given if t.role == "noise")
    read = {t for noise in wanted if isinstance(noise.law, Distribution)
            for parameter in noise.law.parameters for t in tensors_in(parameter)}
    found = draws(wanted, network.batch, {t: hypers[t] for t in read}, counted)
    return {network.names[t]: array.astype(core.dtype) for t, array in found.items()}


def _rows(given: Any) -> NDArray[Any]:
    """The first so many rows, or those of these numbers."""
    if _is_whole(given) and given > 0:
        return np.arange(given)
    listed = given if isinstance(given, (list, tuple, range, np.ndarray)) else ()
    found = np.asarray([row for row in listed if _is_whole(row) and row >= 0])
    if len(found) == 0 or len(found) != len(listed):
        raise InputError("noise: rows is how many samples, at least 1, or a list of their numbers, "
                         f"counted from 0; found {given!r}")
    return found


def _is_whole(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool)
