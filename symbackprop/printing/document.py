"""A derivation as a page: network, shapes, gradients in every form, rules, check, source.

The page is complete: the browser itself shows its MathML, and nothing is fetched from elsewhere.
Where a kernel is given, each formula is linked to the line of generated source that computes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from symbackprop.errors import DerivationError, ProgramError
from symbackprop.notation import Tensor
from symbackprop.printing.alike import folded
from symbackprop.printing.forms import View, form_lines
from symbackprop.printing.html import (
    folded_away,
    lines_html,
    shown,
    source_html,
    table_html,
)
from symbackprop.printing.index import index_line
from symbackprop.printing.lines import Line
from symbackprop.printing.mathml import mathml
from symbackprop.printing.signs import met
from symbackprop.printing.style import STYLE
from symbackprop.printing.text import formula
from symbackprop.rewriting import Step
from symbackprop.rules.tables import BOOKKEEPING, reason
from symbackprop.shapes import shapes

if TYPE_CHECKING:
    from symbackprop.derivation import Derivation

LARGEST = 40  # tensors of a table that is open from the start
LONGEST = 160  # characters of a rule's example
FIRST = 10  # applications of a rule of which one is the example
MOST = 12  # weights that are all shown with their chains


@runtime_checkable
class Source(Protocol):
    """A generated module, and of each tensor that it computes the line of its formula."""

    @property
    def source(self) -> str:
        """The text of the module."""


    @property
    def lines(self) -> Mapping[Tensor, int]:
        """The line of each formula, counted from 1."""


class Section(NamedTuple):
    """A part of the page: its anchor, its title and what stands in it."""

    anchor: str
    title: str
    inside: str


def page(derivation: Derivation, view: View, kernel: Source | None, check: bool) -> str:
    """The whole page; DerivationError for a kernel that is none."""
    if kernel is not None and not isinstance(kernel, Source):
        raise DerivationError(f"kernel={kernel!r} is no compiled function: write "
                              "f = sb.compile([L, d[W1]]), then d.html(kernel=f)")
    loss = derivation.names[derivation.loss]
    sections = _sections(derivation, view, kernel, check)
    links = "".join(f'<a href="#{s.anchor}">{shown(s.title)}</a>' for s in sections)
    body = "".join(f'<section id="{s.anchor}"><h2>{shown(s.title)}</h2>{s.inside}</section>'
                   for s in sections)
    title = f"Derivation of {shown(loss)}"
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
            f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>"
            f"<p>{shown(_summary(derivation))}</p><nav>{links}</nav>{body}</body></html>\n")


def fragment(derivation: Derivation) -> str:
    """The matrix form for a notebook."""
    lines = form_lines(derivation, "matrix", View(fold=True))
    return f"<div><style>{_scoped()}</style>{lines_html(lines)}</div>"


def _scoped() -> str:
    return ("table.lines td { text-align: left; border: none; background: none; } "
            "table.lines td:first-child { text-align: right; }")


def _summary(derivation: Derivation) -> str:
    names = derivation.forward.names
    asked = [names[t] for t in derivation.gradients]
    by = ", ".join(asked if len(asked) <= MOST else [*asked[:2], "…", *asked[-2:]])
    return (f"The loss {names[derivation.loss]} differentiated by {by}. "
            "A gradient has the shape of what it is the gradient of.")


def _sections(derivation: Derivation, view: View, kernel: Source | None, check: bool
              ) -> list[Section]:
    places = dict(kernel.lines) if kernel is not None else {}
    names = derivation.names
    network = [index_line(definition, names) for definition in derivation.forward]
    plain, short = replace(view, fold=False), _shortened(derivation, view)
    lines = {form: form_lines(derivation, form, how) for form, how in (
        ("matrix", plain), ("index", plain), ("neuron", short), ("steps", view))}
    made = [
        Section("network", "Network", _foldable(network, view, places)),
        Section("shapes", "Shapes", _shapes(derivation)),
        Section("gradients", "Gradients",
                _about(view, [*network, *(line for found in lines.values() for line in found)])
                + _foldable(lines["matrix"], view, places)),
        Section("index", "With every index", _foldable(lines["index"], view, places)),
        Section("chain", "One weight's chain", _away(lines["neuron"])),
        Section("steps", "Step by step", _away(lines["steps"])),
        Section("rules", "Rules used", _rules(derivation)),
    ]
    if check:
        made.append(Section("check", "Numerical check",
                            f"<pre>{escape(_compared(derivation))}</pre>"))
    if kernel is not None:
        made.append(Section("source", "Generated source", source_html(kernel.source)))
    return made


def _shapes(derivation: Derivation) -> str:
    table = shapes(derivation.forward).table
    shown = table_html(table)
    return shown if len(table.rows) <= LARGEST else folded_away(
        f"{len(table.rows)} tensors, {table.last[-1].removesuffix(' in all')} parameters", shown)


def _compared(derivation: Derivation) -> str:
    """What the check has found, or why there are no numbers: an undefined σ(x) has none."""
    try:
        return str(derivation.check())
    except (DerivationError, ProgramError) as error:
        return f"There are no numbers to compare: {error}"


def _about(view: View, lines: Sequence[Line]) -> str:
    """How samples lie, and what the signs mean that stand in these lines."""
    said = "".join(f"; {meaning}" for meaning in met(line.right for line in lines))
    return f"<p>Samples are {view.samples}{shown(said)}.</p>"


def _foldable(lines: Sequence[Line], view: View, places: Mapping[Tensor, int]) -> str:
    """The lines, alike layers once; then the whole list lies behind a line that opens it."""
    short = folded(lines) if view.fold else lines
    whole = lines_html(lines, places)
    if len(short) == len(lines):
        return whole
    return lines_html(short, places) + folded_away(f"every layer: {len(lines)} lines", whole)


def _away(lines: Sequence[Line]) -> str:
    return folded_away(f"{len(lines)} lines", lines_html(lines))


def _shortened(derivation: Derivation, view: View) -> View:
    """Of a deep net, the chains of the first and of the last weight will do."""
    asked = list(derivation.gradients)
    return view if view.entries or len(asked) <= MOST else replace(
        view, entries={t: t.letters for t in (asked[0], asked[-1])})


def _rules(derivation: Derivation) -> str:
    """Each rule that was used: how often, an example from this derivation, and why it holds."""
    used: dict[str, list[Step]] = {}
    for step in derivation.rules:
        used.setdefault(step.rule, []).append(step)
    names = derivation.names
    rows = [f"<tr><td>{escape(rule)}</td><td>{len(steps)}</td><td>{_example(steps, names)}</td>"
            f'<td class="note">{escape(reason(rule))}</td></tr>'
            for rule, steps in used.items() if rule not in BOOKKEEPING]
    moved = [f"{rule} ({len(steps)}×)" for rule, steps in used.items()
             if rule in BOOKKEEPING]
    head = "<tr><th>rule</th><th>times</th><th>for example</th><th>why</th></tr>"
    table = (f'<div class="scroll"><table class="cells"><thead>{head}</thead>'
             f'<tbody>{"".join(rows)}</tbody></table></div>')
    after = f"<p>Besides: {escape('; '.join(moved))}.</p>" if moved else ""
    return (table if rows else "<p>None: the chain rule alone.</p>") + after


def _example(steps: Sequence[Step], names: Mapping[Tensor, str]) -> str:
    """The shortest of the first applications, unless even that is long."""
    sides = min(([formula(step.before, names), formula(step.after, names)]
                 for step in steps[:FIRST]), key=lambda sides: sum(len(s.text) for s in sides))
    if sum(len(side.text) for side in sides) > LONGEST:
        return ""
    return " → ".join(map(mathml, sides))
