"""Numbers of one model for another: parameters and states by name; all fit, or none moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symbackprop.errors import InputError
from symbackprop.training.core import Core

__all__ = ["transfer"]


def transfer(core: Core, other: Any, names: Any = None) -> tuple[str, ...]:
    """Copy these arrays of another model or dictionary; the names that were copied.

    names: one, a list, a dictionary own name -> the other's, None for all that both have.
    """
    own = {**core.parameters, **core.states}
    others = ({**other.parameters, **other.states}
              if hasattr(other, "parameters") and hasattr(other, "states") else other)
    if not isinstance(others, Mapping):
        raise InputError("parameters come from a Model or a dictionary name -> array; found "
                         f"{type(others).__name__}")
    fitted = {}
    for name, source in _pairs(own, others, names).items():
        group = core.states if name in core.states else core.parameters
        group[name]  # raises InputError for a name that the model does not have
        if source not in others:
            raise InputError(f"the other has no parameter {source!r}; it has {_listed(others)}")
        fitted[name] = group.checked(name, others[source])
    core.restore(fitted)
    return tuple(fitted)


def _pairs(own: Mapping[str, Any], others: Mapping[Any, Any], names: Any) -> dict[str, Any]:
    """Own name -> the other's."""
    if names is None:
        names = [name for name in own if name in others]
        if not names:
            raise InputError(f"no name is common to both: this model has {_listed(own)}, the "
                             f"other {_listed(others)}; give pairs {{own name: other's}}")
    several = [names] if isinstance(names, str) else names
    try:
        return dict(several) if isinstance(several, Mapping) else {n: n for n in several}
    except TypeError as error:
        raise InputError("names are a name, a list of names, or a dictionary own name -> the "
                         f"other's; found {names!r}") from error


def _listed(names: Mapping[Any, Any]) -> str:
    return ", ".join(map(str, names)) or "none"
