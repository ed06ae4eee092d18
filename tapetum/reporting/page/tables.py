"""Numbers as text, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tapetum.reporting.contents import Table
from tapetum.reporting.page.html import EMPTY, Html, tag

DASH = "–"
_NOTHING: tuple[Any, ...] = (None, "", (), [], {})


def number(value: Any) -> str:
    """A metric or a count: three decimals up to 1, separators in whole numbers, "–" undefined.

    Args:
        value: undefined are None, what is not finite, and -1, which evaluations give where a class
            or a size has no objects.

    Returns:
        Text.
    """
    if value is None or isinstance(value, bool) or not math.isfinite(value) or value == -1:
        return DASH
    if isinstance(value, int) or (float(value).is_integer() and abs(value) > 1):
        return f"{int(value):,}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def plain(value: Any) -> str:
    """A setting in one line of text: lists with commas, yes and no, "–" for nothing.

    Args:
        value: any JSON value.

    Returns:
        Text.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 100_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(part)}" for key, part in value.items()) or DASH
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(part) for part in value) or DASH
    return DASH if value is None or value == "" else str(value)


def compact(count: int) -> str:
    """A large count in three digits: "512", "48.2 k", "19.9 M", "1.24 G".

    Args:
        count: 0 or more.

    Returns:
        Text.
    """
    value, units = float(count), ["", " k", " M", " G", " T"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g}{units[0]}"


def percent(fraction: float) -> str:
    """A fraction as "12 %", with a decimal below 10 %.

    Args:
        fraction: 0 to 1.

    Returns:
        Text.
    """
    return f"{100 * fraction:.1f} %" if fraction < 0.0995 else f"{100 * fraction:.0f} %"


def number_table(
    heads: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]], *, caption: str = ""
) -> Html:
    """A table with names at the left and numbers, aligned, at the right.

    Args:
        heads: of the columns, that of the names first.
        rows: (name, numbers).
        caption: of the table.

    Returns:
        HTML.
    """
    first, *others = heads
    top = tag("tr", tag("th", first, scope="col"), [_head(name) for name in others])
    body = [
        tag("tr", tag("th", name, scope="row"), [tag("td", number(v), class_="n") for v in values])
        for name, values in rows
    ]
    title = tag("caption", caption) if caption else EMPTY
    table = tag("table", title, tag("thead", top), tag("tbody", body))
    return tag("div", table, class_="scroll")


def mixed_table(table: Table) -> Html:
    """A table in which text is aligned left and numbers right.

    Args:
        table: its heads and rows.

    Returns:
        HTML.
    """
    body = [
        tag("tr", [_cell(value, first=i == 0) for i, value in enumerate(row)]) for row in table.rows
    ]
    numeric = {i for row in table.rows for i, value in enumerate(row) if not isinstance(value, str)}
    heads = [
        tag("th", name, scope="col", class_="n" if i in numeric else None)
        for i, name in enumerate(table.heads)
    ]
    inside = tag("table", tag("thead", tag("tr", heads)), tag("tbody", body))
    return tag("div", inside, class_="scroll")


def bar(value: float | None, largest: float = 1.0) -> Html:
    """A horizontal bar.

    Args:
        value: its length.
        largest: the length of a full bar.

    Returns:
        SVG; empty for undefined numbers and for values outside [0, `largest`].
    """
    if number(value) == DASH or value is None or not 0 <= value <= largest or largest <= 0:
        return EMPTY
    empty = tag("rect", width="100%", height=8, rx=2, class_="track")
    filled = tag("rect", width=f"{100 * value / largest:.1f}%", height=8, rx=2, class_="filled")
    return tag("svg", empty, filled, width=120, height=8, aria_hidden="true")


def pair_table(pairs: Mapping[str, Any], *, caption: str = "") -> Html:
    """Names and values in two columns.

    Args:
        pairs: name -> value; empty values are left out.
        caption: of the table.

    Returns:
        HTML; empty without values.
    """
    rows = [
        tag("tr", tag("th", name, scope="row"), tag("td", plain(value)))
        for name, value in pairs.items()
        if value not in _NOTHING
    ]
    if not rows:
        return EMPTY
    title = tag("caption", caption) if caption else EMPTY
    return tag("div", tag("table", title, tag("tbody", rows), class_="pairs"), class_="scroll")


def _cell(value: str | float | None, *, first: bool) -> Html:
    if isinstance(value, str):
        return tag("th", value, scope="row") if first else tag("td", value)
    return tag("td", number(value), class_="n")


def _head(name: str) -> Html:
    return tag("th", name, scope="col", class_="n")
