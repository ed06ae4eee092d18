"""Images of a training: kept in the run, read again, and shown in the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tapetum.base.errors import AnnotationError, ImageError
from tapetum.reporting import Explanation, Moment, ReportContents, Sheet, make_page
from tapetum.reporting.sections.progress import FILE, FOLDER, load_progress, save_progress

RED, BLUE = Image.new("RGB", (40, 30), "red"), Image.new("RGBA", (30, 40), "blue")
MOMENTS = [
    Moment("untrained", [Sheet(RED, "a"), Sheet(BLUE, "b", "nothing")]),
    Moment("the end", [Sheet(BLUE, "a", "1 of 1 found")], ["b: a cup was missed"]),
]


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    save_progress(tmp_path, MOMENTS)
    kept = load_progress(tmp_path)
    assert [moment.title for moment in kept] == ["untrained", "the end"]
    assert [list(moment.lines) for moment in kept] == [[], ["b: a cup was missed"]]
    for old, new in zip(MOMENTS, kept, strict=True):
        for before, after in zip(old.sheets, new.sheets, strict=True):
            assert (after.name, after.caption) == (before.name, before.caption)
            pixels = np.asarray(before.image.convert("RGB")).astype(int)
            assert np.abs(np.asarray(after.image) - pixels).max() < 8  # JPEG


def test_runs_without_it_have_nothing(tmp_path: Path) -> None:
    assert load_progress(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"schema": "tapetum.progress/2", "moments": []},
        {"schema": "tapetum.progress/1"},
        {"schema": "tapetum.progress/1", "moments": 3},
        {"schema": "tapetum.progress/1", "moments": [{"title": "t", "lines": []}]},
        {"schema": "tapetum.progress/1", "moments": [{"title": "t", "images": [0], "lines": []}]},
    ],
)
def test_another_content_is_refused_in_one_line(tmp_path: Path, content: object) -> None:
    save_progress(tmp_path, MOMENTS)
    (tmp_path / FOLDER / FILE).write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=FILE):
        load_progress(tmp_path)


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    save_progress(tmp_path, MOMENTS)
    (tmp_path / FOLDER / "0-1.jpg").unlink()
    with pytest.raises(ImageError, match=r"0-1\.jpg"):
        load_progress(tmp_path)


def test_the_section_has_a_row_for_each_moment() -> None:
    page = make_page(ReportContents("t", progress=MOMENTS))
    assert page.count('class="cards four"') == 2
    assert page.index("untrained") < page.index("the end") < page.index("b: a cup was missed")
    assert page.count('href="#progress" class="smaller"') == 3
    assert "During training" not in make_page(ReportContents("t", verdicts=["x"]))


def test_explanations_say_whether_the_answer_is_right() -> None:
    answers = [Explanation(RED, RED, "a", "cup", 0.9, verdict=v) for v in ("right", "wrong", "")]
    page = make_page(ReportContents("t", explanations=answers))
    for words in ("cup 0.90, right<", "cup 0.90, wrong<", "cup 0.90<"):
        assert page.count(words) == 1
