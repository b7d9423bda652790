"""Every activation, layer and loss as a row, with the same thing written in JAX's own functions.

    Row(name, declare, reference)     declare() -> a tensor or loss; reference(arrays) -> its value

`arrays` holds the inputs by name, parameters by the names that the program gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

import symbackprop as sb
from tests.support.jax_oracle import jax, jnp

lax, nn = jax.lax, jax.nn
ROWS = 5
N = sb.size("N")


@dataclass(frozen=True)
class Row:
    """declare: a tensor of the repertoire; reference: its value from inputs by name."""

    name: str
    declare: Callable[[], Any]
    reference: Callable[[dict[str, Any]], Any]

    def __str__(self) -> str:
        return self.name


def x_of(*axes: int) -> Any:
    return sb.data("x", N, *axes)


# --- activations: a name that dense knows, and the function of JAX -------------------------------

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda t: t, "relu": nn.relu, "tanh": jnp.tanh, "sigmoid": nn.sigmoid,
    "softplus": nn.softplus, "leaky_relu": lambda t: nn.leaky_relu(t, 0.1), "elu": nn.elu,
    "selu": nn.selu, "gelu": lambda t: nn.gelu(t, approximate=False),
    "gelu_tanh": lambda t: nn.gelu(t, approximate=True), "silu": nn.silu,
    "hard_sigmoid": nn.hard_sigmoid, "hard_tanh": nn.hard_tanh, "hard_swish": nn.hard_swish,
    "softmax": nn.softmax, "log_softmax": nn.log_softmax,
}


def _functions() -> list[Row]:
    rows = [Row(f"sb.{name}", lambda name=name: getattr(sb, name)(3*x_of(4)),
                lambda a, f=function: f(3*a["x"])) for name, function in ACTIVATIONS.items()]
    return [
        *rows,
        Row("elu, alpha 1/2", lambda: sb.elu(x_of(4), 0.5), lambda a: nn.elu(a["x"], 0.5)),
        Row("elu, alpha learned", lambda: sb.elu(x_of(4), sb.parameter("s", 4)),
            lambda a: nn.elu(a["x"], a["s"])),
        Row("leaky_relu, slope 0.3", lambda: sb.leaky_relu(x_of(4), 0.3),
            lambda a: nn.leaky_relu(a["x"], 0.3)),
        Row("prelu, one slope", lambda: sb.prelu(x_of(4)),
            lambda a: nn.leaky_relu(a["x"], a["alpha1"])),
        Row("prelu, one for each unit", lambda: sb.prelu(x_of(4), axis=-1),
            lambda a: nn.leaky_relu(a["x"], a["alpha1"])),
        Row("prelu, one for each channel", lambda: sb.prelu(x_of(3, 4), axis=1),
            lambda a: nn.leaky_relu(a["x"], a["alpha1"][:, None])),
        *(Row(f"softmax over axis {axis}", lambda axis=axis: sb.softmax(x_of(3, 4), axis=axis),
              lambda a, axis=axis: nn.softmax(a["x"], axis=axis)) for axis in (0, 1, 2, (1, 2))),
    ]


# --- layers --------------------------------------------------------------------------------------

def conv(x: Any, W: Any, strides: tuple[int, ...], padding: Any) -> Any:
    pads = padding if isinstance(padding, str) else [(p, p) for p in padding]
    form = ("NCHW", "OIHW", "NCHW") if x.ndim == 4 else ("NCH", "OIH", "NCH")
    return lax.conv_general_dilated(x, W, strides, pads, dimension_numbers=form)


def pool(x: Any, start: float, f: Any, size: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    return lax.reduce_window(x, start, f, (1, 1, *size), (1, 1, *stride), "VALID")


def normed(x: Any, axis: Any) -> Any:
    mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean)/jnp.sqrt(var + 1e-5)


def _tied() -> Any:
    W = sb.parameter("V", 4, 4)
    h = sb.layers.dense(x_of(4), weight=W, activation="tanh")
    h = sb.layers.dense(h, 4, weight=W, bias=False)
    return sb.layers.dense(h, weight=W.T, bias=sb.parameter("c", 4))


def _affine(a: dict[str, Any], k: int = 1) -> Any:
    return a["x"] @ a[f"W{k}"] + a[f"b{k}"]


def _layers() -> list[Row]:
    layers = sb.layers
    rows = [Row(f"dense, {name}", lambda name=name: layers.dense(x_of(4), 3, name),
                lambda a, f=f: f(_affine(a))) for name, f in ACTIVATIONS.items()]
    words = [sb.data("w", N, facts=[sb.label(6)]), sb.data("w", N, 3, facts=[sb.label(6)])]
    return [
        *rows,
        Row("dense, prelu", lambda: layers.dense(x_of(4), 3, "prelu"),
            lambda a: nn.leaky_relu(_affine(a), a["alpha1"])),
        Row("dense, bias folded", lambda: layers.dense(x_of(4), 3, "tanh", bias="folded"),
            lambda a: jnp.tanh(jnp.c_[a["x"], jnp.ones(len(a["x"]))] @ a["W1"])),
        Row("dense, bias given", lambda: layers.dense(x_of(4), 3, bias=sb.parameter("c", 3)),
            lambda a: a["x"] @ a["W1"] + a["c"]),
        Row("one weight in three places", _tied, lambda a: (
            jnp.tanh(a["x"] @ a["V"] + a["b"]) @ a["V"] @ a["V"].T + a["c"])),
        Row("maxout", lambda: layers.maxout(x_of(4), 3, pieces=3), lambda a: jnp.max(
            jnp.einsum("ni,ijp->njp", a["x"], a["W1"]) + a["b1"], axis=-1)),
        Row("layer norm", lambda: layers.layer_norm(x_of(4)),
            lambda a: normed(a["x"], -1)*a["scale1"] + a["shift1"]),
        Row("layer norm over two axes", lambda: layers.layer_norm(x_of(3, 4), axis=(1, 2)),
            lambda a: normed(a["x"], (1, 2))*a["scale1"] + a["shift1"]),
        Row("layer norm of channels", lambda: layers.layer_norm(x_of(3, 4), 1, shift=False),
            lambda a: normed(a["x"], 1)*a["scale1"][:, None]),
        Row("residual", lambda: layers.dense(h := layers.dense(x_of(4), 4, "tanh"), 4, "relu") + h,
            lambda a: (h := jnp.tanh(_affine(a))) + nn.relu(h @ a["W2"] + a["b2"])),
        Row("embedding", lambda: layers.embedding(words[0], 4), lambda a: a["E1"][a["w"]]),
        Row("embedding of series", lambda: layers.embedding(words[1], 2),
            lambda a: a["E1"][a["w"]]),
        Row("flatten", lambda: layers.flatten(x_of(2, 3, 4)), lambda a: a["x"].reshape(-1, 24)),
        Row("convolution of series", lambda: layers.convolution(x_of(2, 7), 3, 3, "relu"),
            lambda a: nn.relu(conv(a["x"], a["W1"], (1,), (0,)) + a["b1"][:, None])),
        Row("convolution, stride 2, padding 1",
            lambda: layers.convolution(x_of(2, 6, 7), 3, (3, 2), stride=(2, 3), padding=(1, 2)),
            lambda a: conv(a["x"], a["W1"], (2, 3), (1, 2)) + a["b1"][:, None, None]),
        Row("convolution, same", lambda: layers.convolution(
            x_of(2, 4, 4), 3, (3, 2), "softmax", padding="same", bias=False),
            lambda a: nn.softmax(conv(a["x"], a["W1"], (1, 1), "SAME"), axis=1)),
        Row("max pooling", lambda: layers.max_pool(x_of(2, 5, 4), 2),
            lambda a: pool(a["x"], -jnp.inf, lax.max, (2, 2), (2, 2))),
        Row("max pooling of overlapping windows", lambda: layers.max_pool(x_of(2, 7), 3, stride=2),
            lambda a: pool(a["x"], -jnp.inf, lax.max, (3,), (2,))),
        Row("mean pooling", lambda: layers.mean_pool(x_of(2, 5, 6), (2, 3), stride=1),
            lambda a: pool(a["x"], 0., lax.add, (2, 3), (1, 1))/6),
        Row("convolutional net", _net, _net_reference),
    ]


def _net() -> Any:
    h = sb.layers.convolution(x_of(1, 8, 8), 2, 3, "relu", padding=1)
    h = sb.layers.max_pool(sb.layers.convolution(h, 3, 3, "elu", stride=2), 2, stride=1)
    return sb.layers.dense(sb.layers.flatten(h), 3, "softmax")


def _net_reference(a: dict[str, Any]) -> Any:
    h = nn.relu(conv(a["x"], a["W1"], (1, 1), (1, 1)) + a["b1"][:, None, None])
    h = nn.elu(conv(h, a["W2"], (2, 2), (0, 0)) + a["b2"][:, None, None])
    h = pool(h, -jnp.inf, lax.max, (2, 2), (1, 1))
    return nn.softmax(h.reshape(len(h), -1) @ a["W3"] + a["b3"])


# --- losses --------------------------------------------------------------------------------------

def signs() -> Any:
    """−1 or 1 from labels 0 and 1, for a loss that asks for numbers."""
    return 2*sb.data("s", N, facts=[sb.label(2)]) - 1


def mean(terms: Any, a: dict[str, Any] | None = None) -> Any:
    """The mean over samples of sums over outputs, with sample weights where there are any."""
    terms = terms.reshape(len(terms), -1).sum(1)
    return jnp.mean(terms if a is None else terms*a["w"])


def row(name: str, loss: Any, each: Any) -> Row:
    return Row(name, loss, lambda a: mean(each(a["x"], a["y"])))


def nll(z: Any, y: Any) -> Any:
    return -nn.log_softmax(z)[jnp.arange(len(z)), y]


def margins(s: Any, y: Any) -> Any:
    gap = nn.relu(1 + s - s[jnp.arange(len(s)), y][:, None])
    return gap.at[jnp.arange(len(s)), y].set(0)


def log_loss(t: Any, y: Any) -> Any:
    return -(y*nn.log_sigmoid(t) + (1 - y)*nn.log_sigmoid(-t))


losses, one_hot = sb.losses, jax.nn.one_hot
o, y, w = x_of(3), sb.data("y", N, 3), sb.data("w", N, facts=["positive"])
p, q, v = sb.sigmoid(o), nn.sigmoid, sb.data("x", N)
hot, soft = (sb.data("y", N, 3, facts=[fact]) for fact in ("one_hot", "simplex"))
label, two = (sb.data("y", N, facts=[sb.label(classes)]) for classes in (3, 2))
CLASS_WEIGHTS = (0.5, 1, 3)


def _of_numbers() -> list[Row]:
    return [
        row("squared_error", lambda: losses.squared_error(o, y), lambda p, y: (p - y)**2),
        row("absolute_error", lambda: losses.absolute_error(o, y), lambda p, y: jnp.abs(p - y)),
        row("huber", lambda: losses.huber(o, y, 0.7), lambda p, y: jnp.where(
            jnp.abs(p - y) < 0.7, (p - y)**2/2, 0.7*(jnp.abs(p - y) - 0.35))),
        row("quantile", lambda: losses.quantile(o, y, 0.9), lambda p, y: jnp.maximum(
            0.9*(y - p), -0.1*(y - p))),
        row("poisson", lambda: losses.poisson(sb.exp(o), y), lambda p, y: jnp.exp(p) - y*p),
        row("poisson, logits", lambda: losses.poisson(o, y, logits=True),
            lambda p, y: jnp.exp(p) - y*p),
        row("credit_risk", lambda: losses.credit_risk(p, y, 4),
            lambda t, y: (q(t) - y)**2 + 4*(1 - y)*q(t)**2),
        row("elementwise", lambda: losses.elementwise(
            o, y, lambda p, y: sympy.log(sympy.cosh(p - y))),
            lambda p, y: jnp.log(jnp.cosh(p - y))),
        Row("squared_error, sample weights", lambda: losses.squared_error(o, y, sample_weights=w),
            lambda a: mean((a["x"] - a["y"])**2, a)),
    ]


def _of_classes() -> list[Row]:
    return [
        row("binary_cross_entropy", lambda: losses.binary_cross_entropy(p, soft),
            log_loss),
        row("binary_cross_entropy, all options", lambda: losses.binary_cross_entropy(
            v, two, logits=True, smoothing=0.1, class_weights=[0.5, 2]),
            lambda t, y: -(2*(0.9*y + 0.05)*nn.log_sigmoid(t)
                           + 0.5*(0.95 - 0.9*y)*nn.log_sigmoid(-t))),
        row("cross_entropy", lambda: losses.cross_entropy(sb.softmax(o), soft),
            lambda z, y: -y*nn.log_softmax(z)),
        row("cross_entropy, logits", lambda: losses.cross_entropy(o, hot, logits=True),
            lambda z, y: -y*nn.log_softmax(z)),
        row("cross_entropy, smoothing and class weights", lambda: losses.cross_entropy(
            o, hot, logits=True, smoothing=0.2, class_weights=CLASS_WEIGHTS),
            lambda z, y: -np.array(CLASS_WEIGHTS)*(0.8*y + 0.2/3)*nn.log_softmax(z)),
        row("cross_entropy, labels", lambda: losses.cross_entropy(sb.softmax(o), label), nll),
        row("cross_entropy, labels and all options", lambda: losses.cross_entropy(
            o, label, logits=True, smoothing=0.2, class_weights=CLASS_WEIGHTS),
            lambda z, y: -np.array(CLASS_WEIGHTS)*(0.8*one_hot(y, 3) + 0.2/3)*nn.log_softmax(z)),
        Row("cross_entropy, weights given", lambda: losses.cross_entropy(
            o, label, logits=True, class_weights=sb.data("c", 3), sample_weights=w),
            lambda a: mean(a["c"][a["y"]]*nll(a["x"], a["y"]), a)),
    ]


def _hinges() -> list[Row]:
    return [
        Row("hinge", lambda: losses.hinge(v, signs()),
            lambda a: mean(nn.relu(1 - a["x"]*(2*a["s"] - 1)))),
        row("hinge, 0 and 1", lambda: losses.hinge(v, two, margin=0.5),
            lambda s, y: nn.relu(0.5 - s*(2*y - 1))),
        row("hinge, labels", lambda: losses.hinge(o, label), margins),
        row("hinge, one-hot", lambda: losses.hinge(o, hot),
            lambda s, y: margins(s, jnp.argmax(y, axis=1))),
        row("squared_hinge, labels", lambda: losses.squared_hinge(o, label),
            lambda s, y: margins(s, y)**2),
        Row("squared_hinge, sample weights", lambda: losses.squared_hinge(
            v, two, sample_weights=w),
            lambda a: mean(nn.relu(1 - a["x"]*(2*a["y"] - 1))**2, a)),
    ]


FUNCTIONS, LAYERS = _functions(), _layers()
LOSSES = [*_of_numbers(), *_of_classes(), *_hinges()]
