"""Detection, instance masks and keypoints: things with boxes, judged as COCO judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from PIL import Image
from torch import Tensor, nn

from tapetum.base.errors import UsageError
from tapetum.base.runtime import Runtime
from tapetum.data.coco import category_ids, picture_ids
from tapetum.data.dataset import Dataset
from tapetum.data.loading import Augment
from tapetum.data.picture import Picture
from tapetum.data.transforms import (
    RECIPES,
    keypoint_pairs,
    standard_pixels,
    standard_transforms,
)
from tapetum.evaluation import (
    DetectionResult,
    Detections,
    Truth,
    detections_from_predictions,
    evaluate_detections,
    truth_from_records,
)
from tapetum.evaluation.found import Found, found_in
from tapetum.evaluation.results import results_from_detections
from tapetum.models.predict import predict
from tapetum.ops.masks import rle_encode, rle_to_string
from tapetum.render import draw_things
from tapetum.structures import Model, Objects, Prediction, Target
from tapetum.tasks.task import Names, Thing, Watch, batches, image_of

CAPS = {"bbox": 100, "segm": 100, "keypoints": 20}
"""COCO's most detections a picture, by kind."""


@dataclass(frozen=True, eq=False)
class DetectionTruth:
    """What a dataset says is true, for any number of measurements: records never change.

    pictures: the records, in the dataset's order, with ids that COCO's files can hold.
    category_ids: such an id for each label. truth: of the task's kind. boxes: the truth for boxes,
    where the kind is another.
    """

    pictures: tuple[Picture, ...]
    category_ids: tuple[int, ...]
    truth: Truth
    boxes: Truth | None = None


@dataclass(frozen=True)
class DetectionMeasured:
    """Predictions over a dataset with everything that follows from them.

    kind: "bbox", "segm" or "keypoints".
    truth, detections, result: of that kind; boxes: the result for boxes, where the kind
    is another.
    """

    kind: str
    pictures: tuple[Picture, ...]
    truth: Truth
    detections: Detections
    result: DetectionResult
    boxes: DetectionResult | None = None

    @property
    def stats(self) -> dict[str, float]:
        """COCO's numbers; those of the boxes beside masks and keypoints as "box AP" and so on."""
        own = dict(self.result.stats)
        if self.boxes is not None:
            own |= {f"box {name}": self.boxes.stats[name] for name in ("AP", "AP50", "AP75")}
        return own

    def results(self) -> list[dict[str, Any]]:
        """COCO's results; evaluating them again gives the same numbers to the last bit."""
        return results_from_detections(self.detections, self.truth)


@dataclass(frozen=True)
class Detection:
    """Things with boxes, and with masks or keypoints where `kind` says so."""

    name: str
    need: str
    kind: str
    metric: str = "AP"
    recipes: tuple[str, ...] = RECIPES
    settings: Mapping[str, Any] = field(default_factory=dict)

    def image_size(self, dataset: Dataset) -> int:
        return 320

    def arguments(self, dataset: Dataset, image_size: int) -> dict[str, Any]:
        """Arguments of detectors, with anchors that suit the size of the pictures.

        The published 32 pixels on pictures of 800 are a twenty-fifth; kept as a power of two.
        """
        smallest = 2 ** ((image_size // 18).bit_length() - 1)
        return {
            "classes": len(dataset.classes),
            "min_size": image_size,
            "max_size": image_size * 5 // 3,
            "anchor_sizes": [smallest * 2**level for level in range(5)],
            "keypoints": len(dataset.keypoint_names),
        }

    def transforms(self, dataset: Dataset, image_size: int, recipe: str) -> Augment:
        pairs = keypoint_pairs(dataset.keypoint_names)
        return standard_transforms(image_size, recipe, pairs=pairs)

    def most_pixels(self, image_size: int, recipe: str) -> int | None:
        return standard_pixels(image_size, recipe)

    def truth(self, dataset: Dataset, class_ids: Sequence[int | str] = ()) -> DetectionTruth:
        """The dataset's own float64 records as arrays, not what a model sees of them."""
        pictures = numbered([dataset.picture(index) for index in range(len(dataset))])
        ids = tuple(category_ids(class_ids or None, len(dataset.classes)))

        def of_kind(kind: str) -> Truth:
            names = dataset.keypoint_names
            return truth_from_records(pictures, dataset.classes, ids, kind, keypoint_names=names)

        boxes = None if self.kind == "bbox" else of_kind("bbox")
        return DetectionTruth(tuple(pictures), ids, of_kind(self.kind), boxes)

    def measure(
        self,
        model: nn.Module,
        dataset: Dataset,
        runtime: Runtime,
        *,
        class_ids: Sequence[int | str] = (),
        max_dets: int | None = None,
        watch: Watch = Watch(),  # noqa: B008, it is frozen
        workers: int = 0,
        known: DetectionTruth | None = None,
    ) -> DetectionMeasured:
        """Masks become run lengths at once, so that memory holds those of one batch and no more."""
        known = known or self.truth(dataset, class_ids)
        found: list[Found] = []
        for images in batches(dataset, 8, watch, workers, image_of):
            predictions = predict(cast(Model, model), images, runtime=runtime)
            found += [found_in(prediction, self.kind) for prediction in predictions]
        image_ids, ids = [picture.id for picture in known.pictures], known.category_ids
        detections = detections_from_predictions(found, image_ids, ids, known.truth, self.kind)
        boxes = None
        if known.boxes is not None:
            boxes = detections_from_predictions(found, image_ids, ids, known.boxes)
        return self.judge(known, detections, boxes, max_dets)

    def judge(
        self,
        known: DetectionTruth,
        detections: Detections,
        boxes: Detections | None = None,
        max_dets: int | None = None,
    ) -> DetectionMeasured:
        """Detections beside what is true; `boxes`: the boxes of masks or keypoints, apart.

        They stay apart because COCO takes the area of a mask from its box, where it has one, and
        then sorts it into the wrong one of small, medium and large.
        """
        limits = caps(CAPS[self.kind] if max_dets is None else max_dets, self.kind)
        result = evaluate_detections(known.truth, detections, limits, kind=self.kind)
        beside = None
        if known.boxes is not None and boxes is not None:
            beside = evaluate_detections(known.boxes, boxes)
        return DetectionMeasured(self.kind, known.pictures, known.truth, detections, result, beside)

    def answer(self, prediction: Prediction, names: Names, threshold: float) -> dict[str, Any]:
        """{"objects": [{"class", "label", "score", "box", "mask"?, "keypoints"?}]}.

        box: x1 y1 x2 y2 in pixels of the upright picture. mask: COCO's compressed run lengths.
        keypoints: x, y, score of each.
        """
        objects = confident(prediction, threshold)
        return {"objects": [_thing(objects, row, names) for row in range(len(objects))]}

    def words(self, answer: Mapping[str, Any]) -> str:
        found = (f"{thing['class']} {thing['score']:.2f}" for thing in answer["objects"])
        return ", ".join(found) or "nothing"

    def draw(
        self, picture: Tensor, prediction: Prediction, names: Names, threshold: float
    ) -> dict[str, Image.Image]:
        objects = confident(prediction, threshold)
        drawn = draw_things(
            picture,
            objects,
            names.classes,
            skeleton=names.skeleton,
            keypoint_names=names.keypoint_names,
        )
        return {"": drawn}

    def things(self, prediction: Prediction, names: Names) -> list[Thing]:
        objects = confident(prediction, 0.0)
        assert objects.scores is not None
        rows = zip(objects.labels.tolist(), objects.scores.tolist(), strict=True)
        return [
            Thing(f"{names.classes[label]} {score:.2f}", Target(objects=objects[[row]]))
            for row, (label, score) in enumerate(rows)
        ]


def numbered(pictures: Sequence[Picture]) -> list[Picture]:
    """The records with ids that COCO's files can hold: their own, or 1, 2, ... in their place."""
    ids = picture_ids(pictures)
    return [
        picture if picture.id == id else replace(picture, id=id)
        for picture, id in zip(pictures, ids, strict=True)
    ]


def confident(prediction: Prediction, threshold: float) -> Objects:
    """The objects of a prediction that score at least `threshold`, best first."""
    objects = prediction.objects
    assert objects is not None
    assert objects.scores is not None
    return objects[objects.scores >= threshold]


def caps(max_dets: int, kind: str = "bbox") -> tuple[int, ...]:
    """COCO's caps on detections a picture: 1, 10 and `max_dets`, which is that of AP; for keypoints
    the last one alone.

    Raises:
        UsageError: not above 0.
    """
    if max_dets < 1:
        raise UsageError(f"--max-dets must be above 0, got {max_dets}")
    if kind == "keypoints":
        return (max_dets,)
    return (*(cap for cap in (1, 10) if cap < max_dets), max_dets)


def _thing(objects: Objects, row: int, names: Names) -> dict[str, Any]:
    assert objects.scores is not None
    label = int(objects.labels[row])
    thing = {
        "class": names.classes[label],
        "label": label,
        "score": float(objects.scores[row]),
        "box": objects.boxes[row].tolist(),
    }
    if objects.masks is not None:
        thing["mask"] = compressed(objects.masks[row].numpy())
    if objects.keypoints is not None:
        thing["keypoints"] = objects.keypoints[row].tolist()
    return thing


def compressed(mask: np.ndarray) -> dict[str, Any]:
    """A mask (H, W) bool as COCO's compressed run lengths."""
    runs = rle_encode(mask)
    return {"size": list(mask.shape), "counts": rle_to_string(runs["counts"])}
