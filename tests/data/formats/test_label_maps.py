"""Class maps read: layouts, legends, values and colors; and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tapetum.base.errors import AnnotationError, ImageError, UsageError
from tapetum.data.checking.check import check_dataset
from tapetum.data.formats import read_annotations, recognize
from tapetum.data.formats.label_maps.legend import parse_legend
from tapetum.data.images.orientation import turn_array
from tapetum.data.images.reader import read_levels
from tapetum.data.reading.files import open_dataset
from tapetum.data.records.label_map import MapCode


def classes_map(seed: int = 0, most: int = 3, size: tuple[int, int] = (8, 6)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, most, size, dtype=np.uint8)


@pytest.fixture
def maps_folder(tmp_path, make):
    """Four images with maps of three classes, all in one split."""

    def build(images: str = "images", maps: str = "labels", split: str = "") -> Path:
        root = tmp_path / "maps"
        for number in range(4):
            make.save(root / images / split / f"{number}.png", make.noise(8, 6, number))
            make.save(root / maps / split / f"{number}.png", classes_map(number))
        return root

    return build


def semantic(root: Path, index: int = 0, split: str = "all") -> np.ndarray:
    return open_dataset(root, split, task="semantic_segmentation")[index].target.semantic.numpy()


# --- layouts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "maps"),
    [
        ("images", "labels"),
        ("image", "label"),
        ("images", "masks"),
        ("images", "annotations"),
        ("JPEGImages", "SegmentationClass"),
    ],
)
def test_layouts(maps_folder, images, maps):
    root = maps_folder(images, maps)
    assert recognize(root, "semantic_segmentation") == "label_maps"
    dataset = open_dataset(root, "all", task="semantic_segmentation")
    assert dataset.classes == ("class 0", "class 1", "class 2")
    assert [dataset[i].name for i in range(4)] == [f"{i}.png" for i in range(4)]
    for index in range(4):
        sample = dataset[index]
        assert sample.target.semantic.dtype == torch.uint8
        np.testing.assert_array_equal(sample.target.semantic.numpy(), classes_map(index))
        assert (sample.target.objects, sample.target.labels) == (None, None)
        assert dataset.record(index).size == (8, 6)
    assert [f.code for f in check_dataset(root, task="semantic_segmentation")] == [
        "class-names-missing"
    ]


@pytest.mark.parametrize(
    ("images", "maps"), [("images/{}", "labels/{}"), ("{}/images", "{}/labels")]
)
def test_folders_of_splits(maps_folder, images, maps):
    for split in ("train", "valid"):
        root = maps_folder(images.format(split), maps.format(split))
    found = read_annotations(root)
    assert {name: len(own) for name, own in found.splits.items()} == {"train": 4, "val": 4}
    dataset = open_dataset(root, "val", task="semantic_segmentation")
    assert dataset.name == "maps/val"


@pytest.mark.parametrize("folder", ["", "ImageSets/Segmentation"])
def test_lists_of_splits(maps_folder, folder):
    root = maps_folder("JPEGImages", "SegmentationClass")
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "train.txt").write_text("2\n0.png\n\n")
    (place / "val.txt").write_text("JPEGImages/3.png\n9\n")
    (place / "train_sizes.txt").write_text("1\n")
    found = read_annotations(root)
    assert {name: [p.name for p in own] for name, own in found.splits.items()} == {
        "train": ["2.png", "0.png"],
        "val": ["3.png"],
    }
    assert [(f.code, f.where) for f in found.findings if f.severity == "error"] == [
        ("split-missing-file", "line 2")
    ]


def test_voc_with_boxes_and_maps(voc_folder, make):
    """One folder, two formats: the need decides."""
    root = voc_folder()
    for name in ("a", "b"):
        make.save(root / "SegmentationClass" / f"{name}.png", classes_map(size=(40, 60)))
    assert recognize(root) == recognize(root, "classification") == "voc"
    assert recognize(root, "semantic_segmentation") == "label_maps"
    assert len(open_dataset(root, "train", task="detection")[0].target.objects) == 2
    assert open_dataset(root, "all", task="semantic_segmentation")[0].target.semantic.shape == (
        40,
        60,
    )
    with pytest.raises(UsageError, match="have boxes; class maps are needed"):
        open_dataset(root, "train", "voc", task="semantic_segmentation")


def test_yolo_labels_are_no_maps(yolo_folder):
    assert recognize(yolo_folder(), "semantic") == "yolo"


def test_real_maps(shared_data):
    camvid = open_dataset(shared_data / "camvid", "val", task="semantic_segmentation")
    assert (len(camvid), len(camvid.classes)) == (51, 12)
    raw = np.asarray(Image.open(shared_data / "camvid/labels/val/0016E5_07959.png"))
    np.testing.assert_array_equal(camvid[0].target.semantic.numpy(), raw)
    assert camvid[0].size == raw.shape
    cells = open_dataset(shared_data / "isbi2012_em", "all", task="semantic_segmentation")
    assert (len(cells), cells.classes) == (30, ("class 0", "class 1"))
    raw = np.asarray(Image.open(shared_data / "isbi2012_em/label/03.png"))
    np.testing.assert_array_equal(cells[3].target.semantic.numpy(), raw // 255)
    assert [f.code for f in cells.findings] == ["map-binary"]


# --- values and colors -------------------------------------------------------------------------


def test_names_255_and_the_order_of_a_list(maps_folder, make):
    root = maps_folder()
    values = classes_map()
    values[0] = 255
    make.save(root / "labels" / "0.png", values)
    (root / "classes.txt").write_text("# ours\nroad\n\ntree house\nsky\n")
    dataset = open_dataset(root, "all", task="semantic_segmentation")
    assert dataset.classes == ("road", "tree house", "sky")
    assert dataset.palette is None
    np.testing.assert_array_equal(dataset[0].target.semantic.numpy(), values)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "road 128 64 128\ntree 0 255 0\nsky 0 0 9\n"),
        ("class_dict.csv", "name,r,g,b\nroad,128,64,128\ntree,0,255,0\nsky,0,0,9\n"),
        ("label_colors.txt", "128 64 128\troad\n0 255 0\ttree\n0 0 9\tsky\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nroad:128,64,128::\ntree:0,255,0::\n"
         "sky:0,0,9::\n"),
    ],
)  # fmt: skip
def test_color_maps(maps_folder, make, name, text):
    root = maps_folder()
    palette = np.array([[128, 64, 128], [0, 255, 0], [0, 0, 9]], dtype=np.uint8)
    for number in range(4):
        make.save(root / "labels" / f"{number}.png", palette[classes_map(number)])
    with pytest.raises(AnnotationError, match="the map is in colors; what do they mean"):
        read_annotations(root)
    (root / name).write_text(text)
    dataset = open_dataset(root, "all", task="semantic_segmentation")
    assert dataset.classes == ("road", "tree", "sky")
    np.testing.assert_array_equal(dataset.palette, palette)
    np.testing.assert_array_equal(dataset[2].target.semantic.numpy(), classes_map(2))
    odd = palette[classes_map(2)]
    odd[3, 4] = (0, 255, 1)
    make.save(root / "labels" / "2.png", odd)
    with pytest.raises(AnnotationError, match=r"color \(0, 255, 1\) is not a class") as e:
        dataset[2]
    assert e.value.file.endswith("2.png")


def test_black_and_white_maps_with_names(maps_folder, make):
    root = maps_folder()
    for number in range(4):
        make.save(root / "labels" / f"{number}.png", 255 * classes_map(number, 2))
    (root / "classes.txt").write_text("wall\ncell\n")
    dataset = open_dataset(root, "all", task="semantic_segmentation")
    assert dataset.classes == ("wall", "cell")
    np.testing.assert_array_equal(semantic(root, 1), classes_map(1, 2))
    make.save(root / "labels" / "0.png", classes_map(0, 2))  # 0 and 1: then 255 is not the second
    assert set(np.unique(semantic(root, 1))) == {0, 255}


FORMS = {
    "1": lambda a: Image.fromarray((a > 0).astype(np.uint8) * 255).convert("1"),
    "P": lambda a: _with_palette(a),
    "L": lambda a: Image.fromarray(a),
    "LA": lambda a: Image.merge("LA", [Image.fromarray(a), Image.fromarray(a)]),
    "I;16": lambda a: Image.fromarray(a.astype(np.uint16)),
}


def _with_palette(array: np.ndarray) -> Image.Image:
    image = Image.fromarray(array).convert("P")
    image.putdata(array.reshape(-1).tolist())
    image.putpalette([7, 9, 200, 255, 0, 0, 1, 2, 3])
    return image


@pytest.mark.parametrize("form", FORMS)
def test_numbers_are_read_and_not_their_colors(tmp_path, form):
    values = classes_map(most=2 if form == "1" else 3)
    FORMS[form](values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_levels(tmp_path / "a.png"), values)


@pytest.mark.parametrize("bits", [2, 4])
def test_gray_of_few_bits_is_not_stretched(tmp_path, bits):
    """Pillow writes such files as indexed; the color type is patched to gray."""
    values = classes_map(most=2**bits)
    Image.fromarray(values).convert("P").save(tmp_path / "a.png", bits=bits)
    import zlib

    data = bytearray((tmp_path / "a.png").read_bytes())
    assert (data[24], data[25]) == (bits, 3)
    data[25] = 0
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    palette = data.index(b"PLTE") - 4
    length = int.from_bytes(data[palette : palette + 4], "big") + 12
    del data[palette : palette + length]
    (tmp_path / "b.png").write_bytes(data)
    np.testing.assert_array_equal(read_levels(tmp_path / "b.png"), read_levels(tmp_path / "a.png"))


def test_what_is_no_map(tmp_path):
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ImageError, match="not of mode F"):
        read_levels(tmp_path / "a.tiff")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_maps_of_turned_images(maps_folder, make, orientation):
    """Drawn on the stored image it turns along, where sizes tell; else it stays."""
    root = maps_folder()
    tags = Image.Exif()
    tags[0x0112] = orientation
    make.save(root / "images" / "0.png", make.noise(8, 6), exif=tags)
    turned = classes_map() if orientation < 5 else turn_array(classes_map(), orientation)
    np.testing.assert_array_equal(semantic(root), turned)
    upright = classes_map(size=(6, 8) if orientation > 4 else (8, 6))
    make.save(root / "labels" / "0.png", upright)
    np.testing.assert_array_equal(semantic(root), upright)


# --- legends ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 classes; 1 to 255 different ones"),
        ("a\na\n", "2 classes; 1 to 255 different ones"),
        ("\n".join(f"c{i}" for i in range(256)), "256 classes"),
        ("a 1 2 3\nb\n", "line 2: 'b' is no class with a color"),
        ("a 1 2 3\nb 1 2 256\n", "line 2"),
    ],
)
def test_legends_that_cannot_be_read(text, words):
    with pytest.raises(AnnotationError, match=words):
        parse_legend(text, Path("classes.txt"))


@given(
    st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(n), st.permutations(range(n)))),
    st.integers(0, 2**31),
)
def test_codes_relabel_as_tables_do(order, seed):
    """Relabelled, then looked up = looked up, then relabelled; what is left out becomes 255."""
    count, places = order[0], np.array(order[1])
    random = np.random.default_rng(seed)
    places = np.where(random.random(count) < 0.3, -1, places)
    levels = random.choice([*range(count), 255], (5, 5)).astype(np.uint8)
    code = MapCode.of({value: value for value in range(count)})
    table = np.append(np.where(places < 0, 255, places), np.full(256 - count, 255))
    np.testing.assert_array_equal(code.relabeled(places).classes(levels), table[levels])
    with pytest.raises(ValueError, match=f"value {count} is not a class"):
        code.relabeled(places).classes(np.full((1, 1), count, dtype=np.uint8))


# --- faults -------------------------------------------------------------------------------------


def plant(root: Path, make: Any, fault: str) -> str:
    """Break something; the file at fault."""
    file = root / "labels" / "1.png"
    if fault == "map-missing":
        file.unlink()
        return "images/1.png"
    if fault == "label-without-image":
        (root / "images" / "1.png").unlink()
    elif fault == "map-unreadable":
        file.write_bytes(file.read_bytes()[:-30])
    elif fault == "map-size":
        make.save(file, classes_map(size=(8, 7)))
    elif fault == "map-value":
        make.save(file, classes_map(most=4) | 3)
    return "labels/1.png"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("map-missing", None),
        ("label-without-image", None),
        ("map-unreadable", "truncated|cannot be decoded"),
        ("map-size", "the map has 7 x 8 pixels, its image 6 x 8"),
        ("map-value", r"value 3 is not a class \(48 of its pixels"),
    ],
)
def test_faults_in_maps(maps_folder, make, fault, words):
    root = maps_folder()
    (root / "classes.txt").write_text("a\nb\nc\n")
    file = plant(root, make, fault)
    found = [(f.code, f.file) for f in check_dataset(root, task="semantic_segmentation")]
    assert found == [(fault, file)]
    dataset = open_dataset(root, "all", task="semantic_segmentation")
    if words is None:
        assert len(dataset) == 3
        return
    with pytest.raises((AnnotationError, ImageError), match=words) as caught:
        dataset[1]
    assert caught.value.file.endswith(file)


def test_needs_that_maps_cannot_serve(maps_folder):
    for task in ("detection", "classification", "instance_segmentation"):
        with pytest.raises(UsageError, match="these annotations have class maps; "):
            open_dataset(maps_folder(), "all", task=task)
