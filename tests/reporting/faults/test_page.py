"""The page of faults: each kind with its images, the fault where it is, and nothing that runs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tapetum import api
from tapetum.base.errors import FileAccessError
from tapetum.cli.datasets import check as check_command
from tapetum.data.checking.check import check_annotations
from tapetum.data.formats import read_annotations
from tapetum.data.records.findings import CODES
from tapetum.data.records.image_record import Finding, bare_record
from tapetum.render.palette import OKABE_ITO
from tapetum.reporting.faults.advice import ADVICE
from tapetum.reporting.faults.dataset import class_counts
from tapetum.reporting.faults.images import Album
from tapetum.reporting.faults.page import MAX_IMAGES, make_faults

HOSTILE = "<img src=x onerror=alert(1)>&'.png"


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft blobs of blues: unlike each other, and never of the color that marks a fault."""
    few = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    few[..., 0] //= 4
    return np.asarray(Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC))


def write_coco(root: Path, boxes: list[list[float]], name: str = "a.png") -> Path:
    """Two images of 300 x 400; `boxes` are on the first one."""
    for number, file in enumerate((name, "b.png")):
        (root / "train").mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(300, 400, number)).save(root / "train" / file)
    content: dict[str, Any] = {
        "images": [
            {"id": number, "file_name": file, "height": 300, "width": 400}
            for number, file in enumerate((name, "b.png"))
        ],
        "annotations": [
            {"id": number, "image_id": 0, "category_id": 1, "bbox": box, "area": 1, "iscrowd": 0}
            for number, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "d<b>og"}],
    }
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return root


def page_of(root: Path) -> str:
    annotations = read_annotations(root)
    return make_faults(annotations, check_annotations(annotations))


def section(page: str, code: str) -> str:
    found = re.search(rf'<section id="{code}">.*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def marked(image: Image.Image) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is drawn in the color of faults, as shares."""
    far = np.abs(np.asarray(image).astype(int) - np.array(OKABE_ITO[0])).max(2)
    rows, columns = np.nonzero(far < 3)
    size = np.array([image.width, image.height] * 2)
    corners = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / size
    return tuple(corners.tolist())


class Reader(HTMLParser):
    """The names of all elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def finding(code: str, box: tuple[float, ...] | None = None, **more: Any) -> Finding:
    file, image = more.pop("file", "annotations/instances_train.json"), more.pop("image", None)
    return Finding(code, CODES[code][0], file, "x", "message", image, box, **more)


def test_every_code_has_advice():
    assert set(ADVICE) == set(CODES)
    assert all(text.endswith(".") and len(text) < 120 for text in ADVICE.values())


def test_a_fault_is_shown_with_what_it_means(tmp_path):
    page = page_of(write_coco(tmp_path, [[10, 10, 0, 20], [20, 20, 90, 80]]))
    part = section(page, "box-zero-size")
    assert "A box without width or height. 1 error." in part
    assert ADVICE["box-zero-size"] in part
    assert part.count("<img ") == 2  # the image and a detail
    assert "annotation 0" in part
    assert 'href="#box-zero-size"' in page
    order = [m[1] for m in re.finditer(r'<section id="([a-z-]+)"', page)]
    severities = [CODES[code][0] for code in order[1:]]
    assert order[0] == "dataset"
    assert severities == sorted(severities, key=["error", "warning", "info"].index)


def test_the_box_is_drawn_where_it_is(tmp_path):
    album = Album(read_annotations(write_coco(tmp_path, [])))
    (image,) = album.draw(finding("box-duplicate", (100, 60, 200, 150), image="a.png"))
    assert marked(image) == pytest.approx((0.25, 0.2, 0.75, 0.7), abs=0.02)
    whole, detail = album.draw(finding("box-tiny", (200, 150, 0.5, 0.5), image="a.png"))
    assert detail.size == whole.size
    left, top, right, bottom = marked(whole)  # of what the detail shows
    assert (left + right) / 2 == pytest.approx(0.5, abs=0.02)
    assert right - left == pytest.approx(64 / 400, abs=0.03)
    assert (top + bottom) / 2 == pytest.approx(0.5, abs=0.02)
    left, top, right, bottom = marked(detail)
    assert (left + right) / 2 == pytest.approx(0.5, abs=0.03)
    assert 0.01 < right - left < 0.1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"category_id": 9}, "class-unknown"),
        ({"iscrowd": 7}, "annotation-malformed"),
        ({"bbox": [1, 2]}, "box-malformed"),
        ({"area": "x"}, "area-mismatch"),
        ({"segmentation": [[1, 2, 3, 4]]}, "polygon-too-short"),
    ],
)
def test_what_the_reader_notes_is_shown_in_its_image(tmp_path, change, code):
    root = write_coco(tmp_path, [[100, 60, 200, 150]])
    file = root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["annotations"][0] |= change
    file.write_text(json.dumps(content))
    annotations = read_annotations(root)
    (found,) = (one for one in annotations.findings if one.code == code)
    assert found.image == "a.png"
    assert found.box == (None if "bbox" in change else (100, 60, 200, 150))
    assert section(page_of(root), code).count("<img ") == 1


def test_a_shape_of_a_tool_is_shown_in_its_image(tmp_path):
    Image.fromarray(scene(30, 40)).save(tmp_path / "a.png")
    shape = {"label": "cat", "points": [[1, 1]], "shape_type": "polygon"}
    content = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 30, "imageWidth": 40}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert section(page_of(tmp_path), "annotation-malformed").count("<img ") == 1
    (tmp_path / "a.json").unlink()
    shapes = '<polygon label="cat" points="1,1;2,2"/><box xtl="1" ytl="1" xbr="9" ybr="9"/>'
    image = f'<image id="0" name="a.png" width="40" height="30">{shapes}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations>{image}</annotations>")
    assert section(page_of(tmp_path), "annotation-malformed").count("<img ") == 2


def test_a_box_beside_its_image_is_shown_beside_it(tmp_path):
    album = Album(read_annotations(write_coco(tmp_path, [])))
    (image,) = album.draw(finding("box-outside", (450, 100, 100, 100), image="a.png"))
    frame = 400 + np.ceil(150 * 1.1)  # the image and the margin that was added
    assert image.width / image.height == pytest.approx(frame / 300, abs=0.01)
    left, _, right, _ = marked(image)
    assert (left, right) == pytest.approx((450 / frame, 550 / frame), abs=0.02)
    assert np.asarray(image)[5, -5].tolist() == [128] * 3
    before = np.ceil(150 * 1.1)
    (image,) = album.draw(finding("box-outside", (-150, 100, 100, 100), image="a.png"))
    left, _, right, _ = marked(image)
    places = (before - 150) / (400 + before), (before - 50) / (400 + before)
    assert (left, right) == pytest.approx(places, abs=0.02)
    (image,) = album.draw(finding("box-outside", (1e9, 100, 100, 100), image="a.png"))
    assert image.width / image.height == pytest.approx(2, abs=0.01)
    (image,) = album.draw(finding("box-negative", (300, 250, -200, -150), image="a.png"))
    assert marked(image) == pytest.approx((0.25, 1 / 3, 0.75, 250 / 300), abs=0.02)


def test_a_box_from_before_the_turn_is_turned(tmp_path):
    """The record is of the stored image, which EXIF turns a quarter: 300 x 400 becomes 400 x
    300."""
    root = write_coco(tmp_path, [])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene(300, 400)).save(root / "train" / "a.png", exif=exif)
    album = Album(read_annotations(root))
    (image,) = album.draw(finding("box-duplicate", (0, 0, 200, 75), image="a.png"))
    assert image.height > image.width
    assert marked(image) == pytest.approx((0.75, 0, 1, 0.5), abs=0.02)


def test_twins_are_shown_side_by_side_with_their_objects(tmp_path):
    root = write_coco(tmp_path, [[50, 50, 200, 100]])
    Image.fromarray(scene(300, 400)).save(root / "train" / "b.png")
    part = section(page_of(root), "image-duplicate")
    assert part.count("<img ") == 2
    assert "the same pixels as train/a.png" in part
    album = Album(read_annotations(root))
    duplicates = album.draw(finding("image-duplicate", file="train/b.png", duplicate="train/a.png"))
    plain, drawn = (np.asarray(image) for image in duplicates)
    assert plain.shape == drawn.shape
    assert (plain != drawn).any(2).mean() > 0.005  # the box of the one


def test_what_cannot_be_drawn_is_told(tmp_path):
    root = write_coco(tmp_path, [[10, 10, 0, 50]])
    album = Album(read_annotations(root))
    (root / "train" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert album.draw(finding("box-tiny", (10, 10, 1, 1), image="a.png")) == []
    assert album.draw(finding("box-tiny", (10, 10, 1, 1), image="elsewhere.png")) == []
    assert album.draw(finding("name-hostile", file="/etc/passwd")) == []
    assert album.draw(finding("split-leak", file="train/b.png", duplicate="train/none.png")) == []
    page = page_of(root)
    for code, text in (("image-unreadable", "train/a.png"), ("box-zero-size", "annotation 0")):
        part = section(page, code)
        assert text in part
        assert "<img " not in part
    (root / "train" / "a.png").unlink()
    assert "a.png was not found" in section(page_of(root), "image-missing")


def test_names_that_two_images_have_show_neither(tmp_path):
    annotations = read_annotations(write_coco(tmp_path, []))
    own = annotations.splits["train"]
    annotations = replace(annotations, splits={"train": (own[0], replace(own[1], name="a.png"))})
    album = Album(annotations)
    assert album.draw(finding("box-tiny", (10, 10, 1, 1), image="a.png")) == []
    assert len(album.draw(finding("image-empty", file="train/b.png"))) == 1


def test_few_images_of_many_faults_and_the_rest_in_words(tmp_path):
    boxes = [[5.0 * n, 10, 0, 50] for n in range(40)]
    part = section(page_of(write_coco(tmp_path, boxes)), "box-zero-size")
    assert part.count("<figure ") == MAX_IMAGES
    assert part.count("<tr>") == 1 + 12
    assert "And 22 more" in part


def test_a_hostile_name_is_text(tmp_path):
    page = page_of(write_coco(tmp_path, [[10, 10, 0, 50], [200, 20, 60, 60]], HOSTILE))
    assert "onerror" in page
    assert "<img src=x" not in page
    assert "d<b>og" not in page
    reader = Reader()
    reader.feed(page)
    assert not reader.tags & {"script", "iframe", "object", "b"}
    assert not [name for name in reader.attributes if name.startswith("on") or name == "style"]
    assert not re.search(r'(src|href)="(?!data:image/|#)', page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"&#x27;sha256-{digest}&#x27;" in page


def test_the_dataset_is_told_at_the_top(tmp_path):
    boxes = [[20.0 * n, 20, 15, 80] for n in range(7)]
    annotations = read_annotations(write_coco(tmp_path, boxes))
    assert class_counts(annotations)["train"].tolist() == [7, 0]
    top = section(page_of(tmp_path), "dataset")
    assert '<th scope="row">cat</th><td class="n">7</td>' in top
    assert "Classes without objects: 1." in top
    assert top.count("<svg") >= 3  # a bar and two histograms
    assert page_of(tmp_path) == page_of(tmp_path)


def test_images_in_one_file_are_shown(tmp_path):
    annotations = read_annotations(write_coco(tmp_path, []))
    pixels = scene(28, 28)
    inputs = tuple(
        bare_record(f"test-{n}.png", None, n, (28, 28), image_labels=(n % 2,), pixels=pixels)
        for n in range(2)
    )
    annotations = replace(annotations, splits={"test": inputs})
    findings = check_annotations(annotations)
    page = make_faults(annotations, findings)
    images = re.findall(r"data:image/\w+;base64,([^\"]+)", section(page, "image-duplicate"))
    assert len(images) == 2
    assert Image.open(io.BytesIO(base64.b64decode(images[0]))).size[0] >= 28


def test_a_clean_dataset_has_a_page(tmp_path):
    annotations = read_annotations(write_coco(tmp_path, []))
    page = make_faults(annotations, [])
    assert "No faults found." in page
    assert page.count("<section") == 1


def test_the_api_and_the_command_write_it(tmp_path, capsys):
    root = write_coco(tmp_path / "data", [[10, 10, 0, 50]])
    found = api.check(root, html=tmp_path / "faults.html")
    assert "box-zero-size" in (tmp_path / "faults.html").read_text("utf-8")
    assert check_command(str(root), html=tmp_path / "again.html", json=True) == 0
    assert (tmp_path / "again.html").read_text() == (tmp_path / "faults.html").read_text()
    output = capsys.readouterr()
    told = json.loads(output.out)
    assert [entry["code"] for entry in told] == [f.code for f in found]
    assert list(told[0]) == [
        *("code", "severity", "file", "where", "message", "image", "box", "duplicate")
    ]
    assert (told[0]["image"], told[0]["box"]) == ("a.png", [10, 10, 0, 50])
    assert "again.html" in output.err
    with pytest.raises(FileAccessError):
        api.check(root, html=tmp_path / "faults.html" / "x.html")
