"""How a name is taken apart to be typeset: W1 is W with 1, ŷ′ is y with a hat and a prime.

    name ::= "∂" name "/∂" name | stem [digits | "⟨" layer "⟩" | "_" rest] primes

Nothing of a name reaches a page but letters, digits, and what this module recognises.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_PARTIAL = re.compile(r"∂(?P<above>.+?)/∂(?P<below>.+)", re.DOTALL)
_PARTS = re.compile(r"(?P<stem>.+?)(?:(?P<layer>\d+)|⟨(?P<any>[^⟩]*)⟩|_(?P<rest>[^_].*?))?"
                    r"(?P<primes>['′]*)", re.DOTALL)

ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar",
           "\u0307": "dot", "\u0308": "ddot", "\u0301": "acute", "\u0300": "grave",
           "\u030c": "check", "\u0306": "breve", "\u20d7": "vec"}
#: Greek letters by the names that LaTeX has for them, and which begin with a capital.
GREEK = {
    **dict(zip("αβγδεζηθικλμνξπρστυφχψω", (
        "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
        "sigma tau upsilon varphi chi psi omega").split(), strict=True)),
    **dict(zip("ΓΔΘΛΞΠΣΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega".split(),
               strict=True)),
    "ς": "varsigma", "ϕ": "phi", "ϵ": "epsilon", "ϑ": "vartheta", "ϱ": "varrho", "ϖ": "varpi",
    "ℓ": "ell", "∂": "partial", "∇": "nabla",
}


class Parts(NamedTuple):
    """A name taken apart; `layer` is a number that it ends in, or ℓ + 1 where many layers are
    written as one; `rest` is what follows its first _."""

    stem: str
    layer: str
    rest: str
    primes: int


def partial(name: str) -> tuple[str, str] | None:
    """("L", "W1") of ∂L/∂W1, None of any other name."""
    found = _PARTIAL.fullmatch(name)
    return (found["above"], found["below"]) if found else None


def parts(name: str) -> Parts:
    """The parts of a name that is no partial derivative.

    >>> parts("W12")[:2], parts("h_prev′")
    (('W', '12'), Parts(stem='h', layer='', rest='prev', primes=1))
    """
    found = _PARTS.fullmatch(name)
    if found is None:
        return Parts(name, "", "", 0)
    layer = found["layer"] or found["any"] or ""
    return Parts(found["stem"], layer, found["rest"] or "", len(found["primes"]))


def characters(stem: str) -> list[tuple[str, list[str]]]:
    """The letters of a stem, each with its accents by name: ŷ is y with a hat.

    An accent without a name, or on nothing, is a letter of its own.
    """
    found: list[tuple[str, list[str]]] = []
    for char in unicodedata.normalize("NFD", stem):
        if char in ACCENTS and found:
            found[-1][1].append(ACCENTS[char])
        else:
            found.append((char, []))
    return found


_LAYER = re.compile(r"(?<=[^\W\d])\d+(?=['′]*(?:/|$))")


def layers(name: str) -> list[int]:
    """The numbers that a name, or each name of a partial derivative, ends in.

    >>> layers("∂L/∂W12"), layers("h_2b")
    ([12], [])
    """
    return [int(found) for found in _LAYER.findall(name)]


def relative(name: str, base: int) -> str:
    """The name with such numbers counted from a layer ℓ: W3 is W⟨ℓ+1⟩ for base 2."""
    def shown(found: re.Match[str]) -> str:
        return f"⟨ℓ{int(found[0]) - base:+d}⟩".replace("+0", "").replace("-", "−")

    return _LAYER.sub(shown, name)
