"""Made COCO sets of any size: truths, and detections that are partly right.

Boxes have log-normal sides, classes fall off as 1/rank, one truth in eighty is a crowd region,
and an object's area is less than its box. A detection is a shaken copy of a truth (sometimes of
the wrong class), or background with a low score, mostly of a class that the image shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

WIDTH, HEIGHT = 640, 480


def made_coco(
    images: int, per_image: int, classes: int, seed: int = 0
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A ground truth dictionary and a results list with `per_image` detections an image."""
    random = np.random.default_rng(seed)
    common = 1.0 / np.arange(1, classes + 1)
    common /= common.sum()
    owner = np.repeat(np.arange(images), random.poisson(7, images))  # (N,) image of a truth
    boxes = random_boxes(random, len(owner))
    category = random.choice(classes, len(owner), p=common)
    crowd = random.random(len(owner)) < 1 / 80
    return (
        {
            "images": [{"id": i + 1, "width": WIDTH, "height": HEIGHT} for i in range(images)],
            "categories": [{"id": k + 1, "name": f"class {k + 1}"} for k in range(classes)],
            "annotations": _annotations(owner, category, boxes, crowd),
        },
        _results(random, images, per_image, owner, category, boxes, common),
    )


def random_boxes(random: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) left, top, width, height inside the image."""
    frame = np.array([WIDTH, HEIGHT])
    sides = np.clip(np.exp(random.normal(4, 0.9, (count, 2))), 4, 0.9 * frame)
    return np.concatenate([random.random((count, 2)) * (frame - sides), sides], axis=1)


def _annotations(
    owner: np.ndarray, category: np.ndarray, boxes: np.ndarray, crowd: np.ndarray
) -> list[dict[str, Any]]:
    rows = zip(owner.tolist(), category.tolist(), boxes.round(2).tolist(), crowd, strict=True)
    return [
        {
            "id": number,
            "image_id": image + 1,
            "category_id": k + 1,
            "bbox": box,
            "area": round(0.7 * box[2] * box[3], 2),
            "iscrowd": int(many),
        }
        for number, (image, k, box, many) in enumerate(rows, start=1)
    ]


def _results(
    random: np.random.Generator,
    images: int,
    per_image: int,
    owner: np.ndarray,
    category: np.ndarray,
    boxes: np.ndarray,
    common: np.ndarray,
) -> list[dict[str, Any]]:
    """`per_image` detections of every image, the copies first, in order of images."""
    copied = np.repeat(np.arange(len(owner)), random.integers(0, 5, len(owner)))  # (C,)
    copy_score = random.beta(2, 2, len(copied))
    copy_class = np.where(
        random.random(len(copied)) < 0.85,
        category[copied],
        random.choice(len(common), len(copied), p=common),
    )
    extra = np.repeat(np.arange(images), per_image)  # background for every place, cut below
    image = np.concatenate([owner[copied], extra])
    place = np.argsort(image, kind="stable")
    start = np.searchsorted(image[place], np.arange(images))
    keep = place[np.arange(len(place)) - start[image[place]] < per_image]
    xywh = np.concatenate(
        [_shaken(random, boxes[copied], copy_score), random_boxes(random, len(extra))]
    )
    k = np.concatenate([copy_class, _background_classes(random, extra, owner, category, common)])
    score = np.concatenate([copy_score, random.beta(1, 8, len(extra))])
    rows = zip(
        image[keep].tolist(),
        k[keep].tolist(),
        xywh[keep].round(2).tolist(),
        score[keep].round(4).tolist(),
        strict=True,
    )
    return [
        {"image_id": i + 1, "category_id": k + 1, "bbox": box, "score": s} for i, k, box, s in rows
    ]


def _shaken(random: np.random.Generator, boxes: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Copies of `boxes`, moved and resized the more, the lower their score."""
    doubt = (1.2 - score)[:, None]
    corner = boxes[:, :2] + random.normal(0, 0.12, (len(boxes), 2)) * boxes[:, 2:] * doubt
    sides = boxes[:, 2:] * np.exp(random.normal(0, 0.2, (len(boxes), 2)) * doubt)
    return np.concatenate([corner, sides], axis=1)


def _background_classes(
    random: np.random.Generator,
    image: np.ndarray,
    owner: np.ndarray,
    category: np.ndarray,
    common: np.ndarray,
) -> np.ndarray:
    """Six in ten take the class of a truth of their image, the others any class."""
    first = np.searchsorted(owner, image)
    count = np.searchsorted(owner, image, side="right") - first
    one = first + (random.random(len(image)) * count).astype(np.int64)
    shown = np.append(category, 0)[np.minimum(one, len(category))]
    like = (random.random(len(image)) < 0.6) & (count > 0)
    return np.where(like, shown, random.choice(len(common), len(image), p=common))
