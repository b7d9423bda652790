"""How a name is taken apart to be typeset: W1 is W with 1, ŷ′ is y with a hat and a prime.

    name ::= "∂" name "/∂" name | "∂" power name "/" ("∂" name [power])*
           | stem [digits | "⟨" [digits] "ℓ" … "⟩" | "_" rest] primes

What cannot be seen stands in a formula by its code, ⟨A⟩ for the end of a line; a space, which is a
product of matrices, and a user's own ⟨ and ⟩ do so too.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_PARTS = re.compile(r"(?P<stem>.+?)(?:(?<![0-9])(?P<layer>[0-9]+)|⟨(?P<any>[0-9]*ℓ[^⟩]*)⟩"
                    r"|_(?P<rest>[^_].*?))?(?P<primes>['′]*)", re.DOTALL)
_CODE = re.compile(r"⟨[0-9A-F]*⟩|.", re.DOTALL)
#: Printable characters of which nothing is seen.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f"
                    "\U000e0100-\U000e01ef]")
#: W1, L, h_hid, ∂L/∂z: words that are no English ones.
_NAMED = re.compile(r"[^\W\d_]+[0-9]+['′]*|[^\W\d_]['′]*|(?=.*[^\W\d_])\w*_\w*['′]*"
                    r"|(?=.*[^\W\d_]).*[^\x00-\x7f].*", re.DOTALL)
_UP = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_DOWN = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_HIGHER = re.compile(r"∂(?P<order>[²³⁴⁵⁶⁷⁸⁹])(?P<of>[^∂/⁰¹²³⁴⁵⁶⁷⁸⁹]+)/"
                     r"(?P<by>(?:∂[^∂/⁰¹²³⁴⁵⁶⁷⁸⁹]+[²³⁴⁵⁶⁷⁸⁹]?)+)", re.DOTALL)
_RAISED = re.compile(r"∂([^∂/⁰¹²³⁴⁵⁶⁷⁸⁹]+)([²³⁴⁵⁶⁷⁸⁹]?)", re.DOTALL)
_RESERVED = re.compile("[∂/⁰¹²³⁴⁵⁶⁷⁸⁹]")  # what a part of a higher derivative has not in it
MOST = 3  # accents on a letter
DEEPEST = 6  # ∂ in a name that is still taken for a derivative

ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0307": "dot",
           "\u0308": "ddot", "\u0301": "acute", "\u0300": "grave", "\u030c": "check",
           "\u0306": "breve", "\u20d7": "vec"}
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


class Partial(NamedTuple):
    """∂²L/∂a∂b: of L, by a once and by b once; two times in all."""

    order: int
    of: str
    by: tuple[tuple[str, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What is differentiated, and what it is differentiated by."""
        return (self.of, *(name for name, _ in self.by))


class Parts(NamedTuple):
    """A name taken apart; `layer` is a number that it ends in, or ℓ + 1 where many layers are
    written as one; `rest` is what follows its first _."""

    stem: str
    layer: str
    rest: str
    primes: int


def printable(shown: str) -> str:
    r"""The text on one line, what cannot be seen by its code.

    >>> printable("a\nb")
    'a⟨A⟩b'
    """
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(_code(char) if _unseen(char) else char for char in shown)


def visible(name: str) -> str:
    """A name as it stands in a formula: one line, and different for different names."""
    if name.isascii() and name.isprintable() and " " not in name:
        return name or "⟨⟩"
    first = _code(name[0]) if unicodedata.combining(name[0]) else ""
    return first + "".join(_code(char) if _unseen(char) or char in "⟨⟩ " else char
                           for char in name[bool(first):])


def _unseen(char: str) -> bool:
    return not char.isprintable() or _BLANK.match(char) is not None


def _code(char: str) -> str:
    return f"⟨{ord(char):X}⟩"


def partial(name: str) -> Partial | None:
    """The parts of ∂L/∂W1 or ∂²L/∂a∂b², None of any other name.

    >>> partial("∂L/∂W1")
    Partial(order=1, of='L', by=(('W1', 1),))
    >>> partial("∂³L/∂a∂b²").by, partial("∂Q/∂∂L/∂W").by
    ((('a', 1), ('b', 2)), (('∂L/∂W', 1),))
    """
    if not name.startswith("∂") or name.count("∂") > DEEPEST:
        return None
    raised = _HIGHER.fullmatch(name)
    if raised is not None:
        by = tuple((stem, _ordinal(power)) for stem, power in _RAISED.findall(raised["by"]))
        order = _ordinal(raised["order"])
        if order == sum(power for _, power in by) > 1:
            return Partial(order, raised["of"], by)
    for found in re.finditer("/∂", name):
        above, below = name[1:found.start()], name[found.end():]
        if above and below and above.count("∂") == 2*above.count("/∂"):
            return Partial(1, above, ((below, 1),))
    return None


def derivative(of: str, by: str) -> str:
    """The name of a derivative; one of a derivative is of second order.

    >>> derivative("L", "W1"), derivative("∂L/∂a", "a"), derivative("∂²L/∂a²", "b")
    ('∂L/∂W1', '∂²L/∂a²', '∂³L/∂a²∂b')
    """
    found = partial(of)
    plain = found is not None and not any(
        _RESERVED.search(part) for part in (found.of, by, *(name for name, _ in found.by)))
    if found is None or not plain or found.order + 1 > DEEPEST - 1:
        return f"∂{of}/∂{by}"
    *before, (last, power) = found.by
    parts = [*before, (last, power + 1)] if by == last else [*found.by, (by, 1)]
    below = "".join(f"∂{name}{_raised(power)}" for name, power in parts)
    return f"∂{_raised(found.order + 1)}{found.of}/{below}"


def _raised(power: int) -> str:
    return "" if power == 1 else str(power).translate(_UP)


def _ordinal(power: str) -> int:
    return int(power.translate(_DOWN)) if power else 1


def words(reason: str) -> list[tuple[str, str]]:
    """The words of a reason, each as a name and what is no name: ("", "chain"), ("z1", ",").

    >>> words("through z1, z2")
    [('', 'through'), ('z1', ','), ('z2', '')]
    """
    found = []
    for word in reason.split(" "):
        plain = word.rstrip(",;:.")
        named = plain not in ("a", "I") and not plain.isdecimal() and _NAMED.fullmatch(plain)
        found.append((plain, word[len(plain):]) if named else ("", word))
    return found


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

    A code is one letter; an accent without a name, or on nothing, is a letter of its own.
    """
    found: list[tuple[str, list[str]]] = []
    for char in _CODE.findall(unicodedata.normalize("NFD", stem)):
        if char in ACCENTS and found and len(found[-1][1]) < MOST:
            found[-1][1].append(ACCENTS[char])
        else:
            found.append((char, []))
    return found


_LAYER = re.compile(r"(?<=[^\W\d_])(?:0|[1-9][0-9]*)(?=['′]*\Z)")


def layers(name: str) -> list[int]:
    """The number that a name ends in; of a partial derivative, that of what it is taken by.

    >>> layers("∂L2/∂W12"), layers("h_2")
    ([12], [])
    """
    return [int(found) for found in _LAYER.findall(name)]


def relative(name: str, base: int, times: int = 1) -> str:
    """The name with such a number counted from a layer ℓ, or from a multiple of it.

    >>> relative("W3", 2), relative("∂L/∂b2", 2), relative("W3", 2, 2)
    ('W⟨ℓ+1⟩', '∂L/∂b⟨ℓ⟩', 'W⟨2ℓ−1⟩')
    """
    def shown(found: re.Match[str]) -> str:
        beyond = int(found[0]) - times*base
        counted = (f"{times}ℓ" if times != 1 else "ℓ") + (f"{beyond:+d}" if beyond else "")
        return f"⟨{counted}⟩".replace("-", "−")

    return _LAYER.sub(shown, name)


def alike(name: str) -> tuple[object, ...]:
    """What is seen of a name: two names that look alike when typeset have it in common.

    >>> alike("W1") == alike("W_1"), alike("W1") == alike("w1")
    (True, False)
    """
    known = parts(name)
    return (*map(_seen, characters(known.stem)), None,
            *map(_seen, characters(known.layer or known.rest)), known.primes)


def _seen(letter: tuple[str, list[str]]) -> tuple[str, ...]:
    char, accents = letter
    return (char if char.startswith("⟨") or char.isascii() or char in GREEK else _code(char),
            *accents)
