"""HTML that cannot be broken by what is put into it: everything is escaped unless built here."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable
from typing import Any

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_VOID = frozenset({"br", "col", "hr", "img", "link", "meta"})
_FORBIDDEN = frozenset({"script", "style", "iframe", "object", "embed", "base", "form"})
_IMAGE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")
_FRAGMENT = re.compile(r"#[A-Za-z0-9_-]+")
_LINKS = {"src": _IMAGE, "href": _FRAGMENT}

# Control characters, halves of surrogate pairs, marks that turn the reading direction (they make
# "gpj.exe" read "exe.jpg") and characters that are none.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    r"\ufdd0-\ufdef\ufffe\uffff]"
)


class Html(str):
    """Text that is HTML already. Only this module and the charts make it."""

    __slots__ = ()


EMPTY = Html("")

Child = Html | str | int | float | None | Iterable[Any]


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """Make an element.

    Args:
        name: of the element.
        children: escaped unless they are Html; None is left out.
        attributes: `class_` becomes class, `data_x` becomes data-x, True stands alone, None and
            False are left out. Links may lead to a place on the page only, and images must be data.

    Returns:
        HTML.

    Raises:
        ValueError: an event handler, a style, a link outside, or an element that runs code.
    """
    if not _NAME.fullmatch(name) or name in _FORBIDDEN:
        raise ValueError(f"tag: {name!r} is not an element for a report")
    opening = f"<{name}{''.join(_attribute(*pair) for pair in attributes.items())}>"
    if name in _VOID:
        return Html(opening)
    return Html(f"{opening}{join(children)}</{name}>")


def join(children: Child) -> Html:
    """Children one after the other, escaped where they are not Html.

    Args:
        children: text, numbers, Html, None, or any nesting of these.

    Returns:
        HTML.
    """
    if children is None:
        return EMPTY
    if isinstance(children, Html):
        return children
    if isinstance(children, (str, int, float)):
        return Html(escape(str(children)))
    return Html("".join(join(child) for child in children))


def escape(text: str) -> str:
    """Escape text for any place in HTML; characters that hide or turn others become visible codes.

    Args:
        text: any text.

    Returns:
        Escaped text.
    """
    return html.escape(_UNSAFE.sub(_code, text), quote=True)


def json_island(name: str, value: Any) -> Html:
    """Data for programs inside the page, which is never run and cannot end its own element.

    Args:
        name: its id.
        value: JSON values; numbers that are not finite become null.

    Returns:
        HTML.
    """
    text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(f'<script type="application/json"{_attribute("id", name)}>{text}</script>')


def _attribute(name: str, value: str | int | bool | None) -> str:
    name = name.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(name) or name.startswith("on") or name == "style":
        raise ValueError(f"attribute: {name!r} is not allowed in a report")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if name in _LINKS and not _LINKS[name].fullmatch(str(value)):
        raise ValueError(f"{name}: expected a place on the page or an image, got {value!r:.60}")
    return f' {name}="{escape(str(value))}"'


def _code(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def _finite(value: Any) -> Any:
    """Plain JSON values; numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = float(value)
    return number if math.isfinite(number) else None
