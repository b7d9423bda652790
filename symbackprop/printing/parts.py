"""A long function that the lines of a derivative repeat gets a line and a name of its own.

    δ = g·σ(2u)·(1 + 2·z·u′·σ(−2u))   becomes   a = tanh(u),   δ = g·(1 + a)·(1 + z·u′·(1 − a))/2

where u is long.  tanh(u), σ(2u) and σ(−2u) are one function up to a number, and the name is given
to the one that the network was declared with.  Only what is printed changes: kernels compute
σ(−2u) by itself, since 1 − a loses its digits where a is nearly 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sympy import Expr, Function, Idx, Piecewise, Sum, tanh

from symbackprop.functions import Iverson, sigmoid
from symbackprop.indexing import fingerprint, replace_indices
from symbackprop.likeness import Likeness
from symbackprop.normal import kinds, letters_of, postorder, temporary
from symbackprop.notation import Definition, Program, Reduction, elements_in
from symbackprop.printing.presentation import gain, standing
from symbackprop.rewriting import rewrite
from symbackprop.rules.algebra import ALGEBRA, NAMED
from symbackprop.rules.forms import READ, shortest, weight
from symbackprop.rules.stability import STABILITY
from symbackprop.rules.sums import with_factors_outside

__all__ = ["Part", "with_parts", "written_by_parts"]

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A function with a name; letters: its indices in the order in which `key` meets them."""

    definition: Definition
    key: Key
    letters: tuple[Idx, ...]

    def written(self, node: Expr) -> Expr:
        """The node through the name, if it is this function or a mirror image of it."""
        key, letters = _key(node)
        if key != self.key:
            return node
        at = dict(zip(self.letters, letters, strict=True))
        own = _plain(replace_indices(self.definition.body, at))
        element = self.definition.target.at(*(at[i] for i in self.definition.indices))
        for form in (node, *filter(None, (row.apply(node) for row in NAMED))):
            same = {f: element for f in form.atoms(Function) if _plain(f) == own}
            if same:
                return form.xreplace(same)
        return node


def with_parts(shown: Program, normal: Program) -> tuple[Program, tuple[Part, ...]]:
    """The lines with a name for each long function that they repeat, if all get shorter by it.

    normal: the network as it was declared, in whose words a function is written.
    """
    parts: list[Part] = []
    lines = list(shown.definitions)
    while tried := _worth_a_name(lines, normal):
        lines = _with_lines(lines, tried)
        read = {definition.target for definition in lines}
        found = [part for part in tried if part.definition.target in read]
        if not found:
            break
        parts += found
    return replace(shown, definitions=tuple(lines)), tuple(parts)


def written_by_parts(program: Program, parts: Sequence[Part]) -> Program:
    """Another program in which these functions have their names, where it has one of them."""
    lines = [_through_rules(definition, parts) for definition in program] if parts else program
    return replace(program, definitions=tuple(_with_lines(lines, parts)))


def _through_rules(definition: Definition, parts: Sequence[Part]) -> Definition:
    """The user's own 1/(1 + exp(−u)) as the σ(u) that has a name."""
    body = rewrite(definition.body, (*STABILITY, *ALGEBRA))
    old, new = ({_key(node)[0] for node in _long(side)} for side in (definition.body, body))
    return replace(definition, body=body) if (new - old) & {p.key for p in parts} else definition


def _with_lines(lines: Iterable[Definition], parts: Sequence[Part]) -> list[Definition]:
    """The lines through the names of these parts, the line of each before its first reader."""
    known = {part.key: part for part in parts}
    short = Likeness(_short, lambda body, other: body.xreplace(other))
    lined: dict[Key, None] = {}
    made: list[Definition] = []

    def place(definition: Definition, own: Key | None = None) -> None:
        written = {node: (known[key], known[key].written(node)) for node in _long(definition.body)
                   if (key := _key(node)[0]) in known and key != own}
        replaced = {node: new for node, (_, new) in written.items() if new != node}
        for part in [part for node, (part, _) in written.items() if node in replaced]:
            if part.key not in lined:
                lined[part.key] = None
                place(part.definition, part.key)
        body = definition.body.xreplace(replaced)
        made.append(replace(definition, body=short(body)) if replaced else definition)

    for definition in lines:
        place(definition)
    return made


def _short(body: Expr) -> Expr:
    return shortest(with_factors_outside(body))


def _worth_a_name(lines: Sequence[Definition], normal: Program) -> list[Part]:
    """The functions whose names make all lines shorter, but for those within another one."""
    counts: Counter[Key] = Counter()
    first: dict[Key, tuple[Expr, Definition]] = {}
    for definition in lines:
        for node in standing(definition.body, _is_long):
            if node != definition.body:  # else it has a name already
                key, _ = _key(node)
                counts[key] += 1
                first.setdefault(key, (node, definition))
    found = [key for key, count in counts.items() if gain(first[key][0], count) > 0]
    inner = {_key(node)[0] for key in found for node in _long(first[key][0])[:-1]}
    outer = [key for key in found if key not in inner]
    declared: dict[Key, Expr] = {}
    for definition in normal if outer else ():
        for node in _long(definition.body):
            declared.setdefault(_key(node)[0], node)
    layer = {key: place for place, key in enumerate(declared)}
    outer.sort(key=lambda key: layer.get(key, len(layer)))  # a1 stands in layer 1
    return [_named(declared.get(key, first[key][0]), first[key][1]) for key in outer]


def _named(node: Expr, reader: Definition) -> Part:
    letters = letters_of(node, reader.indices)
    return Part(temporary(node, letters, hint="a", where=reader.where), *_key(node))


def _long(body: Expr) -> list[Expr]:
    return [node for node in postorder(body) if _is_long(node)]


def _is_long(node: Expr) -> bool:
    """Whether it is a function that may have a name: of entries, and of no sum."""
    kind = isinstance(node, Function) and not isinstance(node, (Iverson, Piecewise, Reduction))
    return kind and weight(node) > 2 * READ and bool(elements_in(node)) and Sum not in kinds(node)


@lru_cache(4096)
def _key(node: Expr) -> tuple[Key, tuple[Idx, ...]]:
    """What a function shares with its mirror images, and with itself in other letters."""
    if not isinstance(node, (sigmoid, tanh)):
        return fingerprint(node.func(*map(shortest, node.args)))
    argument = shortest(2 * node.args[0] if isinstance(node, tanh) else node.args[0])
    upright = shortest(-argument) if argument.could_extract_minus_sign() else argument
    return fingerprint(sigmoid(upright))


@lru_cache(4096)
def _plain(node: Expr) -> tuple[object, ...]:
    """A function by its arguments, each in its shortest form."""
    return (node.func, *map(shortest, node.args))
