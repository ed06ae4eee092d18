"""YOLO read and written: layouts, data.yaml as it is found in the wild, digits."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapetum.base.errors import AnnotationError, TapetumError
from tapetum.base.limits import Limits
from tapetum.data.formats import convert, read_annotations
from tapetum.data.formats.yolo.write import _lines
from tapetum.data.records.image_record import Annotations

LINE = "0 0.5 0.5 0.25 0.5\n"


def sizes(annotations: Annotations) -> dict[str, int]:
    return {name: len(images) for name, images in annotations.splits.items()}


def lay_out(root, make, names: dict[str, str]) -> None:
    """image name -> label name, each with one box."""
    for number, (image, label) in enumerate(names.items()):
        make.save(root / image, make.noise(40, 60, number))
        (root / label).parent.mkdir(parents=True, exist_ok=True)
        (root / label).write_text(LINE)


def test_boxes_are_relative_to_the_image(yolo_folder):
    (image,) = read_annotations(yolo_folder()).splits["train"]
    assert np.abs(image.xywh - [[22.5, 10, 15, 20], [9, 6, 6, 4]]).max() < 1e-12
    assert image.labels.tolist() == [0, 1]
    assert image.size == (40, 60)
    assert image.name == "a.png"


def test_outlines_give_the_box(yolo_folder):
    found = read_annotations(yolo_folder("1 0.1 0.1 0.5 0.1 0.5 0.9\n"))
    (image,) = found.splits["train"]
    assert np.abs(image.xywh - [[6, 4, 24, 32]]).max() < 1e-12
    assert np.abs(image.segments[0][0] - [6, 4, 30, 4, 30, 36]).max() < 1e-12


def test_keypoints_are_passed_over(yolo_folder):
    text = "names: [cat, dog]\nkpt_shape: [2, 2]\n"
    root = yolo_folder("0 0.5 0.5 0.25 0.5 0.1 0.1 0.2 0.2\n", yaml=text)
    (image,) = read_annotations(root).splits["train"]
    assert np.abs(image.xywh - [[22.5, 10, 15, 20]]).max() < 1e-12
    assert image.segments == ()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            {
                "images/train/a.png": "labels/train/a.txt",
                "images/val/b.jpg": "labels/val/b.txt",
                "images/test/c.png": "labels/test/c.txt",
            },
            {"train": 1, "val": 1, "test": 1},
        ),
        (
            {
                "train/images/a.png": "train/labels/a.txt",
                "valid/images/b.PNG": "valid/labels/b.txt",
            },
            {"train": 1, "val": 1},
        ),
        ({"images/a.png": "labels/a.txt", "images/sub/b.png": "labels/sub/b.txt"}, {"all": 2}),
    ],
)
@pytest.mark.parametrize("classes", ["yaml", "txt", ""])
def test_layouts(tmp_path, make, names, expected, classes):
    lay_out(tmp_path, make, names)
    if classes == "yaml":
        (tmp_path / "dataset.yaml").write_text("names:\n  0: cat\n  1: dog\n")
    if classes == "txt":
        (tmp_path / "classes.txt").write_text("cat\ndog\n")
    found = read_annotations(tmp_path)
    assert sizes(found) == expected
    assert all(len(p) == 1 for split in found.splits.values() for p in split)
    assert found.classes == (("cat", "dog") if classes else ("0",))


def test_labels_beside_the_images(tmp_path, make):
    lay_out(tmp_path, make, {"a.png": "a.txt", "b.png": "b.txt"})
    (tmp_path / "classes.txt").write_text("cat\n")
    found = read_annotations(tmp_path)
    assert sizes(found) == {"all": 2}
    assert [f for f in found.findings if f.severity != "info"] == []


@pytest.mark.parametrize(
    "text",
    [
        "train: images/train\nval: images/val\n",
        "path: .\ntrain: images/train/\nval: ./images/val\n",
        "path: ../datasets/mine\ntrain: images/train\nval: images/val\n",
        "path: /content/mine\ntrain: images/train\nval: images/val\n",
        "train: ../images/train\nval: ../../mine/images/val\n",
        "train: /content/mine/images/train\nval: C:\\sets\\mine\\images\\val\n",
        "train: [images/train]\nval: [images/val]\n",
        "train: train.txt\nval: val.txt\n",
        "nc: 2\n",
    ],
)
def test_places_named_in_data_yaml(yolo_folder, text):
    root = yolo_folder(yaml=text + "names: [cat, dog]\n")
    (root / "train.txt").write_text("./images/train/a.png\n")
    (root / "val.txt").write_text("/home/somebody/mine/images/val/b.png\n")
    for data in (root, root / "data.yaml"):
        found = read_annotations(data)
        assert sizes(found) == {"train": 1, "val": 1}
        assert [f for f in found.findings if f.severity != "info"] == []


def test_nothing_outside_is_followed(yolo_folder, tmp_path, make):
    make.save(tmp_path / "outside" / "images" / "x.png", make.noise(40, 60))
    text = f"train: {tmp_path}/outside/images\nval: images/val\ntest: list.txt\nnames: [cat, dog]\n"
    root = yolo_folder(yaml=text)
    (root / "list.txt").write_text(
        f"../outside/images/x.png\n{tmp_path}/outside/images/x.png\nno.png"
    )
    found = read_annotations(root)
    assert sizes(found) == {"val": 1}
    places = {(f.code, f.file, f.where) for f in found.findings if f.severity == "error"}
    assert places == {
        ("name-hostile", "data.yaml", "train"),
        ("name-hostile", "list.txt", "line 1"),
        ("name-hostile", "list.txt", "line 2"),
        ("split-missing-file", "list.txt", "line 3"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "names: [a, b\n",
        "- names\n",
        "names: !!python/object/apply:os.system ['true']\n",
        "a: &a {b: 1}\nnames: [a]\nc: {<<: *a}\n",
        "names: *unknown\n",
        "names: {[]: 1}\n",
        "names: 2020-99-99\n",
        "\tnames: [a]\n",
        "names: [" + "[" * 3000 + "]" * 3000 + "]\n",
    ],
)
def test_yaml_that_cannot_be_read(yolo_folder, text):
    root = yolo_folder(yaml=text)
    with pytest.raises(AnnotationError) as caught:
        read_annotations(root, "yolo")
    assert "data.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_yaml_bombs_are_refused_fast(yolo_folder):
    levels = ["names: [cat]", "l0: &l0 {a: 1}"]
    levels += [f"l{n}: &l{n} {{<<: [*l{n - 1}, *l{n - 1}]}}" for n in range(1, 40)]
    root = yolo_folder(yaml="\n".join(levels))
    start = time.perf_counter()
    with pytest.raises(AnnotationError, match="merge keys"):
        read_annotations(root)
    assert time.perf_counter() - start < 1
    (root / "data.yaml").write_text("names: " + "[" * 500_000)
    with pytest.raises(AnnotationError, match="nested deeper"):
        read_annotations(root)
    assert time.perf_counter() - start < 1
    (root / "data.yaml").write_text("names: [cat]\n#" + "x" * 2**21)
    with pytest.raises(TapetumError, match="limit"):
        read_annotations(root)


def test_class_numbers_with_gaps_are_kept(yolo_folder):
    root = yolo_folder(
        "7 0.5 0.5 0.2 0.2\n", "3 0.5 0.5 0.2 0.2\n", "names: {3: cat, '7': dog, 9: 12}\n"
    )
    found = read_annotations(root)
    assert (found.classes, found.class_ids) == (("cat", "dog", "12"), (3, 7, 9))
    assert [found.splits[s][0].labels.tolist() for s in ("train", "val")] == [[1], [0]]


def test_an_image_whose_labels_cannot_be_read_is_no_image_without_objects(yolo_folder):
    root = yolo_folder()
    (root / "labels" / "train" / "a.txt").write_bytes(b"0 0.5 0.5 0.1 0.1\xff\n")
    assert sizes(read_annotations(root)) == {"train": 0, "val": 1}
    (root / "labels" / "train" / "a.txt").unlink()
    assert sizes(read_annotations(root)) == {"train": 1, "val": 1}  # none: it is background


def test_numbers_for_names_where_there_are_none(tmp_path, make):
    lay_out(tmp_path, make, {"images/a.png": "labels/a.txt"})
    (tmp_path / "labels" / "a.txt").write_text("2000000000 0.5 0.5 0.1 0.1\n4 0.5 0.5 0.2 0.2\n")
    found = read_annotations(tmp_path)
    assert (found.classes, found.class_ids) == (("4", "2000000000"), (4, 2000000000))
    assert found.splits["all"][0].labels.tolist() == [1, 0]


def test_digits_survive(coco_part, tmp_path):
    """COCO to YOLO: every box within 1e-9 pixels; crowds and outlines are left out and counted."""
    source = read_annotations(coco_part)
    done = convert(coco_part, tmp_path / "out", "yolo")
    assert done.lost[0] == "ids and stated areas"
    assert done.lost[1].endswith("crowd regions")
    copy = read_annotations(tmp_path / "out")
    assert [f for f in copy.findings if f.severity != "info"] == []
    assert copy.classes == source.classes
    for split, images in source.splits.items():
        found = {p.name: p for p in copy.splits[split]}
        for image in images:
            duplicate = found[image.name]
            kept = ~image.crowd
            assert np.abs(image.xywh[kept] - duplicate.xywh).max(initial=0) < 1e-9
            assert (image.labels[kept] == duplicate.labels).all()


def test_all_real_boxes_survive_the_arithmetic(shared_data):
    """Every box of the real set, written as a line and read back, without its image."""
    for split in read_annotations(shared_data / "coco_mini").splits.values():
        for image in split:
            height, width = image.size
            for line, xywh in zip(
                _lines(image).splitlines(), image.xywh[~image.crowd], strict=True
            ):
                cx, cy, w, h = (float(number) for number in line.split()[1:])
                back = [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height]
                assert np.abs(xywh - back).max() < 1e-9


def test_yolo_to_yolo(yolo_folder, tmp_path):
    source = read_annotations(yolo_folder("0 0.5123456789 0.5 0.25 0.5\n"))
    convert(yolo_folder("0 0.5123456789 0.5 0.25 0.5\n"), tmp_path / "out", "yolo")
    copy = read_annotations(tmp_path / "out")
    assert sizes(copy) == sizes(source)
    assert np.abs(copy.splits["train"][0].xywh - source.splits["train"][0].xywh).max() < 1e-9


def test_a_set_without_splits_stays_one(coco_folder, tmp_path):
    convert(coco_folder(split="everything"), tmp_path / "out", "yolo")
    assert sizes(read_annotations(tmp_path / "out")) == {"all": 2}


def test_two_images_of_one_name_are_not_merged(tmp_path, make):
    lay_out(
        tmp_path / "in",
        make,
        {"images/train/a.png": "labels/train/a.txt", "train/images/a.png": "train/labels/a.txt"},
    )
    text = "train: [images/train, train/images]\nnames: [cat]\n"
    (tmp_path / "in" / "data.yaml").write_text(text)
    assert sizes(read_annotations(tmp_path / "in")) == {"train": 2}
    for format in ("coco", "yolo", "voc"):
        with pytest.raises(AnnotationError, match=r"written to train/a.png|would share|are named"):
            convert(tmp_path / "in", tmp_path / format, format)


def test_the_number_of_lines_is_limited(yolo_folder):
    with pytest.raises(AnnotationError, match="more than 3 annotations") as caught:
        read_annotations(yolo_folder(), limits=Limits(annotations=3))
    assert "labels/val/b.txt" in str(caught.value)


def test_two_images_cannot_share_a_label_file(tmp_path, make):
    lay_out(tmp_path / "in", make, {"images/a.png": "labels/a.txt", "images/a.bmp": "labels/a.txt"})
    with pytest.raises(AnnotationError, match="share one label file"):
        convert(tmp_path / "in", tmp_path / "out", "yolo")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(alphabet="0123456789.-+einfNa \n\t\x0c\x1c\u2028", max_size=60) | st.text(max_size=40)
)
def test_any_text_gives_findings(tmp_path, make, text):
    if not (tmp_path / "images").exists():
        lay_out(tmp_path, make, {"images/a.png": "labels/a.txt"})
        (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "labels" / "a.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    found = read_annotations(tmp_path)
    bad = [f for f in found.findings if f.severity == "error"]
    if "file-unreadable" in {f.code for f in bad}:
        assert found.splits["all"] == ()  # it must not pass for an image without objects
        return
    (image,) = found.splits["all"]
    assert np.isfinite(image.xywh).all()
    assert (image.xywh[:, 2:] > 0).all()
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(image) + len(bad) >= min(1, len(lines))
    assert len(image) <= len(lines)
