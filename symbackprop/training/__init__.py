"""Training: a whole training step is one Program, and a compiled call runs many steps."""

from symbackprop.training.model import Model

__all__ = ["Model"]
