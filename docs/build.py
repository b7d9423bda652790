"""Write docs/rules.md from the tables of rules: `make docs`; a test keeps the page up to date."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import symbackprop.rules

PAGE = Path(__file__).parent / "rules.md"
PREFACE = """# Rules

Every row is checked numerically on its domain by the tests.
A rule that does not match leaves its input alone.
This page is written by `make docs`; do not edit it.
"""


def tables() -> Iterator[tuple[str, str, tuple[object, ...]]]:
    """(name of the table, docstring of its module, rows that stand in no table before it)."""
    seen: set[int] = set()
    for found in sorted(pkgutil.iter_modules(symbackprop.rules.__path__), key=lambda m: m.name):
        module = importlib.import_module(f"symbackprop.rules.{found.name}")
        for name, value in vars(module).items():
            rows = name.isupper() and isinstance(value, tuple) and hasattr((*value, 0)[0], "why")
            new = tuple(row for row in value if id(row) not in seen) if rows else ()
            if new:
                seen.update(map(id, new))
                yield name, (module.__doc__ or "").partition("\n\n")[0], new


def page() -> str:
    """The text of the page."""
    parts = [PREFACE]
    shown = ""
    for name, about, rows in tables():
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


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
