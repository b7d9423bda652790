"""Training: a whole training step is one Program, and a compiled call runs many steps."""

from symbackprop.training.model import Model
from symbackprop.training.restarting import restarts
from symbackprop.training.splits import split
from symbackprop.training.validating import cross_validate

__all__ = ["Model", "cross_validate", "restarts", "split"]
