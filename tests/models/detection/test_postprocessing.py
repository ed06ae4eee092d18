from __future__ import annotations

import torch

from tapetum.models.detection.postprocessing import Thresholds, suppress, to_original
from tapetum.structures import Objects, PostprocessOptions


def finish(*rows: tuple[float, ...], cap: int = 10) -> list[list[float]]:
    """(x1, y1, x2, y2, label, score) found in 100 x 200, of an image that was 50 x 400."""
    table = torch.tensor(rows).reshape(-1, 6)
    candidates = Objects(boxes=table[:, :4], labels=table[:, 4].long(), scores=table[:, 5])
    detections = suppress(candidates, (100, 200), Thresholds(0.0, 0.5, cap))
    found = to_original(detections, (100, 200), (50, 400))
    assert found.scores is not None
    return torch.cat((found.boxes, found.labels[:, None], found.scores[:, None]), 1).tolist()


def test_clipped_and_moved_back() -> None:
    assert finish((-10, 20, 250, 120, 1, 0.5)) == [[0, 10, 400, 50, 1, 0.5]]


def test_suppressed_inside_a_class_only_and_sorted() -> None:
    rows = finish(
        (0, 0, 10, 10, 1, 0.25),
        (0, 0, 10, 9, 1, 0.5),
        (0, 0, 10, 10, 2, 0.75),
        (0, 0, 4, 4, 1, 0.125),
    )
    assert [(row[4], row[5]) for row in rows] == [(2, 0.75), (1, 0.5), (1, 0.125)]


def test_overlap_is_judged_after_clipping() -> None:
    assert len(finish((190, 0, 300, 10, 1, 0.5), (190, 0, 202, 10, 1, 0.25))) == 1


def test_what_clipping_leaves_thin_is_dropped() -> None:
    assert (
        finish((200, 0, 210, 10, 1, 0.9), (-5, 0, 0.005, 10, 1, 0.8), (5, 100, 9, 103, 1, 0.7))
        == []
    )


def test_cut_after_the_suppression() -> None:
    rows = [(20.0 * i, 0, 20 * i + 10, 10, 0, 1 - i / 10) for i in range(5)]
    assert [round(r[5], 3) for r in finish(*rows, rows[0], cap=3)] == [1, 0.9, 0.8]


def test_nothing() -> None:
    assert finish() == []


def test_options_take_the_place_of_the_models_own_thresholds() -> None:
    own = Thresholds(score_thresh=0.05, nms_thresh=0.5, detections_per_img=100)
    assert own.overridden(PostprocessOptions()) == own
    assert own.overridden(PostprocessOptions(0.0, 0.0, 0)) == (0.0, 0.0, 0)
    assert own.overridden(PostprocessOptions(nms_thresh=0.3)) == (0.05, 0.3, 100)
