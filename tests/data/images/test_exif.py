"""EXIF turns images, and what of it is damaged costs nothing but itself."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from tapetum.data.images.header import image_size
from tapetum.data.images.reader import read_image
from tests.data.image_files import chunk, exif_of, png, rgb

LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", LOSSLESS)
def test_exif_turns_pixels(encoded, make, format, orientation):
    stored = Image.fromarray(make.noise(6, 10))
    data = encoded(stored, format, exif=exif_of(orientation), **LOSSLESS[format])
    plain = Image.fromarray(make.noise(6, 10))
    plain.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(plain))
    image = read_image(data)
    assert (image.pixels.permute(1, 2, 0).numpy() == upright).all()
    assert image.orientation == orientation
    assert image.raw_size == (6, 10)
    assert image_size(data) == (image.size, (6, 10), orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_exif_turns_lossy_pixels_after_decoding(encoded, make, format, orientation):
    stored = Image.fromarray(make.noise(16, 24)).resize((48, 32))
    options = {"compression": "jpeg"} if format == "TIFF" else {}
    data = encoded(stored, format, exif=exif_of(orientation), **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB"))
    assert (rgb(data) == expected).all()
    assert image_size(data).size == expected.shape[:2]
    assert image_size(data).raw_size == (32, 48)


def test_exif_behind_the_pixels_of_a_png():
    late = png(10, 6)[: -len(chunk(b"IEND", b""))]
    late += chunk(b"eXIf", exif_of(6).removeprefix(b"Exif\0\0")) + chunk(b"IEND", b"")
    assert read_image(late).orientation == 6
    assert image_size(late).size == read_image(late).size == (10, 6)


def test_a_meaningless_orientation_is_upright_and_said(encoded, make):
    image = read_image(encoded(make.noise(6, 10), "JPEG", exif=exif_of(9)))
    assert image.orientation == 1
    assert image.size == (6, 10)
    assert image.warnings == ("EXIF orientation 9 is not 1 to 8; taken as 1",)


def test_damaged_exif_costs_nothing_but_itself(encoded, make):
    data = encoded(make.noise(6, 10), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xffgarbage")
    assert read_image(data).size == image_size(data).size == (6, 10)
