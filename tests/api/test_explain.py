"""Explaining runs of models that have no layers; and what is refused before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tapetum import api
from tapetum.base.errors import ImageError, UsageError
from tapetum.structures import Sample, Target

NAMES = ["dark", "bright"]


def patch(index: int) -> Sample:
    noise = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(index))
    return Sample(noise / 2 + 0.5 * (index % 2), Target(torch.tensor([index % 2])))


@pytest.fixture(scope="module", params=["linear", "knn"])
def predictor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    run = api.train(
        request.param,
        [patch(index) for index in range(24)],
        classes=NAMES,
        out=tmp_path_factory.mktemp("explain") / "run",
        validate=False,
        device="cpu",
        **({"epochs": 2, "observers": []} if request.param == "linear" else {}),
    )
    return api.load(run, checkpoint="last")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    pixels = (patch(101).image * 255).to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("method", ["auto", "occlusion"])
def test_a_model_without_layers_is_explained(
    predictor: Any, photo: Path, tmp_path: Path, method: str
) -> None:
    said: list[str] = []
    out = api.explain_file(predictor, photo, tmp_path / "why.png", method=method, log=said.append)
    with Image.open(out) as drawn:
        assert drawn.width >= 16
    assert len(said) == 1
    assert said[0].endswith(": saliency" if method == "auto" else ": occlusion")
    heat = predictor.explain(photo, Target(labels=torch.tensor([1])), method=method)
    assert heat.shape == (16, 16)
    assert heat.isfinite().all()


def test_a_part_of_the_prediction_is_explained_by_its_name(predictor: Any, photo: Path) -> None:
    heat = predictor.explain(photo, "bright", method="occlusion")
    labels = Target(labels=torch.tensor([1]))
    assert torch.equal(heat, predictor.explain(photo, labels, method="occlusion"))
    with pytest.raises(UsageError, match="target: cannot be 'cow'"):
        predictor.explain(photo, "cow")


def test_an_empty_heat_map_is_said_to_be_empty(
    predictor: Any, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(predictor), "explain", lambda *_, **__: torch.zeros(16, 16))
    lines: list[str] = []
    api.explain_file(predictor, photo, tmp_path / "why.png", log=lines.append)
    assert lines[-1] == "the heat map is empty: no pixel raises this score"


WRONG = {
    "unknown method": ({"method": "lime"}, "unknown method 'lime'"),
    "method without what it needs": ({"method": "grad-cam"}, "needs a layer to explain"),
    "layer for pixels": ({"method": "saliency", "layer": "body"}, "takes no layer"),
    "layer of a model without": ({"layer": "body"}, "has no layer"),
    "unknown target": ({"target": "cat"}, "target: cannot be 'cat'"),
    "target of another task": ({"target": "box:0"}, "classification predicts no box"),
    "pixel of a whole image": ({"target": "pixel:1,1"}, "not for pixels"),
    "target beyond all classes": ({"target": "2"}, "no object 2: there are 2"),
}


@pytest.mark.parametrize(("words", "complaint"), WRONG.values(), ids=WRONG.keys())
def test_it_is_refused_before_the_image_is_read(
    predictor: Any, tmp_path: Path, words: dict[str, str], complaint: str
) -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match=complaint) as caught:
        api.explain_file(predictor, tmp_path / "none.png", "why.png", log=said.append, **words)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert not said
    if "target" not in words:
        with pytest.raises(UsageError, match=complaint):
            predictor.explain(tmp_path / "none.png", Target(labels=torch.tensor([1])), **words)


def test_with_right_words_the_image_is_what_is_missing(predictor: Any, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.png"):
        api.explain_file(predictor, tmp_path / "none.png", tmp_path / "why.png", target="bright")
