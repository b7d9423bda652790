"""One weight's chain of factors, from the loss back to it, as a lecture writes it.

    ∂L/∂W1[i,j] = Σ_{n,k} ∂L/∂z[n,k] · ∂z[n,k]/∂h[n,j] · ∂h[n,j]/∂W1[i,j]
                = Σ_{n,k} (p[n,k] − y[n,k])/N · W2[j,k] · (1 − h[n,j]²)·x[n,i]

Each factor is the derivative of one declared definition by what it reads, at the indices where
the product does not vanish.  The chain ends at a tensor that several definitions read, or whose
derivative is no single product (softmax), or after `LONGEST` factors: there stands its whole
adjoint, simplified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Add, Expr, Idx, Integer, Mul, Sum

from symbackprop.arrays import Array
from symbackprop.backprop import adjoints
from symbackprop.indexing import bound_indices, fresh, replace_indices
from symbackprop.normal import normalise, temporary
from symbackprop.notation import Definition, Program, Tensor, elements_in, tensors_in
from symbackprop.printing.presentation import presented
from symbackprop.printing.text import text
from symbackprop.simplification import simplify

LONGEST = 6


@dataclass(frozen=True, slots=True)
class Factor:
    """∂above/∂below = value; `over` are the indices of above that below does not carry."""

    above: Expr
    below: Expr
    value: Expr
    over: tuple[Idx, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """∂L/∂weight = Σ ∂L/∂end · factors + direct, the factor next to the loss first.

    direct: what the loss reads of the weight by itself, e.g. the derivative of a penalty.
    """

    weight: Expr
    end: Expr
    factors: tuple[Factor, ...]
    direct: Expr = Integer(0)

    @property
    def over(self) -> tuple[Idx, ...]:
        """The indices that are summed, in the order in which the chain's end carries them."""
        free = [index for factor in self.factors for index in factor.over]
        first = [index for index in self.end.args[1:] if index in free]
        return (*first, *(index for index in free if index not in first))


def chain(program: Program, weight: Tensor) -> Chain:
    """The factors between an entry of a tensor and the loss, in a program as declared."""
    reading = _readers(program)
    first = entry = weight.at(*weight.letters)
    factors: list[Factor] = []
    taken = list(weight.letters)
    direct: Expr = Integer(0)
    while len(factors) < LONGEST:
        found = [d for d in reading.get(entry.tensor, []) if d.target not in program.outputs]
        of_loss = [d for d in reading.get(entry.tensor, []) if d.target in program.outputs]
        penalty = [_factor(d, entry, taken) for d in of_loss]
        if len(found) != 1 or any(p is None for p in penalty) or (penalty and factors):
            break
        factor = _factor(found[0], entry, taken)
        if factor is None:
            break
        direct += Add(*(p.value for p in penalty if p is not None))
        factors.append(factor)
        taken.extend(factor.over)
        entry = factor.above
    return Chain(first, entry, tuple(reversed(factors)), direct)


def chain_lines(found: Chain, adjoint: Expr, loss: str, names: Mapping[Tensor, str]) -> list[str]:
    """The chain in words and, below it, the values of its factors; adjoint: that of its end."""
    if not found.factors:
        return [f"∂{loss}/∂{text(found.weight, names)} = {text(adjoint, names)}"]
    total = _sum_sign(found.over)
    head = f"∂{loss}/∂{text(found.weight, names)} = "
    words = [f"∂{loss}/∂{text(found.end, names)}"]
    values = [_bracketed(adjoint, names)]
    for factor in found.factors:
        words.append(f"∂{text(factor.above, names)}/∂{text(factor.below, names)}")
        values.append(_bracketed(factor.value, names))
    beside = f"∂{loss}/∂{text(found.weight, names)} by itself" if found.direct != 0 else ""
    indent = " " * (len(head) - 2) + "= "
    direct = text(found.direct, names)
    return [head + total + " · ".join(words) + (f" + [{beside}]" if beside else ""),
            indent + total + " · ".join(values) + (f" + {direct}" if beside else "")]


def _bracketed(value: Expr, names: Mapping[Tensor, str]) -> str:
    written = text(value, names)
    return f"({written})" if value.is_Add or isinstance(value, Sum) else written


def _sum_sign(over: Sequence[Idx]) -> str:
    letters = [str(index) for index in over]
    if not letters:
        return ""
    return f"Σ_{letters[0]} " if len(letters) == 1 else f"Σ_{{{','.join(letters)}}} "


def _readers(program: Program) -> dict[Tensor, list[Definition]]:
    found: dict[Tensor, list[Definition]] = {}
    for definition in program:
        for tensor in tensors_in(definition.body):
            found.setdefault(tensor, []).append(definition)
    return found


def _factor(definition: Definition, entry: Expr, taken: Sequence[Idx]) -> Factor | None:
    """∂definition/∂entry where it is one product: the rest of Σ seed·… but the seed."""
    target, read = definition.target, entry.tensor
    seed = Array(None, target.axes, target.letters, "data", hint="seed")
    body = seed.at(*definition.indices) * target.at(*definition.indices)
    total = temporary(body, (), definition.indices, "sum" if definition.indices else "map")
    program = Program((definition, total), (target, total.target))
    forward = simplify(normalise(program), keep=(target, read))
    made, found = adjoints(forward, total.target, [read])
    outputs = (*forward.outputs, found[read])
    whole = simplify(Program((*forward.definitions, *made), outputs), keep=(target, read),
                     settled=len(forward.definitions))
    whole = Program(whole.definitions, (found[read],))
    shown = presented(whole, frozenset((target,)), found[read]).definitions[-1]
    return _without_seed(shown, seed, target, entry, taken)


def _without_seed(shown: Definition, seed: Tensor, target: Tensor, entry: Expr,
                  taken: Sequence[Idx]) -> Factor | None:
    scale, body, over = Integer(1), shown.body, ()
    factors = Mul.make_args(body)
    sums = [f for f in factors if isinstance(f, Sum)]
    if len(sums) == 1 and all(seed not in tensors_in(f) for f in factors if f is not sums[0]):
        over, body = bound_indices(sums[0]), sums[0].function
        scale = Mul(*(f for f in factors if f is not sums[0]))
    factors = Mul.make_args(body)
    seeds = [f for f in factors if f in elements_in(f) and f.tensor is seed]
    rest = Mul(scale, *(f for f in factors if f not in seeds))
    if len(seeds) != 1 or seed in tensors_in(rest):
        return None
    renaming: dict[Idx, Expr] = dict(zip(shown.indices, entry.args[1:], strict=True))
    free, busy = [], [*taken]
    for index in over:
        renaming[index] = fresh(index, busy)
        busy.append(renaming[index])
        free.append(renaming[index])
    places = seeds[0].args[1:] if target.axes else ()
    above = target.at(*(replace_indices(place, renaming) for place in places))
    return Factor(above, entry, replace_indices(rest, renaming), tuple(free))
