"""Where plots are drawn: given axes, or those of a new figure of pyplot; matplotlib is optional."""

from __future__ import annotations

from typing import Any

from symbackprop.errors import TrainingError

__all__ = ["axes_of"]


def axes_of(given: Any) -> Any:
    """The given axes of matplotlib, or those of a new figure of pyplot, without the upper frame.

    Raises TrainingError where matplotlib is not installed.
    """
    if given is None:
        try:
            from matplotlib import pyplot  # lazy: only who plots needs it
        except ImportError as error:
            raise TrainingError('plot needs matplotlib: pip install "symbackprop[demo]"; '
                                "print(…) shows the same numbers") from error
        given = pyplot.subplots(layout="constrained")[1]
    if not hasattr(given, "plot") or not hasattr(given, "set_xlabel"):
        raise TrainingError(f"plot draws into axes of matplotlib; found {type(given).__name__}")
    given.spines[["top", "right"]].set_visible(False)
    return given
