"""The border: COCO's ground truth and results lists, checked and turned into flat arrays.

The rule at this border: a file gets the very numbers that pycocotools gives it, or a refusal;
never another number. As there, annotations of pictures or categories that the truth does not list
and detections of such categories do not count. What is refused, although pycocotools would go on:

- a detection of a picture that the truth does not list (pycocotools refuses these, too);
- two pictures or two categories of the same id;
- a box, area or score that is not finite, or a box whose sides are so small or so large that its
  area leaves the range of a float (the reference divides 0 by 0 there).

What is kept although it looks odd, because pycocotools computes with it:

- boxes with zero or negative sides (they overlap nothing, and a truth like that is never found);
- annotations that share an id: the last of them stands in the place of every one;
- an annotation whose id is 0: a match with it counts as no match.

The file's own `ignore` flag is not read: in the reference `iscrowd` replaces it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from numbers import Real
from operator import itemgetter
from typing import Any

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.evaluate.records import Detections, Truth

_LARGEST = 1e150  # the product of two such sides is still a finite float64
_FAULTS = (KeyError, TypeError, ValueError, IndexError, OverflowError)
_UNLISTED = -1
Ids = dict[Any, int]


def truth_from_coco(gt: Mapping[str, Any]) -> Truth:
    """The ground truth of `gt`, a COCO dictionary with images, annotations and categories.

    Each annotation needs id, image_id, category_id and bbox; without `area` it has width x height,
    without `iscrowd` it is no crowd region.

    Raises:
        AnnotationError: a key is missing, a picture or category id is used twice, a box or area is
            no finite number, iscrowd is neither 0 nor 1; `where` names the entry.
    """
    images, annotations, categories = (
        _section(gt, name) for name in ("images", "annotations", "categories")
    )
    image_index, category_index = _index(images, "image"), _index(categories, "category")
    names = {category["id"]: str(category.get("name", category["id"])) for category in categories}
    listed = _as_the_reference_lists(annotations, image_index)
    places = _Lenient(image_index), _Lenient(category_index)
    image, category, xywh = _places_and_boxes(listed, *places, "annotation")
    crowd = _numbers(listed, "iscrowd", "annotation", default=np.zeros(len(listed)))
    _refuse((crowd != 0) & (crowd != 1), "annotation", "its iscrowd is neither 0 nor 1")
    area = _numbers(listed, "area", "annotation", default=xywh[:, 2] * xywh[:, 3])
    counted = np.flatnonzero((image != _UNLISTED) & (category != _UNLISTED))
    return Truth(
        image=image[counted],
        category=category[counted],
        xywh=xywh[counted],
        area=area[counted],
        crowd=crowd[counted] == 1,
        ignored=crowd[counted] == 1,
        ids=tuple(listed[row]["id"] for row in counted.tolist()),
        image_ids=tuple(image_index),
        category_ids=tuple(category_index),
        category_names=tuple(names[i] for i in category_index),
    )


def detections_from_coco(results: Sequence[Mapping[str, Any]], truth: Truth) -> Detections:
    """The detections of `results`, COCO's list of {image_id, category_id, bbox, score}.

    Raises:
        AnnotationError: an entry lacks a key, names a picture that `truth` does not have, or its
            box or score is no finite number; `where` is "entry 17", counted from 0.
    """
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        raise AnnotationError(f"expected a list of detections, got {type(results).__name__}")
    image_index = {image_id: i for i, image_id in enumerate(truth.image_ids)}
    category_index = {category_id: i for i, category_id in enumerate(truth.category_ids)}
    places = image_index, _Lenient(category_index)
    image, category, xywh = _places_and_boxes(results, *places, "entry")
    score = _numbers(results, "score", "entry")
    counted = category != _UNLISTED
    if not counted.all():
        image, category, xywh, score = (a[counted] for a in (image, category, xywh, score))
    return Detections(image, category, xywh, xywh[:, 2] * xywh[:, 3], score)


class _Lenient(dict[Any, int]):
    """An index that answers `_UNLISTED` for what is not in it."""

    def __missing__(self, _: Any) -> int:
        return _UNLISTED

    def __contains__(self, _: object) -> bool:
        return True


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

    It walks picture by picture and looks each annotation up by its id, so that the last
    annotation of an id also takes the places of the earlier ones.
    """
    try:
        last = {annotation["id"]: annotation for annotation in annotations}
        if len(last) == len(annotations):
            return annotations
        known = [a for a in annotations if a["image_id"] in image_index]
        by_image = sorted(known, key=lambda a: image_index[a["image_id"]])
    except _FAULTS as error:
        raise _first_fault(annotations, "annotation", image_index) from error
    return [last[annotation["id"]] for annotation in by_image]


def _places_and_boxes(
    entries: Sequence[Mapping[str, Any]], image_index: Ids, category_index: Ids, what: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture index (N,), category index (N,) and box (N, 4) of each entry."""
    count = len(entries)
    try:
        image = map(image_index.__getitem__, map(itemgetter("image_id"), entries))
        category = map(category_index.__getitem__, map(itemgetter("category_id"), entries))
        images = np.fromiter(image, np.int64, count)
        categories = np.fromiter(category, np.int64, count)
        boxes = list(map(itemgetter("bbox"), entries))
        if not {4}.issuperset(map(len, boxes)):
            raise ValueError("a box of more or fewer than 4 numbers")
        xywh = _doubles(chain.from_iterable(boxes)).reshape(-1, 4)  # (N, 4)
    except _FAULTS as error:
        raise _first_fault(entries, what, image_index, category_index) from error
    _refuse(~(np.abs(xywh) <= _LARGEST).all(axis=1), what, "its box is not 4 finite numbers")
    vanished = (xywh[:, 2:] > 0).all(axis=1) & (xywh[:, 2] * xywh[:, 3] == 0)
    _refuse(vanished, what, "its box is too small to have an area")
    return images, categories, xywh


def _numbers(
    entries: Sequence[Mapping[str, Any]], key: str, what: str, default: np.ndarray | None = None
) -> np.ndarray:
    """The number under `key` of each entry, (N,) float64; where absent, that of `default` (N,)."""
    if default is not None and not all(key in entry for entry in entries):
        pairs = zip(entries, default.tolist(), strict=True)
        entries = [{key: entry.get(key, other)} for entry, other in pairs]
    try:
        values = _doubles(map(itemgetter(key), entries))
    except _FAULTS as error:
        raise _first_fault(entries, what, number=key) from error
    _refuse(~np.isfinite(values), what, f"its {key} is not a finite number")
    return values


def _doubles(values: Iterable[Any]) -> np.ndarray:
    """Float64 of real numbers; unlike NumPy's own conversions it does not parse text."""
    return np.array(array("d", values))


def _refuse(bad: np.ndarray, what: str, why: str) -> None:
    if bad.any():
        raise AnnotationError(why, where=f"{what} {int(np.argmax(bad))}")


def _first_fault(
    entries: Sequence[Any],
    what: str,
    image_index: Ids | None = None,
    category_index: Ids | None = None,
    number: str | None = None,
) -> AnnotationError:
    """The error for the first bad entry: the slow search, after the fast way has failed."""
    for place, entry in enumerate(entries):
        why, hint = _fault(entry, what, image_index, category_index, number)
        if why:
            return AnnotationError(why, where=f"{what} {place}", hint=hint)
    raise AssertionError("the entries could not be read, yet each of them looks right")


def _fault(
    entry: Any, what: str, image_index: Ids | None, category_index: Ids | None, number: str | None
) -> tuple[str | None, str | None]:
    """Why `entry` cannot be used and what may help; (None, None) if it can."""
    if not isinstance(entry, Mapping):
        return f"expected an object, got {type(entry).__name__}", None
    if number is not None:
        return _number_fault(entry, number), None
    if what == "annotation" and not isinstance(entry.get("id"), str | Real):
        return "needs an id, a number or text", None
    for key, index in (("image_id", image_index), ("category_id", category_index)):
        if key not in entry:
            return f"has no {key}", None
        if index is not None and not _known(entry[key], index):
            hint = "does it belong to another dataset or split?" if key == "image_id" else None
            return f"its {key} {entry[key]!r} is not in the ground truth", hint
    return _box_fault(entry), None


def _known(value: Any, index: Ids) -> bool:
    return isinstance(value, str | Real) and value in index


def _number_fault(entry: Mapping[str, Any], key: str) -> str | None:
    if key not in entry:
        return f"has no {key}"
    try:
        array("d", [entry[key]])
    except _FAULTS:
        return f"its {key} is not a finite number"
    return None


def _box_fault(entry: Mapping[str, Any]) -> str | None:
    if "bbox" not in entry:
        return "has no bbox"
    try:
        fits = len(array("d", entry["bbox"])) == len(entry["bbox"]) == 4
    except _FAULTS:
        fits = False
    return None if fits else "its box is not 4 finite numbers"
