"""Random networks in array notation: layers, operators with broadcasting, reductions, losses."""

from __future__ import annotations

import numpy as np

import symbackprop as sb

ACTIVATIONS = ("tanh", "sigmoid", "softplus", "relu", "leaky_relu", "identity", "softmax",
               lambda t: t*sb.sigmoid(t), lambda t: sb.exp(-t**2), sb.sin, None)


def layered_loss(rng: np.random.Generator):
    """The loss of a network of one to three layers, with odd pieces between them."""
    def pick(options):
        return options[int(rng.integers(len(options)))]

    N, width = sb.size("N"), [int(w) for w in rng.integers(1, 6, 4)]
    h = sb.data("x", N, width[0])
    for number in range(int(rng.integers(1, 4))):
        before = h
        h = pick([plain, plain, by_hand, twice])(h, width[number + 1], pick(ACTIVATIONS), number)
        if rng.random() < 0.3:
            h = pick(ODD)(h)
        if before.axes == h.axes and rng.random() < 0.5:
            h = h + before
    loss = pick([squared, absolute, crossed, labelled, binary, averaged])(h)
    if rng.random() < 0.5:
        loss = loss + pick([sb.penalties.l2(0.25), sb.penalties.l1(0.125),
                            sb.penalties.elastic_net(0.125, 0.25)])
    return loss


def plain(h, width, activation, number):
    return sb.layers.dense(h, width, activation)


def by_hand(h, width, activation, number):
    """The product and the bias written out, W stored the other way round."""
    V = sb.parameter(f"V{number}", width, h.axes[-1])
    c = sb.parameter(f"c{number}", width)
    return sb.tanh(h @ V.T / 2 + c)


def twice(h, width, activation, number):
    """One weight, used twice."""
    U = sb.parameter(f"U{number}", h.axes[-1], h.axes[-1])
    return sb.layers.dense(sb.sigmoid(h @ U) - (h @ U.T).mean(axis=-1, keepdims=True), width,
                           activation)


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
]


def squared(h):
    return sb.losses.squared_error(h, sb.data("y", *h.axes))


def absolute(h):
    return sb.losses.absolute_error(h, sb.data("y", *h.axes))


def crossed(h):
    return sb.losses.cross_entropy(sb.softmax(h), sb.data("y", *h.axes, facts=["one_hot"]))


def labelled(h):
    label = sb.data("y", h.axes[0], facts=[sb.label(h.axes[1])]) if h.axes[1].is_Integer else None
    return squared(h) if label is None else sb.losses.cross_entropy(sb.softmax(h), label)


def binary(h):
    return sb.losses.binary_cross_entropy(sb.sigmoid(h), sb.data("y", *h.axes))


def averaged(h):
    return (sb.tanh(h).sum(axis=1)**2).mean()
