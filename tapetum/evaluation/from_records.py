"""Records and predictions to flat arrays, with no JSON in between.

What comes out equals, in every bit, what `tapetum.evaluation.coco` reads from the same records and
predictions written as COCO's ground truth and results; what is refused there is refused here. The
records are those of a dataset (`tapetum.data.records.image_record.Image`), seen through a
protocol: evaluation knows no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.evaluation.checks import (
    Blame,
    Refuse,
    check_boxes,
    check_lists,
    check_near,
    check_numbers,
    check_positive_areas,
    check_sizes,
)
from tapetum.evaluation.entries import FAULTS
from tapetum.evaluation.iou_types import check_iou_type
from tapetum.evaluation.keypoints import COCO_SIGMAS
from tapetum.evaluation.outlines import Code, can_hold_masks, code_of_mask, masks_from_codes
from tapetum.evaluation.records import GroundTruth, Masks
from tapetum.ops.polygons import checked_polygon


class Record(Protocol):
    """What a dataset says of one image, with its N objects; `Image` tells the fields."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int | str: ...
    @property
    def size(self) -> tuple[int, int] | None: ...
    @property
    def xywh(self) -> np.ndarray: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def crowd(self) -> np.ndarray: ...
    @property
    def difficult(self) -> np.ndarray: ...
    @property
    def area(self) -> np.ndarray: ...
    @property
    def segments(self) -> Sequence[Any]: ...
    @property
    def keypoints(self) -> np.ndarray | None: ...
    def __len__(self) -> int: ...


def ground_truth_from_records(
    records: Sequence[Record],
    classes: Sequence[str],
    category_ids: Sequence[int | str],
    iou_type: str = "bbox",
    *,
    keypoint_names: Sequence[str] = (),
) -> GroundTruth:
    """Read ground truth from the records of a dataset.

    Objects get the ids 1, 2, ..., because COCO's evaluation takes the id 0 for "no match", so that
    data which counts from 0 would lose its first object. Difficult objects are ignored as crowd
    regions are. The outline of an object without one is its box, as in training.

    Args:
        records: the images with their objects, boxes xywh in pixels.
        classes: the name of each label.
        category_ids: the id of each label. Ids of images and of categories are all numbers or all
            text.
        iou_type: "bbox", "segm" (masks) or "keypoints"; what is compared.
        keypoint_names: names of the keypoints; their number counts where no object has any.

    Returns:
        The ground truth, in the order of the records.

    Raises:
        AnnotationError: a box, an area, an outline or keypoints are invalid; `where` names the
            image and the object.
        ValueError: the iou_type is unknown, an id occurs twice, or a class has no id.
    """
    check_iou_type(iou_type)
    if len(classes) != len(category_ids):
        raise ValueError(f"category_ids: expected {len(classes)}, got {len(category_ids)}")
    image_order, category_order = _order([r.id for r in records]), _order(category_ids)
    counts = np.array([len(record) for record in records], dtype=np.int64)
    owner = np.repeat(np.arange(len(records)), counts)  # (N,) place of each object's record
    blame = _blame(records, counts)
    refuse = refuse_by(blame)
    sizes, masks, points = None, None, None
    if iou_type == "segm":
        size_of = _sizes(records)
        check_sizes(size_of[owner], refuse)
        sizes, masks = size_of[image_order], _masks(records, counts, size_of[owner], blame)
    xywh = _column([record.xywh for record in records], (4,), np.float64)
    check_boxes(xywh, refuse)
    area = _column([record.area for record in records], (), np.float64)
    check_numbers(area, "area", refuse)
    crowd = _column([record.crowd | record.difficult for record in records], (), np.bool_)
    ignored = crowd
    if iou_type == "keypoints":
        check_positive_areas(area, refuse)
        points = _points(records, counts, len(keypoint_names), blame)
        ignored = crowd | ~(points[:, :, 2] > 0).any(axis=1)
    labels = _column([record.labels for record in records], (), np.int64)
    return GroundTruth(
        image=_ranks(image_order)[owner],
        category=_ranks(category_order)[labels],
        xywh=xywh,
        area=area,
        crowd=crowd,
        ignored=ignored,
        ids=tuple(range(1, len(owner) + 1)),
        image_ids=tuple(records[place].id for place in image_order),
        category_ids=tuple(category_ids[label] for label in category_order),
        category_names=tuple(classes[label] for label in category_order),
        image_sizes=sizes,
        masks=masks,
        keypoints=points,
    )


def refuse_by(blame: Blame) -> Refuse:
    """Raise what `blame` says of the first bad entry."""

    def refuse(bad: np.ndarray, why: str) -> None:
        if bad.any():
            raise blame(int(np.argmax(bad)), why)

    return refuse


def whose(row: int, counts: np.ndarray) -> tuple[int, int]:
    """The image of a row, and its number there, where each image has as many as `counts`."""
    stops = np.cumsum(counts)
    place = int(np.searchsorted(stops, row, side="right"))
    return place, row - int(stops[place] - counts[place])


def _blame(records: Sequence[Record], counts: np.ndarray) -> Blame:
    def blame(row: int, why: str) -> AnnotationError:
        place, number = whose(row, counts)
        return AnnotationError(why, file=records[place].name, where=f"object {number}")

    return blame


def _order(ids: Sequence[int | str]) -> np.ndarray:
    """(N,) int64: the places of the ids in ascending order."""
    if len(set(ids)) < len(ids):
        raise ValueError(f"ids: expected {len(ids)} different ones, got {len(set(ids))}")
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return np.array(order, dtype=np.int64)


def _ranks(order: np.ndarray) -> np.ndarray:
    """(N,) int64: where each place stands in the order."""
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks


def _column(parts: Sequence[np.ndarray], tail: tuple[int, ...], dtype: type) -> np.ndarray:
    """(N, *tail), what all records say of their objects."""
    return np.concatenate([np.zeros((0, *tail), dtype), *parts]).astype(dtype, copy=False)


def _sizes(records: Sequence[Record]) -> np.ndarray:
    """(images, 2) int64, height and width; -1 where they are unknown or too much."""
    known = [
        record.size if record.size is not None and can_hold_masks(*record.size) else (-1, -1)
        for record in records
    ]
    return np.array(known, dtype=np.int64).reshape(-1, 2)


def _masks(records: Sequence[Record], counts: np.ndarray, sizes: np.ndarray, blame: Blame) -> Masks:
    outlines = [
        (record.segments[row] if record.segments else None, record.xywh[row])
        for record in records
        for row in range(len(record))
    ]

    def code(row: int, size: list[int]) -> Code:
        try:
            return _code(*outlines[row], size)
        except FAULTS as error:
            why = str(error) if type(error) is ValueError else "it is no outline"
            why = why if why.startswith("its ") else f"its outline is invalid: {why}"
            raise blame(row, why) from error

    return masks_from_codes(code, sizes, blame)


def _code(segment: Any, xywh: np.ndarray, size: list[int]) -> Code:
    if isinstance(segment, Mapping):
        return code_of_mask(segment, size)
    if not segment:
        return [checked_polygon(box_outline(*xywh.tolist()))]
    return [checked_polygon(polygon) for polygon in segment]


def box_outline(left: float, top: float, width: float, height: float) -> list[float]:
    """A box as a polygon: x, y, x, y, ..."""
    right, bottom = left + width, top + height
    return [left, top, right, top, right, bottom, left, bottom]


def _points(records: Sequence[Record], counts: np.ndarray, named: int, blame: Blame) -> np.ndarray:
    """(N, K, 3) float64, the keypoints of all objects."""
    parts = [record.keypoints for record in records if len(record)]
    width = named or len(COCO_SIGMAS)
    if parts:
        first = parts[0]
        if first is None or not first.shape[1]:
            raise blame(0, "has no keypoints x, y, v")
        width = first.shape[1]
    starts = (np.cumsum(counts) - counts)[counts > 0].tolist()
    for start, part in zip(starts, parts, strict=True):
        if part is None or part.shape[1] != width:
            raise blame(start, f"has not {width} keypoints x, y, v, as the first has")
    points = _column([part for part in parts if part is not None], (width, 3), np.float64)
    refuse = refuse_by(blame)
    check_lists(points.reshape(-1, 3 * width), "keypoints", refuse)
    check_near(points, refuse)
    return points
