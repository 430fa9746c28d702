"""HTML and SVG as trees of elements, so that no text becomes markup.

Owns escaping, and the signs that stand beside a colour. Does not own how anything looks (page.css).
"""

import re
from enum import StrEnum
from xml.etree.ElementTree import Element, SubElement, tostring

Child = Element | str | None
Value = str | float | bool | None

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # HTML has no place for them
RAW = ("script", "style")  # HTML reads no escapes within these


class Markup(Exception):
    """Somebody builds what this page must not have."""


class State(StrEnum):
    """How something is. Each has a sign of its own shape, a word, and a colour, in this order of weight."""

    WELL = "well"
    WRONG = "wrong"
    SOON = "soon"
    UNKNOWN = "unknown"
    PLAIN = "plain"


# Drawn within 16 by 16: shapes that differ without their colour.
SIGNS = {
    State.WELL: ("M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14z", "M4.8 8.3l2.2 2.2l4.2-4.6"),
    State.WRONG: ("M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z", "M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4"),
    State.SOON: ("M8 1L15.6 14.6H.4z", "M8 5.8v4M8 11.7v1"),
    State.UNKNOWN: ("M1.2 1.2h13.6v13.6H1.2z", "M5.8 6a2.2 2.2 0 1 1 3 2.1q-.8.3-.8 1.2M8 11.7v.6"),
}


def tag(name: str, /, *children: Child, **attributes: Value) -> Element:
    """An element. ``class_`` is class, and in other names ``_`` is ``-``; what is None or False is left out."""
    if name in RAW:
        raise Markup(f"{name}: is not escaped by HTML; use stylesheet() for text of the project's own")
    element = Element(name)
    for key, value in attributes.items():
        if value is not None and value is not False:
            element.set(key.removesuffix("_").replace("_", "-"), _value(value))
    add(element, *children)
    return element


def add(element: Element, *children: Child) -> None:
    """Puts children behind those that an element has."""
    for child in children:
        if isinstance(child, str):
            _append(element, CONTROL.sub("\N{REPLACEMENT CHARACTER}", child))
        elif child is not None:
            element.append(child)


def stylesheet(text: str) -> Element:
    """A style element; ``text`` is the project's own, never anything that was read."""
    if "</" in text:
        raise Markup("a stylesheet must not hold '</': it would end there")
    element = Element("style")
    element.text = text
    return element


def sign(state: State, x: float = 0, y: float = 0, size: float = 16, **attributes: Value) -> Element:
    """A state's sign as a drawing of its own; the word for it stands beside."""
    drawing = tag("svg", class_=f"sign {state}", x=x, y=y, width=size, height=size, viewBox="0 0 16 16", **attributes)
    outline, mark = SIGNS[state]
    SubElement(drawing, "path", {"class": "outline", "d": outline})
    SubElement(drawing, "path", {"class": "mark", "d": mark})
    drawing.set("aria-hidden", "true")
    return drawing


def document(root: Element) -> str:
    """The text of a whole page."""
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _append(element: Element, text: str) -> None:
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text


def _value(value: str | float | bool) -> str:
    if isinstance(value, str):
        return CONTROL.sub("\N{REPLACEMENT CHARACTER}", value)
    return "" if value is True else f"{round(value, 1):g}"
