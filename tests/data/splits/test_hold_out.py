"""What is held out: shares, classes, groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.data.records.image_record import ImageRecord, bare_record
from tapetum.data.splits.hold_out import HoldOut, grouped, held_out, joined, parse_ratio
from tapetum.data.splits.stratify import stratify


def images(labels: list[tuple[int, ...]]) -> list[ImageRecord]:
    """One image for each tuple of labels, named 000.jpg, 001.jpg, ..."""
    return [
        replace(bare_record(f"{place:03d}.jpg", Path("x"), place), image_labels=own)
        for place, own in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("text", "shares"),
    [("0.2", (0.2, 0)), ("80/20", (0.2, 0)), ("80/10/10", (0.1, 0.1)), ("3/1/4", (0.125, 0.5))],
)
def test_ratios(text, shares):
    assert parse_ratio(text) == pytest.approx(shares)


@pytest.mark.parametrize(
    "text", ["", "0", "1", "1.5", "-0.1", "80/0", "0/20", "a/b", "nan", "1/2/3/4"]
)
def test_ratios_that_cannot_be(text):
    with pytest.raises(UsageError, match="split_ratio: cannot be"):
        parse_ratio(text)


def test_each_class_is_as_frequent_in_every_part():
    """90, 30 and 10 images of three classes at 60/20/20: exactly the shares."""
    own = images([(0,)] * 90 + [(1,)] * 30 + [(2,)] * 10)
    parts = held_out(own, ("a", "b", "c"), HoldOut(val=0.2, test=0.2))
    counts = {
        name: [sum(label in p.class_labels for p in part) for label in range(3)]
        for name, part in parts.items()
    }
    assert counts == {"train": [54, 18, 6], "val": [18, 6, 2], "test": [18, 6, 2]}
    assert parts["val"] == tuple(sorted(parts["val"], key=lambda p: p.name))  # in the old order


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sets(st.integers(0, 3), max_size=3), min_size=6, max_size=60),
    st.integers(1, 8),
    st.integers(0, 5),
)
def test_groups_stay_whole_and_no_part_is_empty(labels, width, seed):
    """Whatever the labels: all images, once each, in groups of neighbours."""
    own = images([tuple(sorted(chosen)) for chosen in labels])
    alike = [list(range(s, min(s + width, len(own)))) for s in range(0, len(own), width)]
    wish = HoldOut(val=0.3, seed=seed)
    if len(alike) < 2:
        with pytest.raises(UsageError, match="too few"):
            held_out(own, "abcd", wish, alike)
        return
    parts = held_out(own, "abcd", wish, alike)
    assert sorted(p.name for part in parts.values() for p in part) == [p.name for p in own]
    assert all(parts.values())
    side = {p.name: name for name, part in parts.items() for p in part}
    for group in alike:
        assert len({side[own[place].name] for place in group}) == 1


def test_a_rare_class_comes_to_training():
    own = images([(0,)] * 40 + [(1,)])
    parts = held_out(own, ("common", "rare"), HoldOut())
    assert any(1 in p.class_labels for p in parts["train"])


def test_large_groups_do_not_spoil_the_shares():
    """One group of 30 and 70 single images: validation still gets its 20."""
    parts = held_out(images([(0,)] * 100), "a", HoldOut(val=0.2), [list(range(30))])
    assert len(parts["val"]) == 20


def test_shares_of_parts():
    order = range(4)
    part = stratify(np.zeros((4, 0), dtype=int), np.array([1, 1, 1, 1]), (0.5, 0.5), order)
    assert sorted(part.tolist()) == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="1 groups cannot make 2 parts"):
        stratify(np.zeros((1, 0), dtype=int), np.array([9]), (0.5, 0.5), [0])


def test_joined():
    assert joined(6, [[4, 2], [0, 5], [2, 5]]) == [[0, 2, 4, 5], [1], [3]]
    assert joined(2, []) == [[0], [1]]


def named(*names: str) -> list[ImageRecord]:
    return [bare_record(name, None, name) for name in names]


def test_groups_by_expression():
    own = named("ann/1.jpg", "bob/1.jpg", "ann/2.jpg", "loose.jpg")
    assert grouped(own, r"^(\w+)/") == [[0, 2], [1]]
    assert grouped(own, "ann|bob") == [[0, 2], [1]]
    assert grouped(own, None) == []
    with pytest.raises(UsageError, match=r"matches no image.*the names are like 'ann/1.jpg'"):
        grouped(own, "carl")
    with pytest.raises(UsageError, match=r"group_by: .*unterminated"):
        grouped(own, "(ann")


def test_groups_by_column(tmp_path):
    table = tmp_path / "people.csv"
    table.write_text("Filename,patient\nann\\\\1.jpg,7\nx/2.jpg,8\n3.jpg,7\n4.jpg,\n", "utf-8")
    own = named("ann/1.jpg", "2.jpg", "b/3.jpg", "4.jpg")
    assert grouped(own, f"{table}:patient") == [[0, 2], [1]]
    with pytest.raises(UsageError, match=r"no column 'age'.*it has Filename, patient"):
        grouped(own, f"{table}:age")
    with pytest.raises(UsageError, match="no such file"):
        grouped(own, f"{tmp_path}/none.csv:patient")
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnnotationError, match="cannot be read"):
        grouped(own, f"{table}:patient")
    table.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(UsageError, match="no column with the names of the images"):
        grouped(own, f"{table}:b")


def test_many_rare_classes_leave_the_shares_as_they_are():
    """Ten classes of three images: a tenth is three images, not none; two of two classes."""
    parts = held_out(images([(label,) for label in range(10)] * 3), "abcdefghij", HoldOut())
    assert len(parts["val"]) == 3
    assert {label for p in parts["train"] for label in p.class_labels} == set(range(10))
    duplicates = held_out(images([(0,)] * 98 + [(1,)] * 2), "ab", HoldOut())
    assert all(any(1 in p.class_labels for p in part) for part in duplicates.values())
