"""Where a cache keeps what it has: its bounds, and several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from tapetum.data.cache import cached_dataset as cache_module
from tapetum.data.cache import stores
from tapetum.data.cache.cached_dataset import cached
from tapetum.data.cache.packing import pack
from tapetum.data.cache.shrink import read_shrunk
from tapetum.data.cache.stores import MemoryStore
from tapetum.data.reading.loading import Plan, training_batches
from tapetum.data.transforms import detection_transforms
from tests.data.photos import SIZES, made, opened, same

# --- bounds -------------------------------------------------------------------------------------


def test_it_says_what_it_will_take(photos, tmp_path, monkeypatch):
    told: list[str] = []
    made(opened(photos), "ram", None, tmp_path, log=told.append)
    made(opened(photos), "disk", None, tmp_path / "cache", log=told.append)
    size = sum(3 * height * width for height, width in SIZES)
    assert told == [
        f"cache: 3 images take about {size * 1.15 / 1e6:.0f} MB of memory",
        f"cache: 3 images take about {size * 1.15 / 1e6:.0f} MB in {tmp_path / 'cache'}",
    ]
    monkeypatch.setattr(cache_module, "free_memory", lambda: 400_000)
    kept = made(opened(photos), "ram", None, tmp_path, log=told.append)
    share = int(100 * 200_000 / (size * 1.15))
    assert f"0 MB are free for it: {share} % of the images are kept, the others" in told[2]
    samples = [kept[i] for i in (2, 0, 1, 2, 0, 1)]
    assert same(samples[0], samples[3])
    assert same(samples[1], samples[4])
    assert [kept._store.get(i) is not None for i in range(3)] == [False, False, True]
    monkeypatch.setattr(cache_module, "free_memory", lambda: 0)
    dataset = opened(photos)
    assert cached(dataset, "ram", None, log=told.append) is dataset
    assert "the free memory is unknown" in told[3]


def test_a_full_disk_is_left_alone(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "KEPT_FREE", 2**62)
    kept = made(opened(photos), "disk", 100, tmp_path / "cache", log=(told := []).append)
    assert "0 % of the images are kept" in told[0]
    assert same(kept[0], kept[0])
    assert list((tmp_path / "cache").rglob("*")) == []


def test_a_folder_that_cannot_be_written_is_said(photos, tmp_path):
    (tmp_path / "file").write_text("")
    dataset = opened(photos)
    told: list[str] = []
    assert cached(dataset, "disk", 100, folder=tmp_path / "file", log=told.append) is dataset
    assert len(told) == 1
    assert "images are not cached" in told[0]


def test_the_cache_folder_of_the_user_is_used(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "mine"))
    found = cached(opened(photos), "disk", 100)
    assert found[0] is not None
    assert len(list((tmp_path / "mine" / "images").rglob("*.sample"))) == 1


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
    plan, augment = Plan(count=3, batch_size=1, seed=0), detection_transforms(80)
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
    assert cached(dataset, "ram", 100, workers=2, log=told.append) is dataset
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
