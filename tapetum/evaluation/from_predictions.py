"""What a model finds, image by image, as arrays that take little memory; then all at once.

Masks become run lengths as soon as their image is predicted: as pixels, those of a few thousand
images need more memory than most machines have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from tapetum.base.errors import AnnotationError
from tapetum.evaluation.checks import (
    Blame,
    check_boxes,
    check_lists,
    check_near,
    check_numbers,
    check_sizes,
)
from tapetum.evaluation.from_records import refuse_by, whose
from tapetum.evaluation.iou_types import check_iou_type
from tapetum.evaluation.keypoints import points_area
from tapetum.evaluation.outlines import masks_from_codes
from tapetum.evaluation.records import Detections, GroundTruth, Masks, place_in_run
from tapetum.ops.masks import masks_to_runs
from tapetum.ops.runs import Runs
from tapetum.structures import Prediction


@dataclass(frozen=True, eq=False)
class Result:
    """N objects that a model found in one image.

    labels: (N,) int64. score: (N,) float64. xywh: (N, 4) float64. masks: N, of images of `size`
    (height, width). keypoints: (N, K, 3) float64.
    """

    labels: np.ndarray
    score: np.ndarray
    xywh: np.ndarray
    masks: Runs | None = None
    size: tuple[int, int] | None = None
    keypoints: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)


_NOTHING = Result(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 4)))
"""Shared by all images in which nothing was found."""


def detections_in(prediction: Prediction, iou_type: str = "bbox") -> Result:
    """The objects of a prediction with what a comparison of this iou_type needs of them, in copies.

    Boxes come as float32 corners; width and height are taken in float64, so that nothing is rounded
    twice.

    Raises:
        ValueError: the iou_type is unknown, or the objects lack what it asks for.
    """
    check_iou_type(iou_type)
    objects = prediction.objects
    if objects is None or objects.scores is None or not len(objects):
        return _NOTHING
    corners = _doubles(objects.boxes)  # (N, 4) x1 y1 x2 y2
    corners[:, 2:] -= corners[:, :2]
    labels = objects.labels.detach().cpu().numpy().copy()
    plain = Result(labels, _doubles(objects.scores), corners)
    if iou_type == "segm":
        masks = _given(objects.masks, "masks").detach().cpu().numpy()  # (N, H, W)
        return replace(plain, masks=masks_to_runs(masks), size=(masks.shape[1], masks.shape[2]))
    if iou_type == "keypoints":
        return replace(plain, keypoints=_doubles(_given(objects.keypoints, "keypoints")))
    return plain


def detections_from_predictions(
    predicted: Sequence[Result],
    image_ids: Sequence[int | str],
    category_ids: Sequence[int | str],
    ground_truth: GroundTruth,
    iou_type: str = "bbox",
) -> Detections:
    """Join the detections of all images (`detections_in`), in the order of the images.

    The area of a mask is that of its pixels; of keypoints, that of their extent.

    Args:
        predicted: the detections of each image.
        image_ids: the id in `ground_truth` of each image.
        category_ids: the id in `ground_truth` of each label.
        ground_truth: the ground truth of these images.
        iou_type: "bbox", "segm" (masks) or "keypoints", as that of the ground truth.

    Returns:
        The detections.

    Raises:
        AnnotationError: a box, score or keypoint is not finite, or a mask is not of its image's
            size; `where` names the image and the detection.
        ValueError: not one entry for each image, an unknown iou_type, or the ground truth is for
            another.
    """
    check_iou_type(iou_type, ground_truth)
    if len(predicted) != len(image_ids):
        raise ValueError(f"expected {len(image_ids)} predictions, got {len(predicted)}")
    counts = np.array([len(one) for one in predicted], dtype=np.int64)
    owner = np.repeat(np.arange(len(predicted)), counts)
    blame = _blame(image_ids, counts)
    refuse = refuse_by(blame)
    image = _places(image_ids, ground_truth.image_ids)[owner]
    category = _places(category_ids, ground_truth.category_ids)[
        _column(predicted, lambda one: one.labels)
    ]
    score = _column(predicted, lambda one: one.score)
    check_numbers(score, "score", refuse)
    if iou_type == "segm":
        masks = _masks(predicted, counts, image, ground_truth, blame)
        area = masks.area.astype(np.float64)
        return Detections(image, category, masks.xywh, area, score, masks=masks)
    if iou_type == "keypoints":
        points = _points(predicted, counts, ground_truth, blame)
        xywh, area = points_area(points)
        return Detections(image, category, xywh, area, score, keypoints=points)
    xywh = _column(predicted, lambda one: one.xywh)
    check_boxes(xywh, refuse)
    return Detections(image, category, xywh, xywh[:, 2] * xywh[:, 3], score)


def _blame(image_ids: Sequence[int | str], counts: np.ndarray) -> Blame:
    def blame(row: int, why: str) -> AnnotationError:
        place, number = whose(row, counts)
        return AnnotationError(why, where=f"image {image_ids[place]}, detection {number}")

    return blame


def _places(ids: Sequence[int | str], listed: Sequence[int | str]) -> np.ndarray:
    """(N,) int64: where each of `ids` stands in `listed`."""
    places = {id: place for place, id in enumerate(listed)}
    unknown = [id for id in ids if id not in places]
    if unknown:
        raise ValueError(f"ids: expected some of the ground truth's, got {unknown[0]!r}")
    return np.array([places[id] for id in ids], dtype=np.int64)


def _column(found: Sequence[Result], of: Callable[[Result], np.ndarray]) -> np.ndarray:
    """(N, ...), what all images have of it."""
    return np.concatenate([of(_NOTHING), *(of(one) for one in found if len(one))])


def _masks(
    found: Sequence[Result],
    counts: np.ndarray,
    image: np.ndarray,
    ground_truth: GroundTruth,
    blame: Blame,
) -> Masks:
    assert ground_truth.image_sizes is not None
    sizes, refuse = ground_truth.image_sizes[image], refuse_by(blame)
    check_sizes(sizes, refuse)
    mask_sizes = [one.size for one in found if len(one)]
    drawn = np.repeat(
        np.array(mask_sizes, dtype=np.int64).reshape(-1, 2), counts[counts > 0], axis=0
    )
    refuse((drawn != sizes).any(axis=1), "its mask is not of its image's size")
    runs = [one.masks for one in found for _ in range(len(one))]
    numbers = place_in_run(np.repeat(np.arange(len(counts)), counts)).tolist()

    def code(row: int, _: list[int]) -> np.ndarray:
        masks, number = runs[row], numbers[row]
        assert masks is not None  # `detections_in` was asked for this iou_type
        return masks.counts[masks.first[number] : masks.first[number + 1]].astype(np.int64)

    return masks_from_codes(code, sizes, blame)


def _points(
    found: Sequence[Result], counts: np.ndarray, ground_truth: GroundTruth, blame: Blame
) -> np.ndarray:
    """(N, K, 3), with as many keypoints as the ground truth has."""
    assert ground_truth.keypoints is not None
    width = ground_truth.keypoints.shape[1]
    parts = [np.zeros((0, width, 3))]
    for start, one in zip((np.cumsum(counts) - counts).tolist(), found, strict=True):
        if one.keypoints is None:
            continue
        if one.keypoints.shape[1] != width:
            raise blame(start, f"has {one.keypoints.shape[1]} keypoints, the ground truth {width}")
        parts.append(one.keypoints)
    points, refuse = np.concatenate(parts), refuse_by(blame)
    check_lists(points.reshape(-1, 3 * width), "keypoints", refuse)
    check_near(points, refuse)
    return points


def _given(values: Tensor | None, name: str) -> Tensor:
    if values is None:
        raise ValueError(f"expected predictions with {name}, got some without")
    return values


def _doubles(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy().copy()
