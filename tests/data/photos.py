"""Soft images with outlined objects, a crowd and keypoints, and what is asked of their cache."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tapetum.data.cache.cached_dataset import CachedDataset, cached
from tapetum.data.reading.files import FileDataset, open_dataset
from tapetum.structures import Objects, Sample

SIZES = ((300, 400), (420, 280), (60, 90))  # the last one is small already


def photo(height: int, width: int, seed: int) -> np.ndarray:
    """Soft colors under some grain, as a camera gives them."""
    rng = np.random.default_rng(seed)
    few = Image.fromarray(rng.integers(0, 256, (height // 30, width // 30, 3), dtype=np.uint8))
    large = np.asarray(few.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    return np.clip(large + rng.integers(-8, 9, large.shape), 0, 255).astype(np.uint8)


def write_photos(root: Path, suffix: str = ".jpg") -> Path:
    """COCO: three images with outlined objects, a crowd and keypoints."""
    images, objects = [], []
    (root / "train").mkdir(parents=True)
    for number, (height, width) in enumerate(SIZES):
        name = f"{number}{suffix}"
        options = {"quality": 92} if suffix == ".jpg" else {}
        Image.fromarray(photo(height, width, number)).save(root / "train" / name, **options)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for part in range(2):
            x, y, w, h = 5 + 11.5 * part, 8.0 + part, 31.0, 24.5
            outline = [x, y, x + w, y, x + w, y + h, x, y + h]
            crowd = {"size": [height, width], "counts": [50, 40, height * width - 90]}
            objects.append(
                {
                    "id": 10 * number + part,
                    "image_id": number,
                    "category_id": 1 + part,
                    "bbox": [x, y, w, h] if not part else [0, 50, 2, 40],
                    "area": 700.25 if not part else 40,
                    "iscrowd": part,
                    "segmentation": crowd if part else [outline],
                    "keypoints": [x + 1, y + 2, 2, 0, 0, 0] if not part else [0] * 6,
                    "num_keypoints": 1 - part,
                }
            )
    names = {"keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
    content = {
        "images": images,
        "annotations": objects,
        "categories": [{"id": 1, "name": "cat", **names}, {"id": 2, "name": "dog"}],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return root


def opened(root: Path, task: str = "detection") -> FileDataset:
    dataset = open_dataset(root, "train", task=task, hold_out=False)
    assert isinstance(dataset, FileDataset)
    return dataset


def same(one: Sample, two: Sample) -> bool:
    """Is everything in them equal, to the last bit and in type?"""

    def equal(a: Any, b: Any) -> bool:
        if isinstance(a, torch.Tensor):
            return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
        return type(a) is type(b) and a == b

    def parts(sample: Sample) -> list[Any]:
        target, objects = sample.target, sample.target.objects
        found = [sample.image, sample.name, target.labels, target.semantic]
        if objects is not None:
            found += [getattr(objects, field.name) for field in fields(Objects)]
        return found

    own, other = parts(one), parts(two)
    return len(own) == len(other) and all(map(equal, own, other))


def made(dataset: Any, kind: str, needed: int | None, folder: Path, **more: Any) -> CachedDataset:
    found = cached(dataset, kind, needed, folder=folder, **more)
    assert isinstance(found, CachedDataset)
    return found
