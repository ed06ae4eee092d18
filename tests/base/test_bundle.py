"""A bundle is whole or absent, and every damage to it is seen."""

import json
import random

import pytest

from tapetum.base.bundle import MANIFEST, read_manifest, sweep_bundles, verify_bundle, write_bundle
from tapetum.base.errors import CheckpointError


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
