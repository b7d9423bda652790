"""Random definitions, losses and penalties in index notation."""

from __future__ import annotations

import sympy as sp

import symbackprop as sb
from symbackprop.functions import relu, sigmoid, softplus
from symbackprop.notation import LogSumExp, Tensor, extent
from tests.support.random_expressions import Expressions


class Maker(Expressions):
    """Definitions of random bodies, and a loss that reads them."""

    def definition(self) -> Tensor:
        """One more named intermediate."""
        letters = self.free()
        kinds = [self.plain] * 5 + [self.dense, self.softmax, self.softmax, self.in_steps]
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

    def in_steps(self, letters) -> sp.Expr:
        """Exponentials, their sum, shift and quotient, each as a definition of its own."""
        if not letters:
            return self.plain(letters)
        k = self.pick(letters)
        rows = tuple(i for i in letters if i != k)
        z = self.new_read(letters) + self.new_read((k,))

        def named(free, body):
            return self.read_of(sb.define(self.name("s"), free, body), free)

        if self.chance(0.5):
            top = self.pick([sb.Maximum(z, k), self.new_read(rows)])
            z = named(letters, z - named(rows, top))
        e = named(letters, self.pick([sp.exp(z), 2*sp.exp(z/2), sp.exp(z/4 + 1)]))
        s = named(rows, sp.Sum(e, k))
        mean = named(rows, sp.Sum(e*self.new_read((k,)), k))
        return self.pick([
            lambda: e/s, lambda: e*named(rows, 1/s), lambda: sp.log(e/s), lambda: sp.log(s),
            lambda: mean/s, lambda: e/(1 + s), lambda: e/(1 + e), lambda: 1/named(letters, 1 + e),
            lambda: sp.log(1 + e), lambda: e/(e + s), lambda: e*mean/s**2,
            lambda: (e - 1)/(e + 1)])()

    def new_read(self, scope) -> sp.Expr:
        return self.read_of(sb.parameter(self.name("W"), *map(extent, scope)), scope)

    def read_of(self, made, scope) -> sp.Expr:
        """The entry of a new tensor, which is remembered."""
        tensor = made if isinstance(made, Tensor) else made.tensor
        self.tensors.append(tensor)
        return tensor.at(*scope)

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
        rest, k = letters[:-1], self.letters(out)[-1] if letters else None  # k: bound inside

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
            total = sp.Sum(sp.exp(out.at(*rest, k)), k)
            options += [lambda: -summed(target(self.pick([sb.one_hot, sb.simplex])())
                                        * sp.log(sp.exp(element)/total))/self.N,
                        lambda: -summed(target(sb.one_hot()) * (element - LogSumExp(
                            out.at(*rest, k), k)))/extent(letters[0]),
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
