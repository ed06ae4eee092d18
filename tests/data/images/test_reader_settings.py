"""The image door keeps quiet, changes no setting, and says in one line what a decoder raises."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFile

from tapetum.base.errors import ImageError
from tapetum.data.images.header import image_size
from tapetum.data.images.reader import read_image
from tests.data.image_files import png


def test_nothing_is_printed_and_no_setting_is_changed(encoded, make, capfd):
    settings_before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    filters, show = list(warnings.filters), warnings.showwarning
    image = Image.fromarray(make.noise(40, 50))
    whole = encoded(image, "TIFF", compression="tiff_lzw")
    refused = 0
    for place in range(8, 4000, 40):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        try:
            read_image(bytes(broken))
        except ImageError:
            refused += 1
    assert refused > 20  # libtiff wrote about each of them to the error stream
    out, err = capfd.readouterr()
    assert out == err == ""
    assert settings_before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    assert list(warnings.filters) == filters
    assert warnings.showwarning is show


def test_what_pillow_logs_is_not_printed():
    """In a process of its own, because pytest handles all logs."""
    script = (
        "import io, struct\n"
        "from PIL import Image\n"
        "from tapetum.data.images.header import image_size\n"
        "from tapetum.data.images.reader import read_image\n"
        "stream = io.BytesIO()\n"
        "Image.new('RGB', (4, 4)).save(stream, 'TIFF')\n"
        "tag = struct.pack('<HHI', 277, 3, 1)\n"
        "data = stream.getvalue().replace(tag + b'\\3\\0', tag + b'\\x2c\\1')\n"
        "for function in (read_image, image_size):\n"
        "    try:\n"
        "        function(data)\n"
        "    except Exception as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "image: its header is damaged\n" * 2
    assert done.stderr == ""


def test_warnings_become_facts(monkeypatch):
    """Above its own bound Pillow warns, up to twice that; here it is within the limits."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    image = read_image(png(50, 30))
    assert len(image.warnings) == 1
    assert "1500 pixels" in image.warnings[0]


def test_errors_travel_between_processes():
    with pytest.raises(ImageError) as caught:
        read_image(b"nothing", name="a\nb.jpg")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert "a\\nb.jpg" in str(again)


def test_images_that_are_already_in_memory(make):
    array = make.noise(5, 7)
    assert (read_image(array).pixels.permute(1, 2, 0).numpy() == array).all()
    assert (read_image(array[:, :, 0]).pixels.numpy() == array[None, :, :, 0]).all()
    assert (read_image(array[::-1]).pixels.permute(1, 2, 0).numpy() == array[::-1]).all()
    turned = Image.fromarray(array)
    turned.getexif()[0x0112] = 6
    assert read_image(turned).size == (7, 5)
    assert turned.size == (7, 5)  # width, height: the user's own object is as it was
    wide = np.array([[0, 65535]], dtype=np.uint16)
    assert read_image(wide).pixels[0].tolist() == [[0, 255]]
    for bad in (array.astype(np.float32), array[None], array[:, :, :2], array[:0]):
        with pytest.raises(ValueError, match="expected an array"):
            read_image(bad)


def test_pillow_images_with_lazy_faults(encoded, make):
    whole = encoded(make.noise(30, 30), "PNG")
    with pytest.raises(ImageError):
        read_image(Image.open(BytesIO(whole[: len(whole) // 2])))


def test_each_thread_has_its_own_warnings(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    filters, show = list(warnings.filters), warnings.showwarning
    quiet, loud = png(20, 20), png(50, 30)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(read_image, [quiet, loud, quiet, quiet] * 50))
    assert [len(image.warnings) for image in images] == [0, 1, 0, 0] * 50
    assert list(warnings.filters) == filters
    assert warnings.showwarning is show


FOREIGN = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, ZeroDivisionError),
    *(OverflowError, AttributeError, AssertionError, EOFError, NotImplementedError, MemoryError),
    *(struct.error, zlib.error, Image.DecompressionBombError, Image.UnidentifiedImageError),
)


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: kind.__name__)
def test_whatever_a_decoder_raises_becomes_one_line(monkeypatch, kind):
    def fail(*_: object, **__: object) -> None:
        raise UnicodeDecodeError("ascii", b"", 0, 1, "x") if kind is ValueError else kind("a\nb")

    monkeypatch.setattr(Image, "open", fail)
    for function in (read_image, image_size):
        with pytest.raises(ImageError) as caught:
            function(png(3, 3))
        assert "\n" not in str(caught.value)
