"""Random programs from the grammar, with values that keep functions in their domains and off kinks.

    case = random_case(seed)      case.program, case.loss, case.wrt, case.values, case.sizes

One seed is one case.  What is drawn: scalar functions and operators, reductions (nested, partial,
triangular), Piecewise, index numbers, sizes as numbers, index patterns (transposed, diagonal,
constant, reversed, shifted, strided, gathered), shared tensors, own forms of softmax, sigmoid and
log-sum-exp, losses, penalties, facts, hypers.  A draw is thrown away where a value comes near a
kink or out of moderate size.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import sympy as sp

import symbackprop as sb
from symbackprop.functions import leaky_relu, relu, sigmoid, softplus
from symbackprop.interpreter import Machine
from symbackprop.notation import LogSumExp, Program, Tensor, extent

MARGIN = 2e-3
LARGEST = 30.0
BATCHES = (1, 2, 3, 5, 7, 11, 13)


@dataclass
class Case:
    """A program with values; `str` is what one needs to see a failure again."""

    seed: tuple[int, ...]
    program: Program
    loss: Tensor
    wrt: list[Tensor]
    values: dict[Tensor, np.ndarray]
    sizes: dict[str, int]

    @property
    def named(self) -> dict[str, np.ndarray]:
        names = self.program.names
        return {names[tensor]: value for tensor, value in self.values.items()}

    def __str__(self) -> str:
        names = self.program.names
        lines = [f"random_case(seed={self.seed})  N = {self.sizes}"]
        lines += [f"  {t.role} {names[t]}{list(t.axes)} {[str(f) for f in t.facts]}"
                  for t in self.program.inputs]
        for d in self.program:
            over = f" {d.op}_{d.over}" if d.over else ""
            lines.append(f"  {names[d.target]}[{', '.join(map(str, d.indices))}] ={over} {d.body}")
        return "\n".join(lines)


def random_case(*seed: int, batches: tuple[int, ...] = BATCHES, small: bool = False) -> Case:
    """The case of a seed: draws programs and values until one is well-behaved."""
    rng = np.random.default_rng(seed)
    for _ in range(200):
        maker = Maker(rng, small)
        try:
            loss = maker.loss()
        except (ValueError, RecursionError):  # SymPy: "the argument is not comparable"
            continue
        program = sb.program(loss)
        wrt = [t for t in program.inputs if t.role == "parameter"]
        asked = [t for t in program.inputs if t.role == "data" and not t.facts and t.rank]
        if asked and rng.random() < 0.3:
            wrt.append(asked[0])
        if not wrt or not sized(program):
            continue
        for _ in range(3):
            sizes = {"N": int(rng.choice(batches)), "M": int(rng.integers(2, 5))}
            values = {t: drawn(t, sizes, rng) for t in program.inputs}
            if well_behaved(program, values):
                return Case(seed, program, program.outputs[0], wrt, values, sizes)
    raise AssertionError(f"seed {seed}: no well-behaved program in 200 draws")


@dataclass
class Maker:
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
            odd += shorter + [i + axis - extent(i) for i in shorter]
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
            lambda t: sp.log(sigmoid(t)), lambda t: 1 - sigmoid(t), lambda t: sp.Max(0, t),
            lambda t: sp.Min(0, t), lambda t: t*sp.sign(t), lambda t: t*sp.Heaviside(t),
            lambda t: t*sigmoid(t), lambda t: sp.tan(t/40), lambda t: sp.sinh(t/8),
            lambda t: sp.log(sp.cosh(t/8)), lambda t: sp.tanh(t)**2, lambda t: (1 + t**2)**0.75,
            lambda t: sp.Max(-1, sp.Min(1, t)), lambda t: sp.exp(t/4)*sp.exp(-t/3),
            lambda t: sp.exp(t/8)**3, lambda t: sp.log(sp.exp(t/2) + 1) - t/2,
        ])(t)

    def binary(self, scope, depth: int) -> sp.Expr:
        a, b = self.expression(scope, depth - 1), self.expression(scope, depth - 1)
        return self.pick([
            *[lambda a, b: a + b] * 3, *[lambda a, b: a * b] * 4, lambda a, b: a - b,
            lambda a, b: a - b/2, sp.Max, sp.Min, lambda a, b: a/(1 + b**2),
            lambda a, b: (1 + a**2)**sp.tanh(b), lambda a, b: 1/(1 + a**2 + b**2),
            lambda a, b: sp.exp(a/4)/(sp.exp(a/4) + sp.exp(b/4)), lambda a, b: a*b + a,
            lambda a, b: sp.sqrt(1 + a**2 + b**2), lambda a, b: (a - b)**2, lambda a, b: a*b*a,
        ])(a, b)

    def reduction(self, scope, depth: int) -> sp.Expr:
        others = [i for i in self.pool if i not in scope]
        if not others or len(scope) > 3:
            return self.unary(scope, depth)
        over = [self.pick(others)]
        if self.chance(0.2) and len(others) > 1 and len(scope) < 3:
            over += [self.pick(i for i in others if i != over[0])]
        body = self.expression((*scope, *over), depth - 1)
        limits: list = list(over)
        index, length = over[0], extent(over[0])
        if length.is_Integer and self.chance(0.15):
            outer = [i for i in scope if extent(i) == length]
            limits[0] = self.pick([(index, 0, length - 2), (index, 1, length - 1),
                                   *[(index, 0, i) for i in outer], *[(index, i, length - 1)
                                                                     for i in outer]])
        scale = sp.Mul(*(1/extent(i) for i in over)) if self.chance(0.7) else sp.Integer(1)
        return self.pick([
            *[lambda: scale*sp.Sum(body, *limits)] * 5,
            lambda: sb.Maximum(body, *over), lambda: sb.Minimum(body, *over),
            lambda: LogSumExp(body, *over), lambda: sp.log(sp.Sum(sp.exp(body/4), *limits)),
            lambda: sp.sqrt(1 + sp.Sum(body**2, *limits)),
            lambda: sp.Sum(sp.exp(body/4)*self.leaf((*scope, *over)), *limits)
            / sp.Sum(sp.exp(body/4), *limits),
            lambda: scale*sp.Sum(body, *limits)*self.entry((*scope, over[0])).xreplace(
                {over[0]: sp.Integer(0)}),
        ])()

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

    # --- definitions, losses and penalties --------------------------------------------------

    def definition(self) -> Tensor:
        """One more named intermediate."""
        letters = self.free()
        kinds = [self.plain] * 5 + [self.dense, self.softmax, self.softmax]
        body = self.pick(kinds)(letters)
        made = sb.define(self.name("h"), letters, body)
        tensor = made if isinstance(made, Tensor) else made.tensor
        self.tensors.append(tensor)
        return tensor

    def plain(self, letters) -> sp.Expr:
        return self.expression(letters, 2 if self.small else int(self.rng.integers(2, 5)))

    def dense(self, letters) -> sp.Expr:
        """Σ_i x[…, i]·W[i, …] + b, through an activation."""
        others = [i for i in self.pool if i not in letters]
        i = self.pick(others)
        left = self.entry((*letters[:1], i))
        right = self.entry((i, *letters[1:]))
        t = sp.Sum(left*right, i)/extent(i) + self.entry(letters[-1:])
        return self.pick([sp.tanh, sigmoid, relu, softplus, lambda t: t])(t)

    def softmax(self, letters) -> sp.Expr:
        """A softmax over one of the letters, or a log-softmax, in one of the forms users write."""
        if not letters:
            return self.plain(letters)
        k = self.pick(letters)
        z = self.expression(letters, 1)
        if k not in z.free_symbols:
            z = z + self.new_read((k,))
        total, top = sp.Sum(sp.exp(z), k), sb.Maximum(z, k)
        return self.pick([
            lambda: sp.exp(z)/total, lambda: sp.exp(z - top)/sp.Sum(sp.exp(z - top), k),
            lambda: z - sp.log(total), lambda: sp.log(sp.exp(z)/total), lambda: z - LogSumExp(z, k),
            lambda: sp.exp(z - LogSumExp(z, k)), lambda: sp.exp(-z)/sp.Sum(sp.exp(-z), k),
        ])()

    def new_read(self, scope) -> sp.Expr:
        made = sb.parameter(self.name("W"), *map(extent, scope))
        self.tensors.append(made)
        return made.at(*scope)

    def loss(self) -> sp.Expr:
        """A rank-0 tensor that reads what was defined."""
        for _ in range(int(self.rng.integers(1, 3 if self.small else 6))):
            self.definition()
        total = self.data_loss()
        if self.chance(0.4):
            total = total + self.penalty()
        if self.chance(0.2):
            total = self.pick([sp.log(1 + total**2), total*self.entry(()), sp.tanh(total)])
        return sb.define("L", (), total)

    def data_loss(self) -> sp.Expr:
        outputs = [t for t in self.tensors if t.definition is not None]
        out = outputs[-1]
        letters = out.definition.indices
        element = out.at(*letters)

        def summed(body):
            return sp.Sum(body, *letters) if letters else body

        def target(*facts):
            made = sb.data(self.name("y"), *map(extent, letters), facts=facts)
            return made.at(*letters) if isinstance(made, Tensor) else made

        options = [lambda: summed((element - target())**2)/self.N,
                   lambda: summed(sp.Abs(element - target()))/self.N,
                   lambda: summed(element*target()),
                   lambda: summed(self.expression(letters, 1)*element),
                   lambda: -summed(sp.log(sigmoid(element))*target()
                                   + (1 - target())*sp.log(1 - sigmoid(element)))/self.N]
        if letters:
            total = sp.Sum(sp.exp(element), letters[-1])
            options += [lambda: -summed(target(self.pick([sb.one_hot, sb.simplex])())
                                        * sp.log(sp.exp(element)/total))/self.N,
                        lambda: -summed(target(sb.one_hot()) * (element - LogSumExp(
                            element, letters[-1])))/extent(letters[0]),
                        lambda: sp.sqrt(1 + summed(element**2)),
                        lambda: sb.Maximum(element, *letters), lambda: self.labelled(out)]
        return self.pick(options)()

    def labelled(self, out: Tensor) -> sp.Expr:
        """Cross-entropy with integer labels: −Σ_n log p[n, w[n]]."""
        *rows, k = out.definition.indices
        if not extent(k).is_Integer:
            return sp.Sum(out.at(*rows, k)**2, *rows, k)
        made = sb.data(self.name("w"), *map(extent, rows), facts=[sb.label(extent(k))])
        label = made.at(*rows) if isinstance(made, Tensor) else made
        row = sp.log(sp.Sum(sp.exp(out.at(*rows, k)), k)) - out.at(*rows, label)
        return sp.Sum(row, *rows)/extent(rows[0]) if rows else row

    def penalty(self) -> sp.Expr:
        """L1, L2 or an elastic net on a parameter."""
        parameters = [t for t in self.tensors if t.role == "parameter" and t.rank]
        if not parameters:
            return sp.Integer(0)
        tensor = self.pick(parameters)
        letters = self.letters(tensor)
        w, lam = tensor.at(*letters), sb.hyper(self.name("lam"), 0.125)
        return self.pick([lambda: lam*sp.Sum(w**2, *letters),
                          lambda: lam*sp.Sum(sp.Abs(w), *letters),
                          lambda: lam*sp.Sum(sp.Abs(w), *letters) + sp.Sum(w**2, *letters)/8])()

    def letters(self, tensor: Tensor) -> tuple[sp.Idx, ...]:
        """Distinct indices for the axes of a tensor."""
        return tuple(sb.indices(f"v{place}", axis) for place, axis in enumerate(tensor.axes))


# --- values ---------------------------------------------------------------------------------


def drawn(tensor: Tensor, sizes: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    """Values that keep the facts, exactly, and are float32 numbers."""
    shape = tuple(int(axis.subs({s: sizes[s.name] for s in axis.free_symbols}))
                  for axis in tensor.axes)
    if tensor.role == "hyper":
        return np.asarray(tensor.default)
    values = rng.normal(size=shape)*0.8
    for fact in tensor.facts:
        match fact.kind:
            case "label":
                return rng.integers(0, int(fact.extent), shape)
            case "one_hot":
                return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
            case "simplex":
                return rng.multinomial(16, np.ones(shape[-1])/shape[-1], shape[:-1])/16
            case "positive":
                values = 0.5 + np.abs(values)
            case "symmetric":
                values = values + values.T
    return np.asarray(values.astype(np.float32), dtype=float)


class Watchful(Machine):
    """The interpreter, noting how near its values come to a kink and how large they grow."""

    def __init__(self) -> None:
        super().__init__(None)
        self.margin, self.largest = np.inf, 0.0

    def note(self, gap) -> None:
        gap = np.abs(np.asarray(gap, dtype=float))
        self.margin = min(self.margin, np.nanmin(gap, initial=np.inf))

    def node(self, node, arguments, grids, rank):
        match node:
            case sp.Abs() | sp.sign() | sp.Heaviside() | relu() | leaky_relu():
                self.note(arguments[0])
            case sp.Max() | sp.Min():
                for this, other in itertools.combinations(arguments, 2):
                    self.note(this - other)
            case sp.core.relational.Relational():
                if not _about_indices(node):
                    self.note(arguments[0] - arguments[1])
        found = super().node(node, arguments, grids, rank)
        if isinstance(node, sp.Expr):
            self.largest = max(self.largest, np.nanmax(np.abs(found), initial=0))
        return found

    def reduced(self, op, body, bounds, grids, rank):
        if op in ("max", "min"):
            inner, places = dict(grids), len(bounds)
            for index, low, high in reversed(bounds):
                steps = range(int(self.value(low, {}, 0)), int(self.value(high, {}, 0)) + 1)
                inner[index] = self.along(steps, rank)
                rank += 1
            full = np.broadcast_shapes(*(g.shape for g in inner.values()))
            value = np.broadcast_to(self.value(body, inner, rank), full)
            flat = np.sort(value.reshape(-1, *full[places:]), axis=0)
            if len(flat) > 1:
                self.note(np.diff(flat, axis=0)[-1 if op == "max" else 0])
            rank -= places
        return super().reduced(op, body, bounds, grids, rank)


def _about_indices(condition) -> bool:
    return all(isinstance(side, (sp.Idx, sp.Integer)) for side in condition.args)


def sized(program: Program) -> bool:
    """Whether every size that is read is an axis of some input."""
    known = {axis for t in program.inputs for axis in t.axes}
    return all(size in known or not part.has(size) for d in program
               for part in (d.body, *d.target.axes) for size in (sb.size("N"), sb.size("M")))


def well_behaved(program: Program, values: dict[Tensor, np.ndarray]) -> bool:
    """Whether all values are finite, of moderate size and away from every kink."""
    watch = Watchful()
    with np.errstate(all="ignore"):
        watch.read(program, values)
        for definition in program:
            watch.define(definition)
    finite = all(np.isfinite(array).all() for array in watch.arrays.values())
    return finite and watch.margin > MARGIN and watch.largest < LARGEST
