"""Photographs as phones keep them."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tapetum.base.errors import ImageError
from tapetum.base.limits import DEFAULT_LIMITS
from tapetum.data.images.header import image_size
from tapetum.data.images.reader import read_image
from tapetum.inference.image_files import list_images

STUB = b"\0\0\0\x18ftypheic\0\0\0\0"


def gradient() -> np.ndarray:
    """(48, 80, 3) uint8: dark at the upper left, red towards the right, green downwards."""
    y, x = np.mgrid[:48, :80]
    return np.stack([3 * x, 5 * y, 0 * x + 60], 2).astype(np.uint8)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    file = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to the right
    heif.from_pillow(Image.fromarray(gradient())).save(file, quality=95, exif=exif.tobytes())
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(file.getvalue())
    return path


def test_it_is_read_upright_once(photo: Path) -> None:
    """The format's own turn is applied; EXIF says the same again, and is not heard."""
    image = read_image(photo)
    size = image_size(photo)
    assert (image.format, image.orientation) == ("HEIC", 1)
    assert image.size == size.size == size.raw_size == (80, 48)
    turned = np.rot90(gradient(), -1).transpose(2, 0, 1).astype(float)
    assert np.abs(image.pixels.numpy() - turned).mean() < 4


def test_limits_hold_before_decoding(photo: Path) -> None:
    for function in (read_image, image_size):
        with pytest.raises(ImageError, match="more than the limit of 1,000 in all"):
            function(photo, replace(DEFAULT_LIMITS, image_pixels=1000))


def test_damaged_files_are_one_line(photo: Path) -> None:
    whole = photo.read_bytes()
    for cut in (len(STUB), len(whole) // 3, len(whole) - 40):
        photo.write_bytes(whole[:cut])
        with pytest.raises(ImageError, match=r"IMG_1\.HEIC"):
            read_image(photo)


def test_folders_list_them(photo: Path) -> None:
    assert list(list_images([photo.parent])) == [photo]


def test_without_the_extra_a_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapetum.data.images.header.can_read", lambda: False)
    path = tmp_path / "IMG_2.HEIC"
    path.write_bytes(STUB)
    for function in (read_image, image_size):
        with pytest.raises(ImageError, match=r"a HEIC image \(hint: pip install 'tapetum\[heic"):
            function(path)
