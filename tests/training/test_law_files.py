"""A file with noise and states holds laws of a closed grammar; others are refused."""

from pathlib import Path
from typing import Any

import pytest

import symbackprop as sb
from symbackprop.training import Model
from tests.training.test_files import FILE, changed

N = sb.size("N")


def law(record: dict[str, Any], place: int, value: Any, role: str = "noise") -> None:
    """Put another value into the law of the first tensor of this role."""
    next(t for t in record["tensors"] if t["role"] == role)["law"][place] = value



def asked(record: dict[str, Any]) -> list[Any]:
    """What the first tensor that asks for ranges of hypers asks."""
    return next(t["law"] for t in record["tensors"] if t["law"] and t["law"][0] == "asks")


@pytest.mark.parametrize("change", [
    lambda r: law(r, 0, "__import__('os')"),
    lambda r: law(r, 0, "carried"),
    lambda r: law(r, 0, "uniform"),
    lambda r: law(r, 1, 10**6),
    lambda r: law(r, 0, "bernoulli", "state"),
    lambda r: law(r, 1, "1", "state"),
    lambda r: law(r, 1, [1.0, 2.0, 3.0], "state"),
    lambda r: law(r, 1, [1.0, 2.0, 3.0, "4"], "state"),
    lambda r: law(r, 2, -1, "state"),
    lambda r: law(r, 2, 0, "state"),
    lambda r: r["tensors"][0].__setitem__("law", ["bernoulli", 0]),
    lambda r: asked(r).__setitem__(1, [r["definitions"][0][2], "share"]),
    lambda r: asked(r)[1].__setitem__(1, "any"),
    lambda r: asked(r)[1].__setitem__(0, 10**6),
    lambda r: r["tensors"][0].__setitem__("law", asked(r)),
    lambda r: r["inference"].pop(),
    lambda r: r["inference"].reverse(),
    lambda r: r["inference"].__setitem__(0, "L"),
])
def test_a_file_with_a_law_that_is_none_is_refused(tmp_path: Path, change: Any) -> None:
    x, y = sb.data("x", N, 4), sb.data("y", N, 2)
    o = sb.layers.dense(sb.layers.batch_norm(sb.layers.dropout(x, 0.5)), 2)
    model = Model(inputs=x, targets=y, output=o, loss=sb.losses.squared_error(o, y))
    model.save(tmp_path / FILE)
    Model.load(tmp_path / FILE)
    changed(tmp_path / FILE, change)
    with pytest.raises(sb.InputError, match="is damaged"):
        Model.load(tmp_path / FILE)
