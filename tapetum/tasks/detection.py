"""Detection, instance masks and keypoints: objects with boxes, with COCO's metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.formats.coco import category_ids, image_ids
from tapetum.data.reading.loading import Augment
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.transforms import (
    DETECTION_AUGMENTATIONS,
    detection_pixels,
    detection_transforms,
    keypoint_pairs,
)
from tapetum.evaluation import (
    DetectionResult,
    Detections,
    GroundTruth,
    best_thresholds,
    detections_from_predictions,
    evaluate_detections,
    ground_truth_from_records,
    with_metrics,
)
from tapetum.evaluation.from_predictions import Result, detections_in
from tapetum.evaluation.results import results_from_detections
from tapetum.models.predict import predict
from tapetum.ops.masks import rle_encode, rle_to_string
from tapetum.render import draw_objects
from tapetum.structures import Model, Objects, Prediction, Target
from tapetum.tasks.task import ExplainTarget, Names, Task, Watch, batches, image_of, of_all_ranks


@dataclass(frozen=True, eq=False)
class DetectionGroundTruth:
    """The ground truth of a dataset, for any number of measurements: records never change.

    images: the records, in the dataset's order, with ids that COCO's files can hold.
    category_ids: such an id for each label. ground_truth: of the task's iou_type. boxes: the ground
    truth for boxes, where the iou_type is another.
    """

    images: tuple[ImageRecord, ...]
    category_ids: tuple[int, ...]
    ground_truth: GroundTruth
    boxes: GroundTruth | None = None


@dataclass(frozen=True)
class DetectionEvaluation:
    """Predictions over a dataset with everything that follows from them.

    iou_type: "bbox", "segm" or "keypoints".
    ground_truth, detections, result: of that iou_type; boxes: the result for boxes, where it
    is another.
    """

    iou_type: str
    images: tuple[ImageRecord, ...]
    ground_truth: GroundTruth
    detections: Detections
    result: DetectionResult
    boxes: DetectionResult | None = None

    @property
    def stats(self) -> dict[str, float]:
        """COCO's numbers; those of the boxes beside masks and keypoints as "box AP" and so on."""
        stats = dict(self.result.stats)
        if self.boxes is not None:
            stats |= {f"box {name}": self.boxes.stats[name] for name in ("AP", "AP50", "AP75")}
        return stats

    def results(self) -> list[dict[str, Any]]:
        """COCO's results; evaluating them again gives the same numbers to the last bit."""
        return results_from_detections(self.detections, self.ground_truth)

    def best_thresholds(self) -> tuple[float | None, ...]:
        best = best_thresholds(self.ground_truth, self.detections, iou_type=self.iou_type)
        return tuple(row.threshold for row in best)


@dataclass(frozen=True)
class Detection(Task):
    """Objects with boxes, and with masks or keypoints where `iou_type` says so."""

    metric: str = "AP"
    noun: str = "boxes"
    annotation: str = "boxes"
    overlap: str = "IoU"
    iou_type: str = "bbox"
    has_objects: bool = True
    has_thresholds: bool = True
    max_detections: int = 100
    small_batches: bool = True
    targets: tuple[str, ...] = ("pixel", "box")
    augmentations: tuple[str, ...] = DETECTION_AUGMENTATIONS
    settings: Mapping[str, Any] = field(default_factory=dict)

    def image_size(self, dataset: Dataset) -> int:
        return 320

    def arguments(self, dataset: Dataset, image_size: int) -> dict[str, Any]:
        """Arguments of detectors, with anchors that suit the size of the images.

        The published 32 pixels on images of 800 are a twenty-fifth; kept as a power of two.
        """
        smallest = 2 ** ((image_size // 18).bit_length() - 1)
        return {
            "num_classes": len(dataset.classes),
            "min_size": image_size,
            "max_size": image_size * 5 // 3,
            "anchor_sizes": [smallest * 2**level for level in range(5)],
            "keypoints": len(dataset.keypoint_names),
        }

    def transforms(self, dataset: Dataset, image_size: int, augmentation: str) -> Augment:
        pairs = keypoint_pairs(dataset.keypoint_names)
        return detection_transforms(image_size, augmentation, pairs=pairs)

    def most_pixels(self, image_size: int, augmentation: str) -> int | None:
        return detection_pixels(image_size, augmentation)

    def ground_truth(
        self, dataset: Dataset, class_ids: Sequence[int | str] = ()
    ) -> DetectionGroundTruth:
        """The dataset's own float64 records as arrays, not what a model sees of them."""
        images = numbered([dataset.record(index) for index in range(len(dataset))])
        ids = tuple(category_ids(class_ids or None, len(dataset.classes)))

        def of_type(iou_type: str) -> GroundTruth:
            names = dataset.keypoint_names
            return ground_truth_from_records(
                images, dataset.classes, ids, iou_type, keypoint_names=names
            )

        boxes = None if self.iou_type == "bbox" else of_type("bbox")
        return DetectionGroundTruth(tuple(images), ids, of_type(self.iou_type), boxes)

    def measure(
        self,
        model: Model,
        dataset: Dataset,
        runtime: Runtime,
        *,
        class_ids: Sequence[int | str] = (),
        max_dets: int | None = None,
        watch: Watch = Watch(),  # noqa: B008, it is frozen
        workers: int = 0,
        known: DetectionGroundTruth | None = None,
    ) -> DetectionEvaluation:
        """Masks become run lengths at once, so that memory holds those of one batch and no more."""
        known = known or self.ground_truth(dataset, class_ids)
        found: list[Result] = []
        for images in batches(dataset, 8, watch, workers, image_of):
            predictions = predict(model, images, runtime=runtime)
            found += [detections_in(prediction, self.iou_type) for prediction in predictions]
        found = of_all_ranks(found, 8)
        image_ids, ids = [image.id for image in known.images], known.category_ids
        detections = detections_from_predictions(
            found, image_ids, ids, known.ground_truth, self.iou_type
        )
        boxes = None
        if known.boxes is not None:
            boxes = detections_from_predictions(found, image_ids, ids, known.boxes)
        return self.judge(known, detections, boxes, max_dets)

    def judge(
        self,
        known: DetectionGroundTruth,
        detections: Detections,
        boxes: Detections | None = None,
        max_dets: int | None = None,
    ) -> DetectionEvaluation:
        """Detections beside what is true; `boxes`: the boxes of masks or keypoints, apart.

        They stay apart because COCO takes the area of a mask from its box, where it has one, and
        then sorts it into the wrong one of small, medium and large.
        """
        limits = self.caps(max_dets)
        result = evaluate_detections(known.ground_truth, detections, limits, iou_type=self.iou_type)
        beside = None
        if known.boxes is not None and boxes is not None:
            beside = evaluate_detections(known.boxes, boxes)
        return DetectionEvaluation(
            self.iou_type,
            known.images,
            known.ground_truth,
            detections,
            with_metrics(result),
            beside,
        )

    def caps(self, max_dets: int | None = None) -> tuple[int, ...]:
        """COCO's caps on detections an image: 1, 10 and `max_dets`, which is that of AP; for
        keypoints the last one alone.

        Raises:
            UsageError: not above 0.
        """
        last = self.max_detections if max_dets is None else max_dets
        if last < 1:
            raise UsageError(f"must be above 0, got {last}", option="max_dets")
        if self.iou_type == "keypoints":
            return (last,)
        return (*(cap for cap in (1, 10) if cap < last), last)

    def answer(self, prediction: Prediction, names: Names, threshold: float) -> dict[str, Any]:
        """{"objects": [{"class", "label", "score", "box", "mask"?, "keypoints"?}]}.

        box: x1 y1 x2 y2 in pixels of the upright image. mask: COCO's compressed run lengths.
        keypoints: x, y, score of each.
        """
        objects = confident(prediction, threshold)
        return {"objects": [_obj(objects, row, names) for row in range(len(objects))]}

    def describe(self, answer: Mapping[str, Any]) -> str:
        found = (f"{obj['class']} {obj['score']:.2f}" for obj in answer["objects"])
        return ", ".join(found) or "nothing"

    def draw(
        self, image: Tensor, prediction: Prediction, names: Names, threshold: float
    ) -> dict[str, Image.Image]:
        objects = confident(prediction, threshold)
        drawn = draw_objects(
            image,
            objects,
            names.classes,
            skeleton=names.skeleton,
            keypoint_names=names.keypoint_names,
        )
        return {"": drawn}

    def objects(self, prediction: Prediction, names: Names) -> list[ExplainTarget]:
        objects = confident(prediction, 0.0)
        assert objects.scores is not None
        rows = zip(objects.labels.tolist(), objects.scores.tolist(), strict=True)
        return [
            ExplainTarget(f"{names.classes[label]} {score:.2f}", Target(objects=objects[[row]]))
            for row, (label, score) in enumerate(rows)
        ]


DETECTION = Detection("detection")
INSTANCE_SEGMENTATION = Detection(
    "instance_segmentation",
    noun="masks",
    annotation="outlines",
    iou_type="segm",
    targets=("pixel", "box", "mask"),
)
KEYPOINT_DETECTION = Detection(
    "keypoint_detection",
    noun="keypoints",
    annotation="points",
    overlap="OKS",
    iou_type="keypoints",
    max_detections=20,
    targets=("pixel", "box", "keypoint"),
)
BY_IOU_TYPE = {
    task.iou_type: task for task in (DETECTION, INSTANCE_SEGMENTATION, KEYPOINT_DETECTION)
}
"""The task that pycocotools' word means."""


def numbered(images: Sequence[ImageRecord]) -> list[ImageRecord]:
    """The records with ids that COCO's files can hold: their own, or 1, 2, ... in their place."""
    ids = image_ids(images)
    return [
        image if image.id == id else replace(image, id=id)
        for image, id in zip(images, ids, strict=True)
    ]


def confident(prediction: Prediction, threshold: float) -> Objects:
    """The objects of a prediction that score at least `threshold`, best first."""
    objects = prediction.objects
    assert objects is not None
    assert objects.scores is not None
    return objects[objects.scores >= threshold]


def _obj(objects: Objects, row: int, names: Names) -> dict[str, Any]:
    assert objects.scores is not None
    label = int(objects.labels[row])
    obj = {
        "class": names.classes[label],
        "label": label,
        "score": float(objects.scores[row]),
        "box": objects.boxes[row].tolist(),
    }
    if objects.masks is not None:
        obj["mask"] = compressed(objects.masks[row].numpy())
    if objects.keypoints is not None:
        obj["keypoints"] = objects.keypoints[row].tolist()
    return obj


def compressed(mask: np.ndarray) -> dict[str, Any]:
    """A mask (H, W) bool as COCO's compressed run lengths."""
    runs = rle_encode(mask)
    return {"size": list(mask.shape), "counts": rle_to_string(runs["counts"])}
