"""What was found, as people hold it: listed, printed, shown in notebooks, passed on."""

from __future__ import annotations

import io
import sys
import types
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.base.errors import UsageError
from tapetum.inference.results import Result
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import Objects, Prediction
from tapetum.tasks import TASKS

MODEL_INFO = ModelInfo(
    "retinanet", {}, ("cat", "dog"), (3, 7), keypoint_names=("a", "b"), skeleton=((0, 1),)
)
IMAGE = torch.zeros(3, 40, 60, dtype=torch.uint8)


def objects(**more: Any) -> Objects:
    boxes = torch.tensor([[4.0, 5.0, 20.0, 25.0], [30.0, 10.0, 50.0, 39.0]])
    return Objects(boxes, torch.tensor([0, 1]), scores=torch.tensor([0.25, 0.75]), **more)


def found(task: str = "detection", **parts: Any) -> Result:
    parts = parts or {"objects": objects()}
    return Result.of(Prediction(**parts), IMAGE, MODEL_INFO, TASKS[task])


def test_it_lists_what_counts() -> None:
    (dog,) = found()
    assert (dog["class"], dog["score"], dog["box"]) == ("dog", 0.75, [30, 10, 50, 39])
    assert len(found()) == 1
    assert len(found().rows(threshold=0.1)) == 2


def test_it_prints_itself() -> None:
    assert str(found()) == "dog  0.750     30.0    10.0    50.0    39.0"
    assert repr(found()).startswith("<detection: ")
    nothing = found(objects=Objects.empty(scored=True))
    assert str(nothing) == "nothing found"
    assert nothing
    assert len(nothing) == 0


def test_labels_and_pixels_are_rows_too() -> None:
    scores = torch.tensor([0.25, 0.75])
    label = found("classification", labels=torch.tensor([1]), class_scores=scores)
    assert [(row["class"], row["score"]) for row in label] == [("dog", 0.75), ("cat", 0.25)]
    semantic = torch.zeros(40, 60, dtype=torch.uint8)
    semantic[:10] = 1
    shares = found("semantic_segmentation", semantic=semantic)
    assert [(row["class"], row["score"]) for row in shares] == [("cat", 0.75), ("dog", 0.25)]


def test_notebooks_see_an_image() -> None:
    answer = found()
    shown = Image.open(io.BytesIO(answer._repr_png_()))
    assert shown.size[0] % 60 == 0  # small images are drawn larger
    assert np.asarray(shown).max() > 0  # something was drawn on black
    page = answer._repr_html_()
    assert "<td>dog</td><td>0.750</td>" in page
    assert "data:image/png;base64," in page


def test_names_cannot_break_the_page() -> None:
    model_info = ModelInfo("retinanet", {}, ("<script>", "dog"), (3, 7))
    nasty = Result.of(
        Prediction(objects=objects()[[0]].with_(scores=torch.tensor([0.9]))),
        IMAGE,
        model_info,
        TASKS["detection"],
    )
    assert "<script>" not in nasty._repr_html_()


def test_coco_results() -> None:
    masks = torch.zeros(2, 40, 60, dtype=torch.bool)
    masks[:, 5:25, 4:20] = True
    rows = found("instance_segmentation", objects=objects(masks=masks)).to_coco(image_id=9)
    assert [row["category_id"] for row in rows] == [7, 3] or rows[0]["category_id"] in (3, 7)
    dog = next(row for row in rows if row["category_id"] == 7)
    assert dog["bbox"] == [30, 10, 20, 29]
    assert dog["image_id"] == 9
    assert dog["segmentation"]["size"] == [40, 60]
    points = torch.tensor([[[1.0, 2.0, 0.5], [3.0, 4.0, 0.6]]] * 2)
    rows = found("keypoint_detection", objects=objects(keypoints=points)).to_coco()
    assert rows[0]["keypoints"] == pytest.approx([1, 2, 0.5, 3, 4, 0.6])
    with pytest.raises(UsageError, match="classification finds no objects"):
        scores = torch.tensor([0.25, 0.75])
        found("classification", labels=torch.tensor([1]), class_scores=scores).to_coco()


def test_supervision_is_imported_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UsageError, match="supervision is not installed"):
        found().to_supervision()
    stand_in = types.SimpleNamespace(Detections=lambda **values: values)
    monkeypatch.setitem(sys.modules, "supervision", stand_in)
    values = found().to_supervision()
    assert values["xyxy"].tolist() == [[30, 10, 50, 39]]
    assert values["class_id"].tolist() == [1]
    assert values["mask"] is None


def test_it_moves_as_a_whole() -> None:
    moved = found().to("cpu")
    assert isinstance(moved, Result)
    assert moved.model_info is MODEL_INFO
