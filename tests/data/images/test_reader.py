"""The image door: golden pixels for what is good."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tapetum.base.errors import ImageError
from tapetum.data.images.reader import read_image
from tests.data.image_files import rgb


def test_rgb_comes_through_unchanged(encoded, make):
    array = make.noise(7, 5)
    image = read_image(encoded(array, "PNG"))
    assert (image.pixels.permute(1, 2, 0).numpy() == array).all()
    assert image.pixels.is_contiguous()
    assert (image.format, image.mode, image.orientation) == ("PNG", "RGB", 1)
    assert image.size == image.raw_size == (7, 5)
    assert image.warnings == ()


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 255, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (100, 51), (224, 224, 224)),  # (100 * 51 + 255 * 204) / 255
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (0, 100, 200, 102), (153, 193, 233)),  # 0.4 c + 0.6 * 255
    ],
)
def test_mode_table_of_eight_bits(encoded, mode, value, expected):
    data = encoded(Image.new(mode, (3, 2), value), "PNG")
    assert (rgb(data) == np.array(expected, dtype=np.uint8)).all()
    assert rgb(data).shape == (2, 3, 3)


def test_palette_with_and_without_transparency(encoded):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert rgb(encoded(image, "PNG")).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    clear = encoded(image, "PNG", transparency=1)
    assert rgb(clear).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    graded = encoded(image, "PNG", transparency=bytes([51, 255]))
    assert rgb(graded).tolist() == [[[206, 208, 210], [200, 100, 50]]]


@pytest.mark.parametrize(("mode", "clear", "solid"), [("L", 9, 50), ("RGB", (1, 2, 3), (4, 5, 6))])
def test_a_transparent_color_shows_the_background(encoded, mode, clear, solid):
    image = Image.new(mode, (2, 1), clear)
    image.putpixel((1, 0), solid)
    found = rgb(encoded(image, "PNG", transparency=clear))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[0, 1].tolist() == ([50] * 3 if mode == "L" else [4, 5, 6])


def test_cmyk_of_adobe_jpegs_is_not_inverted(encoded):
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    data = encoded(cmyk, "JPEG", quality=95)
    assert Image.open(BytesIO(data)).mode == "CMYK"
    assert np.abs(rgb(data).astype(int) - (255, 0, 0)).max() <= 4
    assert read_image(data).mode == "CMYK"


def test_ycbcr_pixels():
    image = Image.new("RGB", (8, 8), (200, 30, 60)).convert("YCbCr")
    found = read_image(image).pixels[:, 0, 0]
    assert np.abs(found.numpy().astype(int) - (200, 30, 60)).max() <= 2


def test_lab_is_refused_by_name(encoded):
    with pytest.raises(ImageError, match="mode LAB"):
        read_image(encoded(Image.new("LAB", (2, 2)), "TIFF"))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_not_cut(encoded, format):
    ramp = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
    if format == "PPM":  # older Pillow reads this, and does not write it
        data = b"P5 64 64 65535\n" + ramp.astype(">u2").tobytes()
    else:
        data = encoded(ramp, format)
    levels = rgb(data)[:, :, 0].reshape(-1)
    assert (levels == np.rint(ramp.reshape(-1) / 257)).all()
    assert len(np.unique(levels)) == 256


def test_sixteen_bits_of_the_other_byte_order():
    values = np.array([[0, 257, 65535, 32768]], dtype=">u2")
    tags = [(256, 4, 4), (257, 4, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 200)]
    tags += [(277, 3, 1), (278, 4, 1), (279, 4, 8)]
    body = struct.pack(">2sHI", b"MM", 42, 8) + struct.pack(">H", len(tags))
    for tag, kind, value in tags:
        packed = struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value)
        body += struct.pack(">HHI", tag, kind, 1) + packed
    data = (body + b"\0" * 200)[:200] + values.tobytes()
    assert rgb(data)[0, :, 0].tolist() == [0, 1, 255, 128]


def test_thirty_two_bits_are_taken_as_sixteen_or_refused(encoded):
    fits = Image.fromarray(np.array([[0, 65535, 257]], dtype=np.int32))
    assert rgb(encoded(fits, "TIFF"))[0, :, 0].tolist() == [0, 255, 1]
    for value in (70000, -1):
        large = Image.fromarray(np.array([[0, value]], dtype=np.int32))
        with pytest.raises(ImageError, match="outside 0 to 65535"):
            read_image(encoded(large, "TIFF"))


def test_floats_are_taken_as_shares_or_levels_or_refused(encoded):
    def through(*values: float) -> list[int]:
        array = np.array([values], dtype=np.float32)
        return rgb(encoded(Image.fromarray(array), "TIFF"))[0, :, 0].tolist()

    assert through(0.0, 0.5, 1.0) == [0, 128, 255]
    assert through(0.0, 100.4, 255.0) == [0, 100, 255]
    for bad in (300.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(ImageError):
            through(0.0, bad)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(encoded, format):
    frames = [Image.new("RGB", (4, 4), c) for c in ((250, 10, 10), (0, 0, 255), (9, 99, 9))]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert (rgb(data) == (250, 10, 10)).all()
