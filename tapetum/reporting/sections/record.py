"""The sections "Data", "Settings", "Environment", "Notes" and "Next steps"."""

from __future__ import annotations

from tapetum.reporting.contents import ReportContents, Suggestion
from tapetum.reporting.page.html import EMPTY, Html, join, tag
from tapetum.reporting.page.tables import number_table, pair_table


def data(contents: ReportContents) -> Html:
    """Images by split, and objects by class and split."""
    return join([_images(contents), _objects(contents)])


def settings(contents: ReportContents) -> Html:
    """The command line, and every setting by group."""
    groups = [pair_table(group, caption=name) for name, group in contents.settings.items()]
    shown = [group for group in groups if group]
    if contents.command:
        shown.insert(0, tag("pre", tag("code", contents.command)))
    return join(shown)


def machine(contents: ReportContents) -> Html:
    """Versions, hardware, time and memory."""
    tables = [
        pair_table(contents.environment, caption="environment"),
        pair_table(contents.resources, caption="cost"),
    ]
    shown = [table for table in tables if table]
    return tag("div", shown, class_="pair") if shown else EMPTY


def notes(contents: ReportContents) -> Html:
    """Notes on how the report was made."""
    if not contents.notes:
        return EMPTY
    return tag("ul", [tag("li", note) for note in contents.notes])


def next_steps(contents: ReportContents) -> Html:
    """Suggestions with their commands."""
    if not contents.next_steps:
        return EMPTY
    return tag("ol", [_suggestion(step) for step in contents.next_steps], class_="steps")


def _suggestion(step: Suggestion) -> Html:
    command = tag("pre", tag("code", step.command)) if step.command else EMPTY
    return tag("li", step.text, command)


def _images(contents: ReportContents) -> Html:
    if not contents.splits:
        return EMPTY
    rows = [(name, [count]) for name, count in contents.splits.items()]
    return number_table(("split", "images"), rows)


def _objects(contents: ReportContents) -> Html:
    """A row for each class; classes without counts show as undefined."""
    counts = contents.class_counts
    if not contents.classes:
        return EMPTY
    if not counts:
        return tag("p", "Classes: " + ", ".join(contents.classes))
    columns = [list(values) for values in counts.values()]
    rows = [
        (name, [column[i] if i < len(column) else None for column in columns])
        for i, name in enumerate(contents.classes)
    ]
    rows.append(("total", [sum(column) for column in columns]))
    return number_table(("objects by class", *counts), rows)
