"""The cache: the same samples again, in the frame they say they are in, whatever happens to it."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.base.errors import ImageError, UsageError
from tapetum.data import cache as cache_module
from tapetum.data import stores
from tapetum.data.cache import CachedDataset, cached, entry_key
from tapetum.data.files import FileDataset, open_dataset
from tapetum.data.formats import read_annotations
from tapetum.data.loading import Plan, training_batches
from tapetum.data.packing import pack, unpack
from tapetum.data.shrink import read_shrunk, shrunk_size
from tapetum.data.stores import DiskStore, MemoryStore
from tapetum.data.transforms import standard_transforms
from tapetum.data.transforms.movements import Framing
from tapetum.structures import Objects, Sample, Target

SIZES = ((300, 400), (420, 280), (60, 90))  # the last one is small already


def photo(height: int, width: int, seed: int) -> np.ndarray:
    """Soft colours under some grain, as a camera gives them."""
    rng = np.random.default_rng(seed)
    few = Image.fromarray(rng.integers(0, 256, (height // 30, width // 30, 3), dtype=np.uint8))
    large = np.asarray(few.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    return np.clip(large + rng.integers(-8, 9, large.shape), 0, 255).astype(np.uint8)


def write_photos(root: Path, suffix: str = ".jpg") -> Path:
    """COCO: three pictures with outlined things, a crowd and keypoints."""
    images, things = [], []
    (root / "train").mkdir(parents=True)
    for number, (height, width) in enumerate(SIZES):
        name = f"{number}{suffix}"
        options = {"quality": 92} if suffix == ".jpg" else {}
        Image.fromarray(photo(height, width, number)).save(root / "train" / name, **options)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for part in range(2):
            x, y, w, h = 5 + 11.5 * part, 8.0 + part, 31.0, 24.5
            outline = [x, y, x + w, y, x + w, y + h, x, y + h]
            crowd = {"size": [height, width], "counts": [50, 40, height * width - 90]}
            things.append(
                {
                    "id": 10 * number + part,
                    "image_id": number,
                    "category_id": 1 + part,
                    "bbox": [x, y, w, h] if not part else [0, 50, 2, 40],
                    "area": 700.25 if not part else 40,
                    "iscrowd": part,
                    "segmentation": crowd if part else [outline],
                    "keypoints": [x + 1, y + 2, 2, 0, 0, 0] if not part else [0] * 6,
                    "num_keypoints": 1 - part,
                }
            )
    names = {"keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
    content = {
        "images": images,
        "annotations": things,
        "categories": [{"id": 1, "name": "cat", **names}, {"id": 2, "name": "dog"}],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos")


def opened(root: Path, need: str = "boxes") -> FileDataset:
    dataset = open_dataset(root, "train", need=need, hold_out=False)
    assert isinstance(dataset, FileDataset)
    return dataset


def same(one: Sample, two: Sample) -> bool:
    """Is everything in them equal, to the last bit and in type?"""

    def equal(a: Any, b: Any) -> bool:
        if isinstance(a, torch.Tensor):
            return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
        return type(a) is type(b) and a == b

    def parts(sample: Sample) -> list[Any]:
        target, objects = sample.target, sample.target.objects
        found = [sample.image, sample.name, target.labels, target.semantic]
        if objects is not None:
            found += [getattr(objects, field.name) for field in fields(Objects)]
        return found

    own, other = parts(one), parts(two)
    return len(own) == len(other) and all(map(equal, own, other))


def made(dataset: Any, kind: str, needed: int | None, folder: Path, **more: Any) -> CachedDataset:
    found = cached(dataset, kind, needed, folder=folder, **more)
    assert isinstance(found, CachedDataset)
    return found


# --- the samples --------------------------------------------------------------------------------


@pytest.mark.parametrize("need", ["boxes", "masks", "keypoints", "semantic", "labels"])
@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_pictures_that_are_small_enough_are_the_same_to_the_last_bit(photos, tmp_path, kind, need):
    dataset = opened(photos, need)
    for needed in (None, 500):
        kept = made(dataset, kind, needed, tmp_path / "cache")
        for _ in range(2):
            assert [same(kept[i], dataset[i]) for i in range(3)] == [True] * 3


@pytest.mark.parametrize("need", ["boxes", "masks", "keypoints", "semantic", "labels"])
def test_the_target_is_in_the_frame_of_the_shrunk_picture(photos, need):
    """Against a plain resize of the whole sample, which other tests hold to the matrix."""
    dataset = opened(photos, need)
    for index, size in enumerate(SIZES):
        small = shrunk_size(size, 100)
        expected = Framing(small, 0, 0, small).apply(dataset[index])
        found = read_shrunk(dataset, index, 100)
        assert found.size == small == expected.size
        # The picture may have been decoded at half its size; all else must be equal.
        assert same(replace(found, image=expected.image), expected)
    assert shrunk_size((300, 400), 100) == (100, 133)
    assert shrunk_size((60, 90), 100) == (60, 90)


def test_boxes_lie_on_the_things_that_are_seen(tmp_path):
    """A white block on black, found again by its pixels after shrinking."""
    root = tmp_path / "blocks"
    write_photos(root, ".png")
    content = json.loads((root / "annotations" / "instances_train.json").read_text())
    canvas = np.zeros((300, 400, 3), dtype=np.uint8)
    canvas[90:240, 120:300] = 255
    Image.fromarray(canvas).save(root / "train" / "0.jpg", quality=95)
    content["images"] = [{"id": 0, "file_name": "0.jpg", "height": 300, "width": 400}]
    content["annotations"] = [content["annotations"][0] | {"bbox": [120, 90, 180, 150]}]
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    sample = read_shrunk(opened(root), 0, 75)
    rows, columns = np.nonzero(sample.image[0].numpy() > 127)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert sample.target.objects is not None
    assert sample.target.objects.boxes[0].tolist() == pytest.approx(seen, abs=0.5)
    assert sample.target.objects.boxes[0].tolist() == [30, 22.5, 75, 60]


def test_a_draft_differs_little(photos, shared_data):
    """What the docstring of `read_shrunk` states: decoded at a fraction, then resized."""
    differences = []
    sets = [opened(photos), open_dataset(shared_data / "coco_mini", "train", hold_out=False)]
    for dataset, count in zip(sets, (2, 20), strict=True):
        for index in range(count):
            whole = dataset[index]
            small = shrunk_size(whole.size, 100)
            exact = Framing(small, 0, 0, small).apply(whole).image
            found = read_shrunk(dataset, index, 100).image
            differences.append((found.int() - exact.int()).abs().float())
    means = [float(difference.mean()) for difference in differences]
    assert 0 < np.mean(means) < 2.5
    assert max(means) < 5
    tails = [float(difference.quantile(0.99)) for difference in differences]
    assert np.mean(tails) < 30


def test_turned_pictures(photos, tmp_path):
    """EXIF turns the picture: the frame is the upright one, and the size needed is of that."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo(300, 400, 0)).save(photos / "train" / "0.jpg", exif=exif, quality=92)
    dataset = opened(photos, "masks")
    found = read_shrunk(dataset, 0, 100)
    expected = Framing((133, 100), 0, 0, (133, 100)).apply(dataset[0])
    assert found.size == (133, 100)
    assert same(replace(found, image=expected.image), expected)
    assert float((found.image.int() - expected.image.int()).abs().float().mean()) < 4


# --- off ----------------------------------------------------------------------------------------


def test_off_is_the_dataset_itself(photos, tmp_path):
    dataset = opened(photos)
    assert cached(dataset, "off", 100, folder=tmp_path / "cache") is dataset
    assert not (tmp_path / "cache").exists()
    with pytest.raises(UsageError, match="unknown cache 'memory'"):
        cached(dataset, "memory", 100)


def test_what_is_decoded_already_is_not_kept(shared_data, tmp_path):
    digits = open_dataset(shared_data / "mnist", "test", need="labels")
    assert cached(digits, "ram", None) is digits
    assert cached(digits, "disk", None, folder=tmp_path) is digits


def test_drawn_pictures_are_kept_in_memory_and_never_on_disk(tmp_path):
    scenes = open_dataset("scenes", "val")
    told: list[str] = []
    assert cached(scenes, "disk", 32, folder=tmp_path, say=told.append) is scenes
    assert told == ["cache: these pictures are in no files whose change would show; there is none"]
    kept = made(scenes, "ram", 32, tmp_path)
    first, again = kept[0], kept[0]
    assert same(first, again)
    assert min(first.size) == 32


# --- what is kept -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_the_second_time_nothing_is_decoded(photos, tmp_path, kind, monkeypatch):
    kept = made(opened(photos, "masks"), kind, 100, tmp_path / "cache")
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
    def keys(need: str = "boxes", needed: int = 100) -> list[str]:
        dataset = opened(photos, need)
        return [entry_key(dataset, i, needed) for i in range(3)]

    plain = keys()
    assert len(set(plain)) == 3
    assert keys() == plain
    assert not set(keys("masks")) & set(plain)
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
    assert kept.picture(0).size == (300, 400)  # of the file, for evaluation
    with pytest.raises(AttributeError):
        kept.no_such_thing  # noqa: B018
    assert same(pickle.loads(pickle.dumps(kept))[0], kept[0])


# --- bounds -------------------------------------------------------------------------------------


def test_it_says_what_it_will_take(photos, tmp_path, monkeypatch):
    told: list[str] = []
    made(opened(photos), "ram", None, tmp_path, say=told.append)
    made(opened(photos), "disk", None, tmp_path / "cache", say=told.append)
    size = sum(3 * height * width for height, width in SIZES)
    assert told == [
        f"cache: 3 pictures take about {size * 1.15 / 1e6:.0f} MB of memory",
        f"cache: 3 pictures take about {size * 1.15 / 1e6:.0f} MB in {tmp_path / 'cache'}",
    ]
    monkeypatch.setattr(cache_module, "free_memory", lambda: 400_000)
    kept = made(opened(photos), "ram", None, tmp_path, say=told.append)
    share = int(100 * 200_000 / (size * 1.15))
    assert f"0 MB are free for it: {share} % of the pictures are kept, the others" in told[2]
    samples = [kept[i] for i in (2, 0, 1, 2, 0, 1)]
    assert same(samples[0], samples[3])
    assert same(samples[1], samples[4])
    assert [kept._store.get(i) is not None for i in range(3)] == [False, False, True]
    monkeypatch.setattr(cache_module, "free_memory", lambda: 0)
    dataset = opened(photos)
    assert cached(dataset, "ram", None, say=told.append) is dataset
    assert "not known how much is free" in told[3]


def test_a_full_disk_is_left_alone(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "KEPT_FREE", 2**62)
    kept = made(opened(photos), "disk", 100, tmp_path / "cache", say=(told := []).append)
    assert "0 % of the pictures are kept" in told[0]
    assert same(kept[0], kept[0])
    assert list((tmp_path / "cache").rglob("*")) == []


def test_a_folder_that_cannot_be_written_is_said(photos, tmp_path):
    (tmp_path / "file").write_text("")
    dataset = opened(photos)
    told: list[str] = []
    assert cached(dataset, "disk", 100, folder=tmp_path / "file", say=told.append) is dataset
    assert len(told) == 1
    assert "there is none" in told[0]


def test_the_cache_folder_of_the_user_is_used(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "mine"))
    found = cached(opened(photos), "disk", 100)
    assert found[0] is not None
    assert len(list((tmp_path / "mine" / "pictures").rglob("*.sample"))) == 1


def test_what_nobody_reads_is_removed_after_a_month(photos, tmp_path):
    folder, day = tmp_path / "cache", 24 * 3600
    for index in range(3):
        made(opened(photos), "disk", 100, folder)[index]
    entries = sorted(folder.rglob("*.sample"))
    ages = dict(zip(entries, (40, 40, 20), strict=True))
    left = entries[0].with_name(".writing-abc")
    left.write_bytes(b"half")
    for path, days in {**ages, left: 2}.items():
        os.utime(path, (time.time() - days * day,) * 2)
    store = stores.DiskStore(folder, lambda index: entries[0].parent.name + entries[0].stem)
    assert store.get(0) is not None  # it is in use again
    stores.open_folder(folder)
    assert sorted(folder.rglob("*.sample")) == [entries[0], entries[2]]
    assert not left.exists()


def test_memory_ends_where_it_was_told_to():
    store = MemoryStore(3, 10)
    store.put(0, b"1234")
    store.put(0, b"5678")  # a sample is what it is: the first one stays
    store.put(1, b"1234567")
    store.put(2, b"123456")
    assert [store.get(i) for i in range(3)] == [b"1234", None, b"123456"]
    sent = pickle.loads(pickle.dumps(store))
    sent.put(1, b"1")
    assert sent.get(0) is None


# --- processes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_workers_fill_one_cache_and_read_it(photos, tmp_path, kind):
    """Two workers, four epochs: the samples of a training without workers, and every entry kept in
    the main process's own store."""
    kept = made(opened(photos), kind, 100, tmp_path / "cache", workers=2)
    plan, augment = Plan(count=3, batch_size=1, seed=0), standard_transforms(80)
    shrunk = [read_shrunk(opened(photos), i, 100) for i in range(3)]
    batches = list(training_batches(kept, plan, augment, 0, 12, workers=2))
    expected = list(training_batches(shrunk, plan, augment, 0, 12))
    assert len(batches) == 12
    for found, wanted in zip(batches, expected, strict=True):
        assert [same(a, b) for a, b in zip(found, wanted, strict=True)] == [True]
    assert [kept._store.get(i) is not None for i in range(3)] == [True] * 3


def test_workers_without_shared_memory_are_told(photos, monkeypatch):
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: "spawn")
    dataset = opened(photos)
    told: list[str] = []
    assert cached(dataset, "ram", 100, workers=2, say=told.append) is dataset
    assert "share no memory" in told[0]
    assert cached(dataset, "ram", 100, workers=0) is not dataset


def test_two_trainings_at_once_use_one_folder(photos, tmp_path):
    """Four processes read and write the same entries in their own order."""
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        tasks = [(str(photos), str(tmp_path / "cache"), seed) for seed in range(4)]
        digests = pool.map(_read_all, tasks)
    assert len(set(digests)) == 1
    assert len(list((tmp_path / "cache").rglob("*.sample"))) == 3
    assert len([p for p in (tmp_path / "cache").rglob("*") if p.is_file()]) == 3


def _read_all(task: tuple[str, str, int]) -> bytes:
    root, folder, seed = task
    kept = cached(opened(Path(root)), "disk", 100, folder=Path(folder))
    order = np.random.default_rng(seed).integers(0, 3, 30).tolist()
    found = {index: pack(kept[index]) for index in [*order, 0, 1, 2]}
    return b"".join(found[index] for index in range(3))


# --- bytes --------------------------------------------------------------------------------------


def test_bytes_and_back():
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, 7, 5), generator=generator, dtype=torch.uint8)
    full = Objects(
        boxes=torch.rand(2, 4, generator=generator),
        labels=torch.tensor([3, 1]),
        masks=torch.rand(2, 7, 5, generator=generator) > 0.5,
        keypoints=torch.rand(2, 3, 3, generator=generator),
        crowd=torch.tensor([True, False]),
        difficult=torch.tensor([False, False]),
        area=torch.rand(2, generator=generator),
        ids=("a", 7),
    )
    semantic = torch.randint(0, 256, (7, 5), generator=generator, dtype=torch.uint8)
    for target in (
        Target(),
        Target(labels=torch.tensor([], dtype=torch.int64)),
        Target(objects=full, semantic=semantic, labels=torch.tensor([2, 5])),
        Target(objects=Objects.empty(), semantic=semantic.long()),
        Target(objects=full[[]]),
    ):
        sample = Sample(image, target, "näme \ud800.png")
        data = pack(sample)
        assert same(unpack(bytearray(data)), sample)
        for place in range(0, len(data), 7):
            broken = bytearray(data)
            broken[place] ^= 4
            with pytest.raises(ValueError, match=r"damaged|too short"):
                unpack(broken)
    with pytest.raises(ValueError, match="too short"):
        unpack(bytearray(b"TAPC"))


def test_sets_of_class_maps_keep_their_code(shared_data, tmp_path):
    """Colour maps: the key knows which colour means what."""
    annotations = read_annotations(shared_data / "camvid", need="semantic")
    own = annotations.splits["train"][:2]
    annotations = replace(annotations, splits={"train": own})
    dataset = FileDataset(annotations, "train", need="semantic", hold_out=False)
    kept = made(dataset, "disk", 90, tmp_path)
    first = kept[0]
    assert first.target.semantic is not None
    assert tuple(first.target.semantic.shape) == first.size
    assert same(kept[0], first)
    assert annotations.maps is not None
    other = replace(annotations, maps=annotations.maps.relabelled(np.array([1, 0])))
    changed = FileDataset(other, "train", need="semantic", hold_out=False)
    assert entry_key(changed, 0, 90) != entry_key(dataset, 0, 90)
