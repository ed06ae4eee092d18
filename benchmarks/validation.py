"""What judging costs at a validation: from records and predictions to numbers, seconds and memory.

    python benchmarks/validation.py --repeat 2                    # boxes
    python benchmarks/validation.py --repeat 2 --iou-type keypoints
    python benchmarks/validation.py --repeat 2 --iou-type segm --detections 4

5,000 made images of 640 x 480 with 36,000 objects of 80 classes, 20 predictions on each image.
"through JSON": records and predictions become COCO's ground truth and results, which are parsed
again, as it was done at each validation until 2026-11. "arrays": as it is done now, where the first
validation of a training also makes the truth of all. Both are the same numbers in every bit, or the
script fails. Each runs in a process of its own, turn by turn. Seconds are those of the processor,
on one thread; what it takes to make the predictions is left out. The memory is the peak on top of
the records. "engine": matching and averaging, which is the same code.

2026-11-30, two cores of an x86 machine (Intel Xeon Processor) with other work; two turns of each:

                   first s      later s     of which engine   peak MiB
    boxes
      through JSON 0.92  0.86   1.04  0.91   0.25  0.21       144  144
      arrays       0.38  0.40   0.42  0.34   0.24  0.22        86   86
    keypoints
      through JSON 3.08  3.13   2.73  2.69   0.28  0.25       490  486
      arrays       0.78  0.76   0.67  0.57   0.30  0.28       192  192
    masks, 4 predictions on each image
      through JSON 14.4  13.8   13.2  13.5   0.45  0.51       225  223
      arrays       12.7  12.8   11.1  10.0   0.49  0.43       144  144

Of masks most of the time goes into run lengths, which both ways need.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tapetum.data.formats.coco import coco_dict
from tapetum.data.records.image_record import ImageRecord
from tapetum.evaluation import (
    detections_from_coco,
    detections_from_predictions,
    evaluate_detections,
    ground_truth_from_coco,
)
from tapetum.evaluation.from_predictions import detections_in
from tapetum.ops.masks import rle_encode, rle_to_string
from tapetum.structures import Objects, Prediction
from tapetum.tasks import TASKS
from tapetum.tasks.detection import Detection, DetectionGroundTruth

HEIGHT, WIDTH, CLASSES, POINTS, BATCH = 480, 640, 80, 17, 8
WAYS = ("through JSON", "arrays")
TASK = {"bbox": "detection", "segm": "instance_segmentation", "keypoints": "keypoint_detection"}
IDS = tuple(range(1, CLASSES + 1))


def main() -> None:
    options = _options()
    if options.way:
        print(json.dumps(_measure(options)))
        return
    print(
        f"{options.images:,} images, {options.objects:,} objects, {options.iou_type}; {_machine()}"
    )
    runs = [(way, _child(way, options)) for _ in range(options.repeat) for way in WAYS]
    print(f"{'':14}{'first s':>10}{'later s':>10}{'of which engine':>18}{'peak MiB':>10}")
    for way, row in runs:
        cells = (
            f"{row['first']:10.2f}{row['later']:10.2f}{row['engine']:18.2f}{row['memory']:10.0f}"
        )
        print(f"{way:14}{cells}")
    if len({json.dumps(row["stats"]) for _, row in runs}) > 1:
        sys.exit("the two ways do not give the same numbers")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--iou-type", choices=tuple(TASK), default="bbox")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--objects", type=int, default=36_000)
    parser.add_argument("--detections", type=int, default=20, help="per image")
    parser.add_argument("--repeat", type=int, default=3, help="turns of each way")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(way: str, options: argparse.Namespace) -> dict[str, Any]:
    sizes = ("images", "objects", "detections", "iou_type")
    said = [part for size in sizes for part in (f"--{size}", str(getattr(options, size)))]
    command = [sys.executable, __file__, "--way", way, *said]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """Two validations one way, in this process."""
    torch.set_num_threads(1)
    made = Made(options.iou_type, options.images, options.objects, options.detections)
    next(made.batches())  # what is loaded at the first use is none of their business
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (Linux)
    before = _status("VmRSS")
    way = through_json if options.way == WAYS[0] else Arrays()
    first, later = way(made), way(made)
    return {
        "first": first["seconds"],
        "later": later["seconds"],
        "engine": later["engine"],
        "memory": _status("VmHWM") - before,
        "stats": later["stats"],
    }


class Made:
    """A dataset of made records, and a model's answers, functions of the image's number."""

    name, classes, skeleton = "made", tuple(f"class {k}" for k in IDS), ()

    def __init__(self, iou_type: str, images: int, objects: int, detections: int) -> None:
        self.iou_type, self.detections = iou_type, detections
        self.keypoint_names = tuple(f"point {k}" for k in range(POINTS)) * (iou_type == "keypoints")
        counts = np.random.default_rng(0).multinomial(objects, [1 / images] * images)
        self.records = [self._record(i, count) for i, count in enumerate(counts.tolist())]

    def __len__(self) -> int:
        return len(self.records)

    def record(self, index: int) -> ImageRecord:
        return self.records[index]

    def batches(self) -> Iterator[tuple[list[ImageRecord], list[Prediction]]]:
        """Records with predictions for them, a batch at a time."""
        for start in range(0, len(self), BATCH):
            part = range(start, min(start + BATCH, len(self)))
            yield [self.records[i] for i in part], [self._prediction(i) for i in part]

    def _record(self, index: int, count: int) -> ImageRecord:
        random = np.random.default_rng([1, index])
        xywh = made_boxes(random, count)
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        circle = (1 + np.stack((np.cos(angles), np.sin(angles)), axis=1)) / 2
        around = xywh[:, None, :2] + circle * xywh[:, None, 2:]  # (N, 24, 2)
        return ImageRecord(
            name=f"{index:06}.jpg",
            path=None,
            id=index,
            size=(HEIGHT, WIDTH),
            xywh=xywh,
            labels=random.integers(0, CLASSES, count),
            crowd=random.random(count) < 1 / 80,
            difficult=np.zeros(count, dtype=bool),
            area=0.7 * xywh[:, 2] * xywh[:, 3],
            ids=tuple(range(count)),
            segments=tuple([p.reshape(-1)] for p in around) if self.iou_type == "segm" else (),
            keypoints=made_points(random, xywh) if self.keypoint_names else None,
        )

    def _prediction(self, index: int) -> Prediction:
        """Shaken copies of what is there, and objects that are not."""
        random, record = np.random.default_rng([2, index]), self.records[index]
        xywh = made_boxes(random, self.detections)
        copied = min(len(record), self.detections)
        xywh[:copied] = record.xywh[:copied] * (1 + 0.05 * random.normal(size=(copied, 4)))
        labels = random.integers(0, CLASSES, self.detections)
        labels[:copied] = record.labels[:copied]
        corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        points = made_points(random, xywh) if self.keypoint_names else None
        return Prediction(
            objects=Objects(
                boxes=torch.from_numpy(corners.astype(np.float32)),
                labels=torch.from_numpy(labels),
                scores=torch.from_numpy(random.random(self.detections).astype(np.float32)),
                masks=made_masks(xywh) if self.iou_type == "segm" else None,
                keypoints=None if points is None else torch.from_numpy(points.astype(np.float32)),
            )
        )


def made_boxes(random: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) left, top, width, height inside the image."""
    frame = np.array([WIDTH, HEIGHT])
    sides = np.clip(np.exp(random.normal(4, 0.9, (count, 2))), 4, 0.9 * frame)
    return np.concatenate([random.random((count, 2)) * (frame - sides), sides], axis=1)


def made_points(random: np.random.Generator, xywh: np.ndarray) -> np.ndarray:
    """(N, K, 3) anywhere in the boxes."""
    points = random.random((len(xywh), POINTS, 3))
    points[..., :2] = xywh[:, None, :2] + points[..., :2] * xywh[:, None, 2:]
    points[..., 2] = points[..., 2] < 0.8
    return points


def made_masks(xywh: np.ndarray) -> torch.Tensor:
    """(N, H, W) bool, the ellipses in the boxes."""
    masks = np.zeros((len(xywh), HEIGHT, WIDTH), dtype=bool)
    for mask, (left, top, width, height) in zip(masks, xywh, strict=True):
        rows = slice(max(0, int(top)), max(0, int(top + height) + 1))
        columns = slice(max(0, int(left)), max(0, int(left + width) + 1))
        y, x = np.ogrid[rows, columns]
        across, down = (2 * (x - left) / width - 1) ** 2, (2 * (y - top) / height - 1) ** 2
        part = mask[rows, columns]
        part |= (across + down <= 1)[: part.shape[0], : part.shape[1]]
    return torch.from_numpy(masks)


# --- the two ways -------------------------------------------------------------------------------


class Clock:
    """Adds up the time between its calls of `on` and `off`."""

    def __init__(self) -> None:
        self.seconds, self._started = 0.0, time.process_time()

    def on(self) -> None:
        self._started = time.process_time()

    def off(self) -> None:
        self.seconds += time.process_time() - self._started


def through_json(made: Made) -> dict[str, Any]:
    """Records and predictions to dictionaries, and these to arrays."""
    clock, found, boxes = Clock(), [], []
    for records, predictions in made.batches():
        clock.on()
        found += results_list(predictions, records, made.iou_type)
        boxes += [] if made.iou_type == "bbox" else results_list(predictions, records, "bbox")
        clock.off()
    clock.on()
    names = made.keypoint_names
    content = coco_dict(made.records, made.classes, IDS, keypoint_names=names)
    for number, annotation in enumerate(content["annotations"], start=1):
        annotation["id"] = number
    ground_truth = ground_truth_from_coco(content, made.iou_type)
    detections = detections_from_coco(found, ground_truth, made.iou_type)
    engine = time.process_time()
    stats = evaluate_detections(ground_truth, detections, iou_type=made.iou_type).stats
    engine = time.process_time() - engine
    if made.iou_type != "bbox":
        plain = ground_truth_from_coco(content)
        other = detections_from_coco(boxes, plain)
        engine -= time.process_time()
        stats |= {f"box {k}": v for k, v in evaluate_detections(plain, other).stats.items()}
        engine += time.process_time()
    clock.off()
    return {"seconds": clock.seconds, "engine": engine, "stats": stats}


def results_list(
    predictions: Sequence[Prediction], records: Sequence[ImageRecord], iou_type: str
) -> list[dict[str, Any]]:
    """COCO's results."""
    results: list[dict[str, Any]] = []
    for prediction, record in zip(predictions, records, strict=True):
        objects = prediction.objects
        assert objects is not None
        assert objects.scores is not None
        rows = zip(
            _outlines(objects, iou_type),
            objects.labels.tolist(),
            objects.scores.tolist(),
            strict=True,
        )
        results += [
            {"image_id": record.id, "category_id": IDS[label], **outline, "score": score}
            for outline, label, score in rows
        ]
    return results


def _outlines(objects: Objects, iou_type: str) -> list[dict[str, Any]]:
    if iou_type == "bbox":
        corners = objects.boxes.double().numpy().copy()
        corners[:, 2:] -= corners[:, :2]
        return [{"bbox": xywh} for xywh in corners.tolist()]
    if iou_type == "keypoints":
        assert objects.keypoints is not None
        return [{"keypoints": row} for row in objects.keypoints.double().flatten(1).tolist()]
    assert objects.masks is not None
    codes = [rle_encode(mask) for mask in objects.masks.numpy()]
    return [
        {"segmentation": {"size": code["size"], "counts": rle_to_string(code["counts"])}}
        for code in codes
    ]


class Arrays:
    """As the tasks of the package do it, with the truth of the first validation kept."""

    def __init__(self) -> None:
        self.known: DetectionGroundTruth | None = None

    def __call__(self, made: Made) -> dict[str, Any]:
        clock, found, iou_type = Clock(), [], made.iou_type
        task = TASKS[TASK[iou_type]]
        assert isinstance(task, Detection)
        for _, predictions in made.batches():
            clock.on()
            found += [detections_in(prediction, iou_type) for prediction in predictions]
            clock.off()
        clock.on()
        known = self.known = self.known or task.ground_truth(made, IDS)  # type: ignore[arg-type]
        places = [record.id for record in known.images], known.category_ids
        detections = detections_from_predictions(found, *places, known.ground_truth, iou_type)
        boxes = detections_from_predictions(found, *places, known.boxes) if known.boxes else None
        engine = time.process_time()
        judged = task.judge(known, detections, boxes)
        engine = time.process_time() - engine
        clock.off()
        stats = dict(judged.result.stats)
        if judged.boxes is not None:
            stats |= {f"box {name}": value for name, value in judged.boxes.stats.items()}
        return {"seconds": clock.seconds, "engine": engine, "stats": stats}


def _status(name: str) -> float:
    """A line of this process's memory, in MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return float("nan")


def _machine() -> str:
    return f"{platform.machine()}, torch {torch.__version__}, numpy {np.__version__}"


if __name__ == "__main__":
    main()
