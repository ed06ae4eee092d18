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
from tapetum.data.coco import coco_dict, picture_ids, results_list
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
    detections_from_coco,
    evaluate_detections,
    truth_from_coco,
)
from tapetum.models.predict import predict
from tapetum.ops.masks import rle_encode, rle_to_string
from tapetum.render import draw_things
from tapetum.structures import Model, Objects, Prediction, Target
from tapetum.tasks.task import Names, Thing, Watch, batches

CAPS = {"bbox": 100, "segm": 100, "keypoints": 20}
"""COCO's most detections a picture, by kind."""


@dataclass(frozen=True)
class DetectionMeasured:
    """Predictions over a dataset with everything that follows from them.

    found: COCO's list of detections; evaluating it again gives the same numbers to the last bit.
    kind: "bbox", "segm" or "keypoints".
    truth, detections, result: of that kind; boxes: the result for boxes, where the kind
    is another.
    """

    kind: str
    pictures: tuple[Picture, ...]
    found: list[dict[str, Any]]
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
        """COCO's results."""
        return self.found


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

    def measure(
        self,
        model: nn.Module,
        dataset: Dataset,
        runtime: Runtime,
        *,
        class_ids: Sequence[int | str] = (),
        max_dets: int | None = None,
        watch: Watch = Watch(),  # noqa: B008, it is frozen
    ) -> DetectionMeasured:
        """Truth comes from the dataset's own float64 records, not from what the model saw.

        Masks become run lengths picture by picture, so that memory holds no more than a batch.
        """
        ids = tuple(class_ids) or tuple(range(1, len(dataset.classes) + 1))
        pictures = numbered([dataset.picture(index) for index in range(len(dataset))])
        found: list[dict[str, Any]] = []
        boxes: list[dict[str, Any]] = []
        for indices in batches(dataset, 8, watch):
            images = [dataset[index].image for index in indices]
            predictions = predict(cast(Model, model), images, runtime=runtime)
            records = [pictures[index] for index in indices]
            found += results_list(predictions, records, ids, kind=self.kind)
            if self.kind != "bbox":
                boxes += results_list(predictions, records, ids)
        content = coco_dict(
            pictures,
            dataset.classes,
            ids,
            keypoint_names=dataset.keypoint_names,
            skeleton=dataset.skeleton,
        )
        return self.judge(pictures, content, found, boxes, max_dets)

    def judge(
        self,
        pictures: Sequence[Picture],
        content: dict[str, Any],
        found: list[dict[str, Any]],
        boxes: list[dict[str, Any]],
        max_dets: int | None = None,
    ) -> DetectionMeasured:
        """COCO results beside COCO truth; `boxes`: the boxes of masks or keypoints, apart.

        They stay apart because COCO takes the area of a mask from its box, where it has one, and
        then sorts it into the wrong one of small, medium and large.
        """
        for number, annotation in enumerate(content["annotations"], start=1):
            # COCO's evaluation takes the id 0 for "no match"; datasets that count from 0 would
            # lose their first thing, so the file's own ids stay out of it.
            annotation["id"] = number
            if self.kind == "segm" and not annotation["segmentation"]:
                # A thing without an outline was learnt as its box, filled; so it is judged.
                annotation["segmentation"] = [box_outline(*annotation["bbox"])]
        truth = truth_from_coco(content, self.kind)
        detections = detections_from_coco(found, truth, self.kind)
        limits = caps(CAPS[self.kind] if max_dets is None else max_dets, self.kind)
        result = evaluate_detections(truth, detections, limits, kind=self.kind)
        beside = None
        if self.kind != "bbox":
            plain = truth_from_coco(content)
            beside = evaluate_detections(plain, detections_from_coco(boxes, plain))
        return DetectionMeasured(
            self.kind, tuple(pictures), found, truth, detections, result, beside
        )

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
    return [replace(picture, id=id) for picture, id in zip(pictures, ids, strict=True)]


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


def box_outline(left: float, top: float, width: float, height: float) -> list[float]:
    """A box as a polygon: x, y, x, y, ..."""
    right, bottom = left + width, top + height
    return [left, top, right, top, right, bottom, left, bottom]


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
