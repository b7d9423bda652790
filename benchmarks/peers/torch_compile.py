"""PyTorch, compiled: forward and backward pass by torch.compile, the step by torch.optim."""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

import torch

from benchmarks.peers.torch_eager import Torch


class Compiled(Torch):
    """As eager, but for the loss."""

    def _loss(self) -> Any:
        return torch.compile(super()._loss())


if __name__ == "__main__":
    serve(Compiled)
