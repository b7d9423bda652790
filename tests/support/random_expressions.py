"""Random bodies from the grammar, in index notation.

What is drawn: scalar functions and operators, reductions (nested, partial), Piecewise, index
numbers, sizes as numbers, index patterns (transposed, diagonal, constant, reversed, shifted,
strided, gathered), shared tensors, own forms of softmax, sigmoid and log-sum-exp, facts, hypers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import sympy as sp

import symbackprop as sb
from symbackprop.functions import leaky_relu, relu, sigmoid, softplus
from symbackprop.notation import LogSumExp, Tensor, extent


@dataclass
class Expressions:
    """What has been declared so far, and the pieces that expressions are drawn from."""

    rng: np.random.Generator
    small: bool = False
    tensors: list[Tensor] = field(default_factory=list)
    labels: dict[int, list[Tensor]] = field(default_factory=dict)
    count: itertools.count = field(default_factory=lambda: itertools.count(1))
    room: int = 40

    def __post_init__(self) -> None:
        self.N, self.M = sb.size("N"), sb.size("M")
        e1, e2, e3 = (int(e) for e in self.rng.integers(2, 5, 3))
        extents = self.N, self.N, e1, e1, e2, e2, e3, 2, 2, self.M
        letters = sb.indices("n m i l j p k u a s", *extents)
        self.pool = list(letters[:9]) if self.chance(0.85) else list(letters)
        self.room = 14 if self.small else int(self.rng.integers(15, 60))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, options):
        options = list(options)
        return options[int(self.rng.integers(len(options)))]

    def name(self, letter: str) -> str:
        return f"{letter}{next(self.count)}"

    # --- tensors and accesses ---------------------------------------------------------------

    def free(self, most: int = 3) -> tuple[sp.Idx, ...]:
        """Some indices for the left of a definition."""
        how_many = int(self.rng.choice(4, p=[0.1, 0.35, 0.4, 0.15]))
        chosen = self.rng.permutation(len(self.pool))[: min(how_many, most)]
        return tuple(self.pool[int(c)] for c in chosen)

    def new_tensor(self, scope) -> Tensor:
        """A declared tensor with axes that the scope can read plainly."""
        axes = [i for i in scope if self.chance(0.6)][:3]
        self.rng.shuffle(axes)
        if axes and self.chance(0.1):
            axes.append(axes[0])
        roles = ["parameter", "parameter", "data", "hyper"] if not axes else ["parameter", "data"]
        match self.pick(roles):
            case "hyper":
                return sb.hyper(self.name("c"), float(self.rng.integers(1, 9)) / 8).tensor
            case "parameter":
                made = sb.parameter(self.name("W"), *map(extent, axes))
            case "data":
                square = len(axes) == 2 and extent(axes[0]) == extent(axes[1])
                facts = [sb.positive] if self.chance(0.15) else []
                facts += [sb.symmetric(0, 1)] if square and self.chance(0.6) else []
                made = sb.data(self.name("x"), *map(extent, axes), facts=facts)
        return made if isinstance(made, Tensor) else made.tensor

    def entry(self, scope) -> sp.Expr:
        """An access to a tensor, known or new, by some index pattern."""
        usable = [t for t in self.tensors if all(self.places(axis, scope) for axis in t.axes)]
        if not usable or self.chance(0.35):
            tensor = self.new_tensor(scope)
            self.tensors.append(tensor)
        else:
            tensor = self.pick(usable[-6:])
        return tensor.at(*(self.pick(self.places(axis, scope)) for axis in tensor.axes))

    def places(self, axis: sp.Expr, scope) -> list[sp.Expr]:
        """Index expressions for an axis: the plain ones, now and then an odd one."""
        plain = [i for i in scope if extent(i) == axis]
        if plain and self.chance(0.75):
            return plain
        odd = [axis - 1 - i for i in plain]
        if axis.is_Integer:
            shorter = [i for i in scope if extent(i).is_Integer and extent(i) < axis]
            odd += [sp.Integer(self.rng.integers(int(axis)))]
            odd += [i + axis - extent(i) for i in shorter]
            odd += [2*i for i in shorter if 2*(extent(i) - 1) < axis]
            odd += [i + j for i in shorter for j in shorter
                    if i != j and extent(i) + extent(j) - 1 <= axis]
            odd += [2*i + j for i in shorter for j in shorter
                    if i != j and 2*(extent(i) - 1) + extent(j) <= axis]
            odd += [self.gather(int(axis), scope)] if scope else []
        elif plain:
            odd += [sp.Integer(0), axis - 1]
        return odd if not plain or self.chance(0.6) else plain + odd

    def gather(self, classes: int, scope) -> sp.Expr:
        """w[n, t]: an entry of integer data with the values 0 … classes − 1."""
        known = [t for t in self.labels.get(classes, [])
                 if all(any(extent(i) == axis for i in scope) for axis in t.axes)]
        if not known or self.chance(0.3):
            axes = [self.pick(scope)]
            axes += [i for i in scope if i not in axes and self.chance(0.2)]
            made = sb.data(self.name("g"), *map(extent, axes), facts=[sb.label(classes)])
            known = [made]
            self.labels.setdefault(classes, []).append(made)
        tensor = self.pick(known)
        return tensor.at(*(self.pick(i for i in scope if extent(i) == axis)
                           for axis in tensor.axes))

    # --- expressions ------------------------------------------------------------------------

    def expression(self, scope, depth: int) -> sp.Expr:
        """A scalar body over the indices of a scope, moderate and smooth almost everywhere."""
        self.room -= 1
        if depth <= 0 or self.room <= 0:
            return self.leaf(scope)
        kinds = [self.unary] * 6 + [self.binary] * 6 + [self.reduction] * 4 + [self.leaf] * 3
        return self.pick([*kinds, self.piecewise, self.selected])(scope, depth)

    def leaf(self, scope, depth: int = 0) -> sp.Expr:
        draw = self.rng.random()
        if draw < 0.8:
            return self.entry(scope)
        if draw < 0.87:
            return sp.Rational(int(self.rng.integers(-6, 7)), 4)
        if draw < 0.9:
            return self.pick([1/self.N, sp.Float(0.3), sp.sqrt(2), 1/sp.sqrt(self.N), sp.pi/4])
        if draw < 0.97 and scope:
            index = self.pick(scope)
            return self.pick([sp.cos(index), (index + 1)/4, sp.Mod(index, 2), (-1)**index])
        return self.entry(scope)

    def unary(self, scope, depth: int) -> sp.Expr:
        t = self.expression(scope, depth - 1)
        return self.pick([
            sp.tanh, sigmoid, softplus, relu, leaky_relu, sp.sin, sp.cos, sp.atan, sp.asinh, sp.erf,
            sp.Abs, lambda t: t**2, lambda t: t**3/4, lambda t: -t, lambda t: leaky_relu(t, 0.25),
            lambda t: sp.exp(sp.tanh(t)), lambda t: sp.exp(-t**2), lambda t: sp.log(1 + t**2),
            lambda t: sp.sqrt(1 + t**2), lambda t: 1/(2 + sp.cos(t)), lambda t: 1/(1 + sp.exp(-t)),
            lambda t: sp.log(1 + sp.exp(t)), lambda t: sp.exp(t)/(1 + sp.exp(t)),
            lambda t: sp.log(sigmoid(t)), lambda t: 1 - sigmoid(t),
            lambda t: compared(sp.Max, 0, t, t), lambda t: compared(sp.Min, 0, t, t),
            lambda t: t*sp.sign(t), lambda t: t*sp.Heaviside(t),
            lambda t: t*sigmoid(t), lambda t: sp.tan(t/40), lambda t: sp.sinh(t/8),
            lambda t: sp.log(sp.cosh(t/8)), lambda t: sp.tanh(t)**2, lambda t: (1 + t**2)**0.75,
            lambda t: compared(sp.Max, -1, compared(sp.Min, 1, t, t), t),
            lambda t: sp.exp(t/4)*sp.exp(-t/3),
            lambda t: 2/(1 + sp.exp(-2*t)) - 1, lambda t: 1 - 1/(1 + sp.exp(t)),
            lambda t: (sp.exp(t/4) - sp.exp(-t/4))/(sp.exp(t/4) + sp.exp(-t/4)),
            lambda t: (1 + sp.tanh(t/2))/2, lambda t: sp.exp(t/4) - 1, lambda t: sp.log(1 + t**2/4),
            lambda t: t + sp.log(1 + sp.exp(-t)), lambda t: sp.sinh(t/4)/sp.cosh(t/4),
            lambda t: 1/(3 + 2*sp.exp(t/4)), lambda t: sp.log(sp.exp(t/4) + sp.exp(-t/4) + 2),
            lambda t: self.rng.integers(2, 4)/(2 + sp.exp(t/4) + sp.exp(-t/2)),
            lambda t: sp.exp(t/8)**3, lambda t: sp.log(sp.exp(t/2) + 1) - t/2,
        ])(t)

    def binary(self, scope, depth: int) -> sp.Expr:
        a, b = self.expression(scope, depth - 1), self.expression(scope, depth - 1)
        return self.pick([
            *[lambda a, b: a + b] * 3, *[lambda a, b: a * b] * 4, lambda a, b: a - b,
            lambda a, b: a - b/2, larger, smaller, lambda a, b: a/(1 + b**2),
            lambda a, b: (1 + a**2)**sp.tanh(b), lambda a, b: 1/(1 + a**2 + b**2),
            lambda a, b: sp.exp(a/4)/(sp.exp(a/4) + sp.exp(b/4)), lambda a, b: a*b + a,
            lambda a, b: sp.sqrt(1 + a**2 + b**2), lambda a, b: (a - b)**2, lambda a, b: a*b*a,
            lambda a, b: sp.log(sp.exp(a/4) + sp.exp(b/4)), lambda a, b: a*sp.exp(b/4) - a,
            lambda a, b: a - a/(1 + sp.exp(b)), lambda a, b: a/(a**2 + 1 + sp.exp(b/4)),
        ])(a, b)

    def reduction(self, scope, depth: int) -> sp.Expr:
        others = [i for i in self.pool if i not in scope]
        if not others or len(scope) > 3:
            return self.unary(scope, depth)
        over = [self.pick(others)]
        if self.chance(0.2) and len(others) > 1 and len(scope) < 3:
            over += [self.pick(i for i in others if i != over[0])]
        body = self.expression((*scope, *over), depth - 1)
        if body.free_symbols <= {*over}:  # SymPy's Max refuses a double sum that is a number
            over = over[:1]
        limits: list = list(over)
        index, length = over[0], extent(over[0])
        if length.is_Integer and self.chance(0.15):
            limits[0] = self.pick([(index, 0, length - 2), (index, 1, length - 1)])
        scale = sp.Mul(*(1/extent(i) for i in over)) if self.chance(0.7) else sp.Integer(1)
        made = self.pick([
            *[lambda: scale*sp.Sum(body, *limits)] * 5,
            lambda: sb.Maximum(body, *over), lambda: sb.Minimum(body, *over),
            lambda: LogSumExp(body, *over), lambda: sp.log(sp.Sum(sp.exp(body/4), *limits)),
            lambda: sp.sqrt(1 + sp.Sum(body**2, *limits)),
            lambda: sp.Sum(sp.exp(body/4)*self.leaf((*scope, *over)), *limits)
            / sp.Sum(sp.exp(body/4), *limits),
            lambda: scale*sp.Sum(body, *limits)*self.first(scope, over[0]),
        ])()
        begun = isinstance(limits[0], tuple) and limits[0][1] == 1 and self.chance(0.5)
        return made.xreplace({index: sp.Idx(index.label, (1, length - 1))}) if begun else made

    def first(self, scope, index: sp.Idx) -> sp.Expr:
        """An entry at 0 for an index; not i of i + j, which alone is refused as too short."""
        entry = self.entry((*scope, index))
        found = entry.xreplace({index: sp.Integer(0)})
        short = any(isinstance(i, sp.Idx) and extent(i) != axis
                    for i, axis in zip(found.args[1:], found.tensor.axes, strict=True))
        return self.entry(scope) if short else found

    def condition(self, scope, depth: int):
        """A condition on values, or on indices."""
        same = [(i, j) for i in scope for j in scope if str(i) < str(j) and extent(i) == extent(j)]
        options = [lambda: self.expression(scope, depth - 1) > self.expression(scope, 0)]
        if scope:
            index = self.pick(scope)
            options += [lambda: sp.Gt(index, 0), lambda: sp.Eq(index, 1), lambda: sp.Lt(index, 2)]
        if same:
            options += [lambda: sp.Eq(*same[0]), lambda: sp.Ge(*same[0]), lambda: sp.Ne(*same[0])]
        return self.pick(options)()

    def piecewise(self, scope, depth: int) -> sp.Expr:
        a, b = self.expression(scope, depth - 1), self.expression(scope, depth - 1)
        condition = self.condition(scope, depth)
        if self.chance(0.3):
            condition = self.pick([sp.And, sp.Or])(condition, self.condition(scope, 1))
        if self.chance(0.3):
            pairs = (a, condition), (b, self.condition(scope, 1)), (self.leaf(scope), True)
            return sp.Piecewise(*pairs)
        return sp.Piecewise((a, condition), (b, True))

    def selected(self, scope, depth: int) -> sp.Expr:
        same = [(i, j) for i in scope for j in scope if str(i) < str(j) and extent(i) == extent(j)]
        inner = self.expression(scope, depth - 1)
        if same and self.chance(0.6):
            return sp.KroneckerDelta(*self.pick(same))*inner
        return sb.Iverson(self.condition(scope, 1))*inner

    def letters(self, tensor: Tensor) -> tuple[sp.Idx, ...]:
        """Distinct indices for the axes of a tensor."""
        return tuple(sb.indices(f"v{place}", axis) for place, axis in enumerate(tensor.axes))


def larger(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """Max(a, b); SymPy compares no number that holds a sum, e.g. √(1 + Σ_j 0): then a + b."""
    refused = (a.is_number or b.is_number) and (a + b).has(sp.Sum)
    return a + b if refused else compared(sp.Max, a, b, a + b)


def smaller(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """Min(a, b), likewise."""
    refused = (a.is_number or b.is_number) and (a + b).has(sp.Sum)
    return a - b if refused else compared(sp.Min, a, b, a - b)


def compared(kind: type, a: sp.Expr, b: sp.Expr, other: sp.Expr) -> sp.Expr:
    """Max or Min, or else the other: SymPy finds such a number if it cancels e^w in Σ e^w/Σ e^w."""
    try:
        return kind(a, b)
    except ValueError:
        return other
