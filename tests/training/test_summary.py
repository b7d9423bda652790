"""The table of layers counts as the lectures do."""

import symbackprop as sb
from symbackprop.training import Model
from symbackprop.training.summary import layers
from tests.training.networks import classifier


def test_a_3_4_2_network_has_16_and_10_parameters() -> None:
    model = classifier()
    assert [layer.count for layer in layers(model._network)] == [4 * 3 + 4, 2 * 4 + 2]
    lines = str(model.summary()).splitlines()
    assert lines[0].split() == ["layer", "shape", "parameters", "count"]
    assert lines[2].split("  ")[0] == "h"
    assert lines[2].endswith("3·4 + 4 = 16")
    assert lines[3].startswith("p      (N, 2)  W2 (4, 2), b2 (2,)")
    assert lines[3].endswith("4·2 + 2 = 10")
    assert lines[-1].endswith("26 in all")


def test_layer_notation_has_the_same_rows() -> None:
    N = sb.size("N")
    x, y = sb.data("x", N, 3), sb.data("y", N, 2, facts=["one_hot"])
    p = sb.softmax(sb.layers.dense(sb.layers.dense(x, 4, "tanh"), 2))
    model = Model(inputs=x, targets=y, output=p,
                  loss=sb.losses.cross_entropy(p, y) + sb.penalties.l2(1e-4))
    assert [(layer.name[0], layer.count) for layer in layers(model._network)] == \
        [("h", 16), ("p", 10)]


def test_parameters_that_only_the_loss_reads_have_a_row() -> None:
    i = sb.indices("i", 4)
    a, w = sb.data("a", i), sb.parameter("w", i)
    model = Model(inputs=a, loss=((w - a)**2).sum())
    assert [(layer.name, layer.count) for layer in layers(model._network)] == [("loss", 4)]


def test_a_summary_shows_itself_at_a_prompt() -> None:
    summary = classifier().summary()
    assert repr(summary) == str(summary)
