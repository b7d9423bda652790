"""The form "steps": the chain rule, one definition at a time, and every simplification by name.

    ∂L/∂z[n,k] = (∂L/∂p[n,k] − Σ_{k′} ∂L/∂p[n,k′]·p[n,k′])·p[n,k]    chain rule through p
               = …                                                   each rule on a line of its own
               = (p[n,k] − y[n,k])/N                                 which is δ2[n,k]

What a line has become is put into the lines that read it, except where it has a name of its own
in the derivation: from there on the name stands.  The last line of a block is the one that the
other forms print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sympy import Add, Expr, Idx, Integer

from symbackprop.chain import Chain, Link
from symbackprop.likeness import Likeness
from symbackprop.notation import Definition, Element, Tensor, TensorSymbol, tensors_in
from symbackprop.printing.film import Frame, frames
from symbackprop.printing.formula import Formula, Piece, name, number
from symbackprop.printing.lines import Line
from symbackprop.printing.naming import derivative
from symbackprop.printing.presentation import put_in
from symbackprop.printing.text import SUM, formula, piece
from symbackprop.printing.unordered import same_factors, same_signs
from symbackprop.rules.declared import in_words
from symbackprop.rules.forms import weight
from symbackprop.sameness import same_function

PUT_IN = 60  # what weighs more is read by its name


@dataclass(slots=True)
class Steps:
    """Writes the blocks of a chain.

    names: of the tensors on the board and of the derivation; final: for a tensor T, the line of
    T̄ in the derivation; points: values of all tensors that belong together; known: what each
    seed has become, as a definition of it.
    """

    chain: Chain
    loss: Tensor
    names: Mapping[Tensor, str]
    final: Mapping[Tensor, Definition]
    asked: Sequence[Tensor]
    points: Sequence[Mapping[Tensor, Any]] | None = None
    spelled: dict[Tensor, str] = field(default_factory=dict)
    known: dict[Tensor, Definition] = field(default_factory=dict)
    named: set[Tensor] = field(default_factory=set)  # sensitivities that a block has led to
    film: Likeness[list[Frame]] = field(init=False)
    agreed: dict[tuple[Idx, ...], Likeness[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.film = Likeness(  # data, of which facts are told, are the same in all that is alike
            lambda body: list(frames(body, self.spelled)),
            lambda made, other: [(why, body.xreplace(other)) for why, body in made])

    def lines(self) -> list[Line]:
        """A block for each tensor, from the loss down to those that were asked for."""
        self.spelled |= self.names
        seeds: dict[Tensor, Tensor] = {}
        for found in self.chain.links.values():
            for link in found:
                seeds[link.consumer.target] = link.seed
                self.spelled[link.seed] = self._partial(link.consumer.target)
        if self.loss in seeds:
            self.known[seeds[self.loss]] = Definition(seeds[self.loss], (), Integer(1))
        made: list[Line] = []
        if self.loss in self.asked:
            left = name(self._partial(self.loss))
            made.append(Line(left, number("1"), "the loss itself", self.loss, Integer(1)))
            self.named.add(self.final[self.loss].target)
        for tensor in self.chain.order(self.asked):
            block, body = self._block(tensor, self.chain.links[tensor])
            made += block
            if tensor in seeds and weight(body) <= PUT_IN:
                self.known[seeds[tensor]] = Definition(seeds[tensor], tensor.letters, body)
        return made

    def _partial(self, tensor: Tensor) -> str:
        return derivative(self.names[self.loss], self.names[tensor])

    def _block(self, tensor: Tensor, links: Sequence[Link]) -> tuple[list[Line], Expr]:
        """The lines of one tensor, and what its adjoint is from then on: a formula, or a name."""
        body = self._renamed(Add(*(link.share for link in links)), tensor)
        through = [self.names[link.consumer.target] for link in links
                   if link.consumer.target is not self.loss]
        directly = ", and directly" * (len(through) < len(links))
        reason = f"chain rule through {', '.join(through)}{directly}" if through else (
            f"derivative of {self.names[self.loss]}")
        facts = dict.fromkeys(fact for link in links for fact in link.facts)
        reason = "; ".join([reason, *(in_words(self.names[t], kind) for t, kind in facts)])
        left = formula(Tensor(self._partial(tensor), tensor.axes, tensor.letters, "intermediate"
                              ).at(*tensor.letters), {})
        replaced = put_in(body, self.known, tensor.letters)
        value = body.xreplace(replaced)
        lines = [Line(left, formula(body, self.spelled), reason, tensor, value)]
        if replaced:
            shown = {element: self._put_in(content) for element, content in replaced.items()}
            which = ", ".join(dict.fromkeys(self.spelled[e.tensor] for e in replaced))
            written = piece(body, self.spelled, shown).formula
            plain = formula(value, self.spelled)
            self._add(lines, plain if same_signs(plain, written) else written,
                      f"{which} put in", value)
        for why, after in self.film(value) if tensor in self.final else ():
            value = after
            self._add(lines, formula(value, self.spelled), why, value)
        return self._ended(lines, tensor, value)

    def _put_in(self, content: Expr) -> Piece:
        """What stands for an entry; a minus in front of it is as weak as a sum."""
        made = piece(content, self.spelled)
        return Piece(made.formula, SUM) if made.text.startswith("−") else made

    def _ended(self, lines: list[Line], tensor: Tensor, body: Expr) -> tuple[list[Line], Expr]:
        """The last line is that of the derivation; a δ that was reached goes on by its name.

        A gradient that was asked for is what the derivation says, whatever way led there; the
        adjoint of another tensor need not be, since rules may use what holds for its values.
        """
        final = self.final.get(tensor)
        if final is None:
            return lines, body
        shown = formula(final.body, self.spelled)
        if same_factors(shown, lines[-1].right):
            lines[-1] = lines[-1]._replace(right=shown, value=final.body)
        elif tensor in self.asked or self._agree(body, final.body, tensor):
            self._add(lines, shown, self._reason(body, final.body), final.body)
        else:
            return lines, body
        self.named.add(final.target)
        if tensor not in self.asked:
            last = lines[-1]
            lines[-1] = last._replace(note=f"{last.note}; this is {self.names[final.target]}")
        return lines, final.target.at(*tensor.letters)

    def _agree(self, body: Expr, final: Expr, tensor: Tensor) -> bool:
        """Whether a line has the value of that of the derivation, whatever the inputs are.

        Equal as functions of all that they read, they are equal where the definitions hold.
        """
        always = self.agreed.setdefault(tensor.letters, Likeness(
            partial(same_function, letters=tensor.letters), lambda made, _: made))
        return always(body, final) or (bool(self.points) and same_function(
            body, final, tensor.letters, self.points))

    def _reason(self, before: Expr, after: Expr) -> str:
        """What the last line has that the one before has not, and the other way round."""
        old, new = tensors_in(before), tensors_in(after)
        own = {line.target for line in self.chain.program if line.target.name is None}
        gone = [t for t in old if t not in new and t in own]
        come = [t for t in new if t not in old and t.name is None]
        if come:
            return f"with {', '.join(self.names[t] for t in come)}"
        return f"{', '.join(self.names[t] for t in gone)} written out" if gone else "collected"

    def _renamed(self, body: Expr, tensor: Tensor) -> Expr:
        """Seeds that are 1, or have a name in the derivation, are written so at once."""
        short = {seed: known for seed, known in self.known.items()
                 if isinstance(known.body, (Integer, Element, TensorSymbol))}
        return body.xreplace(put_in(body, short, tensor.letters))

    def _add(self, lines: list[Line], right: Formula, note: str, value: Expr) -> None:
        """Appends a line that says something new."""
        last = lines[-1]
        if not same_factors(right, last.right):
            lines.append(Line(None, right, note, last.target, value))
        elif right.text != last.right.text:
            lines[-1] = last._replace(right=right, value=value)
        elif len(lines) > 1 and note not in last.note:
            lines[-1] = last._replace(note=f"{last.note}, {note}")
