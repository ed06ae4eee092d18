"""The planted faults are those that the check finds, no more and, but for one, no fewer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapetum import api
from tapetum.data.records.findings import CODES
from tapetum.data.records.image_record import Finding
from tapetum.recipes.demo_faults import Planted, check_lines, plant_faults

Checked = tuple[list[Planted], list[Finding]]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    folder = tmp_path_factory.mktemp("faults") / "faulty"
    return plant_faults(folder), api.check(folder)


def test_every_fault_is_found_but_the_one_that_no_file_shows(checked: Checked) -> None:
    planted, findings = checked
    missed = [fault for fault in planted if not any(map(fault.is_found_by, findings))]
    assert [fault.description for fault in missed] == ["a cup labeled ball"]
    codes = {fault.code for fault in planted if fault.code}
    assert len(codes) == len(planted) - 1  # each is of another kind
    assert codes <= set(CODES)


def test_nothing_is_found_that_nobody_planted(checked: Checked) -> None:
    planted, findings = checked
    assert [f for f in findings if not any(p.is_found_by(f) for p in planted)] == []
    assert not any("nobody" in line for line in check_lines(planted, findings))


def test_it_says_so_where_the_check_finds_less_or_more(checked: Checked) -> None:
    planted, findings = checked
    assert sum("not found" in line for line in check_lines(planted, findings)) == 1
    less = [finding for finding in findings if finding.code != "split-leak"]
    lines = check_lines(planted, less)
    assert "  not found  a train image in val, too: copy-00010.jpg" in lines
    elsewhere = Finding("box-outside", "error", "x.json", "annotation 7", "on another image")
    other = Finding("image-note", "info", f"train/{planted[0].image}", "file", "another code")
    assert check_lines(planted, [*findings, elsewhere, other])[-1] == "  and 2 other findings"


def test_it_is_a_dataset_that_can_be_read_all_the_same(checked: Checked, tmp_path: Path) -> None:
    folder = tmp_path / "faulty"
    plant_faults(folder)
    images = list(folder.glob("*/*.jpg"))
    assert len(images) == 16 + 6 + 2 - 1  # two copies are added, one file is taken away
    assert api.check(folder) == checked[1]  # a function of nothing
