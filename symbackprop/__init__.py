"""Symbolic back-propagation: declare a network, read its gradient formulas, train it compiled.

Names are loaded on first use, so that `import symbackprop` stays light (no Numba, no SciPy).
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "symbackprop.declare": (
        "size indices data parameter hyper define one_hot simplex label positive symmetric"
    ),
    "symbackprop.randomness": "noise state bernoulli gaussian uniform",
    "symbackprop.averaging": "inference",
    "symbackprop.notation": "Maximum Minimum Definition Program Tensor",
    "symbackprop.functions": "Iverson",
    "symbackprop.elementwise": (
        "exp log sqrt tanh sigmoid relu leaky_relu softplus softmax log_softmax logsumexp "
        "sin cos absolute maximum minimum identity"
    ),
    "symbackprop.activations": (
        "elu selu prelu gelu gelu_tanh silu hard_sigmoid hard_tanh hard_swish"
    ),
    "symbackprop.collect": "program",
    "symbackprop.checks": "verify",
    "symbackprop.derivation": "derive Derivation",
    "symbackprop.explanation": "explain Explanation",
    "symbackprop.proximity": "proximal",
    "symbackprop.diagnosis": "diagnose",
    "symbackprop.interpreter": "evaluate",
    "symbackprop.errors": (
        "SymbackpropError DeclarationError ProgramError DerivationError CompilationError "
        "InputError TrainingError"
    ),
    "symbackprop.codegen": "compile",
    "symbackprop.training": "Model restarts cross_validate split",
}
_MODULES = {
    "layers": "symbackprop.layers",
    "losses": "symbackprop.losses",
    "penalties": "symbackprop.penalties",
    "constraints": "symbackprop.constraints",
    "optimizers": "symbackprop.training.optimizers",
    "schedules": "symbackprop.training.schedules",
    "callbacks": "symbackprop.training.callbacks",
}
_HOME_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = sorted([*_HOME_OF, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'symbackprop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
