"""Runs that start from weights, and networks that answer without a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tapetum import api
from tapetum.base.errors import DownloadError, UsageError
from tapetum.cli.main import main
from tapetum.inference.predictor import _show_whole_images
from tapetum.models import CATALOG
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.predict import predict
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.record import read_run
from tapetum.weights import sources
from tapetum.weights.published import all_published
from tests.weights.tools import entry_of, go_offline, publish

NARROW = {"backbone_width": 8}
HEADS = {"fpn_channels": 8, "head_convs": 1}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty caches, and nobody at the other end of the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "cache"))
    go_offline(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The weights of a narrow classifier."""
    torch.manual_seed(1)
    path = tmp_path / "made.safetensors"
    save_file(CATALOG["resnet10"].build(**NARROW, num_classes=5).state_dict(), path)
    return path


def train(model: str, out: Path, weights: str, said: list[str], **more: object) -> Path:
    values = {
        "backbone": "resnet10",
        "arguments": {**NARROW, **HEADS},
        "image_size": 64,
        "batch_size": 2,
        "max_steps": 1,
        "lr": 1e-9,
        "ema_decay": 0.0,
        "validate": False,
        "observers": (),
        **more,
    }
    return api.train(model, "scenes:count=4", out=out, weights=weights, log=said.append, **values)


def test_a_detector_starts_from_the_body_of_a_file(tmp_path: Path, file: Path) -> None:
    said: list[str] = []
    run = train("retinanet", tmp_path / "run", str(file), said)
    record = read_run(run)
    assert record.weights == str(file)
    assert record.arguments["norm"] == "frozen"
    assert f"weights of {file}:" in said
    assert any(line.startswith("  reused") for line in said)
    (checkpoint,) = (run / "checkpoints").glob("step-*/model.safetensors")
    ours, theirs = load_file(checkpoint), load_file(file)
    conv = "backbone.stage3.0.conv1.conv.weight"
    torch.testing.assert_close(
        ours[conv], theirs[f"network.{conv}"]
    )  # after a step that moves nothing


def test_a_run_is_weights_for_another(tmp_path: Path, file: Path) -> None:
    first = train("retinanet", tmp_path / "first", str(file), [])
    said: list[str] = []
    other = train("localizer", tmp_path / "second", str(first), said, arguments=NARROW)
    assert read_run(other).weights == str(first)
    assert "norm" not in read_run(other).arguments  # localizers see enough images a step
    assert any(line.startswith("  reused") for line in said)


def test_a_chosen_norm_stays(tmp_path: Path, file: Path) -> None:
    arguments = {**NARROW, **HEADS, "norm": "batch"}
    run = train("retinanet", tmp_path / "run", str(file), [], arguments=arguments)
    assert read_run(run).arguments["norm"] == "batch"


def test_norms_without_statistics_stay(tmp_path: Path) -> None:
    """Frozen norms would take their scales for those of statistics that nobody ever had."""
    arguments = {**NARROW, **HEADS, "norm": "group"}
    first = train("retinanet", tmp_path / "first", "none", [], arguments=arguments)
    second = train("retinanet", tmp_path / "second", str(first), [])
    assert read_run(second).arguments["norm"] == "group"


@pytest.mark.parametrize("weights", ["none", "auto"])
def test_scratch_is_said_aloud(tmp_path: Path, weights: str) -> None:
    said: list[str] = []
    run = train("retinanet", tmp_path / "run", weights, said)
    assert "no pretrained weights: training starts from random weights" in said
    assert read_run(run).weights == "none"


def test_without_a_network_nothing_starts_silently(tmp_path: Path) -> None:
    wide = {"fpn_channels": 8, "head_convs": 1}
    with pytest.raises(DownloadError, match="weights none starts from random weights") as caught:
        train("retinanet", tmp_path / "run", "auto", [], backbone="resnet18", arguments=wide)
    assert str(tmp_path / "cache" / "weights" / all_published()[0].file) in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_has_its_own_weights(tmp_path: Path, file: Path) -> None:
    run = train("retinanet", tmp_path / "run", "none", [])
    with pytest.raises(UsageError, match="weights: is for networks by name"):
        api.load(run, weights=str(file))


def test_a_network_by_name_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the real ResNet-18, its random weights under the name of the published file."""
    torch.manual_seed(2)
    path = tmp_path / "mine.safetensors"
    save_file(CATALOG["resnet18"].build(num_classes=1000).state_dict(), path)
    predictor = api.load("resnet18", weights=str(path))
    scores = predictor.predict(torch.rand(3, 70, 50)).class_scores
    assert scores is not None
    assert scores.shape == (1000,)
    assert predictor.classes[1] == "goldfish"
    assert predictor.task.name == "classification"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Published networks called small.v2 and small.v1, of two protocols, and weights for both."""
    torch.manual_seed(3)
    path = tmp_path / "narrow.safetensors"
    save_file(CATALOG["resnet10"].build(**NARROW, num_classes=1000).state_dict(), path)
    own = {"num_classes": 1000, **NARROW, "image_size": 32, "crop_mode": "center"}
    entries = tuple(
        entry_of(f"small.{name}", file, own | {"resize_size": side})
        for name, file, side in (("v2", "a-00000000.pth", 36), ("v1", "b-00000000.pth", 40))
    )
    publish(monkeypatch, "resnet10", *entries)
    monkeypatch.setattr(sources, "fetch_published", lambda *_: path)
    return path


def framed(edge: float, height: int = 72, width: int = 120) -> torch.Tensor:
    """An image of 72 x 120 whose middle never differs; `edge` is what lies around it."""
    image = torch.full((3, height, width), edge)
    noise = torch.rand(3, 68, 68, generator=torch.Generator().manual_seed(0))
    image[:, 2:70, 26:94] = noise
    return image


def test_a_published_classifier_sees_the_middle(narrow: Path) -> None:
    predictor = api.load("small")
    black, white = predictor.predict([framed(0.0), framed(1.0)])
    assert black.class_scores is not None
    assert torch.equal(black.class_scores, white.class_scores)


def test_asked_for_the_whole_image_it_sees_the_rest_and_says_so(narrow: Path) -> None:
    said: list[str] = []
    predictor = api.load("small", whole_image=True, log=said.append)
    assert said[1:] == [
        "resnet10: whole images, squashed to 32 x 32; not a short side of 36 and of that the "
        "middle, as it was measured"
    ]
    black, white = predictor.predict([framed(0.0), framed(1.0)])
    assert not torch.equal(black.class_scores, white.class_scores)
    plain = CATALOG["resnet10"].build(**NARROW, num_classes=1000, image_size=32).eval()
    plain.load_state_dict(load_file(narrow))
    (expected,) = predict(plain, [framed(1.0)])
    torch.testing.assert_close(white.class_scores, expected.class_scores)
    again = CATALOG["resnet10"].build(**predictor.model_info.arguments)
    assert again.preprocessing == plain.preprocessing


def test_the_command_says_so_in_one_line_on_stderr(
    narrow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = []
    for edge in (0.0, 1.0):
        photos.append(str(tmp_path / f"{edge:.0f}.png"))
        values = (255 * framed(edge)).to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(values).save(photos[-1])
    answers: list[list[dict[str, float]]] = []
    for words in ([], ["--whole-image"]):
        assert main(["predict", "small", *photos, "--json", *words]) == 0
        shown = capsys.readouterr()
        answers.append([image["scores"] for image in json.loads(shown.out)["images"]])
        assert shown.err.count("whole images, squashed to 32 x 32") == len(words)
    (black, white), (whole_black, whole_white) = answers
    assert black == white
    assert whole_black != whole_white
    out = str(tmp_path / "why.png")
    assert main(["explain", "small", photos[0], "--whole-image", "--out", out]) == 0
    assert "whole images" in capsys.readouterr().err


def test_a_model_of_ones_own_prepares_by_itself(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"own\.py:net preprocesses images by itself"):
        _show_whole_images(
            CATALOG["linear"].build(), ModelInfo("/x/own.py:net", {}, ("a",)), [].append
        )


def test_weights_by_the_name_of_another_file_bring_its_protocol(narrow: Path) -> None:
    for weights, side in (("auto", 36), ("small.v1", 40), (str(narrow), 36)):
        assert api.load("small", weights=weights).model.preprocessing.resize_size == side


def test_what_sees_whole_images_says_so(tmp_path: Path) -> None:
    run = train("retinanet", tmp_path / "run", "none", [])
    said: list[str] = []
    api.load(run, whole_image=True, log=said.append)
    assert said == ["retinanet already uses whole images"]


def test_published_weights_for_other_classes_learn_from_whole_images(
    narrow: Path, folders: Path, tmp_path: Path
) -> None:
    """What a label is about may lie at the border; who wants the protocol of the makers asks."""
    said: list[str] = []
    run = train_on(folders, tmp_path / "run", said, {})
    assert any(line.startswith("weights of small.v2") for line in said)
    assert {"crop_mode", "resize_size"}.isdisjoint(read_run(run).arguments)
    assert api.load(run).model.preprocessing == SquarePreprocessing(32)


def test_a_training_may_crop_and_its_transforms_leave_enough(
    narrow: Path, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: set[tuple[int, ...]] = set()
    before = SquarePreprocessing.__call__

    def watched(self, images, targets, like):
        if targets is not None:
            sizes.update(tuple(image.shape[1:]) for image in images)
        return before(self, images, targets, like)

    monkeypatch.setattr(SquarePreprocessing, "__call__", watched)
    run = train_on(folders, tmp_path / "run", [], {"crop_mode": "center", "resize_size": 36})
    assert sizes == {(36, 36)}
    predictor = api.load(run)
    assert predictor.model.preprocessing == SquarePreprocessing(
        32, resize_size=36, crop_mode="center"
    )
    black, white = predictor.predict([framed(0.0), framed(1.0)])
    assert torch.equal(black.class_scores, white.class_scores)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two classes of three images."""
    for label, name in enumerate(("dark", "light")):
        for i in range(3):
            place = tmp_path / "folders" / name / f"{i}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            values = np.full((50, 70, 3), 40 + 150 * label + i, np.uint8)
            Image.fromarray(values).save(place)
    return tmp_path / "folders"


def train_on(folders: Path, out: Path, said: list[str], arguments: dict[str, object]) -> Path:
    return api.train(
        "resnet10",
        str(folders),
        out=out,
        arguments={**NARROW, "stem": "imagenet", **arguments},
        image_size=32,
        batch_size=2,
        max_steps=1,
        validate=False,
        augment="none",
        observers=(),
        log=said.append,
    )
