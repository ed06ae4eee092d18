"""The section "Errors": kinds of error with their cost in AP, examples, labels to check."""

from __future__ import annotations

from tapetum.reporting.contents import ErrorGroup, ReportContents
from tapetum.reporting.page.gallery import crop_cards
from tapetum.reporting.page.html import EMPTY, Html, join, tag
from tapetum.reporting.page.tables import bar, mixed_table, number


def errors(contents: ReportContents) -> Html:
    """A table of the kinds of error, examples of the costly ones, labels to check."""
    note = tag("p", contents.errors_note, class_="dim") if contents.errors_note else EMPTY
    examples = [
        crop_cards(f"error-{i}", kind.name[:1].upper() + kind.name[1:], kind.examples)
        for i, kind in enumerate(contents.errors, 1)
        if kind.examples
    ]
    return join([note, _kinds(contents), examples, _relabel(contents)])


def _kinds(contents: ReportContents) -> Html:
    """Counts, costs and advice of each kind that is counted."""
    counted = [kind for kind in contents.errors if kind.everywhere is not None]
    if not counted:
        return EMPTY
    largest = max((kind.cost or 0.0) for kind in counted)
    numbers = ("confident", "all", "cost")
    heads = tag(
        "tr",
        tag("th", "kind", scope="col"),
        [tag("th", name, scope="col", class_="n") for name in numbers],
        tag("td"),
        tag("th", "what to do", scope="col"),
    )
    rows = [_row(kind, largest) for kind in counted]
    table = tag("table", tag("thead", heads), tag("tbody", rows), class_="kinds")
    return tag("div", table, class_="scroll")


def _row(kind: ErrorGroup, largest: float) -> Html:
    return tag(
        "tr",
        tag("th", kind.name, _meaning(kind), scope="row"),
        [tag("td", number(v), class_="n") for v in (kind.count, kind.everywhere, kind.cost)],
        tag("td", bar(kind.cost, largest), class_="bar"),
        tag("td", kind.advice, class_="dim"),
    )


def _meaning(kind: ErrorGroup) -> Html:
    return tag("div", kind.meaning, class_="dim") if kind.meaning else EMPTY


def _relabel(contents: ReportContents) -> Html:
    table = contents.relabel
    if table is None:
        return EMPTY
    note = tag("p", table.note, class_="dim") if table.note else EMPTY
    return join([tag("h3", table.title), note, mixed_table(table)])
