"""The section on what goes wrong, and the one on what to do next, as pages."""

from __future__ import annotations

import json
import re

from PIL import Image

from tapetum.reporting import Crop, ErrorGroup, ReportContents, Suggestion, Table, make_page

CROP = Crop(Image.new("RGB", (8, 8)), "photo-7.jpg", "cat", 0.9, "labeled dog")
KINDS = [
    ErrorGroup("class", 3, 12, 0.2, "right place, wrong class", "look at cats", [CROP]),
    ErrorGroup("missed", 0, 0, 0.0),
]


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_kinds_are_rows_with_costs_and_examples() -> None:
    page = make_page(ReportContents("t", errors=KINDS, errors_note="how they are told apart"))
    shown = text(page)
    assert "how they are told apart" in shown
    assert "class right place, wrong class 3 12 0.200 look at cats" in shown
    assert "missed 0 0 0.000" in shown
    assert "photo-7.jpg cat 0.90 labeled dog" in shown
    assert "<h3>Class</h3>" in page
    assert "<h3>Missed</h3>" not in page  # there is no example of it
    # The most costly kind fills its bar.
    assert re.search(r'width="100.0%" height="8" rx="2" class="filled"', page)


def test_programs_find_the_costs() -> None:
    page = make_page(ReportContents("t", errors=[*KINDS, ErrorGroup("shown", examples=[CROP])]))
    island = re.search(r'id="run">(.*?)</script>', page, re.S)
    assert island is not None
    assert json.loads(island[1])["errors"] == {
        "class": {"count": 12, "cost": 0.2},
        "missed": {"count": 0, "cost": 0.0},
    }


def test_kinds_that_nobody_counted_have_no_table() -> None:
    page = make_page(
        ReportContents("t", errors=[ErrorGroup("most confident errors", examples=[CROP])])
    )
    assert "<h3>Most confident errors</h3>" in page
    assert "<table" not in page


def test_labels_to_look_at_again() -> None:
    table = Table("Labels to check", ("image", "score"), [("photo-7.jpg", 0.875)], "one is wrong")
    shown = text(make_page(ReportContents("t", relabel=table)))
    assert "Labels to check one is wrong image score photo-7.jpg 0.875" in shown


def test_the_last_section_says_what_to_do_next() -> None:
    steps = [Suggestion("Train longer.", "tapetum train --from runs/a"), Suggestion("Look again.")]
    page = make_page(ReportContents("t", notes=["a note"], next_steps=steps))
    assert re.findall(r'<section id="([a-z]+)"', page)[-1] == "next"
    assert "<li>Train longer.<pre><code>tapetum train --from runs/a</code></pre></li>" in page
    assert "<li>Look again.</li>" in page
