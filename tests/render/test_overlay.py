"""Maps over images, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.render.masks import blend_mask
from tapetum.render.overlay import contact_sheet, overlay_heat, overlay_masks
from tapetum.render.palette import class_color, heat_table
from tapetum.structures import Objects


def test_heat_is_mixed_with_a_grey_image():
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    image[0] = 200  # red is 0.299 x 200 = 60 in grey
    heat = torch.tensor([[0.0, 1.0], [0.5, 0.2]])
    shown = np.asarray(overlay_heat(image, heat, 0.75, colormap="viridis"))
    table = heat_table("viridis").astype(float)
    for (y, x), level in {(0, 0): 0, (0, 1): 255, (1, 0): 128, (1, 1): 51}.items():
        assert np.abs(shown[y, x] - (0.25 * 60 + 0.75 * table[level])).max() <= 0.5


def test_without_drawing_the_image_keeps_its_size():
    assert overlay_heat(torch.zeros(3, 20, 30), torch.zeros(20, 30)).size == (30, 20)


def test_with_bar_or_objects_it_is_enlarged_as_for_drawing():
    image, heat = torch.zeros(3, 40, 40), torch.zeros(40, 40)
    obj = Objects(boxes=torch.tensor([[5.0, 5, 20, 20]]), labels=torch.tensor([1]))
    drawn = overlay_heat(image, heat, objects=obj, classes=["a", "b"])
    assert drawn.size == (480, 480)
    assert (np.asarray(drawn)[100, 58:60] == class_color(1)).all()
    barred = overlay_heat(image, heat, bar=True, colormap="viridis")
    assert barred.width == 480
    strip = np.asarray(barred)[480 + (barred.height - 480) // 2, 30:-30].astype(int)
    assert np.abs(strip[0] - heat_table("viridis")[0]).max() < 20
    assert np.abs(strip[-1] - heat_table("viridis")[-1]).max() < 20


@pytest.mark.parametrize(
    ("heat", "message"),
    [
        (torch.zeros(3, 2), r"expected the image's size \(2, 3\), got \(3, 2\)"),
        (torch.full((2, 3), 1.01), r"values in \[0, 1\]"),
        (torch.full((2, 3), float("nan")), r"values in \[0, 1\]"),
    ],
)
def test_maps_that_do_not_fit_are_refused(heat, message):
    with pytest.raises(ValueError, match=message):
        overlay_heat(torch.zeros(3, 2, 3), heat)


def test_strength_is_a_share():
    with pytest.raises(ValueError, match="strength"):
        overlay_heat(torch.zeros(3, 2, 3), torch.zeros(2, 3), 1.5)


def test_a_mask_is_tinted_inside_and_solid_at_its_edge():
    image = Image.new("RGB", (20, 20), (100, 100, 100))
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[5:15, 4:16] = True
    blend_mask(image, mask, (200, 0, 50), line=2, strength=0.5)
    shown = np.asarray(image)
    assert (shown[7:13, 6:14] == (150, 50, 75)).all()
    edge = mask.numpy().copy()
    edge[7:13, 6:14] = False
    assert (shown[edge] == (200, 0, 50)).all()
    assert (shown[~mask.numpy()] == 100).all()


def test_a_mask_at_the_border_of_the_image_has_its_edge_there():
    image = Image.new("RGB", (8, 8))
    blend_mask(image, torch.ones(8, 8, dtype=torch.bool), (200, 0, 50), line=1, strength=0.5)
    assert image.getpixel((0, 3)) == (200, 0, 50)
    assert image.getpixel((3, 3)) == (100, 0, 25)


def test_empty_masks_change_nothing_and_wrong_sizes_are_refused():
    image = Image.new("RGB", (8, 8), (5, 5, 5))
    blend_mask(image, torch.zeros(8, 8, dtype=torch.bool), (200, 0, 50), line=1)
    assert np.unique(np.asarray(image)).tolist() == [5]
    with pytest.raises(ValueError, match=r"expected the image's size, got \(8, 7\)"):
        blend_mask(image, torch.zeros(8, 7, dtype=torch.bool), (0, 0, 0), line=1)
    with pytest.raises(ValueError, match=r"expected \(2, H, W\)"):
        overlay_masks(image, torch.zeros(1, 8, 8, dtype=torch.bool), torch.tensor([0, 1]))


def test_masks_take_the_colors_of_their_classes():
    masks = torch.zeros(2, 9, 9, dtype=torch.bool)
    masks[0, :4], masks[1, 5:] = True, True
    drawn = overlay_masks(Image.new("RGB", (9, 9)), masks, torch.tensor([2, 4]), strength=1)
    assert drawn.getpixel((4, 1)) == class_color(2)
    assert drawn.getpixel((4, 7)) == class_color(4)
    assert drawn.getpixel((4, 4)) == (0, 0, 0)


def test_contact_sheet_places_images_in_rows():
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    images = [Image.new("RGB", (20, 10), c) for c in colors]
    sheet = contact_sheet(images, columns=2, cell=100)
    assert sheet.size == (2 * 104 + 4, 2 * 50 + 3 * 4)
    for (x, y), color in zip([(54, 29), (158, 29), (54, 83)], colors, strict=True):
        assert sheet.getpixel((x, y)) == color
    assert sheet.getpixel((158, 83)) == (255, 255, 255)


def test_contact_sheet_edge_counts():
    one = Image.new("L", (5, 50), 9)
    assert contact_sheet([], columns=3).size == (320, 320)
    assert contact_sheet([one], columns=4, cell=100).size == (108, 108)
    assert contact_sheet([one], captions=["long " * 99], cell=100).height > 115
    with pytest.raises(ValueError, match="expected 1, got 2"):
        contact_sheet([one], captions=["a", "b"])
    with pytest.raises(ValueError, match="columns"):
        contact_sheet([one], columns=0)
