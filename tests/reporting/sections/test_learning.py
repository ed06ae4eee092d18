"""Curves from the rows that training logs."""

from __future__ import annotations

import math

from tapetum.reporting import ReportContents
from tapetum.reporting.sections.learning import learning, series


def contents(rows):
    return ReportContents("t", history=rows)


def step(i, **more):
    return {"event": "step", "step": i, "loss": 1.0, "losses": {"a": 0.6, "b": 0.4}, **more}


def test_series_takes_steps_and_makes_gaps():
    rows = [{"step": 10, "v": 1}, {"step": 20}, {"v": math.nan}, {"step": 40, "v": -1}, {"v": "x"}]
    assert series(rows, "v") == ([10, 20, 2, 40, 4], [1, None, None, None, None])
    nested = [{"step": 1, "losses": {"v": 2}}, {"step": 2, "losses": None}]
    assert series(nested, "v", "losses") == ([1, 2], [2, None])
    assert series([{"step": 0, "v": True}], "v") == ([0], [None])


def test_nothing_was_logged():
    assert learning(contents([])) == ""


def test_total_and_parts_are_named():
    page = learning(contents([step(i) for i in range(1, 5)]))
    for name in ("total", ">a<", ">b<", "Loss"):
        assert name in page
    assert "Evaluations" not in page


def test_a_single_part_is_the_total_itself():
    rows = [{"step": i, "loss": 1.0, "losses": {"cross_entropy": 1.0}} for i in (1, 2)]
    assert "cross_entropy" not in learning(contents(rows))


def test_the_metric_that_chooses_comes_first_and_undefined_ones_not_at_all():
    row = {"event": "evaluation", "AP": 0.1, "AP50": 0.4, "APsmall": -1.0, "F1": 0.3, "x": "text"}
    page = learning(ReportContents("t", metric="F1", history=[row | {"step": i} for i in (1, 2)]))
    assert page.index(">F1<") < page.index(">AP<") < page.index(">AP50<")
    assert "APsmall" not in page
    assert ">x<" not in page


def test_the_sentence_on_speed():
    page = learning(contents([step(i, seconds=0.4, data_wait=0.1) for i in (1, 2, 3)]))
    assert "3 steps, median 400 ms; 25 % of the time was spent waiting for images." in page
    assert "1 step, median 2.50 s." in learning(contents([step(1, seconds=2.5)]))


def test_rows_of_other_kinds_are_left_alone():
    odd = [{}, {"event": "note", "text": "hello"}, {"step": None, "loss": None}, {"loss": math.inf}]
    assert "<svg" in learning(contents(odd))


def test_a_loss_that_an_evaluation_measured_is_not_a_step():
    rows = [step(1, seconds=0.4), {"event": "evaluation", "step": 1, "loss": 9.0, "top1": 0.5}]
    assert "1 step, median 400 ms" in learning(contents(rows))
