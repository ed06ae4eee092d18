"""What `tapetum check` found, with images, as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tapetum.base.errors import printable
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.base.outputs import open_output
from tapetum.base.words import count_of
from tapetum.data.records.findings import CODES
from tapetum.data.records.image_record import Annotations, Finding
from tapetum.reporting.contents import Table
from tapetum.reporting.faults.advice import ADVICE
from tapetum.reporting.faults.dataset import summary, tiles
from tapetum.reporting.faults.images import Album
from tapetum.reporting.page import (
    CSS,
    EMPTY,
    FOOTER,
    Html,
    document,
    image_tag,
    join,
    mixed_table,
    tag,
)

MAX_IMAGES = 6
"""Images of each kind of fault."""

_MAX_TRIED = 30
_MAX_LINES = 12
_SIDE = 720
_CSS = (
    CSS
    + """
.faults { display: grid; gap: 1rem; align-items: start; grid-auto-flow: dense;
  grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)); }
.faults img { max-height: 24rem; }
.faults .card:target img { max-height: 90vh; }
@media print { .faults { grid-template-columns: repeat(2, 1fr); } }
"""
)
_SEVERITIES = ("error", "warning", "info")
_COLORS = {"error": "#d55e00", "warning": "#e69f00", "info": "#56b4e9"}
_EFFECTS = {
    "error": "Entries with errors are left out of training.",
    "warning": "Entries with warnings are used as they are; they are probably wrong.",
    "info": "Notes need no correction.",
}


def write_faults(
    path: str | Path,
    annotations: Annotations,
    findings: Sequence[Finding],
    limits: Limits = DEFAULT_LIMITS,
) -> Path:
    """Write the page of faults, atomically.

    Args:
        path: the HTML file.
        annotations: the dataset.
        findings: what `check_annotations` found in it.
        limits: of the images that are decoded.

    Returns:
        The path.

    Raises:
        FileAccessError: the file cannot be written; one that was there before is intact.
    """
    path = Path(path)
    page = make_faults(annotations, findings, limits)
    with open_output(path, "w") as file:
        file.write(page)
    return path


def make_faults(
    annotations: Annotations, findings: Sequence[Finding], limits: Limits = DEFAULT_LIMITS
) -> str:
    """Make the page: a summary of the dataset, then each kind of fault with up to `MAX_IMAGES`
    images; errors before warnings, frequent kinds first.

    Args:
        annotations: the dataset.
        findings: what `check_annotations` found in it.
        limits: of the images that are decoded.

    Returns:
        HTML.
    """
    kinds = _kinds(findings)
    album = Album(annotations, limits)
    sections = [_kind(code, group, album) for code, group in kinds.items()]
    title = f"{annotations.root.resolve().name or 'dataset'}: faults"
    counts = _counted(findings)
    main = tag(
        "main",
        tag("header", tag("h1", title), tag("p", counts, class_="subtitle"), tiles(annotations)),
        tag("section", tag("h2", "Dataset"), summary(annotations, limits), id="dataset"),
        sections,
        _footer(findings),
    )
    entries = [
        ("dataset", "Dataset"),
        *((code, f"{code} {len(group):,}") for code, group in kinds.items()),
    ]
    links = [tag("li", tag("a", name, href=f"#{key}")) for key, name in entries]
    contents = tag("nav", tag("ol", links), aria_label="Contents")
    return document(title, _CSS, tag("div", contents, main, class_="layout"))


def _kinds(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """By code its findings, in the order of the page."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.code, []).append(finding)
    order = sorted(
        kinds, key=lambda code: (_SEVERITIES.index(CODES[code][0]), -len(kinds[code]), code)
    )
    return {code: kinds[code] for code in order}


def _counted(findings: Sequence[Finding]) -> str:
    if not findings:
        return "No faults found."
    counts = {s: sum(finding.severity == s for finding in findings) for s in _SEVERITIES}
    return ", ".join(count_of(counts[s], _noun(s)) for s in _SEVERITIES if counts[s])


def _kind(code: str, findings: Sequence[Finding], album: Album) -> Html:
    """One section: what the fault is, what to do, how it looks, and where it is."""
    severity, meaning = CODES[code]
    drawn: list[tuple[Finding, list[Image.Image]]] = []
    for finding in _spread(findings):
        if len(drawn) < MAX_IMAGES and (images := album.draw(finding)):
            drawn.append((finding, images))
    cards = [_card(f"{code}-{i}", *pair) for i, pair in enumerate(drawn, 1)]
    shown = {id(finding) for finding, _ in drawn}
    rest = [finding for finding in findings if id(finding) not in shown]
    sentence = meaning[:1].upper() + meaning[1:] + "."
    return tag(
        "section",
        tag("h2", _dot(severity), f" {code}"),
        tag("p", f"{sentence} {count_of(len(findings), _noun(severity))}."),
        tag("ul", tag("li", ADVICE[code]), class_="verdicts"),
        tag("div", cards, class_="faults") if cards else EMPTY,
        _lines(rest, bool(cards)),
        id=code,
    )


def _spread(findings: Sequence[Finding]) -> list[Finding]:
    """Those to try to draw: one an image first, from everywhere in the list."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.image or finding.file, finding)
    different = list(first.values())
    step = max(1, len(different) // _MAX_TRIED)
    chosen = different[::step][:_MAX_TRIED]
    known = {id(finding) for finding in chosen}
    more = (finding for finding in findings[:_MAX_TRIED] if id(finding) not in known)
    return [*chosen, *more][:_MAX_TRIED]


def _card(key: str, finding: Finding, images: Sequence[Image.Image]) -> Html:
    """The images of one finding, which grow to the full width when they are selected."""
    name = finding.image or finding.file
    alt = f"{finding.code}, {name}"
    where = "" if finding.file == name else f"{finding.file}, {finding.where}"
    record = tag(
        "a",
        [image_tag(image, alt, largest=_SIDE) for image in images],
        href=f"#{key}",
        class_="image",
        aria_label=f"Enlarge {name}",
    )
    caption = tag(
        "figcaption",
        tag("span", name, class_="file"),
        tag("span", finding.message),
        tag("span", where, class_="file") if where else EMPTY,
        tag("a", "smaller", href=f"#{finding.code}", class_="smaller"),
    )
    return tag("figure", record, caption, id=key, class_="card")


def _lines(findings: Sequence[Finding], after: bool) -> Html:
    """Findings as text: the first ones, and how many more there are."""
    if not findings:
        return EMPTY
    few = findings[:_MAX_LINES]
    rows = [(printable(f.file), printable(f.where), printable(f.message)) for f in few]
    table = mixed_table(Table("", ("file", "where", "what"), rows))
    hidden = len(findings) - len(few)
    more = f"And {hidden:,} more, which tapetum check lists as JSON." if hidden else ""
    title = tag("h3", "Also") if after else EMPTY
    return join([title, table, tag("p", more, class_="dim") if more else EMPTY])


def _noun(severity: str) -> str:
    return {"error": "error", "warning": "warning", "info": "note"}[severity]


def _dot(severity: str) -> Html:
    """A mark in the color of the severity, with its name for those who do not see it."""
    circle = tag("circle", cx=6, cy=6, r=6, fill=_COLORS[severity])
    return tag(
        "svg", tag("title", severity), circle, width=12, height=12, role="img", aria_label=severity
    )


def _footer(findings: Sequence[Finding]) -> Html:
    there = [s for s in _SEVERITIES if any(finding.severity == s for finding in findings)]
    effects = " ".join(_EFFECTS[severity] for severity in there)
    return tag("footer", tag("p", effects) if effects else EMPTY, tag("p", FOOTER))
