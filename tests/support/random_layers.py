"""Random networks in array notation: layers, operators with broadcasting, reductions, losses.

A network is drawn from five tables, to which a new layer or loss adds a row: where the data come
in (STARTS), layers on rows, with noise or without (LAYERS), odd pieces between them (ODD), losses
(LOSSES), penalties (PENALTIES).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy

import symbackprop as sb
from symbackprop.arrays import made, read
from symbackprop.layers import ACTIVATIONS as NAMED

N = sb.size("N")
ACTIVATIONS = [*NAMED, lambda t: t*sb.sigmoid(t), lambda t: sb.exp(-t**2), sb.sin, None,
               lambda t: sb.elu(t, 0.5), lambda t: sb.leaky_relu(t, 0.3)]
ONE_BY_ONE = [a for a in ACTIVATIONS if a not in ("softmax", "log_softmax")]


@dataclass
class Draw:
    """Choices at random, and names that are not taken."""

    rng: np.random.Generator
    taken: dict[str, int] = field(default_factory=dict)

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def width(self, most: int = 5) -> int:
        return int(self.rng.integers(1, most + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def name(self, letter: str) -> str:
        self.taken[letter] = self.taken.get(letter, 0) + 1
        return f"{letter}_{self.taken[letter]}"


def layered_loss(rng: np.random.Generator) -> Any:
    """The loss of a network of one to three layers, of one head or two, as it is in training or,
    now and then, at inference."""
    draw = Draw(rng)
    loss = data_loss(draw)
    if draw.chance(0.5):
        loss = loss + draw.pick(PENALTIES)(weights_of(loss))
    return sb.inference(loss) if draw.chance(0.25) else loss


def data_loss(draw: Draw, most: int = 3) -> Any:
    """The loss without penalties, of a network of at most so many layers."""
    h = rows(draw) if draw.chance(0.6) else draw.pick(STARTS)(draw)
    for _ in range(int(draw.rng.integers(1, most + 1))):
        before = h
        h = draw.pick(LAYERS)(draw, h, draw.width(), draw.pick(ACTIVATIONS))
        if draw.chance(0.3):
            h = draw.pick(ODD)(h)
        if before.axes == h.axes and draw.chance(0.5):
            h = h + before
    loss = draw.pick(LOSSES)(draw, h)
    if draw.chance(0.2):
        share = sb.hyper(draw.name("share"), 0.5)
        loss = loss + share*draw.pick(LOSSES)(draw, sb.layers.dense(h, 2))
    return loss


def weights_of(loss: Any) -> list[Any]:
    """The tensors that a penalty without tensors is of."""
    return list(sb.penalties.weights(sb.program(loss)))


# --- where data come in: a tensor of shape (N, width) --------------------------------------------

def rows(draw: Draw) -> Any:
    return sb.data("x", N, draw.width())


def words(draw: Draw) -> Any:
    """Embedded words, flattened or averaged."""
    classes, length = int(draw.rng.integers(2, 6)), draw.width(3)
    e = sb.layers.embedding(sb.data("g", N, length, facts=[sb.label(classes)]), draw.width(3))
    return draw.pick([sb.layers.flatten, lambda e: e.mean(axis=1), lambda e: e.max(axis=1)])(e)


def image(draw: Draw) -> Any:
    """One or two channels through a convolution and a pool."""
    x = sb.data("x", N, draw.width(2), *(int(length) for length in draw.rng.integers(3, 6, 2)))
    z = sb.layers.convolution(x, draw.width(2), draw.pick([2, 3, (1, 2)]), draw.pick(ONE_BY_ONE),
                              stride=draw.pick([1, 2]), padding=draw.pick([0, 1, (0, 1)]))
    return sb.layers.flatten(pooled(draw, z))


def series(draw: Draw) -> Any:
    x = sb.data("x", N, draw.width(2), int(draw.rng.integers(3, 7)))
    z = sb.layers.convolution(x, draw.width(3), draw.pick([1, 2, 3]), draw.pick(ONE_BY_ONE),
                              padding="same", bias=draw.chance(0.5))
    return sb.layers.flatten(pooled(draw, z))


def pooled(draw: Draw, z: Any) -> Any:
    if min(map(int, z.axes[2:])) < 2:
        return z
    pool = draw.pick([sb.layers.max_pool, sb.layers.mean_pool, lambda z, *_: z])
    return pool(z, 2, draw.pick([None, 1]))


def tokens(draw: Draw) -> Any:
    """A dense layer on each of a few tokens, flattened, averaged or at attention."""
    x = sb.data("x", N, draw.width(3) + 1, int(draw.rng.integers(1, 13)))
    h = sb.layers.dense(x, draw.width(3), draw.pick(ONE_BY_ONE))
    return draw.pick([sb.layers.flatten, lambda h: h.mean(axis=1), attended])(h)


def attended(h: Any) -> Any:
    n, t, u, d = sb.indices("n t u d", N, h.axes[1], h.axes[1], h.axes[2])
    likeness = made((n, t, u), sympy.Sum(read(h, (n, t, d))*read(h, (n, u, d)), d)/4)
    return (sb.softmax(likeness) @ h).sum(axis=1)


def heads(draw: Draw) -> Any:
    """A product for each channel of a convolution."""
    h = sb.layers.convolution(sb.data("x", N, 1, 4, 3), draw.width(3) + 1, 2, draw.pick(ONE_BY_ONE))
    n, c, u, v, j = sb.indices("n c u v j", *h.axes, draw.width(3) + 1)
    W = read(sb.parameter(draw.name("W"), *h.axes[1:], j.upper + 1), (c, u, v, j))
    return sb.layers.flatten(made((n, c, j), sympy.Sum(read(h, (n, c, u, v))*W, u, v)))


STARTS = [words, image, series, tokens, heads]


def plain(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    return sb.layers.dense(h, width, activation)


def folded(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    return sb.layers.dense(h, width, activation, bias="folded")


def by_hand(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    """The product and the bias written out, W stored the other way round."""
    V = sb.parameter(draw.name("V"), width, h.axes[-1])
    c = sb.parameter(draw.name("c"), width)
    return sb.tanh(h @ V.T / 2 + c)


def twice(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    """One weight, used twice."""
    U = sb.parameter(draw.name("U"), h.axes[-1], h.axes[-1])
    return sb.layers.dense(sb.sigmoid(h @ U) - (h @ U.T).mean(axis=-1, keepdims=True), width,
                           activation)


def tied(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    """Two dense layers with one weight."""
    U = sb.parameter(draw.name("U"), h.axes[-1], h.axes[-1])
    inner = sb.layers.dense(h, weight=U, activation="tanh")
    return sb.layers.dense(inner, weight=U.T, activation=activation,
                           bias=sb.parameter(draw.name("c"), h.axes[-1]))


def maxout(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    return sb.layers.maxout(h, width, pieces=draw.pick([2, 3]), bias=draw.chance(0.7))


def normed(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    """Layer norm, with an ε that keeps rows of one entry moderate."""
    h = sb.layers.dense(h, width + 1, activation)
    return sb.layers.layer_norm(h, draw.pick([-1, (0, 1)]) if h.axes[0].is_Integer else -1,
                                draw.chance(0.7), draw.chance(0.7), epsilon=0.25)


def batch_normed(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    """Batch norm between a dense layer and its activation, with an ε as that of layer norm."""
    h = sb.layers.batch_norm(sb.layers.dense(h, width), -1, draw.pick([0.1, 0.5]), 0.25,
                             draw.chance(0.7), draw.chance(0.7))
    return sb.layers.dense(h, width, activation) if draw.chance(0.5) else sb.tanh(h)


def dropped(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    """Dropout behind a dense layer, of entries or of whole samples; inverted or not."""
    return sb.layers.dropout(sb.layers.dense(h, width, activation), draw.pick([0.25, 0.5]),
                             draw.chance(0.5), draw.pick([(), (1,)]))


def shaken(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    """Noise on a weight."""
    V = sb.parameter(draw.name("V"), h.axes[-1], width)
    return sb.layers.dense(h, weight=sb.layers.weight_noise(V, 0.25), activation=activation)


def masked(draw: Draw, h: Any, width: int, activation: Any) -> Any:
    """A noise with a name of its own, of one of three distributions."""
    law = draw.pick([sb.bernoulli(0.75), sb.gaussian(1, 0.25), sb.uniform(-1, 2)])
    return sb.layers.dense(h*sb.noise(draw.name("m"), *h.axes, distribution=law), width,
                           activation)


def of_other_rows(h: Any, place: Any) -> Any:
    """h[n] + h[place(n)]/2, a row of the batch beside each."""
    n, i = sb.indices("n i", *h.axes)
    return made((n, i), read(h, (n, i)) + read(h, (place(n), i))/2)


LAYERS = [plain, plain, plain, folded, by_hand, twice, tied, maxout, normed, batch_normed,
          batch_normed, dropped, dropped, shaken, masked]
ODD = [
    lambda h: h - h.mean(axis=0),
    lambda h: h / (1 + (h**2).sum(axis=1, keepdims=True)),
    lambda h: h - h.max(axis=1, keepdims=True),
    lambda h: sb.log_softmax(h),
    lambda h: sb.softmax(h, axis=0),
    lambda h: sb.maximum(h, -h/2) + sb.minimum(h, 0.75),
    lambda h: h * sb.logsumexp(h, axis=1, keepdims=True),
    lambda h: sb.sqrt(1 + abs(h)) * h,
    lambda h: sb.exp(h/4) / sb.exp(h/4).sum(axis=1, keepdims=True),
    lambda h: (h.T @ h) @ h.T if h.axes[1] == 1 else h,
    lambda h: sb.prelu(h, axis=-1),
    lambda h: sb.layers.jitter(h, 0.25),
    lambda h: of_other_rows(h, lambda n: h.axes[0] - 1 - n),
    lambda h: of_other_rows(h, lambda n: sympy.Mod(n + 1, h.axes[0])),
    lambda h: of_other_rows(h, lambda n: 0),
    lambda h: sb.softmax(h @ h.T / 4) @ h,
]


# --- losses and penalties ------------------------------------------------------------------------

def of_numbers(draw: Draw, h: Any) -> Any:
    """A loss of numbers, now and then with a weight for each sample."""
    y = sb.data(draw.name("y"), *h.axes)
    name = draw.pick(["squared_error", "squared_error", "absolute_error", "huber", "quantile",
                      "poisson", "hinge", "squared_hinge", "elementwise"])
    options = {"huber": {"delta": 0.75}, "quantile": {"tau": 0.9}, "poisson": {"logits": True},
               "hinge": {"margin": 0.5}, "elementwise": {"function": lambda p, y: sympy.log(
                   1 + (p - y)**2)}}.get(name, {})
    return getattr(sb.losses, name)(h, y, **options, sample_weights=weights(draw, h))


def weights(draw: Draw, h: Any) -> Any:
    return sb.data(draw.name("w"), h.axes[0]) if draw.chance(0.25) else None


def of_classes(draw: Draw, h: Any) -> Any:
    """Cross-entropy or a hinge, of one-hot rows or integer labels."""
    classes = h.axes[1]
    y = draw.pick([lambda name: sb.data(name, *h.axes, facts=["one_hot"]),
                   lambda name: sb.data(name, h.axes[0], facts=[sb.label(classes)])])(
        draw.name("y"))
    if draw.chance(0.25):
        return draw.pick([sb.losses.hinge, sb.losses.squared_hinge])(
            h, y, sample_weights=weights(draw, h))
    logits = draw.chance(0.5)
    numbers = [0.25*(1 + k) for k in range(int(classes))] if classes.is_Integer else None
    return sb.losses.cross_entropy(
        h if logits else sb.softmax(h), y, logits, draw.pick([0, 0, 0.25]),
        draw.pick([None, None, numbers, sb.data(draw.name("c"), classes)]), weights(draw, h))


def binary(draw: Draw, h: Any) -> Any:
    logits = draw.chance(0.5)
    return sb.losses.binary_cross_entropy(
        h if logits else sb.sigmoid(h), sb.data(draw.name("y"), *h.axes), logits,
        draw.pick([0, 0.125]), draw.pick([None, (0.5, 2)]), weights(draw, h))


def averaged(draw: Draw, h: Any) -> Any:
    return (sb.tanh(h).sum(axis=1)**2).mean()


def risky(draw: Draw, h: Any) -> Any:
    return sb.losses.credit_risk(sb.sigmoid(h), sb.data(draw.name("y"), *h.axes), 4)


LOSSES = [of_numbers, of_numbers, of_classes, of_classes, binary, averaged, risky]


def smooth_weights(weights: list[Any]) -> Any:
    """Smoothness of the weights that have neighbours."""
    longer = [W for W in weights if W.axes[-1].is_Integer and W.axes[-1] > 1]
    return sb.penalties.smoothness(0.25, *longer) if longer else 0


PENALTIES = [
    lambda weights: sb.penalties.l2(0.25), lambda weights: sb.penalties.l1(0.125),
    lambda weights: sb.penalties.elastic_net(0.125, 0.25),
    lambda weights: sb.penalties.l2({W: 0.25/(1 + k) for k, W in enumerate(weights)} or 0),
    lambda weights: sb.penalties.huber(0.25, 0.5),
    lambda weights: sb.penalties.group_lasso(0.25, axis=0),
    lambda weights: sb.penalties.group_lasso(0.25),
    lambda weights: sb.penalties.sparse_group_lasso(0.125, 0.25),
    lambda weights: sb.penalties.orthogonality(0.125, *weights[:1]),
    smooth_weights,
]
