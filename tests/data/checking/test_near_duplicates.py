"""Near-duplicates: what was compressed, resized or brightened is alike, what differs is not."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tapetum.base.errors import ImageError
from tapetum.data.checking.near_duplicates import (
    LENGTH,
    SIMILAR,
    SIMILAR_TINY,
    alike,
    fingerprint,
    fingerprints_of,
    first_alike,
    similarity_threshold,
)
from tapetum.data.formats import read_annotations
from tapetum.data.images.reader import read_image
from tapetum.data.records.image_record import bare_record


def planes(image: Image.Image | np.ndarray) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1)


def again(image: Image.Image, **options: int) -> Image.Image:
    """As a JPEG that was written and read."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return Image.open(stream).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def brighter(image: Image.Image, gain: float, offset: float = 0) -> Image.Image:
    levels = np.asarray(image) * gain + offset
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


SMALL_CHANGES = {
    "quality 50": lambda image: again(image, quality=50),
    "quality 95": lambda image: again(image, quality=95),
    "half": lambda image: scaled(image, 0.5),
    "double": lambda image: scaled(image, 2),
    "half, quality 50": lambda image: again(scaled(image, 0.5), quality=50),
    "darker": lambda image: brighter(image, 0.8),
    "brighter": lambda image: brighter(image, 1.1, 5),
}


@pytest.fixture(scope="module")
def photos(shared_data):
    """Some images of each real set, as Pillow images."""
    found = []
    for name in ("bccd", "coco_mini", "voc2007"):
        images = read_annotations(shared_data / name).all_images()
        found += [Image.open(image.path).convert("RGB") for image in list(images)[::20]]
    return found


@pytest.mark.parametrize("name", SMALL_CHANGES)
def test_small_changes_leave_real_images_alike(photos, name):
    change = SMALL_CHANGES[name]
    pairs = [(fingerprint(planes(p)), fingerprint(planes(change(p)))) for p in photos]
    assert min(float(own @ other) for own, other in pairs) > 0.98


@pytest.mark.parametrize(("name", "count", "groups"), [("bccd", 364, 1), ("voc2007", 234, 0)])
def test_different_real_images_are_not_alike(shared_data, name, count, groups):
    images = list(read_annotations(shared_data / name).all_images())
    prints = fingerprints_of(images)
    assert prints.shape == (count, LENGTH)
    assert not np.isnan(prints).any()
    found = alike(prints)
    assert len(found) == groups
    if groups:  # one smear, photographed twice
        names = sorted(images[index].name for index in found[0])
        assert names == ["BloodImage_00037.jpg", "BloodImage_00038.jpg"]
    pairs = prints @ prints.T
    rest = pairs[np.triu_indices(count, 1)]
    assert np.sort(rest)[-1 - groups] < 0.5


def test_digits_need_more(shared_data):
    """Digits are alike by nature: at the likeness for photographs they would all hang together."""
    images = list(
        read_annotations(shared_data / "mnist", task="classification").splits["test"][:1000]
    )
    prints = fingerprints_of(images)
    needed = similarity_threshold([pixels.size for pixels in images])
    assert alike(prints, needed) == []
    assert len(alike(prints, SIMILAR)) > 5
    pixels = images[3]
    image = Image.fromarray(pixels.pixels).convert("RGB")
    for change in ("quality 50", "darker", "brighter", "double"):
        other = fingerprint(planes(SMALL_CHANGES[change](image)))
        assert float(prints[3] @ other) > SIMILAR_TINY


def test_a_draft_is_as_good(photos, tmp_path):
    """Decoded at a fraction of its size, a JPEG has the fingerprint of the whole."""
    path = tmp_path / "a.jpg"
    scaled(photos[30], 4).save(path, quality=90)
    (print_,) = fingerprints_of([bare_record("a", path, 1)])
    assert read_image(path, at_least=128).size[0] < read_image(path).size[0] / 4
    assert float(print_ @ fingerprint(read_image(path).pixels)) > 0.998


def test_what_cannot_be_told_has_no_fingerprint(tmp_path, make):
    make.save(tmp_path / "good.png", make.noise(40, 60))
    make.save(tmp_path / "blank.png", np.full((40, 60, 3), 77, dtype=np.uint8))
    slope = np.linspace(100, 110, 60).astype(np.uint8)
    make.save(tmp_path / "sky.png", np.broadcast_to(slope[None, :, None], (40, 60, 3)).copy())
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    with pytest.raises(ImageError):
        read_image(tmp_path / "bad.jpg")
    names = ("good.png", "blank.png", "sky.png", "bad.jpg", "absent.png")
    images = [bare_record(name, tmp_path / name, name) for name in names]
    images.append(bare_record("none", None, "none"))
    steps: list[int] = []
    prints = fingerprints_of(
        images, progress=lambda indices, count: (steps.append(i) or i for i in indices)
    )
    assert steps == list(range(6))
    assert np.isnan(prints).any(1).tolist() == [False, True, True, True, True, True]
    assert alike(np.concatenate((prints, prints[:1]))) == [[0, 6]]
    assert fingerprints_of([]).shape == (0, LENGTH)


def test_gray_and_color_pixels_in_memory(make):
    colors = make.noise(28, 28)
    gray = np.asarray(Image.fromarray(colors).convert("L"))
    images = [bare_record(str(n), None, n, (28, 28), pixels=colors) for n in range(2)]
    images[1] = replace(images[1], pixels=gray)
    one, two = fingerprints_of(images)
    assert float(one @ two) > 0.99
    assert float(np.linalg.norm(one)) == pytest.approx(1)


def directions(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, LENGTH), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_groups_across_blocks_and_through_chains():
    """0.9 is the cosine of 25.8 degrees: of three images 20 degrees apart, the ends differ."""
    rows = directions(2500)
    rows[1500] = rows[2400] = rows[3]
    side = rows[10] - (rows[10] @ rows[9]) * rows[9]
    side /= np.linalg.norm(side)
    for place, degrees in ((2000, 20), (1100, 40)):
        angle = np.radians(degrees)
        rows[place] = np.cos(angle) * rows[9] + np.sin(angle) * side
    rows[7] = rows[2200] = np.nan
    assert alike(rows) == [[3, 1500, 2400], [9, 1100, 2000]]
    first = first_alike(rows)
    found = {int(row): int(first[row]) for row in np.flatnonzero(first >= 0)}
    assert found == {1500: 3, 2400: 3, 2000: 9}


@pytest.mark.parametrize("count", [0, 1, 40])
def test_pairs_by_the_definition(count):
    """Random directions about a few centres, against every pair compared one by one."""
    rows = directions(4)[np.arange(count) % 4] + 0.6 * directions(count, 1)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    needs = np.where(np.arange(count) % 3 == 0, 0.78, 0.7).astype(np.float32)
    near = [
        [j for j in range(i) if rows[i] @ rows[j] >= max(needs[i], needs[j])] for i in range(count)
    ]
    assert first_alike(rows, threshold=needs).tolist() == [min(row, default=-1) for row in near]
    groups = {index: {index} for index in range(count)}
    for i, row in enumerate(near):
        for j in row:
            joined = groups[i] | groups[j]
            groups.update(dict.fromkeys(joined, joined))
    expected = {tuple(sorted(group)) for group in groups.values() if len(group) > 1}
    assert alike(rows, needs) == sorted(list(group) for group in expected)
    half = count // 2
    across = first_alike(rows[half:], rows[:half], needs[half:], needs[:half]).tolist()
    assert across == [min((j for j in row if j < half), default=-1) for row in near[half:]]
