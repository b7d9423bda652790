"""Settings of fit and Model as a user gives them, checked: each error says what to write."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from symbackprop.errors import InputError, TrainingError
from symbackprop.training.loop import Plan
from symbackprop.training.optimizer import Optimizer

__all__ = ["known_dtype", "known_number", "known_seed", "known_threads", "plan_of"]

BATCH = 32


def plan_of(rows: int, epochs: Any, batch_size: Any, shuffle: Any, seed: Any,
            optimizer: Optimizer) -> Plan:
    """The plan of a fit over so many rows; a batch is never larger than all of them."""
    epochs = _whole("epochs", epochs)
    if isinstance(batch_size, str) and batch_size == "auto":
        batch_size = None if optimizer.full_batch else BATCH
    batch = rows if batch_size is None else _whole("batch_size", batch_size, ', None or "auto"')
    if batch < rows and optimizer.full_batch:
        raise TrainingError(f"this optimizer takes the gradient over all {rows} rows, "
                            f"but batch_size is {batch}; leave it out, or train with SGD or Adam")
    if not isinstance(shuffle, bool):
        raise TrainingError(f"shuffle must be True or False; found {shuffle!r}")
    return Plan(rows, min(batch, rows), epochs, shuffle and batch < rows, known_seed(seed))


def _whole(what: str, value: Any, otherwise: str = "") -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < 1:
        raise TrainingError(f"{what} must be a whole number, at least 1{otherwise}; "
                            f"found {value!r}")
    return int(value)


def known_threads(threads: Any) -> int | None:
    """None, or a number of threads."""
    return None if threads is None else _whole("threads", threads, " or None")


def known_number(what: str, value: Any) -> int:
    """A whole number, at least 1."""
    return _whole(what, value)


def known_seed(seed: Any) -> int | None:
    """None, or a whole number that NumPy's generators take."""
    if seed is None:
        return None
    if isinstance(seed, Integral) and not isinstance(seed, bool) and int(seed) >= 0:
        return int(seed)
    raise TrainingError(f"seed must be a whole number, at least 0, or None; found {seed!r}")


def known_dtype(dtype: Any) -> str:
    """float32 or float64, from that name or the NumPy type."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype))
    if name not in ("float32", "float64"):
        raise InputError(f'dtype must be "float32" or "float64", found {dtype!r}')
    return str(name)
