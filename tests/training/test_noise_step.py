"""What a step with noise and states looks like: definitions, printed."""

from collections.abc import Callable

import symbackprop as sb
from symbackprop.derivation import derive
from symbackprop.training.network import network
from symbackprop.training.step import TrainingStep, training_step


def step() -> TrainingStep:
    """One step of momentum for jitter, a dense layer, batch normalisation and dropout."""
    N = sb.size("N")
    x, y = sb.data("x", N, 4), sb.data("y", N, 2)
    h = sb.layers.batch_norm(sb.layers.dense(sb.layers.jitter(x, 0.1), 3))
    o = sb.layers.dense(sb.layers.dropout(h, 0.5), 2)
    found = network(x, y, o, sb.losses.squared_error(o, y))
    derived = derive(found.loss)
    return training_step(found.loss, {t: derived.gradient(t) for t in found.trained},
                         sb.optimizers.SGD(0.1, momentum=0.9).rule, found.names,
                         carried=found.updates, batch=found.batch)


def test_a_step_with_noise_is_a_program_that_reads_as_written(
        golden: Callable[[str, str], None]) -> None:
    made = step()
    names = made.program.names
    updates = "\n".join(f"{names.get(old, old.name)} ← {names[new]}"
                        for old, new in made.program.updates)
    golden("noise.step.txt", f"{made.program}\n{updates}\n")
