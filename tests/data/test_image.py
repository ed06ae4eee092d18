"""The image door: golden pixels for what is good, one clear refusal for what is not."""

from __future__ import annotations

import os
import pickle
import resource
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from tapetum.base.errors import ImageError
from tapetum.base.limits import Limits
from tapetum.data.image import image_size, read_image

LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}
KINDS = {
    "JPEG": ("JPEG", {}),
    "JPEG progressive": ("JPEG", {"progressive": True}),
    "PNG": ("PNG", {}),
    "BMP": ("BMP", {}),
    "GIF": ("GIF", {}),
    "WEBP": ("WEBP", {}),
    "WEBP lossless": ("WEBP", {"lossless": True}),
    "TIFF": ("TIFF", {}),
    "TIFF LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF JPEG": ("TIFF", {"compression": "jpeg"}),
    "PPM": ("PPM", {}),
}


def rgb(data: bytes) -> np.ndarray:
    """(H, W, 3) pixels through the door."""
    return read_image(data).pixels.permute(1, 2, 0).numpy()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, extra: bytes = b"", bits: int = 1, colour: int = 0) -> bytes:
    """A black picture, as small as PNG can write it."""
    row = b"\0" * ((width * bits + 7) // 8 + 1)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), extra, chunk(b"IDAT", body), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


# --- pixels -------------------------------------------------------------------------------------


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
def test_a_transparent_colour_shows_the_background(encoded, mode, clear, solid):
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


# --- orientation --------------------------------------------------------------------------------


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
    assert image.warnings == ("EXIF orientation 9 means nothing; taken as upright",)


def test_damaged_exif_costs_nothing_but_itself(encoded, make):
    data = encoded(make.noise(6, 10), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xffgarbage")
    assert read_image(data).size == image_size(data).size == (6, 10)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_cut_files_are_refused_or_complete(encoded, make, kind):
    """However much is missing: never a picture that is partly grey."""
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
        (b"hello, world", "not a known picture"),
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


# --- manners ------------------------------------------------------------------------------------


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
        "from tapetum.data.image import image_size, read_image\n"
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


def test_pictures_that_are_already_in_memory(make):
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


# --- fuzz ---------------------------------------------------------------------------------------

SEEDS = {
    kind: (
        lambda stream, f=format, o=options: (PICTURE.save(stream, f, **o), stream.getvalue())[1]
    )(BytesIO())
    for PICTURE in [Image.fromarray(np.arange(30 * 20 * 3, dtype=np.uint8).reshape(20, 30, 3))]
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
