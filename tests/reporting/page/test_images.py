"""Images are encoded anew, small, and carry nothing but pixels."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tapetum.reporting.page.images import data_uri, image_tag, thumbnail


def decode(uri):
    return base64.b64decode(uri.split(",", 1)[1])


def test_the_longer_side_is_bounded_and_the_shape_kept():
    assert thumbnail(Image.new("RGB", (4000, 3000))).size == (720, 540)
    assert thumbnail(Image.new("RGB", (300, 20))).size == (300, 20)
    assert thumbnail(Image.new("RGB", (5000, 1))).size == (720, 1)
    assert 'width="320" height="240"' in image_tag(Image.new("RGB", (640, 480)), "a", largest=320)


@pytest.mark.parametrize(("size", "kind"), [((300, 300), "jpeg"), ((40, 40), "png")])
def test_metadata_stays_behind(size, kind):
    image = Image.new("RGB", size, (9, 99, 199))
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "secret place")
    for options in (
        {"format": "JPEG", "exif": exif, "comment": b"secret place"},
        {"format": "PNG", "pnginfo": text},
    ):
        buffer = io.BytesIO()
        image.save(buffer, icc_profile=b"secret place", **options)
        assert b"secret place" in buffer.getvalue()
        uri = data_uri(thumbnail(Image.open(io.BytesIO(buffer.getvalue()))))
        assert uri.startswith(f"data:image/{kind};base64,")
        assert b"secret" not in decode(uri)


def test_the_image_is_the_same_image():
    y, x = np.mgrid[0:200, 0:300]
    pixels = np.stack([x * 255 // 300, y * 255 // 200, (x + y) // 2], axis=2).astype(np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(decode(data_uri(Image.fromarray(pixels))))))
    assert np.abs(shown.astype(int) - pixels).mean() < 3


def test_tiny_images_keep_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    shown = Image.open(io.BytesIO(decode(data_uri(Image.fromarray(pixels)))))
    assert (np.asarray(shown) == pixels).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode):
    assert thumbnail(Image.new(mode, (30, 20))).mode == "RGB"


def test_what_is_transparent_becomes_white():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert [thumbnail(image).getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


def test_the_callers_image_is_untouched():
    image = Image.new("RGB", (2000, 1000))
    image_tag(image, "a")
    assert image.size == (2000, 1000)
