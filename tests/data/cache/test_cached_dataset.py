"""The cache: the same samples again, whatever happens to it."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tapetum.base.errors import ImageError, UsageError
from tapetum.data.cache import cached_dataset as cache_module
from tapetum.data.cache.cached_dataset import cached, entry_key
from tapetum.data.cache.stores import DiskStore
from tapetum.data.formats import read_annotations
from tapetum.data.reading.files import FileDataset, open_dataset
from tapetum.structures import Sample
from tests.data.photos import made, opened, photo, same

# --- off ----------------------------------------------------------------------------------------


def test_off_is_the_dataset_itself(photos, tmp_path):
    dataset = opened(photos)
    assert cached(dataset, "off", 100, folder=tmp_path / "cache") is dataset
    assert not (tmp_path / "cache").exists()
    with pytest.raises(UsageError, match="unknown cache 'memory'"):
        cached(dataset, "memory", 100)


def test_what_is_decoded_already_is_not_kept(shared_data, tmp_path):
    digits = open_dataset(shared_data / "mnist", "test", task="classification")
    assert cached(digits, "ram", None) is digits
    assert cached(digits, "disk", None, folder=tmp_path) is digits


def test_drawn_images_are_kept_in_memory_and_never_on_disk(tmp_path):
    scenes = open_dataset("scenes", "val")
    told: list[str] = []
    assert cached(scenes, "disk", 32, folder=tmp_path, log=told.append) is scenes
    assert told == ["cache: images that are not in files are not cached"]
    kept = made(scenes, "ram", 32, tmp_path)
    first, again = kept[0], kept[0]
    assert same(first, again)
    assert min(first.size) == 32


# --- what is kept -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_the_second_time_nothing_is_decoded(photos, tmp_path, kind, monkeypatch):
    kept = made(opened(photos, "instance_segmentation"), kind, 100, tmp_path / "cache")
    first = [kept[i] for i in range(3)]

    def never(*_: Any) -> Sample:
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache_module, "read_shrunk", never)
    assert [same(kept[i], first[i]) for i in range(3)] == [True] * 3
    kept[0].image.zero_()  # what a caller does to its sample stays with it
    assert same(kept[0], first[0])


def test_the_next_training_finds_what_is_on_disk(photos, tmp_path, monkeypatch):
    first = made(opened(photos), "disk", 100, tmp_path / "cache")[0]
    monkeypatch.setattr(cache_module, "read_shrunk", lambda *_: 1 / 0)
    assert same(made(opened(photos), "disk", 100, tmp_path / "cache")[0], first)


def test_a_key_depends_on_all_that_a_sample_depends_on(photos):
    def keys(task: str = "detection", needed: int = 100) -> list[str]:
        dataset = opened(photos, task)
        return [entry_key(dataset, i, needed) for i in range(3)]

    plain = keys()
    assert len(set(plain)) == 3
    assert keys() == plain
    assert not set(keys("instance_segmentation")) & set(plain)
    assert not set(keys(needed=101)) & set(plain)
    file = photos / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["bbox"][0] += 0.5
    content["annotations"][3]["segmentation"]["counts"] = [51, 40, 420 * 280 - 91]
    file.write_text(json.dumps(content))
    assert [a == b for a, b in zip(keys(), plain, strict=True)] == [False, False, True]
    Image.fromarray(photo(60, 90, 7)).save(photos / "train" / "2.jpg")
    assert keys()[2] != plain[2]


def test_a_changed_file_is_decoded_anew(photos, tmp_path):
    made(opened(photos), "disk", 50, tmp_path / "cache")[2]
    Image.fromarray(np.zeros((60, 90, 3), dtype=np.uint8)).save(photos / "train" / "2.jpg")
    kept = made(opened(photos), "disk", 50, tmp_path / "cache")
    assert int(kept[2].image.max()) == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "swapped"])
def test_a_damaged_file_is_decoded_anew_and_mended(photos, tmp_path, damage):
    kept = made(opened(photos), "disk", 100, tmp_path / "cache")
    first = [kept[i] for i in range(3)]
    assert isinstance(kept._store, DiskStore)
    path = kept._store.path(0)
    whole = path.read_bytes()
    broken = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:],
        "empty": b"",
        "swapped": b"PK" + whole[2:],
    }[damage]
    path.write_bytes(broken)
    again = made(opened(photos), "disk", 100, tmp_path / "cache")
    assert same(again[0], first[0])
    assert path.read_bytes() == whole


def test_errors_are_those_of_the_dataset(photos, tmp_path):
    (photos / "train" / "1.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    for kind in ("ram", "disk"):
        kept = made(opened(photos), kind, 100, tmp_path / "cache")
        for _ in range(2):
            with pytest.raises(ImageError, match=r"1\.jpg"):
                kept[1]
        assert min(kept[0].size) == 100


def test_all_else_is_the_datasets_own(photos, tmp_path):
    dataset = opened(photos)
    kept = made(dataset, "disk", 100, tmp_path / "cache")
    assert len(kept) == 3
    assert (kept.name, kept.classes, kept.multilabel) == (
        *(dataset.name, dataset.classes, dataset.multilabel),
    )
    assert kept.class_counts() == dataset.class_counts()
    assert kept.record(0).size == (300, 400)  # of the file, for evaluation
    with pytest.raises(AttributeError):
        kept.no_such_object  # noqa: B018
    assert same(pickle.loads(pickle.dumps(kept))[0], kept[0])


def test_sets_of_class_maps_keep_their_code(shared_data, tmp_path):
    """Color maps: the key knows which color means what."""
    annotations = read_annotations(shared_data / "camvid", task="semantic_segmentation")
    own = annotations.splits["train"][:2]
    annotations = replace(annotations, splits={"train": own})
    dataset = FileDataset(annotations, "train", task="semantic_segmentation", hold_out=False)
    kept = made(dataset, "disk", 90, tmp_path)
    first = kept[0]
    assert first.target.semantic is not None
    assert tuple(first.target.semantic.shape) == first.size
    assert same(kept[0], first)
    assert annotations.maps is not None
    other = replace(annotations, maps=annotations.maps.relabeled(np.array([1, 0])))
    changed = FileDataset(other, "train", task="semantic_segmentation", hold_out=False)
    assert entry_key(changed, 0, 90) != entry_key(dataset, 0, 90)
