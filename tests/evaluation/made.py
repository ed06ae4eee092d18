"""Records, predictions, and the same through COCO's JSON, for tests that compare both ways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from tapetum.data.formats.coco import category_ids, coco_dict
from tapetum.data.records.image_record import ImageRecord, bare_record
from tapetum.evaluation import (
    Detections,
    GroundTruth,
    detections_from_predictions,
    ground_truth_from_coco,
    ground_truth_from_records,
)
from tapetum.evaluation.from_predictions import detections_in
from tapetum.ops.masks import rle_encode, rle_to_string
from tapetum.structures import Objects, Prediction
from tapetum.tasks.detection import numbered

IOU_TYPES = ["bbox", "segm", "keypoints"]
CLASSES, POINTS = ("cat", "dog", "owl"), 3
NAMES = {"keypoint_names": ("nose", "tail", "paw")}
SEEDS = st.integers(0, 2**32 - 1)
IDS = st.sampled_from([(1, 2, 3), (7, 0, 5), (2, 2, 3), ("a", "b", "c")])


def assert_same(ours: Any, theirs: Any, name: str = "") -> None:
    """Equal in every field, array by array, with its dtype."""
    if is_dataclass(ours):
        for field in fields(ours):
            one, other = getattr(ours, field.name), getattr(theirs, field.name)
            assert_same(one, other, f"{name}.{field.name}")
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, name
        assert np.array_equal(ours, theirs), (name, ours, theirs)
    else:
        assert ours == theirs, name


def made_records(seed: int) -> list[ImageRecord]:
    """Up to five images of up to four objects: everything that records may hold, and often on a
    coarse grid, where comparisons are tied. Ids count from 0, stand twice, or are text."""
    random = np.random.default_rng(seed)
    count = int(random.integers(0, 6))
    pick = int(random.integers(3))
    ids: list[Any] = [random.permutation(count).tolist(), [4] * count, [f"p{i}" for i in range(6)]]
    return [made_image(random, i, ids[pick][i]) for i in range(count)]


def made_image(random: np.random.Generator, number: int, id: int | str) -> ImageRecord:
    count = int(random.integers(0, 5))
    size = int(random.integers(1, 20)), int(random.integers(1, 20))
    if count == 0 and random.random() < 0.5:
        return bare_record(f"{number}.png", None, id, size if random.random() < 0.5 else None)
    xywh = np.array([made_box(random) for _ in range(count)]).reshape(-1, 4)
    segments = tuple(made_outline(random, size) for _ in range(count))
    bare = count == 0 and random.random() < 0.5
    points = random.integers(-2, 20, (count, POINTS, 3)) / 2.0
    points[..., 2] = random.integers(0, 3, (count, POINTS)) * (random.random((count, 1)) < 0.7)
    return ImageRecord(
        name=f"{number}.png",
        path=None,
        id=id,
        size=size,
        xywh=xywh,
        labels=random.integers(0, len(CLASSES), count),
        crowd=random.random(count) < 0.3,
        difficult=random.random(count) < 0.3,
        area=random.choice([0.0, 1.5, 1024.0, 9216.0, random.random() * 1e4], count),
        ids=tuple(range(count)),
        segments=() if random.random() < 0.2 else segments,
        keypoints=None if bare else points,
    )


def made_box(random: np.random.Generator) -> np.ndarray:
    """Also without an area, or beyond its image."""
    box = random.integers(-3, 15, 4).astype(np.float64)
    return box if random.random() < 0.5 else box + random.random(4)


def made_outline(random: np.random.Generator, size: tuple[int, int]) -> Any:
    kind = int(random.integers(6))
    if kind < 2:
        return [] if kind else None
    if kind == 2:
        return [random.random(2 * int(random.integers(3, 7))) * 20 - 2 for _ in range(2)]
    if kind == 3:
        return [random.integers(-2, 20, 6).tolist()]
    code = rle_encode(random.random(size) < random.random())
    counts = rle_to_string(code["counts"]) if kind == 4 else np.array(code["counts"])
    return {"size": size, "counts": counts}


def made_predictions(records: Sequence[ImageRecord], seed: int) -> list[Prediction]:
    random = np.random.default_rng(seed)
    return [made_prediction(random, record) for record in records]


def made_prediction(random: np.random.Generator, record: ImageRecord) -> Prediction:
    count = int(random.integers(-1, 5))
    if count < 1 or record.size is None:
        return Prediction(objects=Objects.empty(scored=True) if count else None)
    boxes = torch.from_numpy(random.random((count, 4)).astype(np.float32) * 20)
    masks = random.random((count, *record.size)) < random.random((count, 1, 1))
    points = random.random((count, POINTS, 3)).astype(np.float32) * 20 - 2
    return Prediction(
        objects=Objects(
            boxes=boxes,
            labels=torch.from_numpy(random.integers(0, len(CLASSES), count)),
            scores=torch.from_numpy(random.integers(0, 9, count).astype(np.float32) / 9),
            masks=torch.from_numpy(masks),
            keypoints=torch.from_numpy(points),
        )
    )


def written_ground_truth(
    records: Sequence[ImageRecord], class_ids: Sequence[Any], iou_type: str
) -> GroundTruth:
    """The records as COCO's ground truth, read again, by the rules for what we measure."""
    content = coco_dict(records, CLASSES, class_ids, **NAMES)
    for number, annotation in enumerate(content["annotations"], start=1):
        annotation["id"] = number
        if not annotation["segmentation"]:
            x, y, w, h = annotation["bbox"]
            annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return ground_truth_from_coco(json.loads(json.dumps(content)), iou_type)


def written_results(
    predictions: Sequence[Prediction], records: Sequence[ImageRecord], class_ids: Any, iou_type: str
) -> list[dict[str, Any]]:
    """The predictions as COCO's results, object by object."""
    categories = category_ids(class_ids, len(CLASSES))
    results = []
    for prediction, record in zip(predictions, numbered(records), strict=True):
        found = prediction.objects
        for row in range(0 if found is None else len(found)):
            x1, y1, x2, y2 = found.boxes[row].double().tolist()
            outlines = {
                "bbox": lambda: [x1, y1, x2 - x1, y2 - y1],  # noqa: B023, called at once
                "segmentation": lambda: _string(found.masks[row].numpy()),  # noqa: B023
                "keypoints": lambda: found.keypoints[row].double().flatten().tolist(),  # noqa: B023
            }
            name = "segmentation" if iou_type == "segm" else iou_type
            results.append(
                {
                    "image_id": record.id,
                    "category_id": categories[int(found.labels[row])],
                    name: outlines[name](),
                    "score": float(found.scores[row]),
                }
            )
    return results


def _string(mask: np.ndarray) -> dict[str, Any]:
    code = rle_encode(mask)
    return {"size": code["size"], "counts": rle_to_string(code["counts"])}


def ground_truth_of(records: Sequence[ImageRecord], class_ids: Any, iou_type: str) -> GroundTruth:
    ids = category_ids(class_ids, len(CLASSES))
    return ground_truth_from_records(numbered(records), CLASSES, ids, iou_type, **NAMES)


def detections_of(
    predictions: Sequence[Prediction],
    records: Sequence[ImageRecord],
    class_ids: Any,
    ground_truth: GroundTruth,
    iou_type: str,
) -> Detections:
    found = [detections_in(prediction, iou_type) for prediction in predictions]
    image_ids = [record.id for record in numbered(records)]
    ids = category_ids(class_ids, len(CLASSES))
    return detections_from_predictions(found, image_ids, ids, ground_truth, iou_type)


def one_object(**changes: Any) -> ImageRecord:
    values: dict[str, Any] = {
        "name": "a.png",
        "path": None,
        "id": 7,
        "size": (40, 60),
        "xywh": np.array([[2.0, 3, 10, 20]]),
        "labels": np.array([1]),
        "crowd": np.zeros(1, dtype=bool),
        "difficult": np.zeros(1, dtype=bool),
        "area": np.array([150.0]),
        "ids": (0,),
        "keypoints": np.array([[[4.0, 5, 2], [6, 7, 1], [0, 0, 0]]]),
    }
    return ImageRecord(**(values | changes))
