"""The file door: names stay inside, writes are whole or not at all, JSON is bounded."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.files import (
    atomic_write,
    nesting,
    read_bytes,
    read_json,
    read_text,
    safe_path,
    write_json,
)
from tapetum.base.limits import Limits


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a\0b", "..", "x/../../y"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(FileAccessError):
        safe_path(tmp_path, name)


def test_a_link_that_leads_out_is_refused(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    with pytest.raises(FileAccessError):
        safe_path(inside, "link/secret")


def test_a_folder_whose_name_is_a_prefix_is_outside(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data-secret").mkdir()
    with pytest.raises(FileAccessError):
        safe_path(tmp_path / "data", "../data-secret/x")


def test_names_inside_are_resolved(tmp_path):
    assert safe_path(tmp_path, "a/./b/../c.jpg") == tmp_path.resolve() / "a" / "c.jpg"


def test_an_exception_while_writing_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_folder_without_rights_is_one_error(tmp_path):
    target = tmp_path / "file"
    target.write_text("not a folder")
    with pytest.raises(FileAccessError, match="cannot write"), atomic_write(target / "x") as file:
        file.write(b"")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_never_replaced_by_one(tmp_path, kind):
    (tmp_path / "real").write_text("old")
    place = tmp_path / "place"
    make = {"link": lambda: place.symlink_to("real"), "pipe": lambda: os.mkfifo(place)}
    make.get(kind, place.mkdir)()
    before = place.lstat().st_mode
    with pytest.raises(FileAccessError, match=f"it is a {kind}"), atomic_write(place) as file:
        file.write(b"new")
    assert place.lstat().st_mode == before
    assert (tmp_path / "real").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["place", "real"]


def test_a_killed_writer_never_leaves_half_a_file(tmp_path):
    code = (
        "import sys; from tapetum.base.files import atomic_write\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    with atomic_write(sys.argv[1], 'w') as f: f.write((str(n % 10)) * 2_000_000)\n"
    )
    path = tmp_path / "x"
    for delay in (0.0, 0.003, 0.011, 0.02, 0.035):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)])
        while not path.exists():
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        text = path.read_text()
        assert len(text) == 2_000_000
        assert len(set(text)) == 1
        path.unlink()


def test_written_files_have_the_usual_rights(tmp_path):
    with atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_json_with_nan_is_neither_written_nor_read(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    (tmp_path / "x.json").write_text('{"a": NaN}')
    with pytest.raises(AnnotationError, match="NaN"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested"),
        ('{"a": [1, 2', "line 1"),
        ('{"a": 1}\n{"b"', "line 2"),
        ("", "line 1"),
        ("9" * 100_000, "JSON"),
    ],
)
def test_hostile_json_is_one_line(tmp_path, text, words):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=words) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_brackets_inside_strings_do_not_count_as_nesting():
    assert nesting(b'{"a": "[[[[[[", "b\\"]": [[1]]}') == 3
    assert nesting(b'["", "[", "", [[""]]]') == 3


def test_byte_order_mark_is_dropped_and_utf16_is_named(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    (tmp_path / "b.json").write_bytes('{"a": 1}'.encode("utf-16"))
    with pytest.raises(AnnotationError, match="UTF-8"):
        read_json(tmp_path / "b.json")
    with pytest.raises(AnnotationError, match="UTF-8"):
        read_text(tmp_path / "b.json")


def test_size_is_checked_before_reading(tmp_path):
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse: it takes no space, and reading it would take for ever
    with pytest.raises(FileAccessError, match="more than the limit"):
        read_json(path, Limits(json_bytes=1000))


def test_what_is_not_a_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "absent"):
        with pytest.raises(FileAccessError):
            read_bytes(tmp_path / name, 100)
