"""Random training: a drawn network and a drawn regime, step after step, computed three times.

    by JAX's derivatives of the loss as it is declared, and the update in NumPy
    by the interpreter, from the program of a training step
    by the compiled kernel, through Model.fit

The noise that a step draws is read back by `model.noise` and given to JAX as arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import Tensor
from symbackprop.training.loop import Plan
from symbackprop.training.trainers import Trainers
from symbackprop.training.tuning import tuning
from tests.support.jax_oracle import forward, jax, jnp
from tests.support.jaxpr_values import DIGITS
from tests.support.random_layers import Draw, N, data_loss, weights_of
from tests.support.random_optimizers import STEPS, Arrays, Regime, regime
from tests.support.random_values import MARGIN, bound, entries, sized, well_behaved
from tests.support.tiles import short_tiles
from tests.support.verdicts import TIMES, error

TOLERANCE = 1e-10
CONDITION = 1e-7  # what float64 may be wrong by in a step that loses digits
LARGEST = 100.0
NEAR = 1e-9  # a kink so near may lie on the other side in floats


@dataclass(frozen=True)
class Training:
    """A model at the beginning of a fit over `data`, whose rows come in `plan`.

    call: what draws it again; smooth: the loss without the penalties that prox takes.
    """

    call: str
    model: sb.Model
    regime: Regime
    smooth: Any
    data: Arrays
    plan: Plan

    def __str__(self) -> str:
        return (f"{self.call}\n{self.model._network.program}\n"
                f"{self.regime.optimizer!r} {self.regime.constraints} {self.plan}")

    def batches(self) -> Iterator[tuple[int, np.ndarray, Arrays]]:
        """(number from 0, rows, data and noise by tensor) of each step."""
        network, plan = self.model._network, self.plan
        tensors = {network.names[t]: t for t in network.given}
        for epoch, order in enumerate(plan.orders()):
            for k in range(plan.steps):
                rows = order[k*plan.batch_size:(k + 1)*plan.batch_size]
                step = epoch*plan.steps + k
                drawn = self.model.noise(rows, seed=plan.seed, step=step, steps=plan.steps)
                yield step, rows, {**self.rows_of(self.data, rows),
                                   **{tensors[name]: a for name, a in drawn.items()}}

    def rows_of(self, arrays: Arrays, rows: np.ndarray) -> Arrays:
        network = self.model._network
        return {t: a[rows] if network.has_batch(t) else a for t, a in arrays.items()}


def random_training(*seed: int, most: int = 3, uneven: bool = False
                    ) -> tuple[Training, list[np.ndarray]]:
    """A training and what it comes to by JAX and NumPy; drawn until all numbers are moderate.

    most: how many layers there are at most; uneven: the last batch of an epoch is smaller.
    """
    rng = np.random.default_rng(seed)
    call = f"random_training(*{seed}, most={most}, uneven={uneven})"
    for _ in range(200):
        draw = Draw(rng)
        base = data_loss(draw, most)
        program = sb.program(base)
        if not weights_of(base) or not (bound(program) and sized(program) and batched(program)):
            continue
        chosen = regime(draw, weights_of(base))
        made = begun(draw, call, base, chosen, uneven)
        if moderate(made, made.model._network.loss, [numbers(made)], MARGIN):
            found, visited = reference(made)
            moved = [*found, *(a for arrays in visited for a in arrays.values())]
            if all(np.isfinite(a).all() and np.abs(a).max() < LARGEST for a in moved) and (
                    moderate(made, made.smooth, visited, NEAR)):
                return made, found
    raise AssertionError(f"{call}: no moderate training in 200 draws")


def moderate(made: Training, loss: Any, visited: list[Arrays], margin: float) -> bool:
    """Whether a loss of each of the first batches is, at what its step begins with.

    A step may well lead to a kink: weights that are projected to 0 make rows alike.
    """
    program = sb.program(loss)
    return all(well_behaved(program, {t: a for t, a in {**known, **given}.items()
                                      if t in program.inputs}, margin)
               for known, (_, _, given) in zip(visited, made.batches(), strict=False))


def batched(program: Any) -> bool:
    """Whether the batch is the first axis of data, and nothing else (a later axis, one of a weight,
    a number of classes) is as long as the batch or follows from its length."""
    data = [t for t in program.inputs if t.role == "data"]
    others = [axis for t in program.inputs for axis in (t.axes[1:] if t in data else t.axes)]
    classes = [fact.extent for t in data for fact in t.facts if fact.extent is not None]
    return (any(N in t.axes for t in data)
            and not any(N in axis.free_symbols for axis in [*others, *classes]))


def begun(draw: Draw, call: str, base: Any, chosen: Regime, uneven: bool) -> Training:
    """Numbers for parameters, states and data."""
    smooth = base + chosen.smooth
    data = [t for t in sb.program(base).inputs if t.role == "data"]
    model = sb.Model(inputs=data, loss=smooth + chosen.kinked, dtype="float64",
                     constraints=chosen.constraints)
    size = draw.pick([2, 3, 5, 7])
    plan = Plan(STEPS*size - uneven, size, int(draw.rng.integers(1, 3)), draw.chance(0.5),
                int(draw.rng.integers(1000)))
    values = {t: entries(t, {"N": plan.rows}, draw.rng) for t in data}
    for tensor in model._network.parameters:
        model.parameters[model._network.names[tensor]] = entries(tensor, {}, draw.rng)
    return Training(call, model, chosen, smooth, values, plan)


def numbers(made: Training) -> Arrays:
    """Parameters, states and hypers as they are in the model."""
    core = made.model._core
    return {**{t: np.array(a) for t, a in core.arrays().items()},
            **{t: np.asarray(value) for t, value in core.hypers.numbers().items()}}


def reference(made: Training) -> tuple[list[np.ndarray], list[Arrays]]:
    """Parameters, states and the losses after all steps, and what each step began with."""
    network, chosen = made.model._network, made.regime
    following = [new for _, new in network.updates]
    program = sb.program([made.smooth, network.loss, *following])
    weights = set(sb.penalties.weights(network.program))
    memory: dict[Tensor, Any] = {t: {} for t in network.trained}

    @jax.jit
    def slopes(trained: Any, given: Any) -> Any:
        size = next(len(a) for t, a in zip(inputs, given, strict=True) if network.has_batch(t))
        run = forward(program, {"N": size})

        def smooth(chosen: Any) -> Any:
            arrays = dict(zip(inputs, given, strict=True))
            found = run({**arrays, **dict(zip(network.trained, chosen, strict=True))})
            return found[program.outputs[0]], [found[t] for t in (network.loss, *following)]

        return jax.value_and_grad(smooth, has_aux=True)(trained)

    inputs, arrays, losses, visited = program.inputs, numbers(made), [], []
    for step, _, given in made.batches():
        visited.append(dict(arrays))
        arrays |= given
        (_, (loss, *states)), found = slopes([jnp.asarray(arrays[t]) for t in network.trained],
                                             [arrays[t] for t in inputs])
        g = chosen.clip({t: np.asarray(a) for t, a in zip(network.trained, found, strict=True)})
        after = {t: chosen.update(step + 1, t in weights)(arrays[t], g[t], memory[t], step + 1)
                 for t in network.trained}
        moved = {t: chosen.prox(after[t], chosen.rate(step + 1))
                 for t in network.trained if t in weights}
        after |= chosen.project(moved)
        for t in network.trained:
            memory[t]["change"] = after[t] - arrays[t]
        arrays |= after | {t: np.asarray(a) for (t, _), a in zip(network.updates, states,
                                                                 strict=True)}
        losses.append(float(loss))
    return ended(made, arrays, losses), visited


def ended(made: Training, arrays: Arrays, losses: list[float]) -> list[np.ndarray]:
    """Parameters, states, and the mean loss of each epoch."""
    network, plan = made.model._network, made.plan
    means = np.reshape(losses, (plan.epochs, plan.steps)) @ plan.weights
    return [*(np.asarray(arrays[t]) for t in (*network.parameters, *network.states)), means]


def interpreted(made: Training, digits: int | None = None) -> list[np.ndarray]:
    """The same by the interpreter, from the program of the step that is compiled."""
    model, plan = made.model, made.plan
    network, known = model._network, model.hypers.numbers()
    chosen = tuning(network, made.regime.optimizer, (), None)
    step = Trainers(network, "float64").step(chosen.rule, model.derivation(), chosen.trained, known)
    arrays = {**numbers(made), **made.data, **step.begun(plan, "float64"),
              **chosen.numbers(step, plan)}
    losses = []
    for _, rows, _ in made.batches():
        given = made.rows_of(arrays, rows)
        found = evaluate(step.program, {t: given[t] for t in step.program.inputs}, digits)
        arrays |= {old: found[new] for old, new in step.program.updates}
        losses.append(found[step.loss])
    return ended(made, arrays, losses)


def fitted(made: Training, threads: int | None = None) -> list[np.ndarray]:
    """The same by Model.fit, which changes the model."""
    network, plan, model = made.model._network, made.plan, made.model
    history = model.fit([made.data[t] for t in network.inputs] if len(network.inputs) > 1
                        else made.data[network.inputs[0]], epochs=plan.epochs,
                        batch_size=plan.batch_size, optimizer=made.regime.optimizer,
                        shuffle=plan.shuffle, seed=plan.seed, threads=threads)
    return [*(np.array(a) for a in model._core.arrays().values()), np.asarray(history["loss"])]


def agree(made: Training, found: list[np.ndarray], expected: list[np.ndarray], what: str) -> None:
    """Within the tolerance, or as near to 50 digits as the reference comes."""
    worst = error(found, expected)
    if worst <= TOLERANCE:
        return
    exact = interpreted(made, DIGITS)
    own = error(expected, exact)
    assert own <= CONDITION, f"{made}\nin 50 digits: relative error {own:.1e}"
    worst = error(found, exact)
    assert worst <= max(TOLERANCE, TIMES*own), f"{made}\n{what}: {worst:.1e}, JAX {own:.1e}"


def check_training(*seed: int) -> None:
    """Steps by the interpreter are those of JAX and NumPy."""
    made, expected = random_training(*seed, most=2)
    agree(made, interpreted(made), expected, "interpreter")


def check_fit(*seed: int, tile: int | None = None) -> None:
    """Steps by the compiled kernel are those of the interpreter, and of JAX and NumPy.

    tile: rows of a tile, in steps that two threads share; they have the bits of one.
    """
    made, expected = random_training(*seed, most=1, uneven=seed[-1] % 2 == 0)
    agree(made, interpreted(made), expected, "interpreter")
    if tile is None:
        agree(made, fitted(made), expected, "kernel")
        return
    before = made.model._core.copy()
    with short_tiles(tile):
        one = fitted(made, 1)
        agree(made, one, expected, f"kernel in tiles of {tile} rows")
        made.model._core.restore(before)
        for alone, shared in zip(one, fitted(made, 2), strict=True):
            np.testing.assert_array_equal(shared, alone, f"{made}\non two threads")
