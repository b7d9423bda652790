"""The measured networks as a user of this library declares them."""

from __future__ import annotations

from typing import Any

import symbackprop as sb
from benchmarks.networks import PENALTY


def classifier(widths: tuple[int, ...], activation: str) -> tuple[Any, Any, Any, Any]:
    """(x, y, p, L): dense layers, softmax, cross-entropy and an L2 penalty."""
    rows = sb.size("N")
    x = sb.data("x", rows, widths[0])
    y = sb.data("y", rows, widths[-1], facts=["one_hot"])
    h = x
    for width in widths[1:-1]:
        h = sb.layers.dense(h, width, activation)
    p = sb.softmax(sb.layers.dense(h, widths[-1]))
    return x, y, p, sb.losses.cross_entropy(p, y) + sb.penalties.l2(PENALTY)
