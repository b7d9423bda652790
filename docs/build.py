"""Write the pages that are made of real output: `make docs`; a test keeps them up to date."""

import runpy
from functools import cache
from pathlib import Path

import symbackprop as sb
from symbackprop.rules.tables import TABLES

DOCS = Path(__file__).parent
PREFACE = """# Rules

Every row is checked numerically on its domain by the tests.
A rule that does not match leaves its input alone.
This page is written by `make docs`; do not edit it.
"""


def rules() -> str:
    """The page of rules."""
    parts = [PREFACE]
    shown = ""
    for name, about, rows in TABLES:
        parts.append(f"## {name.replace('_', ' ').capitalize()}\n")
        if about != shown:
            parts.append(f"{about}\n")
            shown = about
        parts.append("| rule | left | right | where | why |\n|---|---|---|---|---|")
        parts.extend(
            f"| {row.name} | {code(row.left)} | {code(row.right)} | {where(row)} "
            f"| {cell(row.why)} |" for row in rows
        )
        parts.append("")
    return "\n".join(parts)


def where(row: object) -> str:
    """When a row applies: in words, or the signs that its variables must have, e.g. `c > 0`."""
    if text := getattr(row, "where", ""):
        return cell(text)
    holes = sorted(getattr(row.left, "free_symbols", ()), key=str)
    signs = [f"{hole} > 0" for hole in holes if hole.is_positive]
    signs += [f"{hole} < 0" for hole in holes if hole.is_negative]
    return ", ".join(signs)


def code(side: object) -> str:
    """One side of a rule as code within a table."""
    return f"`{cell(side)}`"


def cell(text: object) -> str:
    """Text that may stand in a cell of a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


NETWORK = (DOCS / "network.py").read_text(encoding="utf-8").partition("\n\n")[2]
FORMS = {
    "index": ("With every index", """Every definition of the derivation, each index written out: a
sensitivity δ where the chain rule needs one, then the gradients that are made of it.  This is what
is compiled; a kernel carries the same lines as its comments.""", {}),
    "matrix": ("Matrices", """As on a blackboard: capital letters for matrices, δ for
sensitivities, ⊙ for products entry by entry, 1 for a column of ones.  A definition without a
matrix form is printed with its indices.  `samples="columns"` makes samples columns.""",
               {"samples": "columns"}),
    "neuron": ("One weight's chain", """The chain of factors from the loss to one weight: first by
name, then each factor's value, then what it comes to.  `entries` picks one weight by its place.""",
               {"entries": {"W1": (2, 0)}}),
    "steps": ("Step by step", """The chain rule for one definition after the other, and every
simplification with the name of its rule ([rules](../rules.md)).  The last line of each block is the
one that the other forms print.""", {}),
}
DOCUMENTS = """# Derivations as documents

This page is written by `make docs`; do not edit it.

Every form of a derivation ([index](forms/index.md), [matrix](forms/matrix.md),
[neuron](forms/neuron.md), [steps](forms/steps.md)) is text, LaTeX or part of a page:

```python
{network}
text = d.text("steps")                        # one line each
body = d.latex("matrix")                      # an align* environment
page = d.html()                               # a whole page
```

## LaTeX

`d.latex(form)` is a body for `amsmath`, and nothing else is needed.  Every character outside of
ASCII is a command, a long line goes on below, and the reason for a line is its tag.  A derivation
of several pages breaks between lines with `\\allowdisplaybreaks` in the preamble.

```python
print(d.latex("matrix"))
```

```text
{latex}
```

## A page

`d.html()` is a complete page: network, shapes, gradients in every form, the rules that were used
with their reasons, and the numerical check.  The browser itself shows its MathML; nothing is
fetched from elsewhere, and there is no script in it.  With a compiled function each formula is
linked to the line of generated source that computes it; [this is such a page](example.html).

```python
f = sb.compile([L, *(d[name] for name in ("W1", "b1", "W2", "b2"))])
page = d.html(kernel=f)
```

Alike layers are folded into one line for a layer ℓ, with the whole list behind it; `fold=False`
writes all of them.  `check=False` leaves the check out.  In a notebook a derivation shows itself:
the last value of a cell is displayed in matrix form.

## Names

A tensor's name is set as it is meant: W1 as W with 1 below (above, where its indices stand below),
`y_hat` with its word below, ŷ with its hat.  Where two names of a derivation would look alike, such
as W1 and W_1, both are set as they are typed.  What cannot be seen is shown by its code.
"""


@cache
def example() -> sb.Derivation:
    """The derivation that all pages show."""
    found: sb.Derivation = runpy.run_path(str(DOCS / "network.py"))["d"]
    return found


def form(name: str) -> str:
    """The page of one form: what it is, and the same derivation in it as text and as LaTeX."""
    title, about, options = FORMS[name]
    d = example()
    called = "".join(f", {key}={value!r}" for key, value in options.items()).replace("'", '"')
    parts = [f"# {title}", "This page is written by `make docs`; do not edit it.", about,
             f"```python\n{NETWORK}print(d.text(\"{name}\"))\n```",
             f"```text\n{d.text(name)}\n```"]
    if options:
        parts += [f"```python\nprint(d.text(\"{name}\"{called}))\n```",
                  f"```text\n{d.text(name, **options)}\n```"]
    parts += [f"The same in LaTeX, `d.latex(\"{name}\")`:", f"```latex\n{d.latex(name)}\n```"]
    return "\n\n".join(parts) + "\n"


def page() -> str:
    """The page of the example, with the kernel that computes its loss and its gradients."""
    d = example()
    kernel = sb.compile([d.loss, *(d[tensor] for tensor in d.gradients)])
    return d.html(kernel=kernel)


def pages() -> dict[str, str]:
    """Every page by its path in this folder."""
    forms = {f"forms/{name}.md": form(name) for name in FORMS}
    about = DOCUMENTS.format(network=NETWORK, latex=example().latex("matrix"))
    return {"rules.md": rules(), **forms, "documents.md": about, "example.html": page()}


if __name__ == "__main__":
    for made, text in pages().items():
        path = DOCS / made
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
