"""docs/reading_the_report.md: every heading is in the reports of two small runs, and none of
theirs is missing on the page."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest
from PIL import Image

from tapetum import api
from tapetum.evaluation import METRICS
from tapetum.evaluation.errors import ERRORS
from tapetum.reporting import Moment, Sheet
from tapetum.reporting.report import SECTIONS
from tapetum.reporting.sections.progress import save_progress
from tests.docs.pages import Page, make_photos, truth

PAGE = Page("reading_the_report.md")
HEADINGS = re.findall(r"^(##+) (.+)$", PAGE.text, re.MULTILINE)
SURE = {
    "backbone_width": 8,
    "fpn_channels": 16,
    "head_convs": 1,
    "anchor_sizes": [16, 24, 32, 48, 64],
    "prior": 0.6,
    "detections_per_img": 60,
}
"""A detector that sees everything everywhere: so it makes mistakes of every kind."""
QUICK = {"weights": "none", "max_steps": 2, "evaluate_every": 1, "observers": ()}
START = "At the start"


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a detector that has learnt nothing, with an image from its training."""
    folder = tmp_path_factory.mktemp("reading")
    photos = make_photos(folder / "photos")
    (photos / "labels.json").write_text(json.dumps(truth()))
    run = api.train(
        "retinanet",
        photos,
        out=folder / "run",
        split_ratio="50/50",
        backbone="resnet10",
        image_size=96,
        precision="fp32",
        batch_size=2,
        arguments=SURE,
        **QUICK,
    )
    with Image.open(photos / "hall_0_0.jpg") as image:
        save_progress(run, [Moment(START, [Sheet(image, "hall_0_0.jpg")])])
    return api.report(run).read_text("utf-8")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a linear classifier of noise, which is often wrong."""
    folder = tmp_path_factory.mktemp("reading") / "classes"
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            noise = draw.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name / f"{number}.png")
    run = api.train("linear", folder, out=folder.parent / "run", split_ratio="50/50", **QUICK)
    return api.report(run).read_text("utf-8")


def headings(report: str, level: int) -> list[str]:
    found = re.findall(rf"<h{level}>(.*?)</h{level}>", report)
    return [html.unescape(title) for title in found]


def test_every_part_is_explained_in_the_order_of_the_report() -> None:
    assert [title for mark, title in HEADINGS if mark == "##"] == [name for _, name, _ in SECTIONS]


def test_every_heading_is_in_a_report(detector: str, classifier: str) -> None:
    shown = {h for report in (detector, classifier) for n in (2, 3) for h in headings(report, n)}
    named = {title for _, title in HEADINGS}
    assert named - shown == set()
    kinds = {kind.capitalize() for kind in ERRORS}
    assert shown - named - kinds - {START} == set()


def test_headings_lie_in_their_part(detector: str, classifier: str) -> None:
    part = ""
    for mark, title in HEADINGS:
        part = title if mark == "##" else part
        if mark == "###":
            pattern = (
                rf"<h2>{re.escape(part)}</h2>((?!<h2>).)*<h3>{re.escape(html.escape(title))}</h3>"
            )
            assert any(re.search(pattern, r, re.DOTALL) for r in (detector, classifier)), title


def test_the_kinds_of_error_are_all_there(detector: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.text, re.MULTILINE)
    assert tuple(rows) == ERRORS
    for name in ("confident", "all", "cost"):
        assert f"*{name.capitalize()}*" in PAGE.text or f"*{name}*" in PAGE.text
        assert f">{name}</th>" in detector


def test_numbers_and_options_of_the_page_exist() -> None:
    named = set(re.findall(r"\*\*(\w+)\*\*", PAGE.text)) - {"AR"}  # AR: with 1, 10 and 100
    assert {"AP", "AP50", "AP75", "APsmall", "ECE"} <= named <= set(METRICS)
