"""Core: what a Model is made of, numbers of its own and kernels that its copies share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from symbackprop.notation import Tensor
from symbackprop.training.kernels import Kernels
from symbackprop.training.network import Network
from symbackprop.training.parameters import Hypers, Parameters

__all__ = ["Core", "core"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Core:
    """A network's kernels, and the parameters and hypers that they are run with."""

    kernels: Kernels
    parameters: Parameters
    hypers: Hypers

    @property
    def network(self) -> Network:
        """What the kernels were made of."""
        return self.kernels.network

    @property
    def dtype(self) -> str:
        """float32 or float64."""
        return self.kernels.dtype

    def arrays(self) -> dict[Tensor, Array]:
        """The model's own arrays by tensor."""
        names = self.network.names
        return {t: self.parameters[names[t]] for t in self.network.parameters}

    def run(self, what: str, data: Mapping[Tensor, Array]) -> list[Array]:
        """What the kernel of this name gives for these data and the present numbers."""
        kernel = self.kernels.function(what)
        names = kernel.program.names
        values: dict[Tensor, Any] = {**data, **self.arrays(), **self.hypers.numbers()}
        return list(kernel(**{names[t]: values[t] for t in kernel.program.inputs}))


def core(kernels: Kernels) -> Core:
    """Zeros for the parameters, declared defaults for the hypers."""
    network = kernels.network
    names = network.names
    return Core(kernels, Parameters({names[t]: t for t in network.parameters}, kernels.dtype),
                Hypers({names[t]: t for t in network.hypers}))
