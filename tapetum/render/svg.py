"""A matplotlib figure as SVG text: small, reproducible, without ids that clash on a page."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from tapetum.base.errors import printable

INK = "#010203"
"""Stands for the text color of the page that the chart is put into, dark or light."""

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"#([\w.-]+)")

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tapetum",
    # Class names are data: "$" in them must not start a formula.
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "grid.color": INK,
    "grid.alpha": 0.14,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.4,
    "path.simplify": True,
}


@contextlib.contextmanager
def chart_style() -> Iterator[None]:
    """The look of all charts, inside this context; matplotlib's own settings come back after it.

    A figure is made and turned into text inside one context: some settings act at the end.
    """
    # A name in a script that the layout font lacks is drawn by the reader's own fonts.
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ ", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def figure_to_svg(figure: Figure, description: str) -> str:
    """`figure` as one `<svg>` element without size, styles, scripts or outside references.

    Style declarations become attributes (a page's content security policy may forbid styles), the
    ink follows the page's text color, and ids are a function of the content, so that two charts
    on one page never share one that differs.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ET.fromstring(buffer.getvalue())
    prefix = "c" + hashlib.sha256(buffer.getvalue().encode()).hexdigest()[:10]
    _tidy(root)
    _rename_ids(root, prefix)
    view = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update(
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": view,
            "role": "img",
            "aria-label": printable(description),
            "font-family": "system-ui, 'DejaVu Sans', sans-serif",
            "stroke-linejoin": "round",
        }
    )
    return ET.tostring(root, encoding="unicode").replace(INK, "currentColor")


def _tidy(element: ET.Element) -> None:
    """Drop metadata, style sheets and white space; turn namespaces and styles into plain ones."""
    element.tag = element.tag.removeprefix(_SVG)
    if element.tag != "text":
        element.text = None
    element.tail = None
    if (link := element.attrib.pop(_HREF, None)) is not None:
        element.set("href", link)
    for name, value in _declarations(element.attrib.pop("style", "")):
        element.set(name, value)
    if path := element.get("d"):
        element.set("d", " ".join(path.split()))
    for child in list(element):
        if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):
            element.remove(child)
        else:
            _tidy(child)


def _declarations(style: str) -> list[tuple[str, str]]:
    pairs = [part.split(":", 1) for part in style.split(";") if ":" in part]
    named = [(name.strip(), value.strip()) for name, value in pairs]
    return [(name, value) for name, value in named if name != "font-family"]


def _rename_ids(root: ET.Element, prefix: str) -> None:
    """Keep only ids that something refers to, under names that no other chart has."""
    used: dict[str, str] = {}
    for element in root.iter():
        for name in ("href", "clip-path"):
            for old in _REFERENCE.findall(element.get(name, "")):
                used.setdefault(old, f"{prefix}-{len(used)}")
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            element.set("id", used[old])
        for name in ("href", "clip-path"):
            if value := element.get(name):
                element.set(name, _REFERENCE.sub(lambda m: f"#{used[m.group(1)]}", value))
