"""Names that want to be something else: markup, commands, confusables, characters unseen."""

from __future__ import annotations

import random
import unicodedata

MARKUP = ["<script>alert(1)</script>", "</td><td>", "<img src=x onerror=y>", "&lt;", "&#60;", "-->",
          "<!--", "]]>", "<?xml?>", "<math>", "</math>", "<mo>", "\" onload=\"", "' x='", "&nbsp;",
          "&", "<", ">", '"', "'", "javascript:", "<style>*{}", "href=", "https://x.org"]
COMMANDS = ["\\input{x}", "\\write18{ls}", "\\end{align*}", "\\begin{document}", "$", "$$", "%",
            "#1", "~", "^^M", "^^5c", "{", "}", "\\\\", "\\", "_", "__", "^", "&", "\\def\\x{}",
            "\\verb|x|", "\\newpage", "\\catcode`\\_", "\\par", "\\left", "\\right)", "\\[", "\\)"]
UNSEEN = ["\n", "\r\n", "\t", "\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029",
          "\u00a0", "\u200b", "\u200d", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066",
          "\u2069", "\ufeff", "\u00ad", "\u034f", "\u115f", "\u3164", "\ufe0f", "\ud800",
          "\udfff", "\ue000", "\U000e0041", "\U0010ffff", "\u180e", "\u2062", " "]
MARKS = ["\u0302", "\u0303", "\u0304", "\u0305", "\u0307", "\u0308", "\u030a", "\u0338", "\u20d7",
         "\u20dd", "\u0489", "\u0301"*9, "\u05b0", "\u0651", "′", "'", "″", "`", "´"]
LETTERS = ["W", "W1", "W_1", "W01", "W₁", "W¹", "W１", "Ｗ", "w", "Α", "A", "А", "α", "a", "а",
           "ɑ", "δ", "∂", "∂L/∂W1", "∂/∂", "ŷ", "y", "é", "Å", "Å", "ﬁ", "ϕ", "φ", "Ω", "Ω",
           "K", "ℓ", "l", "I", "1", "0", "O", "٣", "३", "²", "µ", "μ", "ß", "İ", "ı", "ǰ",
           "שׁ", "ب", "字", "한", "😀", "👩\u200d💻", "🇨🇭", "𝐖", "ⅷ", "⟨1⟩", "⟨ℓ+1⟩", "⟨A⟩", "⟨",
           "⟩", "‹", "if", "otherwise", "and", "exp", "sum", "frac", "x"*300, "prev", "Σ", "·",
           "ᵀ", "−", "-", "=", "(", "]", ",", "/"]
KINDS = (MARKUP, COMMANDS, UNSEEN, MARKS, LETTERS, LETTERS, LETTERS)


def hostile_names(seed: int, count: int) -> list[str]:
    """So many different names, the bare pieces first."""
    rng = random.Random(seed)
    found = dict.fromkeys(["", *(piece for kind in KINDS for piece in kind)])
    while len(found) < count:
        pieces = [rng.choice(rng.choice(KINDS)) for _ in range(rng.choice((1, 2, 2, 3, 4, 6)))]
        if rng.random() < 0.2:
            pieces.insert(rng.randrange(len(pieces) + 1), chr(rng.randrange(0x110000)))
        found["".join(pieces)] = None
    return list(found)[:count]


def same(name: str) -> str:
    """What names have in common that differ in their normalisation only."""
    return unicodedata.normalize("NFD", name)
