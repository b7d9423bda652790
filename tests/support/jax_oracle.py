"""Programs as JAX functions, so that jax.grad is the oracle for every derivative.

Written on other lines than the interpreter, so that they do not share their mistakes: a body is a
function of scalar index values, which jax.vmap maps over every free and every bound index.
"""

from __future__ import annotations

import functools
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 "
                      "--xla_llvm_disable_expensive_passes=true")

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp

from symbackprop.functions import Iverson, expm1, leaky_relu, relu, sigmoid, softplus
from symbackprop.notation import Definition, Element, Program, Reduction, Tensor, TensorSymbol

jax.config.update("jax_enable_x64", True)

FOLDED = {sp.Add: jnp.add, sp.Mul: jnp.multiply, sp.Max: jnp.maximum, sp.Min: jnp.minimum,
          sp.And: jnp.logical_and, sp.Or: jnp.logical_or}
PLAIN = {  # |t| with the derivative sign(0) = 0 at 0, which is 1 in JAX
    sp.exp: jnp.exp, sp.sin: jnp.sin, sp.cos: jnp.cos, sp.tan: jnp.tan, sp.tanh: jnp.tanh,
    sp.sinh: jnp.sinh, sp.cosh: jnp.cosh, sp.asinh: jnp.arcsinh, sp.atan: jnp.arctan,
    sp.erf: jax.scipy.special.erf, sp.Abs: lambda t: t*jnp.sign(t), sp.sign: jnp.sign,
    sp.floor: jnp.floor, sp.Mod: jnp.mod, sp.Not: jnp.logical_not, sp.ITE: jnp.where,
    relu: jax.nn.relu, sigmoid: jax.nn.sigmoid, softplus: jax.nn.softplus, expm1: jnp.expm1,
    sp.Eq: jnp.equal, sp.Ne: jnp.not_equal, sp.Lt: jnp.less, sp.Le: jnp.less_equal,
    sp.Gt: jnp.greater, sp.Ge: jnp.greater_equal,
}
REDUCED = {"sum": jnp.sum, "max": jnp.max, "min": jnp.min, "lse": jax.scipy.special.logsumexp}
EMPTY = {"sum": 0.0, "max": -jnp.inf, "min": jnp.inf, "lse": -jnp.inf}


def forward(program: Program, sizes: dict[str, int], dtype=jnp.float64):
    """A function: dict of input arrays by tensor -> dict of all arrays by tensor."""

    def run(inputs: dict[Tensor, jax.Array]) -> dict[Tensor, jax.Array]:
        arrays = {tensor: jnp.asarray(value) if tensor.has_fact("label")
                  else jnp.asarray(value, dtype) for tensor, value in inputs.items()}
        for definition in program:
            arrays[definition.target] = _defined(definition, arrays, sizes, dtype)
        return arrays

    return run


def gradients(program: Program, loss: Tensor, wrt: list[Tensor], values: dict[Tensor, np.ndarray],
              sizes: dict[str, int], dtype=jnp.float64) -> list[np.ndarray]:
    """[loss, gradient by each tensor] as NumPy arrays."""
    function, chosen = value_and_gradients(program, loss, wrt, values, sizes, dtype)
    return [np.asarray(found) for found in jax.jit(function)(chosen)]


def value_and_gradients(program: Program, loss: Tensor, wrt: list[Tensor],
                        values: dict[Tensor, np.ndarray], sizes: dict[str, int],
                        dtype=jnp.float64):
    """A function of the tensors differentiated by -> [loss, gradients], and their values."""
    run = forward(program, sizes, dtype)

    def scalar(chosen):
        return run({**values, **dict(zip(wrt, chosen, strict=True))})[loss]

    def function(chosen):
        value, found = jax.value_and_grad(scalar)(chosen)
        return [value, *found]

    return function, [jnp.asarray(values[tensor], dtype) for tensor in wrt]


def norm_of_gradient(program: Program, loss: Tensor, by: Tensor, values: dict[Tensor, np.ndarray],
                     sizes: dict[str, int]):
    """A function of w -> [the derivative 2·H·∂L/∂w of |∂L/∂w|², the Hessian H], and the value of w.

    H has the shape (*shape, *shape).
    """
    run = forward(program, sizes)
    slope = jax.grad(lambda value: run({**values, by: value})[loss])
    curvature = jax.hessian(lambda value: run({**values, by: value})[loss])

    def function(value):
        second = curvature(value)
        return [2*jnp.tensordot(second, slope(value), axes=value.ndim), second]

    return function, jnp.asarray(values[by], jnp.float64)


def _defined(definition: Definition, arrays, sizes, dtype):
    def body(places):
        if definition.over:
            bounds = [(i, i.lower, i.upper) for i in definition.over]
            return _reduced(definition.op, definition.body, bounds, places, arrays, sizes, dtype)
        return _value(definition.body, places, arrays, sizes, dtype)

    return jnp.asarray(_mapped(body, list(definition.indices), sizes)({}), dtype)


def _mapped(body, indices, sizes):
    """places -> body over all values of the indices, outermost first."""
    if not indices:
        return body
    first, inner = indices[0], _mapped(body, indices[1:], sizes)
    steps = jnp.arange(_length(first.lower, sizes), _length(first.upper, sizes) + 1)
    return lambda places: jax.vmap(lambda step: inner({**places, first: step}))(steps)


def _length(expr, sizes) -> int:
    return int(expr.xreplace({s: sp.Integer(sizes[s.name]) for s in expr.free_symbols}))


def _reduced(op, body, bounds, places, arrays, sizes, dtype):
    def inside(inner):
        value = _value(body, inner, arrays, sizes, dtype)
        for index, low, high in bounds:
            if (low, high) != (index.lower, index.upper):
                low, high = (_value(end, inner, arrays, sizes, dtype) for end in (low, high))
                live = (low <= inner[index]) & (inner[index] <= high)
                value = jnp.where(live, value, EMPTY[op])
        return value

    return REDUCED[op](_mapped(inside, [bound[0] for bound in bounds], sizes)(places))


def _value(node, places, arrays, sizes, dtype):
    again = functools.partial(_value, places=places, arrays=arrays, sizes=sizes, dtype=dtype)
    match node:
        case sp.Idx():
            return jnp.asarray(places[node], dtype)
        case sp.Sum():
            return _reduced("sum", node.function, [tuple(limit) for limit in node.limits],
                            places, arrays, sizes, dtype)
        case Reduction():
            bounds = [(i, i.lower, i.upper) for i in node.indices]
            return _reduced(node.op, node.function, bounds, places, arrays, sizes, dtype)
        case TensorSymbol():
            return arrays[node.tensor]
        case Element():
            index = tuple(_place(i, places, arrays, sizes) for i in node.indices)
            return arrays[node.tensor][index]
        case sp.Symbol():
            return jnp.asarray(sizes[node.name], dtype)
        case sp.Number() | sp.NumberSymbol():
            return jnp.asarray(float(node), dtype)
        case sp.logic.boolalg.BooleanAtom():
            return jnp.asarray(bool(node))
        case sp.Pow(base=base, exp=exponent) if exponent.is_Integer and abs(int(exponent)) < 20:
            return jax.lax.integer_pow(again(base), int(exponent))
        case sp.Pow(base=base, exp=exponent) if exponent == sp.S.Half:
            return jnp.sqrt(again(base))
        case sp.Pow(base=base, exp=exponent):
            return jnp.power(again(base), again(exponent))
        case sp.log():
            return jnp.log(again(node.args[0]))
        case sp.Piecewise():
            found = jnp.asarray(jnp.nan, dtype)
            for value, condition in reversed(node.args):
                found = jnp.where(again(condition), again(value), found)
            return found
        case Iverson():
            return jnp.where(again(node.args[0]), jnp.ones((), dtype), jnp.zeros((), dtype))
        case sp.KroneckerDelta():
            return jnp.where(again(node.args[0]) == again(node.args[1]), 1.0, 0.0).astype(dtype)
        case sp.Heaviside():
            return jnp.heaviside(*map(again, node.args))
        case leaky_relu():
            t, slope = map(again, node.args)
            return jnp.where(t > 0, t, slope * t)
    arguments = [again(argument) for argument in node.args]
    if type(node) in FOLDED:
        return functools.reduce(FOLDED[type(node)], arguments)
    return PLAIN[type(node)](*arguments)


def _place(expr, places, arrays, sizes):
    """An index expression as an integer."""
    match expr:
        case sp.Idx():
            return places[expr]
        case sp.Integer():
            return int(expr)
        case Element():
            inside = tuple(_place(i, places, arrays, sizes) for i in expr.indices)
            return arrays[expr.tensor][inside].astype(int)
        case TensorSymbol():
            return arrays[expr.tensor].astype(int)
        case sp.Symbol():
            return sizes[expr.name]
        case sp.Add():
            return sum(_place(term, places, arrays, sizes) for term in expr.args)
        case sp.Mul():
            factors = [_place(factor, places, arrays, sizes) for factor in expr.args]
            return functools.reduce(lambda a, b: a * b, factors)
        case sp.Mod():
            return jnp.mod(*(_place(part, places, arrays, sizes) for part in expr.args))
    raise TypeError(f"an index expression of another kind: {expr}")
