"""The table of formats: a line and a file each, and nothing imported before it is used."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tapetum.data.formats import FORMATS, convert, read_annotations, recognize
from tapetum.data.formats.registry import PLACES, Place
from tapetum.structures import TASKS


def test_entries_are_what_their_lines_say():
    for name, format in FORMATS.items():
        assert format.name == name
        assert (format.write is not None) == (name in FORMATS.written)
        assert set(format.tasks) <= set(TASKS)
        assert format.label_split is None or format.write is not None


def test_listing_names_imports_nothing():
    code = (
        "import sys\n"
        "from tapetum.data.formats import AUTO, FORMATS\n"
        "assert [*FORMATS] and FORMATS.written and 'coco' in FORMATS\n"
        "sys.exit(', '.join({'torch', 'numpy', 'PIL', 'yaml'} & set(sys.modules)) or 0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


def test_a_further_format_is_a_file_and_a_line(coco_folder, tmp_path, monkeypatch):
    place = Place("tests.data.formats.one_file", written=True)
    monkeypatch.setitem(PLACES, "lines", place)
    source = read_annotations(coco_folder())
    done = convert(tmp_path / "coco", tmp_path / "lines", to="lines")
    assert (done.images, done.objects) == (2, 3)
    assert "not kept: splits" in str(done)
    assert recognize(tmp_path / "lines") == "lines"
    again = read_annotations(tmp_path / "lines")
    for before, after in zip(source.splits["train"], again.splits["all"], strict=True):
        np.testing.assert_array_equal(before.xywh, after.xywh)
    with pytest.raises(KeyError):
        FORMATS["absent"]
