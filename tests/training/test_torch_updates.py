"""Ten steps of each optimizer, compiled, in float32: where torch arrives (tests/fixtures)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from tests.training.networks import classifier

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
    "adam": o.Adam(0.02),
    "adam decay": o.Adam(0.02, 0.8, 0.95, 1e-6, weight_decay=0.05, **ALL),
    "adamw": o.AdamW(0.02, weight_decay=0.1, **ALL),
    "adamw of weights": o.AdamW(0.02, weight_decay=0.1),
    "adamax": o.Adamax(0.02),
    "adamax decay": o.Adamax(0.02, 0.8, 0.9, weight_decay=0.05, **ALL),
    "nadam": o.NAdam(0.02),
    "nadam decay": o.NAdam(0.02, momentum_decay=0.1, weight_decay=0.05, **ALL),
    "nadam decoupled": o.NAdam(0.02, weight_decay=0.1, decoupled=True, **ALL),
    "clip value": o.clip_value(o.SGD(0.1, momentum=0.9), 0.05),
    "clip norm": o.clip_norm(o.SGD(0.1, momentum=0.9), 0.1),
    "clip global norm": o.clip_global_norm(
        o.Adam(0.02, 0.8, 0.95, 1e-6, weight_decay=0.05, **ALL), 0.1),
    "step": o.SGD(s.step(0.3, factor=0.5, epochs=2)),
    "exponential": o.Adam(s.exponential(0.02, 0.8)),
    "cosine": o.SGD(s.cosine(0.1, steps=10, least=0.01), momentum=0.9),
    "cosine by epochs": o.AdamW(s.cosine(0.02, epochs=5), weight_decay=0.1, **ALL),
    "warm-up": o.SGD(s.warmup(0.3, steps=4)),
}


@pytest.fixture(scope="module")
def model() -> sb.Model:
    """One model for all cases: its derivation is made once."""
    made = classifier("float32")
    made.hypers["lam"] = 0.0
    return made


def test_every_recorded_optimizer_is_compared() -> None:
    assert set(OURS) == set(RECORD["after"])


@pytest.mark.parametrize("name", OURS)
def test_ten_steps_arrive_where_torch_arrives(name: str, model: sb.Model) -> None:
    model.parameters.update({n: np.array(a) for n, a in RECORD["start"].items()})
    model.fit(RECORD["X"], RECORD["labels"], epochs=RECORD["epochs"], shuffle=False,
              batch_size=RECORD["batch_size"], optimizer=OURS[name])
    for parameter, expected in RECORD["after"][name].items():
        moved = np.abs(np.array(expected) - RECORD["start"][parameter]).max()
        assert moved > 1e-2
        np.testing.assert_allclose(model.parameters[parameter], expected, rtol=0, atol=1e-6,
                                   err_msg=parameter)
