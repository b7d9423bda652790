"""Models of the layers and losses: summary, files, weights of samples, several outputs."""

from pathlib import Path

import numpy as np

import symbackprop as sb
from symbackprop.training import Model

N = sb.size("N")
layers, losses = sb.layers, sb.losses


def image_model() -> Model:
    x, y = sb.data("x", N, 1, 8, 8), sb.data("y", N, 3, facts=["one_hot"])
    h = layers.max_pool(layers.convolution(x, 4, 3, "relu", padding=1), 2)
    h = layers.layer_norm(layers.flatten(layers.convolution(h, 6, 3, sb.prelu)))
    p = layers.dense(h, 3, "softmax")
    return Model(inputs=x, targets=y, output=p, loss=losses.cross_entropy(p, y, smoothing=0.1))


def test_the_summary_counts_kernels_slopes_and_scales() -> None:
    text = str(image_model().summary())
    assert "4·1·3·3 + 4 = 40" in text
    assert "6·4·3·3 + 6 + 1 + 24 + 24 = 271" in text
    assert "24·3 + 3 = 75" in text
    assert "386 in all" in text


def test_a_convolutional_net_is_saved_and_loaded(tmp_path: Path) -> None:
    model = image_model()
    assert model.parameters["alpha1"] == 0.25
    assert (model.parameters["scale1"] == 1).all()
    model.save(tmp_path / "net.safetensors")
    other = Model.load(tmp_path / "net.safetensors")
    X = np.random.default_rng(0).normal(size=(5, 1, 8, 8))
    found = other.predict(X)
    assert found.shape == (5, 3)
    assert found.tobytes() == model.predict(X).tobytes()


def test_every_activation_is_saved_and_loaded(tmp_path: Path) -> None:
    x = sb.data("x", N, 3)
    h = sum((layers.dense(x, 2, name) for name in layers.ACTIVATIONS), start=0)
    model = Model(inputs=x, output=h, loss=(h**2).mean())
    model.save(tmp_path / "net.safetensors")
    other = Model.load(tmp_path / "net.safetensors")
    lines = [sorted(str(m._network.program).splitlines()) for m in (other, model)]
    assert lines[0] == lines[1]


def test_words_are_learned_by_an_embedding_and_a_convolution() -> None:
    """The class is whether word 3 ever comes before word 5; weights of samples are data."""
    w, y = sb.data("w", N, 6, facts=[sb.label(8)]), sb.data("y", N, facts=[sb.label(2)])
    s = sb.data("s", N)
    h = layers.convolution(layers.embedding(w, 5), 6, 3, "elu")  # the words are the channels
    z = layers.dense(layers.flatten(h), 2)
    model = Model(inputs=[w, s], targets=y, output=sb.softmax(z), seed=1,
                  loss=losses.cross_entropy(z, y, logits=True, sample_weights=s))
    rng = np.random.default_rng(0)
    W = rng.integers(0, 8, (600, 6))
    Y = np.array([3 in row and 5 in row[list(row).index(3):] for row in W.tolist()]).astype(int)
    S = np.where(rng.random(600) < 0.3, 0.0, 1.0)
    wrong = np.where(S == 0, 1 - Y, Y)  # what has no weight says the contrary
    model.fit([W, S], wrong, epochs=60, batch_size=50, optimizer=sb.optimizers.Adam(0.01),
              verbose=False)
    assert (model.predict([W, S]).argmax(axis=1) == Y).mean() > 0.9


def test_several_outputs_are_trained_on_a_weighted_sum_of_losses() -> None:
    x = sb.data("x", N, 3)
    y, u = sb.data("y", N, 1), sb.data("u", N, facts=[sb.label(2)])
    h = layers.dense(x, 8, "gelu")
    a, z = layers.dense(h, 1), layers.dense(h, 2)
    loss = 0.5*losses.huber(a, y) + losses.cross_entropy(z, u, logits=True)
    model = Model(inputs=x, targets=[y, u], output=[a, sb.softmax(z)], loss=loss)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    Y, U = (X @ [1, -2, 0.5])[:, None], (X[:, 0]*X[:, 1] > 0).astype(int)
    history = model.fit(X, [Y, U], epochs=80, batch_size=32, verbose=False,
                        optimizer=sb.optimizers.Adam(0.02))
    assert history["loss"][-1] < 0.3*history["loss"][0]
    found, p = model.predict(X)
    assert np.mean((found - Y)**2) < 0.1
    assert (p.argmax(axis=1) == U).mean() > 0.9
