"""Small datasets that tests write themselves, clean unless a test plants a fault."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.photos import write_photos


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8, different for each seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos")


def coco_content() -> dict[str, Any]:
    """Two images of 40 x 60, three objects: a polygon, a crowd, a plain box."""
    counts = [2, 3, 40 * 60 - 5]
    return {
        "images": [
            {"id": 7, "file_name": "a.png", "height": 40, "width": 60},
            {"id": 9, "file_name": "b.png", "height": 40, "width": 60},
        ],
        "annotations": [
            {
                "id": 11,
                "image_id": 7,
                "category_id": 3,
                "bbox": [1.5, 2.25, 10.1, 20.2],
                "area": 100.5,
                "iscrowd": 0,
                "segmentation": [[1.5, 2.25, 11.6, 2.25, 11.6, 22.45], [3, 4, 5, 4, 5, 9, 4, 9]],
            },
            {
                "id": 12,
                "image_id": 7,
                "category_id": 1,
                "bbox": [0, 2, 1, 3],
                "area": 3,
                "iscrowd": 1,
                "segmentation": {"size": [40, 60], "counts": counts},
            },
            {
                "id": 13,
                "image_id": 9,
                "category_id": 1,
                "bbox": [5, 5, 8, 8],
                "area": 64,
                "iscrowd": 0,
                "segmentation": [],
            },
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}],
    }


def voc_xml(
    objects: str, name: str = "a.png", size: tuple[int, int] | None = (40, 60), head: str = ""
) -> str:
    extent = (
        f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
        if size
        else ""
    )
    return f"{head}<annotation>\n<filename>{name}</filename>\n{extent}\n{objects}</annotation>\n"


def voc_object(
    name: str = "cat", box: tuple[Any, ...] = (2, 3, 12, 13), difficult: int = 0, more: str = ""
) -> str:
    corners = "".join(
        f"<{key}>{value}</{key}>"
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<object><name>{name}</name><difficult>{difficult}</difficult>{more}\n"
        f"<bndbox>{corners}</bndbox></object>\n"
    )


@pytest.fixture
def coco_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a COCO dataset; `plant` may change its content first."""

    def build(plant: Callable[[dict], Any] | None = None, split: str = "train") -> Path:
        content = coco_content()
        if plant is not None:
            plant(content)
        root = tmp_path / "coco"
        for number, name in enumerate(("a.png", "b.png")):
            save(root / split / name, noise(40, 60, number))
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
        return root

    return build


@pytest.fixture
def voc_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a VOC dataset of two images, one for training and one for validation."""

    def build(first: str | None = None, second: str | None = None) -> Path:
        root = tmp_path / "voc"
        objects = voc_object() + voc_object("dog", (5, 5, 30, 40), difficult=1)
        texts = (first or voc_xml(objects), second or voc_xml(voc_object(), "b.png"))
        (root / "Annotations").mkdir(parents=True)
        (root / "ImageSets" / "Main").mkdir(parents=True)
        for number, (name, split) in enumerate((("a", "train"), ("b", "val"))):
            save(root / "JPEGImages" / f"{name}.png", noise(40, 60, number))
            (root / "Annotations" / f"{name}.xml").write_text(texts[number], "utf-8")
            (root / "ImageSets" / "Main" / f"{split}.txt").write_text(f"{name}\n")
        return root

    return build


@pytest.fixture
def yolo_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a YOLO dataset of two images, one for training and one for validation."""

    plain = "0 0.5 0.5 0.25 0.5\n1 0.2 0.2 0.1 0.1\n"

    def build(first: str = plain, second: str = plain, yaml: str = "") -> Path:
        root = tmp_path / "yolo"
        texts = (first, second)
        for number, (name, split) in enumerate((("a", "train"), ("b", "val"))):
            save(root / "images" / split / f"{name}.png", noise(40, 60, number))
            (root / "labels" / split).mkdir(parents=True, exist_ok=True)
            (root / "labels" / split / f"{name}.txt").write_text(texts[number])
        default = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
        (root / "data.yaml").write_text(yaml or default)
        return root

    return build


@pytest.fixture
def coco_part(shared_data: Path, tmp_path: Path) -> Path:
    """The first dozen images of each split of the real COCO set, under their own names."""
    source, root = shared_data / "coco_mini", tmp_path / "part"
    for split in ("train2017", "val2017"):
        content = json.loads((source / "annotations" / f"instances_{split}.json").read_text())
        content["images"] = content["images"][:12]
        kept = {image["id"] for image in content["images"]}
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
        (root / "annotations").mkdir(parents=True, exist_ok=True)
        (root / split).mkdir()
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
        for image in content["images"]:
            name = image["file_name"]
            (root / split / name).write_bytes((source / split / name).read_bytes())
    return root


@pytest.fixture
def tree_digest() -> Callable[[Path], str]:
    """A digest of all names, contents and times of change below a folder."""

    def digest(root: Path) -> str:
        state = hashlib.sha256()
        for path in sorted(root.rglob("*")):
            state.update(f"{path.relative_to(root)} {path.stat().st_mtime_ns}".encode())
            state.update(path.read_bytes() if path.is_file() else b"")
        return state.hexdigest()

    return digest


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """The bytes of an image file."""

    def encode(image: Image.Image | np.ndarray, format: str, **options: Any) -> bytes:
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        stream = io.BytesIO()
        image.save(stream, format, **options)
        return stream.getvalue()

    return encode


@pytest.fixture
def make() -> Any:
    """The functions of this file, for tests that build something of their own."""

    class Make:
        pass

    tools = Make()
    for function in (noise, save, coco_content, voc_xml, voc_object):
        setattr(tools, function.__name__, function)
    return tools
