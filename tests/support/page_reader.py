"""A strict reader of our pages: a closed list of elements and attributes, everything closed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta"}
ELEMENTS: dict[str, set[str]] = {
    "html": {"lang"}, "head": set(), "meta": {"charset", "name", "content"}, "title": set(),
    "style": set(), "body": set(), "h1": set(), "h2": set(), "p": set(), "nav": set(),
    "a": {"href"}, "section": {"id"}, "div": {"class"}, "pre": set(), "i": set(),
    "span": {"id"}, "details": set(), "summary": set(), "table": {"class"}, "thead": set(),
    "tbody": set(), "tr": {"class"}, "th": set(), "td": {"class"},
    "math": {"displaystyle"}, "mrow": set(), "mi": {"mathvariant", "class"}, "mn": set(),
    "mo": {"form", "stretchy", "lspace", "rspace", "minsize", "maxsize"}, "mtext": set(),
    "mspace": {"width"}, "mfrac": set(), "msqrt": set(), "msub": set(), "msup": set(),
    "msubsup": set(), "munder": set(), "mover": {"accent"},
    "mtable": {"class", "displaystyle"}, "mtr": set(), "mtd": set(),
}
CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2}
LEAVES = {"mi", "mn", "mo", "mtext", "mspace"}
VALUES = {
    "class": {"scroll", "lines", "cells", "first", "last", "note", "link", "more", "typed",
              "cases"},
    "mathvariant": {"normal"}, "stretchy": {"true", "false"}, "displaystyle": {"true"},
    "form": {"prefix", "infix", "postfix"}, "accent": {"true"},
}
_LENGTH = re.compile(r"0|\d*\.?\d+em")
_MATH = re.compile(r"<math.*?</math>", re.DOTALL)


class Page(HTMLParser):
    """What stands on a page: faults, links, anchors, and the text of each element of a kind."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.faults: list[str] = []
        self.links: list[str] = []
        self.anchors: dict[str, str] = {}
        self._anchor = ""
        self.feed(source)
        self.close()
        if self.stack:
            self.faults.append(f"left open: {self.stack}")
        self.faults += [fault for math in _MATH.findall(source) for fault in math_faults(math)]
        self.faults += [f"no anchor {link}" for link in self.links
                        if link[:1] != "#" or link[1:] not in self.anchors]
        if re.search(r"https?:|//|url\(|@import|javascript:", _without_source(source)):
            self.faults.append("something from elsewhere")
        if bad := {c for c in source if c != "\n" and not c.isprintable() and c != "\u2062"}:
            self.faults.append(f"unseen characters {bad}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS:
            self.faults.append(f"element {tag}")
        self.faults += attribute_faults(tag, dict(attrs))
        given = dict(attrs)
        if given.get("href"):
            self.links.append(given["href"] or "")
        if given.get("id"):
            self._anchor = given["id"] or ""
            if self._anchor in self.anchors:
                self.faults.append(f"anchor {self._anchor} twice")
            self.anchors[self._anchor] = ""
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if self._anchor:
            self.anchors[self._anchor] += data

    def handle_decl(self, decl: str) -> None:
        if decl != "DOCTYPE html":
            self.faults.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"<!--{data}-->")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"<![{data}]>")


def _without_source(source: str) -> str:
    """The page without its generated program, in which // is a division."""
    return re.sub(r"<pre>.*?</pre>", "", source, flags=re.DOTALL)


def attribute_faults(tag: str, given: dict[str, str | None]) -> list[str]:
    """Attributes that an element of ours does not have, or not with such a value."""
    wrong = [f"{tag} {name}" for name in given if name not in ELEMENTS.get(tag, set())]
    for name, value in given.items():
        if name in VALUES and value not in VALUES[name]:
            wrong.append(f"{tag} {name}={value!r}")
        if name in ("width", "lspace", "rspace", "minsize", "maxsize") and not _LENGTH.fullmatch(
                value or ""):
            wrong.append(f"{tag} {name}={value!r}")
    return wrong


def math_faults(source: str) -> list[str]:
    """What is wrong with the structure of a formula in MathML."""
    try:
        root = ElementTree.fromstring(source)
    except ElementTree.ParseError as error:
        return [f"{error}: {source[:200]}"]
    found = []
    for node in root.iter():
        if node.tag not in ELEMENTS:
            found.append(f"element {node.tag}")
        found += attribute_faults(node.tag, dict(node.attrib))
        if node.tag in CHILDREN and len(node) != CHILDREN[node.tag]:
            found.append(f"{node.tag} with {len(node)} children")
        if node.tag in LEAVES:
            if len(node):
                found.append(f"{node.tag} with children")
            if node.tag != "mspace" and not (node.text or "").strip():
                found.append(f"{node.tag} of nothing")
        elif (node.text or "").strip() or any((child.tail or "").strip() for child in node):
            found.append(f"text in {node.tag}: {node.text!r}")
        if node.tag == "mtable" and any(row.tag != "mtr" or any(cell.tag != "mtd" for cell in row)
                                        for row in node):
            found.append("mtable of something else than mtr and mtd")
    return found
