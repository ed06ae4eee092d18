"""What is no image, damaged, or a bomb: one clear refusal."""

from __future__ import annotations

import os
import resource
import struct
import time
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tapetum.base.errors import ImageError
from tapetum.base.limits import Limits
from tapetum.data.images.header import image_size
from tapetum.data.images.reader import read_image
from tests.data.image_files import KINDS, chunk, png, rgb


@pytest.mark.parametrize("kind", KINDS)
def test_cut_files_are_refused_or_complete(encoded, make, kind):
    """However much is missing: never an image that is partly gray."""
    format, options = KINDS[kind]
    image = Image.fromarray(make.noise(12, 16)).resize((48, 40))
    whole = encoded(image, format, **options)
    expected = rgb(whole)
    for percent in (10, 50, 99):
        with pytest.raises(ImageError):
            read_image(whole[: len(whole) * percent // 100])
    for length in (*range(0, len(whole), 97), *range(len(whole) - 24, len(whole))):
        try:
            found = rgb(whole[:length])
        except ImageError:
            continue
        assert (found == expected).all(), length


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<?xml version='1.0'?><svg/>", "an SVG drawing"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"%PDF-1.7", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF", "a PostScript document"),
        (b"hello, world", "not a known image"),
        (b"8BPS\0\1", "a Photoshop file"),
    ],
)
def test_strangers_are_named(tmp_path, content, what):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    for function in (read_image, image_size):
        with pytest.raises(ImageError, match=what) as caught:
            function(path)
        assert str(path) in str(caught.value)


def test_the_content_decides_and_not_the_suffix(tmp_path, make):
    path = make.save(tmp_path / "photo.jpg", make.noise(3, 4), format="PNG")
    assert read_image(path).format == "PNG"
    assert read_image(str(path)).name == str(path)


def test_folders_pipes_and_absent_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, why in ((".", "regular file"), ("pipe.jpg", "regular file"), ("no.jpg", "No such")):
        for function in (read_image, image_size):
            with pytest.raises(ImageError, match=why):
                function(tmp_path / name)
    with pytest.raises(ImageError, match="null"):
        read_image("a\0b.jpg")


def test_bombs_are_refused_fast_and_small():
    """A megapixel costs a kilobyte: the header must be enough to refuse."""
    bomb = png(20_000, 20_000)
    assert len(bomb) < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    for function in (read_image, image_size):
        with pytest.raises(ImageError, match="400000000 pixels"):
            function(bomb)
    assert time.perf_counter() - start < 0.1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    with pytest.raises(ImageError, match="400000000 pixels"):
        read_image(bomb, Limits(image_pixels=10**9))
    with pytest.raises(ImageError, match="2,000 x 3,000 pixels"):
        read_image(png(2_000, 3_000), Limits(image_pixels=10**6))
    with pytest.raises(ImageError, match="a side"):
        read_image(png(600_000, 1))


def test_limits_hold_before_anything_is_read(encoded, make, tmp_path):
    path = make.save(tmp_path / "a.png", make.noise(20, 30))
    for limits in (Limits(image_bytes=100), Limits(image_pixels=599), Limits(image_side=29)):
        sources = [path, path.read_bytes()]
        if limits.image_bytes > 100:  # what is in memory already has no bytes to count
            sources += [Image.fromarray(make.noise(20, 30)), make.noise(20, 30)]
        for source in sources:
            with pytest.raises(ImageError):
                read_image(source, limits)
        with pytest.raises(ImageError):
            image_size(path, limits)
    assert read_image(path, Limits(image_pixels=600, image_side=30)).size == (20, 30)


def exif_bomb() -> bytes:
    """Five thousand tags that all refer to the same sixty kilobytes."""
    entries = b"".join(struct.pack("<HHII", 40000 + i, 7, 60_000, 8) for i in range(5000))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries + b"\0\0\0\0"


def webp_with(chunk: bytes, body: bytes) -> bytes:
    stream = BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "WEBP", lossless=True, exif=b"Exif\0\0II*\0")
    data = stream.getvalue() + chunk + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def jpeg_with(body: bytes) -> bytes:
    stream = BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG")
    return b"\xff\xd8" + body + stream.getvalue()[2:]


METADATA_BOMBS = {
    "PNG text": lambda: png(8, 8, chunk(b"tEXt", b"k\0" + b"a" * 17 * 2**20)),
    "PNG profile": lambda: png(8, 8, chunk(b"iCCP", b"k\0\0" + b"a" * 17 * 2**20)),
    "PNG packed text": lambda: png(8, 8, chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 2**24))),
    "PNG EXIF": lambda: png(8, 8, chunk(b"eXIf", exif_bomb())),
    "JPEG EXIF": lambda: jpeg_with(
        b"\xff\xe1" + struct.pack(">H", len(exif_bomb()) + 8) + b"Exif\0\0" + exif_bomb()
    ),
    "JPEG stray bytes": lambda: jpeg_with(b"x" * 200_000),
    "JPEG comments": lambda: jpeg_with((b"\xff\xfe\xff\xff" + b"c" * 65533) * 300),
    "WEBP profile": lambda: webp_with(b"ICCP", b"a" * 17 * 2**20),
    "WEBP EXIF": lambda: webp_with(b"EXIF", exif_bomb()),
    "GIF comment": lambda: (
        b"GIF89a\x01\0\x01\0\0\0\0!\xfe" + (b"\xff" + b"c" * 255) * 70_000 + b"\0,"
    ),
    "TIFF tags": lambda: exif_bomb() + b"\0" * 10_000,
}


@pytest.mark.parametrize("kind", METADATA_BOMBS)
def test_metadata_bombs(kind):
    data = METADATA_BOMBS[kind]()
    start = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError):
        read_image(data)
    assert time.perf_counter() - start < 0.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


SEEDS = {
    kind: (lambda stream, f=format, o=options: (IMAGE.save(stream, f, **o), stream.getvalue())[1])(
        BytesIO()
    )
    for IMAGE in [Image.fromarray(np.arange(30 * 20 * 3, dtype=np.uint8).reshape(20, 30, 3))]
    for kind, (format, options) in KINDS.items()
}
MUTATION = st.tuples(st.integers(0, 10**6), st.integers(0, 255), st.sampled_from("sdif"))


def mutate(data: bytes, mutations: list[tuple[int, int, str]]) -> bytes:
    """Set, delete or insert bytes; half of all places are in the first sixty-four."""
    broken = bytearray(data)
    for place, value, what in mutations:
        at = place // 2 % max(1, min(64, len(broken)) if place % 2 else len(broken))
        if what == "s" and at < len(broken):
            broken[at] = value
        elif what == "d":
            del broken[at : at + value % 40]
        elif what == "i":
            broken[at:at] = bytes([value]) * (value % 20)
        elif what == "f":
            broken[at : at + 4] = struct.pack("<I", 2**32 - 1 - value)
    return bytes(broken)


@settings(max_examples=800, deadline=1000, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(SEEDS)), st.lists(MUTATION, min_size=1, max_size=6))
def test_only_image_errors_come_out_of_damaged_files(kind, mutations):
    data = mutate(SEEDS[kind], mutations)
    for reader in (read_image, image_size):
        try:
            result = reader(data, Limits(image_pixels=10**6))
        except ImageError:
            continue
        assert min(result.size) >= 1
