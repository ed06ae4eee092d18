"""A report with something in every section, under names of the test's choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tapetum.reporting import (
    ClassRow,
    Crop,
    Curve,
    ErrorGroup,
    Explanation,
    Moment,
    ReportContents,
    Sheet,
    Suggestion,
    Table,
)


def make_contents(name: str = "name", count: int = 2, charts: bool = True) -> ReportContents:
    """`name` wherever a report takes text; `count` cards of each kind; charts cost a second."""
    image = Image.new("RGB", (40, 30), (10, 200, 30))
    rows = [ClassRow(name, {"AP": 0.5, name: 7}), ClassRow(name + "2", {"AP": -1})]
    return ReportContents(
        title=name,
        subtitle=name,
        verdicts=[name],
        command=name,
        settings={name: {name: name, "list": [name, 1]}},
        environment={name: name},
        resources={name: name},
        parameters=1_234_567,
        classes=[name, name + "2"],
        splits={name: 3},
        class_counts={name: [4, 5]},
        progress=[Moment(name, [Sheet(image, name, name)] * count, [name])],
        history=make_history(name) if charts else (),
        stats={"AP": 0.5, "APsmall": -1.0, name: 0.25},
        stats_note=name,
        class_rows=rows if charts else rows[:1],
        curves=[Curve(name, [0, 0.5, 1], [1.0, 0.5, 0])] if charts else (),
        curves_note=name,
        best=[Sheet(image, name, name)] * count,
        worst=[Sheet(image, name, name)] * count,
        tables=[Table(name, (name, "F1"), [(name, 0.5), (name, None)], name)],
        errors=[
            ErrorGroup(name, 1, 2, 0.25, name, name, [Crop(image, name, name, None, name)] * count),
            ErrorGroup(name, examples=[Crop(image, name, name, 0.75, name)] * count),
        ],
        errors_note=name,
        relabel=Table(name, (name, name), [(name, name)], name),
        explanations=[Explanation(image, image, name, name, 0.5, name, 0.71, 0.12)] * count,
        notes=[name],
        next_steps=[Suggestion(name, name), Suggestion(name)],
    )


def make_history(name: str) -> list[dict[str, Any]]:
    """Eight steps and two evaluations."""
    step = {"event": "step", "lr": 0.1, "gradient_norm": 1.0, "seconds": 0.5, "data_wait": 0.1}
    losses = {name: 2.0, name + "2": 1.0}
    rows = [step | {"step": i, "loss": 3.0 / i, "losses": losses} for i in range(1, 9)]
    return rows + [{"event": "evaluation", "step": i, "AP": i / 20, name: 0.5} for i in (4, 8)]


@pytest.fixture(scope="session")
def contents() -> Callable[..., ReportContents]:
    return make_contents
