"""emit(kernel): a readable Numba module with one function.

A kernel for training wraps the stages in a loop over the steps of an order of rows, and gathers
each batch first.
"""

from __future__ import annotations

from collections.abc import Iterator

from symbackprop.codegen.emission import Emission
from symbackprop.codegen.ir import Kernel
from symbackprop.codegen.layout import Argument, Module, indented, module
from symbackprop.codegen.sharing import THREADS, WAIT, shared_lines
from symbackprop.notation import Tensor


def emit(kernel: Kernel, dtype: str) -> Module:
    """The module of a kernel that evaluates once: kernel(sizes, inputs, outputs, slots)."""
    emission = Emission(kernel)
    arguments = [*emission.given(()), *emission.outputs(), *emission.slots()]
    lines = [*emission.stages(), *emission.returned()]
    return module("kernel", arguments, lines or ["return"], dtype)


def emit_training(kernel: Kernel, gathered: tuple[Tensor, ...], loss: Tensor, dtype: str) -> Module:
    """The module of a kernel that runs steps: train(order, batch_size, inputs, slots, losses).

    Each run of the order, e.g. an epoch, ends with a batch of its own, which may be smaller.
    It returns the sum over the steps of loss·rows in float64.  A kernel in regions is run by
    several threads, each with its number; thread 0 keeps the losses.
    """
    emission = Emission(kernel, gathered)
    batch = () if kernel.batch is None else (kernel.batch,)
    arguments = [
        Argument("order", "order"), Argument("batch_size", "batch_size"),
        *(THREADS if kernel.regions else ()),
        *emission.given((*gathered, *batch)), *emission.gathers(gathered), *emission.slots(),
        Argument("losses", "losses"),
    ]
    rows = emission.scope.sizes.get(kernel.batch, "rows")
    value = emission.scope.entry(loss.symbol)
    record = [f"losses[run, first//batch_size] = {value}",
              f"sum_of_losses += float64({value})*float64({rows})"]
    if kernel.regions:
        record = ["if thread == 0:", *indented(record), *([WAIT] if kernel.ends_waiting else [])]
    step = [
        f"{rows} = min(batch_size, order.shape[1] - first)",
        *(shared_lines(emission) if kernel.regions else _stages(emission, gathered)), "", *record]
    steps = ["for first in range(0, order.shape[1], batch_size):", *indented(step)]
    lines = ["control = flush_denormals()", "sum_of_losses = 0.0",
             "for run in range(order.shape[0]):", *indented(steps),
             "restore(control)", "return sum_of_losses"]
    return module("train", arguments, lines, dtype)


def _stages(emission: Emission, gathered: tuple[Tensor, ...]) -> Iterator[str]:
    for tensor in gathered:
        yield from emission.gathering(tensor)
    yield from emission.stages()
