"""Who trains, who validates, who tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tapetum.base.errors import UsageError
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.assign import (
    available,
    choose_split,
    split_name,
    with_held_out,
)
from tapetum.data.splits.hold_out import HoldOut


def dataset(**sizes: int) -> Annotations:
    """Splits of so many images; trainval repeats what train and val have."""
    splits = {}
    for split, count in sizes.items():
        splits[split] = tuple(image(f"{split}{number}") for number in range(count))
    return Annotations("coco", Path("set"), ("a",), (1,), splits)


def image(name: str) -> ImageRecord:
    none = np.zeros(0)
    return ImageRecord(
        name=name,
        path=Path(f"{name}.png"),
        id=name,
        size=(1, 1),
        xywh=np.zeros((0, 4)),
        labels=none.astype(np.int64),
        crowd=none.astype(bool),
        difficult=none.astype(bool),
        area=none,
        ids=(),
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("instances_train2017", "train"),
        ("valid", "val"),
        ("VALIDATION", "val"),
        ("instances_val2014", "val"),
        ("trainval", "trainval"),
        ("test-dev2017", "test"),
        ("my_test", "test"),
        ("latest", None),
        ("trains", None),
        ("values", None),
        ("all", None),
        ("", None),
    ],
)
def test_names(text, name):
    assert split_name(text) == name


def test_own_splits_win():
    own = dataset(train=8, val=3, test=2)
    for wanted, name, count in (
        ("train", "train", 8),
        ("val", "val", 3),
        ("valid", "val", 3),
        ("test", "test", 2),
        ("all", "all", 13),
    ):
        split = choose_split(own, wanted)
        assert (split.name, len(split.images)) == (name, count)
    assert choose_split(own, "val").images is own.splits["val"]
    assert available(own) == ["train", "val", "test", "all"]


@pytest.mark.parametrize("source", ["train", "trainval", "all"])
@pytest.mark.parametrize(("count", "held"), [(100, 10), (14, 1), (16, 2), (2, 1)])
def test_one_in_ten_is_held_out(source, count, held):
    own = dataset(**{source: count})
    train, val = choose_split(own, "train"), choose_split(own, "val")
    assert len(val.images) == held
    assert {p.name for p in train.images} | {p.name for p in val.images} == {
        p.name for p in own.splits[source]
    }
    assert len(train.images) + held == count
    assert val.description == f"{held} for val held out of the {count} images in '{source}'"
    assert val.description == train.description


def test_what_is_held_out_depends_on_names_and_seed_only():
    own = dataset(train=50)
    backwards = Annotations("voc", Path("x"), (), (), {"train": own.splits["train"][::-1]})
    chosen = {p.name for p in choose_split(own, "val").images}
    assert {p.name for p in choose_split(backwards, "val").images} == chosen
    other = with_held_out(own, HoldOut(seed=1))
    assert {p.name for p in other.splits["val"]} != chosen
    # Written down once: another version of Python or of this package must choose the same.
    assert sorted(chosen) == ["train0", "train34", "train38", "train46", "train8"]


def test_testing_is_held_out_where_it_is_wished_for():
    own = with_held_out(dataset(all=40), HoldOut(val=0.25, test=0.5))
    assert {name: len(images) for name, images in own.splits.items()} == {
        "train": 10,
        "val": 10,
        "test": 20,
    }
    assert len(own.all_images()) == 40
    assert choose_split(own, "test").description.startswith(
        "10 for val and 20 for test held out of"
    )
    with pytest.raises(UsageError, match="a split for validation already"):
        with_held_out(dataset(train=5, val=5))
    with pytest.raises(UsageError, match="a split for testing already"):
        with_held_out(dataset(train=5, test=5), HoldOut(test=0.1))


def test_a_split_of_its_own_stays_beside_those_made():
    own = with_held_out(dataset(train=20, test=3))
    assert list(own.splits) == ["train", "val", "test"]
    assert choose_split(own, "test").description == "the dataset's own split"


def test_a_test_split_is_never_made_up():
    with pytest.raises(UsageError, match=r"no split 'test'.*it has train, val, all") as caught:
        choose_split(dataset(train=10), "test")
    assert "set" in str(caught.value)
    with pytest.raises(UsageError, match=r"no split 'train'.*it has test, all"):
        choose_split(dataset(test=10), "train")
    with pytest.raises(UsageError, match="too few"):
        choose_split(dataset(train=1), "val")


def test_names_of_the_dataset_itself():
    own = dataset(minival=3, train2014=4)
    assert len(choose_split(own, "minival").images) == 3
    assert len(choose_split(own, "train2014").images) == 4
    with pytest.raises(UsageError, match="it has minival, train2014, all"):
        choose_split(own, "val")


def test_everything_counts_shared_images_once():
    parts = dataset(train=3, val=2).splits
    own = Annotations(
        "voc", Path("x"), (), (), {**parts, "trainval": parts["train"] + parts["val"]}
    )
    assert len(own.all_images()) == 5
    assert len(choose_split(own, "trainval").images) == 5


@pytest.mark.parametrize("source", ["train", "trainval", "all"])
def test_nothing_is_held_out_where_nobody_looks(source):
    whole = dataset(**{source: 20})
    assert choose_split(whole, "train", hold_out=False).images == whole.splits[source]
    assert len(choose_split(whole, "train").images) == 18
