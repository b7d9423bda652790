"""What a training step draws for each noise of a network, to be looked at."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import InputError
from symbackprop.laws import Distribution
from symbackprop.notation import tensors_in
from symbackprop.sampling import draws, words_of
from symbackprop.training.core import Core
from symbackprop.training.settings import known_seed
from symbackprop.training.strengths import check_strengths

__all__ = ["drawn"]


def drawn(core: Core, rows: Any, seed: Any, step: int, steps: int) -> dict[str, NDArray[Any]]:
    """name -> what a training step draws for each noise; see `Model.noise`."""
    network, hypers = core.network, core.hypers.numbers()
    check_strengths(core.kernels.conditions, hypers)
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
