"""The systems that are measured: which module speaks for each, and where it is installed.

A peer is a module with a class that `protocol.serve` runs in a process of its own.  An environment
is a virtual environment under benchmarks/.peers/, built on first use; "" is the checkout's own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

# A CPU build of torch, by the first of these that pip can install; the default wheel is far larger.
TORCH = os.environ.get("BENCHMARKS_TORCH", "")


@dataclass(frozen=True, slots=True)
class Peer:
    """name as in the tables; module that is run; environment; what the table says of it."""

    name: str
    module: str
    environment: str
    about: str


# environment: arguments of pip install, the first that succeeds
ENVIRONMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "jax": (("jax>=0.5", "numpy"),),
    "torch": ((TORCH, "numpy"),) if TORCH else (
        ("torch==2.13.0+cpu", "numpy"),
        ("torch", "numpy", "--index-url", "https://download.pytorch.org/whl/cpu"),
        ("torch", "numpy"),
    ),
    "sklearn": (("scikit-learn>=1.5",),),
    "pytensor": (("pytensor", "numba<=0.65"),),
}

PEERS = {peer.name: peer for peer in (
    Peer("this", "benchmarks.peers.this", "",
         "the compiled training kernel, one call a round, the order of rows given"),
    Peer("fit", "benchmarks.peers.this_fit", "",
         "Model.fit as a user calls it: checks, shuffling and history are in its time"),
    Peer("jax", "benchmarks.peers.jax_scan", "jax",
         "one jitted call a round: lax.scan over the steps, donated parameters"),
    Peer("torch", "benchmarks.peers.torch_eager", "torch",
         "eager: nn.functional, autograd, torch.optim"),
    Peer("torch-compile", "benchmarks.peers.torch_compile", "torch",
         "the loss through torch.compile, torch.optim"),
    Peer("sklearn", "benchmarks.peers.sklearn_mlp", "sklearn",
         "MLPClassifier.partial_fit, one call a round"),
    Peer("pytensor", "benchmarks.peers.pytensor_numba", "pytensor",
         "Numba backend, one compiled function called for each step, shared variables"),
)}
