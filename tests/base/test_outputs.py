"""Outputs replace nothing that a user has, and lie nowhere among what is read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tapetum.base import outputs
from tapetum.base.errors import FileAccessError, UsageError
from tapetum.base.outputs import MADE_BY, open_output, refuse_output

PAGE = f"<!doctype html><p>{MADE_BY}</p>"


def write(path: Path, text: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_that_holds_something_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="left as it is"):
        refuse_output(write(tmp_path / "a.json"))
    refuse_output(tmp_path / "new.json", write(tmp_path / "empty.json", ""))


@pytest.mark.parametrize("kind", ["link", "hard link", "link to a link"])
def test_a_file_is_known_by_whatever_name_it_has(tmp_path: Path, kind: str) -> None:
    mine, other = write(tmp_path / "mine.jpg"), tmp_path / "other.jpg"
    if kind == "hard link":
        os.link(mine, other)
    else:
        other.symlink_to(mine)
    if kind == "link to a link":
        (tmp_path / "third.jpg").symlink_to(other)
        other = tmp_path / "third.jpg"
    with pytest.raises(UsageError, match="left as it is"):
        refuse_output(other)


def test_a_page_of_ours_is_made_anew_and_no_other_page(tmp_path: Path) -> None:
    refuse_output(write(tmp_path / "faults.html", PAGE))
    with pytest.raises(UsageError, match="left as it is"):
        refuse_output(write(tmp_path / "mine.html", "<!doctype html><p>mine</p>"))
    with pytest.raises(UsageError, match="left as it is"):
        refuse_output(write(tmp_path / "notes.txt", PAGE))


def test_a_folder_must_be_new_or_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "full" / "a.txt")
    refuse_output(tmp_path / "empty", tmp_path / "new", folder=True)
    for name in ("full", "full/a.txt"):
        with pytest.raises(UsageError, match="not an empty folder"):
            refuse_output(tmp_path / name, folder=True)
    with pytest.raises(UsageError, match="it is a folder"):
        refuse_output(tmp_path / "full")


def test_only_pages_appear_in_a_folder_that_is_read(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "annotations").mkdir(parents=True)
    (tmp_path / "link").symlink_to(data)
    for name in ("data/x.json", "data/annotations/x.json", "link/new/x.png", "link/x"):
        with pytest.raises(UsageError, match="data, from which the data is read"):
            refuse_output(tmp_path / name, inside=[data])
    for name in ("data", "data/out", "link/annotations/out"):
        with pytest.raises(UsageError, match="link, from which the data is read"):
            refuse_output(tmp_path / name, folder=True, inside=[tmp_path / "link"])
    refuse_output(data / "faults.html", tmp_path / "x.json", inside=[data])


def test_nothing_appears_directly_beside_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the data is read"):
        refuse_output(tmp_path / "x.png", beside=[tmp_path])
    refuse_output(tmp_path / "answers" / "x.png", beside=[tmp_path])


def test_a_link_stays_a_link_to_the_new_file(tmp_path: Path) -> None:
    real, link = write(tmp_path / "there" / "real.html", PAGE), tmp_path / "link.html"
    link.symlink_to(real)
    refuse_output(link)
    with open_output(link, "w") as file:
        file.write("new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    refuse_output(pipe, inside=[tmp_path])
    with open_output(pipe) as file:
        file.write(b"x" * 200_000)
    reader.join()
    assert got == [b"x" * 200_000]
    assert pipe.is_fifo()


def test_a_pipe_without_a_reader_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "_READER_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileAccessError, match="no reader"), open_output(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_a_device_is_written_through_also_by_a_link(tmp_path: Path) -> None:
    link = tmp_path / "null"
    link.symlink_to(os.devnull)
    for path in (Path(os.devnull), link):
        refuse_output(path)
        with open_output(path, "w") as file:
            file.write("gone")
        assert path.is_char_device()
    assert link.is_symlink()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
def test_a_device_that_is_full_is_one_error() -> None:
    with pytest.raises(FileAccessError, match="No space"), open_output("/dev/full") as file:
        file.write(b"x")
