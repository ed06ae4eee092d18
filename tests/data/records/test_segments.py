"""Outlines: what is accepted, how they turn, and what masks they draw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.data.images.orientation import turn_array
from tapetum.data.records.image_record import ImageRecord, Segment
from tapetum.data.records.segments import (
    parse_segment,
    plain_segment,
    segments_to_masks,
    turn_segment,
)

SIZE = (6, 9)


def record(segments: tuple[Segment, ...], xywh: list[list[float]]) -> ImageRecord:
    count = len(xywh)
    return ImageRecord(
        name="a",
        path=None,
        id=1,
        size=SIZE,
        xywh=np.array(xywh, dtype=np.float64).reshape(-1, 4),
        labels=np.zeros(count, dtype=np.int64),
        crowd=np.zeros(count, dtype=bool),
        difficult=np.zeros(count, dtype=bool),
        area=np.ones(count),
        ids=tuple(range(count)),
        segments=segments,
    )


def run_lengths(mask: np.ndarray) -> dict:
    """COCO's encoding, column by column, written out plainly."""
    counts, value = [0], False
    for pixel in mask.T.reshape(-1).tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


masks = st.integers(0, 2**54 - 1).map(
    lambda bits: np.array([bits >> i & 1 for i in range(54)], dtype=bool).reshape(SIZE)
)


@given(masks)
@settings(max_examples=100)
def test_run_lengths_come_back_bit_by_bit(mask):
    segment, faults = parse_segment(run_lengths(mask), SIZE)
    assert faults == ()
    assert (segments_to_masks(record((segment,), [[0, 0, 9, 6]]), SIZE).numpy()[0] == mask).all()
    assert plain_segment(segment) == run_lengths(mask)


@given(masks, st.integers(1, 8))
@settings(max_examples=100)
def test_masks_turn_with_their_image(mask, orientation):
    segment = turn_segment(parse_segment(run_lengths(mask), SIZE).segment, orientation, SIZE)
    expected = turn_array(mask, orientation)
    found = segments_to_masks(record((segment,), [[0, 0, 1, 1]]), expected.shape).numpy()[0]
    assert (found == expected).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_polygons_turn_with_their_image(orientation):
    square = parse_segment([[2, 1, 7, 1, 7, 4, 2, 4]], SIZE).segment
    upright = segments_to_masks(record((square,), [[0, 0, 1, 1]]), SIZE).numpy()[0]
    assert upright[1:4, 2:7].all()
    assert upright.sum() == 15
    turned = turn_segment(square, orientation, SIZE)
    expected = turn_array(upright, orientation)
    found = segments_to_masks(record((turned,), [[0, 0, 1, 1]]), expected.shape).numpy()[0]
    assert (found == expected).all()


def test_objects_without_an_outline_get_their_box():
    square = parse_segment([[2, 1, 7, 1, 7, 4, 2, 4]], SIZE).segment
    boxes = [[0, 0, 1, 1], [1.4, 0.6, 2.2, 90], [8, 5, 0.2, 0.2], [-3, -3, 4, 4]]
    found = segments_to_masks(record((square, None, None, None), boxes), SIZE).numpy()
    assert found.dtype == bool
    assert found.sum((1, 2)).tolist() == [15, 3 * 5, 0, 1]
    assert found[1, 1:, 1:4].all()  # pixels whose centres lie in 1.4..3.6 and from 0.6 on
    assert segments_to_masks(record((), []), SIZE).shape == (0, 6, 9)


def test_good_polygons_are_kept_beside_bad_ones():
    good = [1.5, 2, 3, 4, 5.25, 6]
    segment, faults = parse_segment([good, [1, 2], [1, 2, 3], good], SIZE)
    assert plain_segment(segment) == [good, good]
    assert [code for code, _ in faults] == ["polygon-too-short", "segment-malformed"]
    assert parse_segment([[1, 2, 3, 4]], SIZE).segment is None
    assert parse_segment([], SIZE) == parse_segment(None, SIZE) == (None, ())


@given(
    st.lists(st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=2), max_size=6)
    | st.text(max_size=12)
)
def test_run_lengths_that_do_not_fill_the_image_never_get_in(counts):
    segment, faults = parse_segment({"size": [6, 9], "counts": counts}, SIZE)
    if segment is None:
        assert [code for code, _ in faults] in (["rle-bad-counts"], ["segment-malformed"])
    else:
        assert segments_to_masks(record((segment,), [[0, 0, 1, 1]]), SIZE).shape == (1, 6, 9)
