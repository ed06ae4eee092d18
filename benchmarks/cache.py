"""What a cache saves in a training on large photographs: seconds an epoch, first and second.

    python benchmarks/cache.py               # about a minute; makes 24 JPEGs of 12 megapixels

The images are soft blobs under fine grain, of 4000 x 3000 pixels at quality 90, with a few boxes.
An epoch reads every one of them once, without or with the augmentation of a detector at a shorter
side of 640; the cache keeps 800, which its largest zoom of 1.25 needs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tapetum.base.seeds import generator
from tapetum.data.cache.cached_dataset import cached
from tapetum.data.dataset import Dataset
from tapetum.data.reading.files import open_dataset
from tapetum.data.transforms import detection_transforms

SIDE, ZOOM = 640, 1.25


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        root = make_photos(Path(folder) / "photos", options.count)
        plain = open_dataset(root, "train", hold_out=False)
        size = sum(file.stat().st_size for file in (root / "train").iterdir()) / options.count
        print(f"{options.count} JPEGs of 4000 x 3000, {size / 1e6:.1f} MB each; {_machine()}")
        print(f"{'':<22}{'first':>9}{'second':>9}{'of plain':>10}   seconds an epoch")
        for words, augment in (("reading", False), ("reading, augmenting", True)):
            # A fresh folder each time: the first epoch finds nothing.
            kept = Path(folder) / f"cache {words}"
            base = 0.0
            for kind in ("off", "ram", "disk"):
                dataset = cached(plain, kind, round(SIDE * ZOOM), folder=kept)
                first, second = (_epoch(dataset, number, augment) for number in range(2))
                base = base or second
                print(f"{f'{words}, {kind}':<28}{first:>9.2f}{second:>9.2f}{base / second:>9.1f} x")


def make_photos(root: Path, count: int) -> Path:
    """A COCO dataset of `count` large photographs, so to speak."""
    rng = np.random.default_rng(0)
    grain = rng.integers(-12, 13, (3000, 4000, 3), dtype=np.int16)
    (root / "train").mkdir(parents=True)
    (root / "annotations").mkdir()
    boxes = []
    for number in range(count):
        few = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        large = np.asarray(few.resize((4000, 3000), Image.Resampling.BICUBIC)).astype(np.int16)
        levels = np.clip(large + np.roll(grain, 37 * number, 1), 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(root / "train" / f"{number}.jpg", quality=90)
        boxes += [[*rng.integers(0, 2500, 2).tolist(), 400, 300] for _ in range(5)]
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "height": 3000, "width": 4000} for n in range(count)
        ],
        "annotations": [
            {
                "id": n,
                "image_id": n // 5,
                "category_id": 1,
                "bbox": box,
                "area": 120000,
                "iscrowd": 0,
            }
            for n, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "object"}],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return root


def _epoch(dataset: Dataset, number: int, augment: bool) -> float:
    transforms = detection_transforms(SIDE)
    start = time.perf_counter()
    for index in range(len(dataset)):
        sample = dataset[index]
        if augment:
            transforms(sample, generator(0, "augment", number, index))
    return time.perf_counter() - start


def _machine() -> str:
    return f"torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=24, help="photographs")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads")
    return parser.parse_args()


if __name__ == "__main__":
    main()
