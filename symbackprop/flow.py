"""flow(loss, values): how gradients fare on their way from the loss down to the first layer.

    z_l = affine map of h_{l−1} with a parameter,  h_l = σ(z_l),  δ_l = ∂L/∂z_l

For every layer: ‖∂L/∂W_l‖ of each parameter, ‖δ_l‖, the norm of the Jacobian ∂z_l/∂z_{l−1} and the
product of these norms from the input on, max |σ′|, and how many units are saturated (|σ′| below
1e-3 at every sample) or dead (σ and σ′ zero at every sample).  A gradient below 1e-6 is flagged
as vanishing and one above 1e3 as exploding (lecture 004: keep gradients in [1e-6, 1e3]).

The product bounds ‖∂z_l/∂x‖ in a chain, where every path to z_l leads through z_{l−1}.  Where a
path goes around it, as in h + tanh(W h + b), it bounds nothing, and there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from symbackprop.backprop import adjoints
from symbackprop.contraction import ContractingMachine
from symbackprop.dependence import Dependence
from symbackprop.jacobian import jacobian_norm
from symbackprop.layering import Stage, slope, stages
from symbackprop.normal import normalise, temporary
from symbackprop.notation import Program, Tensor
from symbackprop.simplification import simplify
from symbackprop.tables import Table

__all__ = ["EXPLODING", "SATURATED", "VANISHING", "Flow", "Layer", "flow"]

VANISHING, EXPLODING = 1e-6, 1e3
SATURATED = 1e-3


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer at given data.

    name: of its output; gradients: (parameter, ‖∂L/∂parameter‖) each; sensitivity: ‖δ‖; jacobian:
    the largest singular value of ∂z/∂(z of the layer before, or the data) over all samples, None
    where it does not depend on that; product: of the Jacobian norms so far, None after a path
    around a layer; slope: max |σ′|, None without an activation; units, saturated, dead: how many.
    """

    name: str
    gradients: tuple[tuple[str, float], ...]
    sensitivity: float
    jacobian: float | None
    product: float | None
    slope: float | None
    units: int
    saturated: int
    dead: int

    @property
    def flag(self) -> str:
        """"exploding", "vanishing" or "": by its gradients and its sensitivity."""
        norms = (*(norm for _, norm in self.gradients), self.sensitivity)
        if any(not norm <= EXPLODING for norm in norms):
            return "exploding"
        return "vanishing" if min(norms) < VANISHING else ""


@dataclass(frozen=True, slots=True)
class Flow:
    """The layers in forward order; `print(flow)` is a table, `flow.plot(axes)` a picture."""

    loss: str
    layers: tuple[Layer, ...]
    others: tuple[tuple[str, float], ...] = ()

    @property
    def vanishing(self) -> bool:
        """Whether some layer is flagged as vanishing."""
        return any(layer.flag == "vanishing" for layer in self.layers)

    @property
    def exploding(self) -> bool:
        """Whether some layer is flagged as exploding."""
        return any(layer.flag == "exploding" for layer in self.layers)

    @property
    def table(self) -> Table:
        """A row for each layer; a norm is the square root of the sum of squares."""
        header = ("layer", f"‖∂{self.loss}/∂…‖", "‖δ‖", "‖Jacobian‖", "product", "max |σ′|",
                  "saturated", "dead", "")
        rows: list[tuple[str, ...]] = [
            (layer.name, _listed(layer.gradients), _short(layer.sensitivity),
             _short(layer.jacobian), _short(layer.product), _short(layer.slope),
             _share(layer.saturated, layer), _share(layer.dead, layer), layer.flag)
            for layer in self.layers]
        if self.others:
            rows.append(("others", _listed(self.others), *[""] * 7))
        return Table(header, tuple(rows))

    def plot(self, axes: Any) -> None:
        """Draws gradient norms, ‖δ‖ and the product of Jacobian norms by layer on a log scale.

        axes: Axes of matplotlib, e.g. from `figure, axes = plt.subplots()`.  The lines at 1e-6 and
        1e3 are the limits of the lecture; norms that are 0 or not finite are left out.
        """
        places, few = range(1, len(self.layers) + 1), len(self.layers) <= 12
        largest = [max((norm for _, norm in layer.gradients), default=np.nan)
                   for layer in self.layers]
        series = {f"‖∂{self.loss}/∂W‖": largest,
                  f"‖δ‖ = ‖∂{self.loss}/∂z‖": [layer.sensitivity for layer in self.layers],
                  "product of Jacobian norms": [np.nan if layer.product is None else layer.product
                                                for layer in self.layers]}
        for (label, norms), marker in zip(series.items(), "o^s", strict=True):
            shown = [norm if np.isfinite(norm) and norm > 0 else np.nan for norm in norms]
            axes.plot(places, shown, label=label, marker=marker if few else "", markersize=4)
        for limit, text in ((VANISHING, "vanishing"), (EXPLODING, "exploding")):
            axes.axhline(limit, color="0.5", linestyle="--", linewidth=1)
            axes.annotate(text, (1, limit), xycoords=("axes fraction", "data"), ha="right",
                          va="bottom" if limit == EXPLODING else "top", color="0.4")
        axes.set_yscale("log")
        axes.set_xlabel("layer")
        axes.set_ylabel("norm")
        if few:
            axes.set_xticks(list(places), [layer.name for layer in self.layers])
        axes.legend(loc="best")

    def __str__(self) -> str:
        lines = [str(self.table)]
        for kind in ("vanishing", "exploding"):
            names = [layer.name for layer in self.layers if layer.flag == kind]
            if names:
                lines.append(f"{kind}: {len(names)} of {len(self.layers)} layers, "
                             f"{names[0]}{f' … {names[-1]}' if len(names) > 1 else ''}")
        return "\n".join(lines)


def flow(declared: Program, values: Mapping[Any, Any]) -> Flow:
    """The gradient flow of the loss of a program, as declared, at these values.

    values: an array for each input by name or tensor, as for `evaluate`; the same is raised.
    Sums of products run as matrix products in float64.

    >>> import symbackprop as sb
    >>> x, y = sb.data("x", sb.size("N"), 1), sb.data("y", sb.size("N"), 1)
    >>> h = sb.layers.dense(sb.layers.dense(x, 1, "sigmoid", bias=False), 1, bias=False)
    >>> L = sb.losses.squared_error(h, y)
    >>> found = flow(sb.program(L), {"x": [[0.0]], "y": [[1.0]], "W1": [[0.8]], "W2": [[0.8]]})
    >>> [(layer.name, layer.jacobian, layer.slope) for layer in found.layers]
    [('z1', 0.8, 0.25), ('z2', 0.2, None)]
    """
    measured = _Measured(declared, values)
    return measured.flow()


@dataclass(slots=True)
class _Measured:
    """The forward program in stable normal form, its adjoints, and their values."""

    declared: Program
    values: Mapping[Any, Any]
    machine: ContractingMachine = field(default_factory=ContractingMachine)

    def flow(self) -> Flow:
        """All numbers of the report."""
        (loss,) = self.declared.outputs
        everything = replace(self.declared, outputs=tuple(d.target for d in self.declared))
        forward = replace(simplify(normalise(everything)), outputs=(loss,))
        network = Dependence(forward)
        found = stages(network)
        parameters = [t for t in forward.inputs if t.role == "parameter"]
        made, gradients = adjoints(forward, loss, (*parameters, *(s.output for s in found)))
        with np.errstate(all="ignore"):
            self.machine.read(self.declared, self.values)
            for definition in (*forward.definitions, *made):
                self.machine.define(definition)
            layers = self._layers(network, found, gradients)
        names = self.declared.names
        read = {t for stage in found for t in stage.parameters}
        others = tuple((names[t], self._norm(gradients[t])) for t in parameters if t not in read)
        return Flow(names[loss], layers, others)

    def _layers(self, network: Dependence, found: Sequence[Stage],
                gradients: Mapping[Tensor, Tensor]) -> tuple[Layer, ...]:
        names, layers = self.declared.names, []
        product: float | None = 1.0
        for place, stage in enumerate(found):
            before = found[place - 1].output if place else stage.source
            norm = None if before is None else jacobian_norm(
                network, before, stage.output, self.machine)
            if place and (norm is None or _bypassed(network, found, place)):
                product = None
            elif product is not None and norm is not None:
                product *= norm
            units = self._units(stage)
            layers.append(Layer(
                stage.name(names), tuple((names[t], self._norm(gradients[t]))
                                         for t in stage.parameters),
                self._norm(gradients[stage.output]), norm, product, *units))
        return tuple(layers)

    def _norm(self, tensor: Tensor) -> float:
        return float(np.linalg.norm(self.machine.arrays[tensor]))

    def _units(self, stage: Stage) -> tuple[float | None, int, int, int]:
        """max |σ′|, and the number of units: in all, saturated, dead."""
        samples = tuple(place for place, axis in enumerate(stage.output.axes) if axis.free_symbols)
        shape = self.machine.arrays[stage.output].shape
        units = int(np.prod([n for place, n in enumerate(shape) if place not in samples]))
        if stage.activation is None:
            return None, units, 0, 0
        access = stage.output.at(*stage.places)
        steep = self._array(slope(stage.activation, access), stage)
        value = self._array(stage.activation.body, stage)
        flat = np.all(np.abs(steep) < SATURATED, axis=samples)
        dead = np.all((steep == 0) & (value == 0), axis=samples)
        largest = float(np.max(np.abs(steep), initial=0.0))
        return largest, units, int(np.sum(flat & ~dead)), int(np.sum(dead))

    def _array(self, body: Expr, stage: Stage) -> NDArray[Any]:
        """A body on the grid of the pre-activation's own axes."""
        made = temporary(body, stage.places)
        self.machine.define(made)
        return np.asarray(self.machine.arrays.pop(made.target))


def _bypassed(network: Dependence, found: Sequence[Stage], place: int) -> bool:
    """Whether a path leads to a layer from an earlier one, or its data, around the one before."""
    earlier = [stage.output for stage in found[:place - 1]]
    source = found[0].source
    around = network.downstream([*earlier, *([] if source is None else [source])],
                                found[place - 1].output)
    output = found[place].output
    return any(network.program.definitions[p].target is output for p in around)


def _short(norm: float | None) -> str:
    return "–" if norm is None else f"{norm:.3g}"


def _listed(gradients: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {_short(norm)}" for name, norm in gradients)


def _share(count: int, layer: Layer) -> str:
    return "–" if layer.slope is None else f"{count} of {layer.units}"
