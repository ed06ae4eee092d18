"""Writes errors.json: kinds of error and their costs by tidecv, on made boxes and masks.

Run it where tidecv and pycocotools are installed: `python tests/golden/make_errors.py`.
Inputs are stored with the answers, so that the test needs neither of them nor this file. Cases on
a knife's edge are left out: an overlap that equals a threshold, and a recall that equals one of the
101, which tidecv rounds to k / 100 and COCO to k x 0.01. No class is missed whole and there are no
crowds, because there the two programs differ on purpose (see `tapetum.evaluation.errors`).
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from itertools import filterfalse
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils
from tidecv import TIDE, Data

OUT = Path(__file__).with_name("errors.json")
CLASSES, IMAGES, SIDE = 4, 9, 64
NAMES = {
    "Cls": "classification",
    "Loc": "localization",
    "Both": "both",
    "Dupe": "duplicate",
    "Bkg": "background",
    "Miss": "missed",
    "FalsePos": "false positives",
    "FalseNeg": "false negatives",
}


def main() -> None:
    boxes = (case(seed, "bbox") for seed in itertools.count())
    masks = (case(seed, "segm") for seed in itertools.count())
    cases = [
        *itertools.islice(filterfalse(on_edge, boxes), 5),
        *itertools.islice(filterfalse(on_edge, masks), 2),
    ]
    OUT.write_text(json.dumps(cases, separators=(",", ":")) + "\n")


def case(seed: int, kind: str) -> dict[str, Any]:
    """Truths, detections that go wrong in every way, and what tidecv says of them."""
    random = np.random.default_rng(seed)
    targets = [obj(random) for _ in range(47 if kind == "bbox" else 29)]
    found = [spoiled(random, targets) for _ in range(3 * len(targets))]
    for score, entry in zip(random.permutation(len(found)).tolist(), found, strict=True):
        entry["score"] = (score + 1) / (len(found) + 1)
    if kind == "segm":
        for entry in targets + found:
            entry["segmentation"] = disc(entry["bbox"])
            entry["bbox"] = [float(v) for v in mask_utils.toBbox(coded(entry))]
    return {"kind": kind, "truth": targets, "found": found, **judged(targets, found, kind)}


def obj(random: np.random.Generator) -> dict[str, Any]:
    corner, sides = random.uniform(0, SIDE - 24, 2), random.uniform(8, 24, 2)
    return {
        "image_id": int(random.integers(1, IMAGES + 1)),
        "category_id": int(random.integers(1, CLASSES + 1)),
        "bbox": [round(float(v), 2) for v in (*corner, *sides)],
    }


def spoiled(random: np.random.Generator, targets: list[dict[str, Any]]) -> dict[str, Any]:
    """A detection that is right, or moved, or of another class, or anywhere."""
    if random.random() < 0.15:
        return obj(random)
    source = targets[int(random.integers(len(targets)))]
    away = random.normal(0, random.choice([0.5, 3, 6]), 4)
    box = np.array(source["bbox"]) + away
    box[2:] = box[2:].clip(4)
    other = int(random.integers(1, CLASSES + 1))
    named = source["category_id"] if random.random() < 0.75 else other
    rounded = [round(float(v), 2) for v in box]
    return {"image_id": source["image_id"], "category_id": named, "bbox": rounded}


def disc(box: list[float]) -> dict[str, Any]:
    """An ellipse in the box as COCO's compressed run lengths."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y, width, height = box
    inside = ((columns - x) / width - 0.5) ** 2 + ((rows - y) / height - 0.5) ** 2 <= 0.25
    code = mask_utils.encode(np.asfortranarray(inside, dtype=np.uint8))
    return {"size": code["size"], "counts": code["counts"].decode()}


def coded(entry: dict[str, Any]) -> dict[str, Any]:
    return entry["segmentation"] | {"counts": entry["segmentation"]["counts"].encode()}


def on_edge(case: dict[str, Any]) -> bool:
    """Would the rounding of an overlap or of a recall decide?"""
    shape = {"bbox": lambda e: e["bbox"], "segm": coded}[case["kind"]]
    overlaps = mask_utils.iou(
        [shape(entry) for entry in case["found"]],
        [shape(entry) for entry in case["truth"]],
        [0] * len(case["truth"]),
    )
    missed = Counter(case["truth"][i]["category_id"] for i in case["missed"])
    right = Counter(
        entry["category_id"]
        for entry, kind in zip(case["found"], case["kinds"], strict=True)
        if not kind
    )
    true = Counter(entry["category_id"] for entry in case["truth"])
    totals = [*true.values(), *(true - missed).values(), *right.values()]
    return bool(np.isin(overlaps, (0.1, 0.5)).any()) or any(n % 10 == 0 for n in totals)


def judged(targets: list[dict], found: list[dict], kind: str) -> dict[str, Any]:
    """AP and costs in [0, 1]; the kind of each detection ("" for none); the truths missed."""
    known, given = Data("truth"), Data("found")
    for entry in targets:
        shape = coded(entry) if kind == "segm" else None
        known.add_ground_truth(entry["image_id"], entry["category_id"], entry["bbox"], shape)
    for entry in found:
        shape = coded(entry) if kind == "segm" else None
        where = entry["image_id"], entry["category_id"], entry["score"]
        given.add_detection(*where, entry["bbox"], shape)
    run = TIDE(mode=TIDE.BOX if kind == "bbox" else TIDE.MASK).evaluate(known, given)
    kinds = [""] * len(found)
    missed = []
    for error in run.errors:
        name = NAMES[error.short_name]
        if name == "missed":
            missed.append(error.get_id())
        else:
            kinds[error.get_id()] = name
    costs = run.fix_main_errors() | run.fix_special_errors()
    return {
        "ap": run.ap / 100,
        "kinds": kinds,
        "missed": sorted(missed),
        "costs": {NAMES[error.short_name]: value / 100 for error, value in costs.items()},
    }


if __name__ == "__main__":
    main()
