"""Noise at the present hypers: whether there is a distribution, and what a step draws from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Piecewise, Pow, preorder_traversal

from symbackprop.errors import InputError, TrainingError
from symbackprop.interpreter import Machine
from symbackprop.laws import KINDS, Distribution
from symbackprop.notation import Tensor, TensorSymbol, tensors_in
from symbackprop.printing.text import text
from symbackprop.sampling import draws, words_of
from symbackprop.training.core import Core
from symbackprop.training.network import Network
from symbackprop.training.settings import known_seed

__all__ = ["check_strengths", "drawn"]


def check_strengths(network: Network, hypers: Mapping[Tensor, float]) -> None:
    """Raises TrainingError where a noise has no distribution at these hypers, or they divide by 0.

    For example, where a dropout rate has been set to 1.5, or to 1: it divides by 1 − drop.
    """
    machine = Machine(None)
    machine.arrays = {tensor: np.asarray(number) for tensor, number in hypers.items()}
    for noise in network.given:
        if not isinstance(noise.law, Distribution):
            continue
        law = noise.law
        found = [float(machine.value(parameter, {}, 0)) for parameter in law.parameters]
        kind = KINDS[law.kind]
        if not kind.fits(*found):
            shown, remedy = _present(network, hypers, law.parameters)
            raise TrainingError(
                f"the noise {network.names[noise]} (declared at {noise.where}) is "
                f"{law.kind}({', '.join(f'{number:g}' for number in found)}) where {shown}; "
                f"expected {kind.words}{remedy}")
    for definition in network.program:
        for divisor in _divisors(definition.body):
            if not float(machine.value(divisor, {}, 0)):
                shown, remedy = _present(network, hypers, (divisor,))
                raise TrainingError(
                    f"{network.names[definition.target]} (declared at {definition.where}) divides "
                    f"by {text(divisor, network.names)}, which is 0 where {shown}{remedy}")


def _divisors(body: Expr) -> Iterator[Expr]:
    """What a body divides by, in every case, and hypers alone decide."""
    walk = preorder_traversal(body)
    for node in walk:
        if isinstance(node, Piecewise):
            walk.skip()
        elif isinstance(node, Pow) and node.exp.is_negative and all(
                isinstance(s, TensorSymbol) and s.tensor.role == "hyper"
                for s in node.base.free_symbols):
            yield node.base


def _present(network: Network, hypers: Mapping[Tensor, float], read: Sequence[Expr]
             ) -> tuple[str, str]:
    """The hypers that these expressions read, with their values, and which of them to set."""
    tensors = dict.fromkeys(t for expr in read for t in tensors_in(expr))
    shown = ", ".join(f"{network.names[t]} = {hypers[t]:g}" for t in tensors)
    return shown, "".join(f"; set model.hypers[{network.names[t]!r}]" for t in list(tensors)[:1])


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
