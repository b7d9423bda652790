"""Random programs from the grammar, with values that keep functions in their domains and off kinks.

    case = random_case(seed)      case.program, case.loss, case.wrt, case.values, case.sizes

One seed is one case, in index notation (`random_expressions`) or in array notation
(`random_layers`).  A draw is thrown away where a value comes near a kink or out of moderate size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import symbackprop as sb
from symbackprop.notation import Program, Tensor
from tests.support.random_layers import layered_loss
from tests.support.random_losses import Maker
from tests.support.random_values import bound, entries, sized, well_behaved

BATCHES = (1, 2, 3, 5, 7, 11, 13)


@dataclass
class Case:
    """A program with values; `str` is what one needs to see a failure again."""

    seed: tuple[int, ...]
    program: Program
    loss: Tensor
    wrt: list[Tensor]
    values: dict[Tensor, np.ndarray]
    sizes: dict[str, int]

    @property
    def named(self) -> dict[str, np.ndarray]:
        names = self.program.names
        return {names[tensor]: value for tensor, value in self.values.items()}

    def __str__(self) -> str:
        names = self.program.names
        lines = [f"random_case(seed={self.seed})  N = {self.sizes}"]
        lines += [f"  {t.role} {names[t]}{list(t.axes)} {[str(f) for f in t.facts]}"
                  for t in self.program.inputs]
        for d in self.program:
            over = f" {d.op}_{d.over}" if d.over else ""
            lines.append(f"  {names[d.target]}[{', '.join(map(str, d.indices))}] ={over} {d.body}")
        return "\n".join(lines)


def random_case(*seed: int, batches: tuple[int, ...] = BATCHES, small: bool = False,
                layers: bool | None = False) -> Case:
    """The case of a seed: draws programs and values until one is well-behaved.

    small: few nodes; layers: in array notation (None: one program in six).
    """
    rng = np.random.default_rng(seed)
    if layers is None:
        layers = bool(rng.random() < 1/6)
    for _ in range(200):
        loss = layered_loss(rng) if layers else Maker(rng, small).loss()
        program = sb.program(loss)
        wrt = [t for t in program.inputs if t.role == "parameter"]
        asked = [t for t in program.inputs if t.role == "data" and not t.facts and t.rank]
        if asked and rng.random() < 0.3:
            wrt.append(asked[0])
        if not wrt or not sized(program) or not bound(program):
            continue
        for _ in range(3):
            sizes = {"N": int(rng.choice(batches)), "M": int(rng.integers(2, 5))}
            values = {t: entries(t, sizes, rng) for t in program.inputs}
            if well_behaved(program, values):
                return Case(seed, program, program.outputs[0], wrt, values, sizes)
    raise AssertionError(f"seed {seed}: no well-behaved program in 200 draws")
