"""The section "Training curves": drawn from the rows of metrics.jsonl."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tapetum.base.words import count_of
from tapetum.render.charts import Line, line_chart, loss_curves, metric_curves
from tapetum.reporting.contents import ReportContents
from tapetum.reporting.page.html import EMPTY, Html, join, tag
from tapetum.reporting.page.tables import percent

Row = Mapping[str, Any]

_BOOKKEEPING = frozenset({"step", "epoch", "seconds", "data_wait", "evaluation_seconds"})
_MAX_METRICS = 4
_SMALL = (5.2, 2.7)


def learning(contents: ReportContents) -> Html:
    """Loss, metrics, learning rate and gradient norm over the steps; time per step."""
    # Evaluations of some tasks measure a loss, too.
    steps = [r for r in contents.history if "loss" in r and r.get("event") != "evaluation"]
    evaluations = [row for row in contents.history if row.get("event") == "evaluation"]
    large = [_losses(steps), _metrics(evaluations, contents.metric)]
    small = [
        _small_chart(steps, "lr", "learning rate"),
        _small_chart(steps, "gradient_norm", "gradient norm", log=True),
    ]
    parts = [_chart(title, chart) for title, chart in large if chart]
    pair = [_chart("", chart) for chart in small if chart]
    return join([_time(steps), parts, tag("div", pair, class_="pair") if pair else EMPTY])


def series(rows: Sequence[Row], name: str, group: str = "") -> Line:
    """The steps, and the number called `name` (inside `group`, if given) of each row.

    A row without a step counts as its place. What is missing, not finite, or -1, which stands for
    undefined, is a gap.
    """
    steps = [_number(row.get("step")) for row in rows]
    values = [_number((_mapping(row, group) if group else row).get(name)) for row in rows]
    x = [float(place) if step is None else step for place, step in enumerate(steps)]
    return x, [None if value == -1 else value for value in values]


def _losses(steps: Sequence[Row]) -> tuple[str, str]:
    """All losses over the steps, the total first (left out where it is the only part)."""
    if not steps:
        return "", ""
    names = dict.fromkeys(name for row in steps for name in _mapping(row, "losses"))
    curves = {"total": series(steps, "loss")}
    if len(names) > 1:
        curves |= {name: series(steps, name, "losses") for name in names if name != "total"}
    return "Loss", loss_curves(curves)


def _metrics(evaluations: Sequence[Row], chosen: str) -> tuple[str, str]:
    """The first few numbers of the evaluations, the one that chooses the checkpoint first."""
    names = dict.fromkeys(
        name for row in evaluations for name, v in row.items() if _number(v) not in (None, -1.0)
    )
    usual = [name for name in names if name not in _BOOKKEEPING and name != chosen]
    kept = ([chosen] if chosen in names else []) + usual
    if not kept:
        return "", ""
    curves = {name: series(evaluations, name) for name in kept[:_MAX_METRICS]}
    return "Evaluations", metric_curves(curves, y_label="value")


def _small_chart(steps: Sequence[Row], name: str, label: str, *, log: bool = False) -> str:
    line = series(steps, name)
    if all(value is None for value in line[1]):
        return ""
    return line_chart(
        {label: line}, x_label="step", y_label=label, log=log, smooth=log, size=_SMALL
    )


def _time(steps: Sequence[Row]) -> Html:
    """One sentence on the speed of training."""
    seconds = [v for row in steps if (v := _number(row.get("seconds"))) is not None]
    if not seconds or sum(seconds) <= 0:
        return EMPTY
    text = f"{count_of(len(steps), 'step')}, median {_duration(statistics.median(seconds))}"
    waits = [v for row in steps if (v := _number(row.get("data_wait"))) is not None]
    if waits:
        text += f"; {percent(sum(waits) / sum(seconds))} of the time was spent waiting for images"
    return tag("p", text + ".", class_="dim")


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _chart(title: str, chart: str) -> Html:
    head = tag("h3", title) if title else EMPTY
    return join([head, tag("div", Html(chart), class_="chart")])


def _mapping(row: Row, name: str) -> Row:
    part = row.get(name)
    return part if isinstance(part, Mapping) else {}


def _number(value: Any) -> float | None:
    """`value` as a float, if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
