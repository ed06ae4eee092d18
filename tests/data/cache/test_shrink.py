"""A shrunk image and its target: in one frame, and the same where nothing was shrunk."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tapetum.data.cache.shrink import read_shrunk, shrunk_size
from tapetum.data.reading.files import open_dataset
from tapetum.data.transforms.operations import ResizeCrop
from tests.data.photos import SIZES, made, opened, photo, same, write_photos


@pytest.mark.parametrize(
    "task",
    [
        "detection",
        "instance_segmentation",
        "keypoint_detection",
        "semantic_segmentation",
        "classification",
    ],
)
@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_images_that_are_small_enough_are_the_same_to_the_last_bit(photos, tmp_path, kind, task):
    dataset = opened(photos, task)
    for needed in (None, 500):
        kept = made(dataset, kind, needed, tmp_path / "cache")
        for _ in range(2):
            assert [same(kept[i], dataset[i]) for i in range(3)] == [True] * 3


@pytest.mark.parametrize(
    "task",
    [
        "detection",
        "instance_segmentation",
        "keypoint_detection",
        "semantic_segmentation",
        "classification",
    ],
)
def test_the_target_is_in_the_frame_of_the_shrunk_image(photos, task):
    """Against a plain resize of the whole sample, which other tests hold to the matrix."""
    dataset = opened(photos, task)
    for index, size in enumerate(SIZES):
        small = shrunk_size(size, 100)
        expected = ResizeCrop(small, 0, 0, small).apply(dataset[index])
        found = read_shrunk(dataset, index, 100)
        assert found.size == small == expected.size
        # The image may have been decoded at half its size; all else must be equal.
        assert same(replace(found, image=expected.image), expected)
    assert shrunk_size((300, 400), 100) == (100, 133)
    assert shrunk_size((60, 90), 100) == (60, 90)


def test_boxes_lie_on_the_objects_that_are_seen(tmp_path):
    """A white block on black, found again by its pixels after shrinking."""
    root = tmp_path / "blocks"
    write_photos(root, ".png")
    content = json.loads((root / "annotations" / "instances_train.json").read_text())
    canvas = np.zeros((300, 400, 3), dtype=np.uint8)
    canvas[90:240, 120:300] = 255
    Image.fromarray(canvas).save(root / "train" / "0.jpg", quality=95)
    content["images"] = [{"id": 0, "file_name": "0.jpg", "height": 300, "width": 400}]
    content["annotations"] = [content["annotations"][0] | {"bbox": [120, 90, 180, 150]}]
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    sample = read_shrunk(opened(root), 0, 75)
    rows, columns = np.nonzero(sample.image[0].numpy() > 127)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert sample.target.objects is not None
    assert sample.target.objects.boxes[0].tolist() == pytest.approx(seen, abs=0.5)
    assert sample.target.objects.boxes[0].tolist() == [30, 22.5, 75, 60]


def test_a_draft_differs_little(photos, shared_data):
    """What the docstring of `read_shrunk` states: decoded at a fraction, then resized."""
    differences = []
    sets = [opened(photos), open_dataset(shared_data / "coco_mini", "train", hold_out=False)]
    for dataset, count in zip(sets, (2, 20), strict=True):
        for index in range(count):
            whole = dataset[index]
            small = shrunk_size(whole.size, 100)
            exact = ResizeCrop(small, 0, 0, small).apply(whole).image
            found = read_shrunk(dataset, index, 100).image
            differences.append((found.int() - exact.int()).abs().float())
    means = [float(difference.mean()) for difference in differences]
    assert 0 < np.mean(means) < 2.5
    assert max(means) < 5
    tails = [float(difference.quantile(0.99)) for difference in differences]
    assert np.mean(tails) < 30


def test_turned_images(photos, tmp_path):
    """EXIF turns the image: the frame is the upright one, and the size needed is of that."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo(300, 400, 0)).save(photos / "train" / "0.jpg", exif=exif, quality=92)
    dataset = opened(photos, "instance_segmentation")
    found = read_shrunk(dataset, 0, 100)
    expected = ResizeCrop((133, 100), 0, 0, (133, 100)).apply(dataset[0])
    assert found.size == (133, 100)
    assert same(replace(found, image=expected.image), expected)
    assert float((found.image.int() - expected.image.int()).abs().float().mean()) < 4
