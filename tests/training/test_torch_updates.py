"""Ten steps of each optimizer arrive where torch arrives in float32 (tests/fixtures).

One of each kind is compiled in float32; the variants are run by the interpreter.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from tests.training.networks import classifier
from tests.training.updates import interpreted

RECORD = json.loads((Path(__file__).parent.parent / "fixtures/torch_updates.json").read_text())
o, s = sb.optimizers, sb.schedules
ALL = {"decay_biases": True}

OURS: dict[str, Any] = {
    "sgd": o.SGD(0.3),
    "sgd decay": o.SGD(0.3, weight_decay=0.05, **ALL),
    "sgd decay of weights": o.SGD(0.3, weight_decay=0.05),
    "momentum": o.SGD(0.1, momentum=0.9),
    "momentum decay": o.SGD(0.1, momentum=0.9, weight_decay=0.05, **ALL),
    "nesterov": o.SGD(0.1, momentum=0.9, nesterov=True),
    "adagrad": o.AdaGrad(0.1),
    "adagrad decay": o.AdaGrad(0.1, weight_decay=0.05, **ALL),
    "rmsprop": o.RMSProp(),
    "rmsprop centred momentum": o.RMSProp(alpha=0.9, centred=True, momentum=0.5, epsilon=1e-3),
    "rmsprop decay": o.RMSProp(alpha=0.9, momentum=0.5, weight_decay=0.05, **ALL),
    "adam": o.Adam(0.01),
    "adam decay": o.Adam(0.01, 0.8, 0.95, 1e-6, weight_decay=0.05, **ALL),
    "adamw": o.AdamW(0.01, weight_decay=0.1, **ALL),
    "adamw of weights": o.AdamW(0.01, weight_decay=0.1),
    "adamax": o.Adamax(0.01),
    "adamax decay": o.Adamax(0.01, 0.8, 0.9, weight_decay=0.05, **ALL),
    "nadam": o.NAdam(0.01),
    "nadam decay": o.NAdam(0.01, momentum_decay=0.1, weight_decay=0.05, **ALL),
    "nadam decoupled": o.NAdam(0.01, weight_decay=0.1, decoupled=True, **ALL),
    "clip value": o.clip_value(o.SGD(0.1, momentum=0.9), 0.05),
    "clip norm": o.clip_norm(o.SGD(0.1, momentum=0.9), 0.1),
    "clip global norm": o.clip_global_norm(
        o.Adam(0.01, 0.8, 0.95, 1e-6, weight_decay=0.05, **ALL), 0.1),
    "step": o.SGD(s.step(0.3, factor=0.5, epochs=2)),
    "exponential": o.Adam(s.exponential(0.01, 0.8)),
    "cosine": o.SGD(s.cosine(0.1, steps=10, least=0.01), momentum=0.9),
    "cosine by epochs": o.AdamW(s.cosine(0.01, epochs=5), weight_decay=0.1, **ALL),
    "warm-up": o.SGD(s.warmup(0.3, steps=4)),
}


COMPILED = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "adamax",
            "nadam", "clip global norm", "cosine by epochs")
START = {name: np.array(array) for name, array in RECORD["start"].items()}
X, LABELS = np.array(RECORD["X"]), np.array(RECORD["labels"])


def model(dtype: str) -> sb.Model:
    made = classifier(dtype)
    made.hypers["lam"] = 0.0
    made.parameters.update(START)
    return made


@pytest.fixture(scope="module")
def single() -> sb.Model:
    """One model for all compiled cases: its derivation is made once."""
    return model("float32")


@pytest.fixture(scope="module")
def double() -> sb.Model:
    return model("float64")


def check(name: str, found: Mapping[str, Any]) -> None:
    for parameter, expected in RECORD["after"][name].items():
        assert np.abs(expected - START[parameter]).max() > 1e-2
        np.testing.assert_allclose(found[parameter], expected, rtol=0, atol=1e-6,
                                   err_msg=parameter)


def test_every_recorded_optimizer_is_compared() -> None:
    assert set(OURS) == set(RECORD["after"])


@pytest.mark.parametrize("name", COMPILED)
def test_ten_compiled_steps_in_float32_are_those_of_torch(name: str, single: sb.Model) -> None:
    single.parameters.update(START)
    single.fit(X, LABELS, epochs=RECORD["epochs"], shuffle=False,
               batch_size=RECORD["batch_size"], optimizer=OURS[name])
    check(name, single.parameters)


@pytest.mark.parametrize("name", OURS)
def test_ten_steps_in_float64_are_those_of_torch(name: str, double: sb.Model) -> None:
    size = RECORD["batch_size"]
    epoch = [np.arange(first, first + size) for first in range(0, len(X), size)]
    check(name, interpreted(double, OURS[name], X, np.eye(2)[LABELS], epoch * RECORD["epochs"],
                            per_epoch=len(epoch)))
