"""The sections "Summary", "Metrics" and "Classes"."""

from __future__ import annotations

from collections.abc import Sequence

from tapetum.evaluation import METRICS
from tapetum.render.charts import class_bars, precision_recall_curves
from tapetum.reporting.contents import Panel, ReportContents, Table
from tapetum.reporting.page.html import EMPTY, Html, join, tag
from tapetum.reporting.page.images import image_tag
from tapetum.reporting.page.tables import (
    DASH,
    bar,
    compact,
    mixed_table,
    number,
    number_table,
)

_MAX_TILES = 5
_MAX_BARS = 40


def header(contents: ReportContents) -> Html:
    """Title, subtitle, and the main numbers."""
    tiles = [_tile(name, number(value)) for name, value in list(contents.stats.items())[:2]]
    if contents.parameters is not None:
        tiles.append(_tile("parameters", compact(contents.parameters)))
    if contents.splits:
        images = ", ".join(f"{count:,} {name}" for name, count in contents.splits.items())
        tiles.append(_tile("images", images))
    tiles += [_tile(name, str(value)) for name, value in contents.resources.items()]
    return tag(
        "header",
        tag("h1", contents.title),
        tag("p", contents.subtitle, class_="subtitle") if contents.subtitle else EMPTY,
        tag("div", tiles[:_MAX_TILES], class_="tiles") if tiles else EMPTY,
    )


def verdicts(contents: ReportContents) -> Html:
    """The findings of the run, a sentence each."""
    if not contents.verdicts:
        return EMPTY
    return tag("ul", [tag("li", sentence) for sentence in contents.verdicts], class_="verdicts")


def final_numbers(contents: ReportContents) -> Html:
    """The final numbers with their meaning, and a bar for those between 0 and 1."""
    if not contents.stats:
        return EMPTY
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", number(value), class_="n"),
            tag("td", bar(value), class_="bar"),
            tag("td", _meaning(name), class_="dim"),
        )
        for name, value in contents.stats.items()
    ]
    table = tag("div", tag("table", tag("tbody", rows)), class_="scroll")
    missing = any(number(value) == DASH for value in contents.stats.values())
    return join([_note(contents.stats_note), table, _note(_undefined(missing))])


def classes(contents: ReportContents) -> Html:
    """Numbers of each class, and precision over recall."""
    parts = [_class_chart(contents), _class_table(contents), _curves(contents)]
    parts += [_panel(panel) for panel in contents.panels]
    parts += [_table(table) for table in contents.tables]
    return join(part for part in parts if part)


def _panel(panel: Panel) -> Html:
    figure = panel.figure
    shown = Html(figure) if isinstance(figure, str) else image_tag(figure, panel.title)
    return join([tag("h3", panel.title), _note(panel.note), tag("div", shown, class_="chart")])


def _table(table: Table) -> Html:
    return join([tag("h3", table.title), _note(table.note), mixed_table(table)])


def _class_chart(contents: ReportContents) -> Html:
    rows = contents.class_rows
    columns = _columns(contents)
    if not columns or not 2 <= len(rows) <= _MAX_BARS:
        return EMPTY
    values = [row.values.get(columns[0]) for row in rows]
    chart = class_bars([row.name for row in rows], values, x_label=columns[0])
    return tag("div", Html(chart), class_="chart")


def _class_table(contents: ReportContents) -> Html:
    columns = _columns(contents)
    if not columns:
        return EMPTY
    rows = [(row.name, [row.values.get(name) for name in columns]) for row in contents.class_rows]
    missing = any(number(value) == DASH for _, values in rows for value in values)
    return join([number_table(("class", *columns), rows), _note(_undefined(missing))])


def _curves(contents: ReportContents) -> Html:
    if not contents.curves:
        return EMPTY
    curves = {curve.name: (curve.x, _reached(curve.y)) for curve in contents.curves}
    return join(
        [
            tag("h3", "Precision-recall curves"),
            _note(contents.curves_note),
            tag("div", Html(precision_recall_curves(curves)), class_="chart"),
        ]
    )


def _reached(precision: Sequence[float | None]) -> list[float | None]:
    """Precision up to the highest recall reached; evaluations write 0 beyond, -1 if undefined."""
    return [value if value is not None and value > 0 else None for value in precision]


def _columns(contents: ReportContents) -> list[str]:
    """The names of all numbers that any class has, in order of appearance."""
    return list(dict.fromkeys(name for row in contents.class_rows for name in row.values))


def _tile(name: str, value: str) -> Html:
    kind = "value" if len(value) <= 9 else "value long"
    return tag(
        "div",
        tag("div", value, class_=kind),
        tag("div", name, class_="name"),
        class_="tile",
        title=_meaning(name) or None,
    )


def _meaning(name: str) -> str:
    return METRICS[name].meaning if name in METRICS else ""


def _undefined(missing: bool) -> str:
    return f"{DASH} means undefined: the ground truth has no such object." if missing else ""


def _note(text: str) -> Html:
    return tag("p", text, class_="dim") if text else EMPTY
