"""A reader of LaTeX that knows our commands only: what it does not know is a fault."""

from __future__ import annotations

import re

from symbackprop.printing.naming import ACCENTS, GREEK

COMMANDS = {
    *ACCENTS.values(), *GREEK.values(),
    "frac", "sqrt", "left", "right", "Bigl", "Bigr", "lvert", "rvert", "langle", "rangle",
    "mathrm", "mathtt", "mathbf", "operatorname", "text", "displaystyle", "tag", "quad",
    "sum", "prime", "top", "odot", "oslash", "circ", "cdot", "times", "ne", "le", "ge", "ldots",
    "exp", "log", "tanh", "sinh", "cosh", "tan", "sin", "cos", "max", "min", "arg", "det", "sup",
    "inf", "lim", "begin", "end",
}
ENVIRONMENTS = {"align*", "cases"}
SIGNS = {",", "_", " ", "\\", "{", "}"}
_TOKEN = re.compile(r"\\(?P<word>[A-Za-z]+)|\\(?P<sign>.)|(?P<char>.)", re.DOTALL)
_SCRIPTS = re.compile(r"(?:\^|_)\s*(?:\^|_|\}|$)")


def faults(source: str) -> list[str]:
    """What is wrong with a LaTeX body: nothing, if it is ours and well-formed."""
    found = [f"character {char!r}" for char in sorted(set(source))
             if not (char == "\n" or " " <= char <= "~") or char in "#%~"]
    found += [f"command \\{word}" for word in sorted(set(re.findall(r"\\([A-Za-z]+)", source)))
              if word not in COMMANDS]
    found += [f"command \\{sign}" for sign in
              sorted(set(re.findall(r"\\([^A-Za-z])", source.replace("\\\\", ""))) - SIGNS)]
    found += _unbalanced(source)
    if _SCRIPTS.search(source.replace(r"\_", "")):
        found.append("a script of nothing")
    return found


def _unbalanced(source: str) -> list[str]:
    """Braces, environments, \\left and \\right, and dollar signs, in one nesting."""
    stack: list[str] = []
    tokens = list(_TOKEN.finditer(source))
    for at, token in enumerate(tokens):
        word, char = token["word"], token["char"]
        if word in ("begin", "end"):
            named = re.match(r"\{([^}]*)\}", source[token.end():])
            environment = named[1] if named else ""
            if environment not in ENVIRONMENTS:
                return [f"environment {environment!r}"]
            opened, closed = (environment, "") if word == "begin" else ("", environment)
        elif word in ("left", "right"):
            opened, closed = ("left", "") if word == "left" else ("", "left")
            if at + 1 == len(tokens) or tokens[at + 1][0] not in "()[]|":
                return [f"\\{word} without a fence"]
        elif char == "$":
            opened, closed = ("", "$") if stack[-1:] == ["$"] else ("$", "")
        else:
            opened, closed = ("{" if char == "{" else ""), ("{" if char == "}" else "")
        if char == "&" and stack[-1:] not in (["align*"], ["cases"]):
            return [f"& within {stack[-1:]}"]
        if opened:
            stack.append(opened)
        elif closed and (not stack or stack.pop() != closed):
            return [f"{closed} closed at {source[max(0, token.start() - 40):token.end()]!r}"]
    return [f"{stack[-1]} left open"] if stack else []


def in_prose_only(source: str) -> bool:
    """Whether dollar signs stand in reasons only."""
    return "$" not in re.sub(r"\\tag\*\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}", "", source)
