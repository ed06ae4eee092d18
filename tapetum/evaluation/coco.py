"""The border: COCO's ground truth and results lists, checked and turned into flat arrays.

The rule at this border: a file gets the very numbers that pycocotools gives it, or a refusal;
never another number. As there, annotations of images or categories that the ground truth does not
list and detections of such categories do not count. What is refused, although pycocotools would go
on:

- a detection of an image that the ground truth does not list (pycocotools refuses these, too);
- two images or two categories of the same id;
- a box, area or score that is not finite, or a box whose sides are so small or so large that its
  area leaves the range of a float (the reference divides 0 by 0 there);
- a mask of another size than its image, run lengths that do not sum to the image, polygons
  with fewer than three points;
- keypoints further than 2**25 pixels away, an object with keypoints and a negative area.

What is kept although it looks odd, because pycocotools computes with it:

- boxes with zero or negative sides (they overlap nothing, and a ground truth like that is
  never found);
- annotations that share an id: the last of them stands in the place of every one;
- an annotation whose id is 0: a match with it counts as no match.

The file's own `ignore` flag is not read: in the reference `iscrowd` replaces it.

Where pycocotools fails, missing objects may have a default: `area` is that of the mask or box,
`iscrowd` 0, `num_keypoints` what is marked, and results may be polygons or uncompressed codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.evaluation.checks import check_positive_areas
from tapetum.evaluation.entries import (
    FAULTS,
    UNLISTED,
    Entries,
    Ids,
    Lenient,
    boxes,
    numbers,
    places,
)
from tapetum.evaluation.iou_types import check_iou_type
from tapetum.evaluation.keypoints import points_area, points_of, points_per_object
from tapetum.evaluation.outlines import box_outlines, image_sizes, masks_of
from tapetum.evaluation.records import Detections, GroundTruth


def ground_truth_from_coco(gt: Mapping[str, Any], iou_type: str = "bbox") -> GroundTruth:
    """Read ground truth from a COCO dictionary.

    Each annotation needs id, image_id, category_id and bbox; without `area` it has width x height,
    without `iscrowd` it is no crowd region. For masks it needs a segmentation, as polygons or run
    lengths, and its image height and width; bbox and area are then those of the mask where they
    are absent. For keypoints it needs x, y, v of each point, v > 0 where it is marked;
    `num_keypoints` 0 means that it is neither found nor missed.

    Args:
        gt: a COCO dictionary with images, annotations and categories, boxes in pixels.
        iou_type: "bbox", "segm" (masks) or "keypoints"; what is compared.

    Returns:
        The ground truth, in COCO's order of annotations.

    Raises:
        AnnotationError: a key is missing, an image or category id is used twice, a box or area is
            no finite number, iscrowd is neither 0 nor 1, an outline cannot be read or does not
            belong to its image, objects have different numbers of keypoints; `where` names the
            entry.
        ValueError: the iou_type is unknown.
    """
    check_iou_type(iou_type)
    images, annotations, categories = (
        _section(gt, name) for name in ("images", "annotations", "categories")
    )
    image_index, category_index = _index(images, "image"), _index(categories, "category")
    names = {category["id"]: str(category.get("name", category["id"])) for category in categories}
    entries = Entries(_as_the_reference_lists(annotations, image_index), "annotation")
    image, category = places(entries, Lenient(image_index), Lenient(category_index))
    counted = (image != UNLISTED) & (category != UNLISTED)
    entries, image, category = entries.only(counted), image[counted], category[counted]

    crowd = _crowd(entries)
    sizes = image_sizes(images, image_index) if iou_type == "segm" else None
    masks = None if sizes is None else masks_of(entries, sizes[image])
    xywh = boxes(entries) if masks is None else _boxes_or(entries, masks.xywh)
    extent = xywh[:, 2] * xywh[:, 3] if masks is None else masks.area.astype(np.float64)
    area = numbers(entries, "area", default=extent)
    points, ignored = None, crowd
    if iou_type == "keypoints":
        check_positive_areas(area, entries.refuse)
        points = points_of(entries, points_per_object(entries, categories))
        ignored = crowd | _unmarked(entries, points)
    return GroundTruth(
        image=image,
        category=category,
        xywh=xywh,
        area=area,
        crowd=crowd,
        ignored=ignored,
        ids=tuple(row["id"] for row in entries.rows),
        image_ids=tuple(image_index),
        category_ids=tuple(category_index),
        category_names=tuple(names[i] for i in category_index),
        image_sizes=sizes,
        masks=masks,
        keypoints=points,
    )


def detections_from_coco(
    results: Sequence[Mapping[str, Any]], ground_truth: GroundTruth, iou_type: str = "bbox"
) -> Detections:
    """Read detections from COCO results.

    A detection's area decides whether it is small or large. As in pycocotools, all of them take it
    from their boxes if the first of the list has one, else from their masks or from the extent of
    their keypoints.

    Args:
        results: a list of {image_id, category_id, bbox, score}, boxes in pixels. For masks each
            needs a segmentation; without one the box is the outline. For keypoints each needs x, y
            and a third number of each point.
        ground_truth: the ground truth of the same images and categories.
        iou_type: "bbox", "segm" or "keypoints", as that of the ground truth.

    Returns:
        The detections of known categories, in the order of the list.

    Raises:
        AnnotationError: an entry lacks a key, names an image that `ground_truth` does not have, or
            its box, score, outline or keypoints cannot be read; `where` is "entry 17", counted
            from 0.
        ValueError: the iou_type is unknown, or the ground truth was read for another.
    """
    check_iou_type(iou_type, ground_truth)
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        raise AnnotationError(f"expected a list of detections, got {type(results).__name__}")
    image_index = {image_id: i for i, image_id in enumerate(ground_truth.image_ids)}
    category_index = {category_id: i for i, category_id in enumerate(ground_truth.category_ids)}
    entries = Entries(results, "entry")
    image, category = places(entries, image_index, Lenient(category_index))
    counted = category != UNLISTED
    entries, image, category = entries.only(counted), image[counted], category[counted]
    score = numbers(entries, "score")
    if iou_type == "segm":
        return _with_masks(entries, image, category, score, ground_truth, _boxed(results))
    if iou_type == "keypoints":
        return _with_keypoints(entries, image, category, score, ground_truth, _boxed(results))
    xywh = boxes(entries)
    return Detections(image, category, xywh, xywh[:, 2] * xywh[:, 3], score)


def _crowd(entries: Entries) -> np.ndarray:
    flag = numbers(entries, "iscrowd", default=np.zeros(len(entries)))
    entries.refuse((flag != 0) & (flag != 1), "its iscrowd is neither 0 nor 1")
    return flag == 1


def _unmarked(entries: Entries, points: np.ndarray) -> np.ndarray:
    """(N,) bool: by the file's own count, or by `points` (N, K, 3), no keypoint is marked."""
    marked = np.count_nonzero(points[:, :, 2] > 0, axis=1).astype(np.float64)
    return numbers(entries, "num_keypoints", default=marked) == 0


def _with_masks(
    entries: Entries,
    image: np.ndarray,
    category: np.ndarray,
    score: np.ndarray,
    ground_truth: GroundTruth,
    boxed: bool,
) -> Detections:
    assert ground_truth.image_sizes is not None
    sizes = ground_truth.image_sizes[image]
    if not boxed:
        masks = masks_of(entries, sizes)
        area = masks.area.astype(np.float64)
        return Detections(image, category, masks.xywh, area, score, masks=masks)
    xywh = boxes(entries)
    masks = masks_of(box_outlines(entries), sizes)
    return Detections(image, category, xywh, xywh[:, 2] * xywh[:, 3], score, masks=masks)


def _with_keypoints(
    entries: Entries,
    image: np.ndarray,
    category: np.ndarray,
    score: np.ndarray,
    ground_truth: GroundTruth,
    boxed: bool,
) -> Detections:
    assert ground_truth.keypoints is not None
    points = points_of(entries, ground_truth.keypoints.shape[1])
    if boxed:
        xywh = boxes(entries)
        area = xywh[:, 2] * xywh[:, 3]
    else:
        # The reference would draw the masks and take their areas.
        outlined = np.array(["segmentation" in row for row in entries.rows], dtype=bool)
        entries.refuse(outlined, "has a segmentation beside its keypoints, but no bbox")
        xywh, area = points_area(points)
    return Detections(image, category, xywh, area, score, keypoints=points)


def _boxed(results: Sequence[Mapping[str, Any]]) -> bool:
    """Does the first of them have a box? Then the reference takes the boxes of all."""
    return bool(results) and results[0].get("bbox", []) != []


def _boxes_or(entries: Entries, default: np.ndarray) -> np.ndarray:
    """The boxes (N, 4); where an entry has none, that of `default` (N, 4)."""
    if all("bbox" in row for row in entries.rows):
        return boxes(entries)
    pairs = zip(entries.rows, default.tolist(), strict=True)
    rows = [{"bbox": row.get("bbox", other)} for row, other in pairs]
    return boxes(Entries(rows, entries.what, entries.numbers))


def _section(gt: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    if not isinstance(gt, Mapping):
        raise AnnotationError(f"expected a COCO dictionary, got {type(gt).__name__}")
    entries = gt.get(name)
    if not isinstance(entries, list):
        raise AnnotationError(f'a COCO ground truth needs a list "{name}"')
    return entries


def _index(entries: list[Mapping[str, Any]], what: str) -> Ids:
    """Id -> place in ascending order of ids, which is the order of the reference."""
    seen: Ids = {}
    for place, entry in enumerate(entries):
        where = f"{what} {place}"
        if not isinstance(entry, Mapping) or "id" not in entry:
            raise AnnotationError("has no id", where=where)
        if not isinstance(entry["id"], str | Real):
            raise AnnotationError("its id is neither a number nor text", where=where)
        if seen.setdefault(entry["id"], place) != place:
            raise AnnotationError(f"the id {entry['id']!r} is used twice", where=where)
    if len({isinstance(i, str) for i in seen}) > 1:
        raise AnnotationError(f"some {what} ids are numbers and some are text")
    return {i: place for place, i in enumerate(sorted(seen))}


def _as_the_reference_lists(
    annotations: list[Mapping[str, Any]], image_index: Ids
) -> list[Mapping[str, Any]]:
    """The annotations as pycocotools hands them out; the same list where every id is its own.

    It walks image by image and looks each annotation up by its id, so that the last
    annotation of an id also takes the places of the earlier ones.
    """
    try:
        last = {annotation["id"]: annotation for annotation in annotations}
        if len(last) == len(annotations):
            return annotations
        known = [a for a in annotations if a["image_id"] in image_index]
        by_image = sorted(known, key=lambda a: image_index[a["image_id"]])
    except FAULTS as error:
        raise Entries(annotations, "annotation").first_fault(_listing_fault) from error
    return [last[annotation["id"]] for annotation in by_image]


def _listing_fault(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    if not isinstance(row.get("id"), str | Real):
        return "needs an id, a number or text", None
    if not isinstance(row.get("image_id"), str | Real):
        return "has no image_id that is a number or text", None
    return None, None
