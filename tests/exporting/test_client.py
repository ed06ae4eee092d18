"""The client's arithmetic in NumPy beside that of the package, part by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.seeds import generator
from tapetum.data.images.reader import read_image
from tapetum.exporting.assemble import PARTS, assemble_client
from tapetum.exporting.client import (
    boxes,
    keypoints,
    masks,
)
from tapetum.exporting.client import (
    images as images,
)
from tapetum.exporting.client import (
    rois as rois,
)
from tapetum.exporting.client import (
    semantic as maps,
)
from tapetum.layers.anchors import AnchorGrid, cell_anchors
from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.detection.two_stage.heatmaps import read_heatmaps
from tapetum.models.preprocessing import Preprocessing
from tapetum.models.segmentation.dense import make_preprocessing
from tapetum.models.segmentation.tiles import forward_tiles
from tapetum.ops.boxes import clip_boxes_to_image, decode_boxes
from tapetum.ops.masks import rle_encode, rle_to_string
from tapetum.ops.paste import paste_masks
from tapetum.ops.suppression import batched_nms

PREPROCESSINGS = {
    "square": SquarePreprocessing(64),
    "plain square": SquarePreprocessing(64, antialias=False),
    "center": SquarePreprocessing(64, resize_size=73, crop_mode="center"),
    "center, short side kept": SquarePreprocessing(64, crop_mode="center"),
    "sides": Preprocessing(96, 160),
    "native": make_preprocessing(None, None, (0.5,) * 3, (0.25,) * 3, 32),
    "bounded": make_preprocessing(None, 80, (0.5,) * 3, (0.25,) * 3, 16),
}


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator(0, *shape))


def some_boxes(count: int, side: float = 100.0) -> Tensor:
    low, extent = noise(count, 2, 1)[..., 0] * side, noise(2, count, 1)[..., 0].T * side / 2
    return torch.cat((low, low + extent + 1), 1)


@pytest.mark.parametrize(
    ("old", "new"), [((13, 40), (64, 64)), ((200, 90), (64, 31)), ((5, 1), (5, 9))]
)
@pytest.mark.parametrize("kind", ["bilinear", "antialias", "bicubic"])
def test_resizing_is_that_of_pytorch(kind: str, old: tuple[int, int], new: tuple[int, int]) -> None:
    planes = noise(3, *old)
    mode = "bicubic" if kind == "bicubic" else "bilinear"
    expected = F.interpolate(planes[None], new, mode=mode, antialias=kind == "antialias")[0]
    found = images.resize(planes.numpy(), new, kind)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=3e-6)


@pytest.mark.parametrize("size", [(50, 70), (120, 90), (64, 64), (33, 200), (301, 2)])
@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_images_are_prepared_as_by_the_model(name: str, size: tuple[int, int]) -> None:
    image = (255 * noise(3, *size)).to(torch.uint8)
    batch = PREPROCESSINGS[name]([image], None, like=torch.empty(0))
    rule = PREPROCESSINGS[name].export_rule()
    found = images.preprocess(image.permute(1, 2, 0).numpy(), rule)
    assert found.size == tuple(batch.sizes[0].tolist())
    assert found.original == size
    np.testing.assert_allclose(found.pixels, batch.pixels, atol=1e-5)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "1", "CMYK", "I;16"])
def test_files_are_read_as_by_the_package(mode: str, tmp_path: Path) -> None:
    values = (255 * noise(20, 30, 4).numpy()).astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(values, "RGBA" if mode != "CMYK" else "CMYK").convert(mode)
    path = tmp_path / f"a.{'tif' if mode in ('CMYK', 'I;16') else 'png'}"
    image.save(path)
    np.testing.assert_array_equal(images.read_image(path), read_image(path).pixels.permute(1, 2, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_files_are_turned_upright(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    values = (255 * noise(20, 30, 3).numpy()).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    expected = read_image(tmp_path / "a.png").pixels.permute(1, 2, 0)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), expected)


def test_anchors_are_those_of_the_grid() -> None:
    grid = AnchorGrid(((12, 15), (24, 30)), (0.5, 1.0, 2.0))
    levels = [torch.empty(1, 1, 12, 20), torch.empty(1, 1, 6, 10)]
    rule = {
        "cell_anchors": [cell_anchors(sizes, grid.ratios).tolist() for sizes in grid.sizes],
        "strides": [8, 16],
    }
    expected = grid(torch.empty(1, 3, 96, 160), levels)
    for own, other in zip(boxes.make_anchors((1, 3, 96, 160), rule), expected, strict=True):
        np.testing.assert_array_equal(own, other)


def test_boxes_are_moved_clipped_and_suppressed_as_by_the_package() -> None:
    start, deltas = some_boxes(400), noise(400, 4) * 10 - 4  # some beyond the most growth
    for weights in ((1.0,) * 4, (10.0, 10.0, 5.0, 5.0)):
        moved = boxes.move_boxes(deltas.numpy(), start.numpy(), weights)
        expected = decode_boxes(deltas, start, weights)
        np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-3)
    clipped = clip_boxes_to_image(start, (80, 90))
    np.testing.assert_array_equal(boxes.clip(start.numpy(), (80, 90)), clipped)
    scores, groups = (noise(400) * 50).floor() / 50, (noise(1, 400)[0] * 3).long()
    for threshold in (0.0, 0.3, 0.5, 0.7):
        kept = boxes.suppress(start.numpy(), scores.numpy(), groups.numpy(), threshold)
        assert kept.tolist() == batched_nms(start, scores, groups, threshold).tolist()


def test_an_overlap_above_the_threshold_by_rounding_counts_as_by_the_package() -> None:
    pair = torch.tensor([[0.0, 0, 10, 1], [0, 0, 3, 1]])  # IoU 3 / 10, in float32 above 0.3
    scores, groups = torch.tensor([0.9, 0.8]), torch.zeros(2, dtype=torch.int64)
    kept = boxes.suppress(pair.numpy(), scores.numpy(), groups.numpy(), 0.3)
    assert kept.tolist() == batched_nms(pair, scores, groups, 0.3).tolist() == [0]


def test_features_of_regions_are_those_of_the_pool() -> None:
    levels = [noise(1, 4, 64 // 2**i, 96 // 2**i) for i in range(4)]
    rois_of = torch.cat((some_boxes(60, 300.0), torch.tensor([[-7.0, -5.0, 20.0, 30.0]])))
    rois_of[:, 0::2].clamp_(max=384)
    rois_of[:, 1::2].clamp_(max=256)
    expected = MultiScaleRoIAlign(7)(levels, rois_of, torch.zeros(61, dtype=torch.int64))
    rule = {"map_strides": [4, 8, 16, 32], "sampling_ratio": 2}
    found = rois.pool([level[0].numpy() for level in levels], rois_of.numpy(), 7, rule)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_masks_are_pasted_and_coded_as_by_the_package() -> None:
    soft, places = noise(8, 28, 28), some_boxes(8)
    for mask, box, expected in zip(soft, places, paste_masks(soft, places, (90, 110)), strict=True):
        pasted = masks.paste(mask.numpy(), box.numpy(), (90, 110))
        assert (pasted != expected.numpy()).sum() <= 1
        code = rle_to_string(rle_encode(pasted)["counts"])
        assert masks.run_lengths(pasted) == code
    for plain in (np.zeros((3, 4), bool), np.ones((3, 4), bool)):
        assert masks.run_lengths(plain) == rle_to_string(rle_encode(plain)["counts"])


def test_keypoints_are_read_as_by_the_package() -> None:
    heat, places = noise(6, 3, 56, 56), some_boxes(6)
    expected = read_heatmaps(heat, places)
    for own, box, other in zip(heat, places, expected, strict=True):
        np.testing.assert_allclose(keypoints.read_heat(own.numpy(), box.numpy()), other, atol=1e-4)


def test_tiles_are_blended_as_by_the_package() -> None:
    torch.manual_seed(0)
    convolution, pixels = nn.Conv2d(3, 2, 5, padding=2), noise(1, 3, 64, 224)

    def network(x: Tensor) -> Tensor:
        return convolution(x) + x[..., :8].mean()  # every tile says something else

    rule = {"tile": 96, "overlap": 32, "multiple": 32}
    with torch.no_grad():
        expected = forward_tiles(network, pixels, 96, 32, 32)
        found = maps.run_tiles(
            rule, lambda _, x: [network(torch.from_numpy(x)).numpy()], pixels.numpy()
        )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(PARTS))
def test_a_client_is_one_file_that_imports_nothing_of_the_house(kind: str) -> None:
    text = assemble_client(kind)
    lines = [line.strip() for line in text.splitlines()]
    imported = [
        line for line in lines if line.startswith(("import ", "from ")) and "client" not in line
    ]
    assert not [line for line in imported if "tapetum" in line or "torch" in line]
    names = [line.split("(")[0] for line in text.splitlines() if line.startswith("def ")]
    assert len(names) == len(set(names))
    assert {"def answer", "def describe", "def main"} <= set(names)
