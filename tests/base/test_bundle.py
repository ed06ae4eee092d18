"""A bundle is whole or absent, and every damage to it is seen."""

import json
import os
import random
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tapetum.base.bundle import (
    MANIFEST,
    bundles,
    read_manifest,
    sweep_bundles,
    verify_bundle,
    write_bundle,
)
from tapetum.base.errors import CheckpointError, FileAccessError
from tapetum.weights.tensors_file import tensors_writer


def bundle(path, content=b"0123456789" * 50):
    parts = {"a.bin": lambda p: p.write_bytes(content), "b.txt": lambda p: p.write_text("b")}
    write_bundle(path, parts, {"step": 3})
    return path


def test_facts_come_back_and_another_place_does_not_matter(tmp_path):
    folder = bundle(tmp_path / "one")
    assert verify_bundle(folder) == read_manifest(folder) == {"step": 3}
    folder.rename(tmp_path / "elsewhere")
    assert verify_bundle(tmp_path / "elsewhere") == {"step": 3}


def test_every_cut_and_every_flipped_bit_is_seen(tmp_path):
    folder = bundle(tmp_path / "one")
    path = folder / "a.bin"
    whole = path.read_bytes()
    draw = random.Random(0)
    for place in draw.sample(range(len(whole)), 30):
        path.write_bytes(whole[:place])
        with pytest.raises(CheckpointError, match=r"a\.bin"):
            verify_bundle(folder)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match="damaged"):
            verify_bundle(folder)
    path.write_bytes(whole)
    assert verify_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format_version": 1, "facts": {}}'])
def test_a_broken_manifest_is_one_line(tmp_path, text):
    folder = bundle(tmp_path / "one")
    (folder / MANIFEST).write_text(text)
    with pytest.raises(CheckpointError, match="manifest"):
        verify_bundle(folder)


def test_a_newer_version_is_named(tmp_path):
    folder = bundle(tmp_path / "one")
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"format_version": 99}))
    with pytest.raises(CheckpointError, match="99"):
        verify_bundle(folder)


def test_a_manifest_cannot_point_outside(tmp_path):
    folder = bundle(tmp_path / "one")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["../secret"] = manifest["files"]["a.bin"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(Exception, match="leads out"):
        verify_bundle(folder)


def test_a_failing_part_leaves_what_was_there(tmp_path):
    folder = bundle(tmp_path / "one")

    def fail(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match="No space"):
        write_bundle(folder, {"a.bin": fail}, {"step": 4})
    assert verify_bundle(folder) == {"step": 3}
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


def test_unfinished_bundles_are_swept(tmp_path):
    bundle(tmp_path / "one")
    (tmp_path / ".tapetum-two").mkdir()
    (tmp_path / ".tapetum-two" / "a.bin").write_bytes(b"half")
    sweep_bundles(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


KILLED = """
import os, pathlib, shutil, signal, sys
from tapetum.base import bundle

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

folder, moment = pathlib.Path(sys.argv[1]), sys.argv[2]
rename, calls = pathlib.Path.rename, []

def renamed(path, target):
    calls.append(path)
    if len(calls) == {"first": 1, "second": 2}.get(moment):
        kill()
    return rename(path, target)

def after_both(path, **_):
    if len(calls) == 2:
        (path / "a.bin").unlink()
        kill()

pathlib.Path.rename = renamed
if moment == "deleting":
    shutil.rmtree = after_both
bundle.write_bundle(folder, {"a.bin": lambda p: p.write_bytes(b"new")}, {"step": 4})
"""


@pytest.mark.parametrize(("moment", "step"), [("first", 3), ("second", 3), ("deleting", 4)])
def test_a_kill_while_a_bundle_is_replaced_leaves_one_of_both(tmp_path, moment, step):
    folder = bundle(tmp_path / "step-1")
    words = [sys.executable, "-c", KILLED, str(folder), moment]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    (found,) = bundles(tmp_path, "step-*")
    assert verify_bundle(found) == {"step": step}
    sweep_bundles(tmp_path)
    assert list(tmp_path.iterdir()) == [folder]
    assert verify_bundle(folder) == {"step": step}
    write_bundle(folder, {"a.bin": lambda p: p.write_bytes(b"newer")}, {"step": 5})
    assert list(tmp_path.iterdir()) == [folder]
    assert verify_bundle(folder) == {"step": 5}


def test_after_a_kill_a_bundle_can_be_replaced_at_once(tmp_path):
    folder = bundle(tmp_path / "step-1")
    words = [sys.executable, "-c", KILLED, str(folder), "second"]
    subprocess.run(words, check=False)
    bundle(folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_rename_that_fails_brings_the_older_bundle_back(tmp_path, monkeypatch):
    folder = bundle(tmp_path / "one")
    rename = Path.rename

    def refuse(path, target):
        if path.name == ".tapetum-one":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(FileAccessError, match="Input/output error"):
        write_bundle(folder, {"a.bin": lambda p: p.write_bytes(b"new")}, {"step": 4})
    assert verify_bundle(folder) == {"step": 3}
    assert list(tmp_path.iterdir()) == [folder]


@pytest.fixture
def full_disk():
    """Files may not grow beyond a few pages, as on a disk that has no more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_tensors_that_do_not_fit_on_the_disk_are_one_line(tmp_path, full_disk):
    """Of safetensors itself, which has an error of its own for that."""
    folder = bundle(tmp_path / "one")
    tensors = tensors_writer({"w": torch.zeros(1 << 16)})
    with pytest.raises(FileAccessError) as caught:
        write_bundle(folder, {"model.safetensors": tensors}, {"step": 4})
    assert str(caught.value) == f"{folder}: cannot write: File too large"
    assert verify_bundle(folder) == {"step": 3}
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


def test_whatever_fails_nothing_is_left_on_the_disk(tmp_path):
    def fail(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "one", {"a.bin": fail}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("mask", "rights"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_and_folder_have_the_usual_rights(tmp_path, mask, rights):
    before = os.umask(mask)
    try:
        parts = {
            "model.safetensors": tensors_writer({"w": torch.zeros(3)}),
            "b.txt": lambda p: p.write_text("b"),
        }
        write_bundle(tmp_path / "one", parts, {})
    finally:
        os.umask(before)
    found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "one").iterdir()}
    assert found == dict.fromkeys(("model.safetensors", "b.txt", MANIFEST), rights)
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o777 & ~mask


@pytest.mark.parametrize("name", ["one", ".tapetum-one", ".tapetum-old-one"])
def test_nothing_is_written_through_a_link(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("kept")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileAccessError, match="is a link, and is not written through"):
        bundle(tmp_path / "run" / "one")
    assert [p.name for p in (tmp_path / "elsewhere").iterdir()] == ["kept"]


def test_a_file_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    folder = bundle(tmp_path / "one")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("tapetum.base.bundle.sha256", refuse)
    with pytest.raises(CheckpointError, match=r"a\.bin: cannot read: Permission denied"):
        verify_bundle(folder)
