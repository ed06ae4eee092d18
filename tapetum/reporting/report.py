"""The report: one HTML file without external resources and without scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tapetum.base.files import atomic_write
from tapetum.reporting.contents import ReportContents
from tapetum.reporting.page import CSS, EMPTY, FOOTER, Html, document, gallery, json_island, tag
from tapetum.reporting.sections import errors as error_kinds
from tapetum.reporting.sections import learning, progress, record, results

Section = tuple[str, str, Callable[[ReportContents], Html]]

SECTIONS: tuple[Section, ...] = (
    ("verdicts", "Summary", results.verdicts),
    ("progress", "During training", progress.progress),
    ("numbers", "Metrics", results.final_numbers),
    ("classes", "Classes", results.classes),
    ("images", "Images", gallery.images),
    ("errors", "Errors", error_kinds.errors),
    ("explanations", "Explanations", gallery.explanations),
    ("learning", "Training curves", learning.learning),
    ("data", "Data", record.data),
    ("settings", "Settings", record.settings),
    ("machine", "Environment", record.machine),
    ("notes", "Notes", record.notes),
    ("next", "Next steps", record.next_steps),
)
"""Id, title and function of each section, in the order of the page; empty ones are left out."""


def write_report(path: str | Path, contents: ReportContents) -> Path:
    """Write a report as one HTML file, atomically.

    Args:
        path: the file.
        contents: what it shows.

    Returns:
        The path.

    Raises:
        FileAccessError: the file cannot be written; one that was there before is intact.
    """
    path = Path(path)
    page = make_page(contents)
    with atomic_write(path, "w") as file:
        file.write(page)
    return path


def make_page(contents: ReportContents) -> str:
    """Make the page; the same contents give the same text.

    Args:
        contents: what it shows.

    Returns:
        HTML.
    """
    made = [(key, title, make(contents)) for key, title, make in SECTIONS]
    shown = [(key, title, body) for key, title, body in made if body]
    entries = [tag("li", tag("a", title, href=f"#{key}")) for key, title, _ in shown]
    sections = [tag("section", tag("h2", title), body, id=key) for key, title, body in shown]
    empty = EMPTY if shown else tag("p", "This run has no results yet.", class_="dim")
    main = tag("main", results.header(contents), empty, sections, tag("footer", FOOTER))
    contents_list = tag("nav", tag("ol", entries), aria_label="Contents") if entries else tag("div")
    columns = tag("div", contents_list, main, class_="layout")
    return document(contents.title, CSS, columns, json_island("run", _data(contents)))


def _data(contents: ReportContents) -> dict[str, Any]:
    """The numbers for programs, in the element with the id "run"."""
    evaluations = [dict(row) for row in contents.history if row.get("event") == "evaluation"]
    return {
        "title": contents.title,
        "parameters": contents.parameters,
        "stats": dict(contents.stats),
        "classes": {row.name: dict(row.values) for row in contents.class_rows},
        "errors": {
            kind.name: {"count": kind.everywhere, "cost": kind.cost}
            for kind in contents.errors
            if kind.everywhere is not None
        },
        "evaluations": evaluations,
    }
