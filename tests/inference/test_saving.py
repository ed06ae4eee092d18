"""Answers as files: labels that go back into other tools, tables, crops, and what counts."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum import api
from tapetum.base.errors import UsageError
from tapetum.base.runtime import Runtime
from tapetum.base.seeds import generator
from tapetum.data.formats import read_annotations
from tapetum.data.images.header import image_size
from tapetum.inference.filtering import nms_options
from tapetum.inference.image_files import output_names
from tapetum.inference.predictor import Predictor
from tapetum.models import CATALOG
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import DEFAULT_POSTPROCESS, Objects, Prediction

WIDTH, HEIGHT = 60, 40
BOXES = [[4.0, 5.0, 20.0, 25.0], [30.5, 10.25, 50.0, 39.0], [1.0, 1.0, 9.0, 9.0]]


class WithoutNms(torch.nn.Identity):
    has_nms = False


@dataclass(frozen=True)
class Fixed(Predictor):
    """A model that always finds the same."""

    found: Prediction = field(default_factory=Prediction)

    def predictions(self, images: Sequence[Any], options: Any = None) -> list[Prediction]:
        return [self.found] * len(images)


def predictor(model: str, found: Prediction, **model_info: Any) -> Fixed:
    own = ModelInfo(model, {}, ("cat", "dog"), (3, 7), **model_info)
    runtime = Runtime(torch.device("cpu"), "fp32")
    return Fixed(WithoutNms(), own, Path(), runtime, found)


@pytest.fixture
def detector() -> Fixed:
    objects = Objects(
        torch.tensor(BOXES), torch.tensor([0, 1, 1]), scores=torch.tensor([0.75, 0.9, 0.6])
    )
    return predictor("retinanet", Prediction(objects=objects))


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.jpg", "b b.png")]
    for path in paths:
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(path)
    return paths


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
def test_labels_read_back_as_they_were(
    detector: Fixed, images: list[Path], tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out"
    api.predict_files(detector, images, out=out, save=[kind])
    place = {"coco": "default", "yolo": "images/train", "voc": "JPEGImages"}[kind]
    (out / kind / place).mkdir(parents=True, exist_ok=True)
    for path in images:
        shutil.copy(path, out / kind / place)
    found = read_annotations(out / kind)
    records = [image for own in found.splits.values() for image in own]
    assert [record.path.name for record in records if record.path] == ["a.jpg", "b b.png"]
    for record in records:
        names = [found.classes[label] for label in record.labels]
        # VOC counts whole pixels from 1, the others keep every digit.
        corners = np.array(BOXES)
        expected = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
        np.testing.assert_allclose(record.xywh, expected, atol=1e-6)
        assert names == ["cat", "dog", "dog"]
    if kind == "coco":
        assert found.class_ids == (3, 7)
    assert not list(out.glob("*.jpg"))  # no drawings were asked for


def test_masks_and_keypoints_go_into_coco(images: list[Path], tmp_path: Path) -> None:
    mask = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool)
    mask[0, 5:25, 4:20] = True
    one = Objects(
        torch.tensor(BOXES[:1]), torch.tensor([0]), scores=torch.tensor([0.9]), masks=mask
    )
    api.predict_files(
        predictor("mask_rcnn", Prediction(objects=one)),
        images[:1],
        out=tmp_path / "masks",
        save=["coco"],
    )
    points = torch.tensor([[[6.0, 7.0, 0.3], [8.0, 9.0, 0.9]]])
    two = Objects(
        torch.tensor(BOXES[:1]), torch.tensor([0]), scores=torch.tensor([0.9]), keypoints=points
    )
    posed = predictor(
        "keypoint_rcnn",
        Prediction(objects=two),
        keypoint_names=("head", "foot"),
        skeleton=((0, 1),),
    )
    api.predict_files(posed, images[:1], out=tmp_path / "points", save=["coco"])
    for kind in ("masks", "points"):
        shutil.copy(images[0], tmp_path / kind / "coco")
    (record,) = read_annotations(tmp_path / "masks" / "coco").splits["all"]
    assert tuple(record.segments[0]["size"]) == (HEIGHT, WIDTH)
    found = read_annotations(tmp_path / "points" / "coco", task="keypoint_detection")
    assert found.keypoint_names == ("head", "foot")
    (record,) = found.splits["all"]
    assert record.keypoints.tolist() == [[[6, 7, 2], [8, 9, 2]]]


def test_a_second_run_replaces_what_the_first_wrote_and_nothing_else(
    detector: Fixed, images: list[Path], tmp_path: Path
) -> None:
    out, kinds = tmp_path / "out", ["images", "coco", "yolo", "csv", "crops"]
    api.predict_files(detector, images, out=out, save=kinds)
    before = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    api.predict_files(detector, images[:1], out=out, save=kinds)
    after = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    gone = {path.name for path in before - after}
    assert "b b.txt" in gone  # labels of an image that is no more among them
    assert all(path.parts[0] in ("yolo", "crops") for path in before - after)
    for mine in (out / "a.jpg", out / "crops" / "note.txt"):
        content = mine.read_bytes() if mine.exists() else None
        mine.write_bytes(b"mine")
        with pytest.raises(UsageError, match=r"left as it is|not an empty folder"):
            api.predict_files(detector, images[:1], out=out, save=kinds)
        assert mine.read_bytes() == b"mine"
        mine.unlink() if content is None else mine.write_bytes(content)
    api.predict_files(detector, images, out=out, save=kinds)


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))


def test_a_table_of_everything(detector: Fixed, images: list[Path], tmp_path: Path) -> None:
    api.predict_files(detector, images, out=tmp_path / "out", save=["csv"], threshold=0.7)
    rows = table(tmp_path / "out")
    assert len(rows) == 4
    assert (
        rows[0]
        == {
            "file": str(images[0]),
            "class": "dog",
            "score": "0.9000",
            "x1": "30.5",
            "y1": "10.25",
            "x2": "50.0",
            "y2": "39.0",
        }
        or rows[1]["class"] == "dog"
    )
    assert {row["class"] for row in rows} == {"cat", "dog"}


def test_a_table_of_labels(images: list[Path], tmp_path: Path) -> None:
    scores = Prediction(labels=torch.tensor([1]), class_scores=torch.tensor([0.25, 0.75]))
    model = predictor("resnet18", scores)
    api.predict_files(model, images[:1], out=tmp_path / "out", save=["csv", "images"])
    rows = table(tmp_path / "out")
    assert [(row["class"], row["score"]) for row in rows] == [("dog", "0.7500"), ("cat", "0.2500")]
    assert (tmp_path / "out" / "a.jpg").is_file()
    with pytest.raises(UsageError, match="save: classification finds no boxes"):
        api.predict_files(model, images, out=tmp_path / "out", save=["coco"])


def test_each_object_as_an_image(detector: Fixed, images: list[Path], tmp_path: Path) -> None:
    api.predict_files(detector, images[:1], out=tmp_path, save=["crops"])
    sizes = {
        path.relative_to(tmp_path / "crops").as_posix(): image_size(path).size[::-1]
        for path in (tmp_path / "crops").rglob("*.jpg")
    }
    assert sorted(sizes.values()) == [(8, 8), (16, 20), (20, 29)]
    assert sum(name.startswith("dog/a-") for name in sizes) == 2


def test_what_counts(detector: Fixed, images: list[Path]) -> None:
    def boxes(**options: Any) -> list[list[float]]:
        answers = api.predict_files(detector, images[:1], **options)
        return sorted(obj["box"] for obj in answers["images"][0]["objects"])

    assert boxes(classes=["dog"]) == sorted(BOXES[1:])
    assert boxes(max_detections=1) == [BOXES[1]]
    assert boxes(classes=["cat"], max_detections=5) == [BOXES[0]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": ["bird"]}, "classes: unknown class 'bird'"),
        ({"max_detections": 0}, "max_detections: must be above 0"),
        ({"nms_iou": 2.0}, "nms_iou: must lie in"),
        ({"nms_iou": 0.5}, "nms_iou: has no effect on retinanet: a model without NMS"),
        ({"out": "x", "save": ["pdf"]}, "save: unknown kind 'pdf'"),
    ],
)
def test_what_cannot_be_chosen(
    detector: Fixed, images: list[Path], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        api.predict_files(detector, images, **options)


OPTIONS = {"threshold": 0.3, "classes": ["a"], "max_detections": 2, "nms_iou": 0.5}
WITH_EFFECT = {
    "linear": set(),
    "unet": set(),
    "localizer": {"classes"},
    "retinanet": set(OPTIONS),
    "faster_rcnn": set(OPTIONS),
    "mask_rcnn": set(OPTIONS),
    "keypoint_rcnn": set(OPTIONS),
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", WITH_EFFECT)
def test_an_option_without_effect_on_a_model_is_refused(name: str, option: str) -> None:
    model = CATALOG[name].build(**CATALOG[name].tiny)
    info = ModelInfo(name, {}, ("a", "b", "c"))
    predictor = Predictor(model, info, Path(), Runtime(torch.device("cpu"), "fp32"))
    if option in WITH_EFFECT[name]:
        api.predict_files(predictor, [], **{option: OPTIONS[option]})
    else:
        with pytest.raises(UsageError, match=f"^{option}: has no effect on"):
            api.predict_files(predictor, [], **{option: OPTIONS[option]})
    assert nms_options(predictor, None) == DEFAULT_POSTPROCESS


def test_a_real_detector_suppresses_as_asked_and_stays_as_it_was() -> None:
    torch.manual_seed(0)
    model = CATALOG["mask_rcnn"].build(**CATALOG["mask_rcnn"].tiny, box_score_thresh=0.0)
    runtime = Runtime(torch.device("cpu"), "fp32")
    predictor = Predictor(model, ModelInfo("mask_rcnn", {}, ("a", "b", "c")), Path(), runtime)
    image = torch.rand(3, 96, 96, generator=generator(0))
    before = predictor.predictions([image])[0].objects
    (strict,) = predictor.predictions([image], nms_options(predictor, 0.05))
    assert 0 < len(strict.objects) < len(before)
    assert len(strict.objects.masks) == len(strict.objects)
    assert torch.equal(predictor.predictions([image])[0].objects.boxes, before.boxes)


def test_images_of_one_name_lose_nothing(detector: Fixed, tmp_path: Path) -> None:
    files = [tmp_path / folder / "a.png" for folder in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(file)
    api.predict_files(detector, files, out=tmp_path / "out", save=["crops", "coco", "images"])
    assert len(list((tmp_path / "out" / "crops").rglob("*.jpg"))) == 2 * len(BOXES)
    for kind in ("yolo", "voc"):
        with pytest.raises(UsageError, match="would share one file of labels"):
            api.predict_files(detector, files, out=tmp_path / "out", save=[kind])


def test_names_differ_before_their_suffix() -> None:
    """Crops and maps have a suffix of their own."""
    files = [Path(name) for name in ("a/x.jpg", "b/x.png", "x-map.png", "X.webp", "y.png")]
    names = output_names(files)
    stems = [Path(name).stem.casefold() for name in names]
    assert names[0] == "x.jpg"
    assert names[-1] == "y.png"
    assert len({*stems, *(f"{stem}-map" for stem in stems)}) == 2 * len(files)
