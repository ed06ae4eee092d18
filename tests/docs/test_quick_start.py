"""docs/quick_start.md, run from top to bottom on images and weights that the test makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from tapetum.models import CATALOG
from tapetum.models.class_names import coco_classes_with_background
from tapetum.weights.published import published
from tests.docs.pages import TINY, Page, make_photos, run, shortened, truth
from tests.weights.tools import entry_of, go_offline, publish

PAGE = Page("quick_start.md")
NETWORK = "retinanet_resnet50_fpn"
SMALL = {
    "backbone": "resnet10",
    "backbone_width": 8,
    "fpn_channels": 16,
    "head_convs": 1,
    "prior": 0.45,
    "detections_per_img": 20,
}
QUICK = {"weights": "none", "image_size": 64, "max_steps": 2, "batch_size": 4, "observers": ()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the reader works: photos/, photo.jpg, new.jpg; and nobody on the network."""
    here = tmp_path_factory.mktemp("quick_start")
    make_photos(here / "photos", 12)
    (here / "photos" / "labels.json").write_text(json.dumps(truth(12)))
    for name in ("photo.jpg", "new.jpg"):
        (here / name).write_bytes((here / "photos" / "hall_0_0.jpg").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("TORCH_HOME", str(here / "torch"))
        patch.setenv("TAPETUM_CACHE", str(here / "cache"))
        go_offline(patch)
        yield here


@pytest.fixture
def weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network with random weights under the published name, as if it had been fetched."""
    torch.manual_seed(0)
    arguments = {**SMALL, "num_classes": 91, "norm": "frozen", "min_size": 64}
    torch.save(CATALOG["retinanet"].build(**arguments).state_dict(), folder / "made.pth")
    digest = hashlib.sha256((folder / "made.pth").read_bytes()).hexdigest()[:8]
    entry = entry_of(
        NETWORK, f"made-{digest}.pth", arguments, coco_classes_with_background, data="COCO"
    )
    publish(monkeypatch, "retinanet", entry)
    place = folder / "cache" / "weights" / entry.file
    place.parent.mkdir(parents=True, exist_ok=True)
    (folder / "made.pth").rename(place)
    return place


def command(*beginning: str) -> list[str]:
    """The page's command that begins so."""
    (words,) = (w for w in PAGE.commands if w[: len(beginning)] == list(beginning))
    return words


def test_the_page_has_what_is_run_here() -> None:
    verbs = [words[1] for words in PAGE.commands]
    assert verbs == ["env", "predict", "check", "train", "evaluate", "report", "predict"]
    (script,) = PAGE.of("python")
    assert len([line for line in script.splitlines() if line.strip()]) <= 10


def test_the_environment_is_told(folder: Path) -> None:
    code, out, _ = run(command("tapetum", "env"))
    assert code == 0
    assert "training runs on" in out


def test_a_published_network_answers(folder: Path, weights: Path) -> None:
    code, out, error = run(command("tapetum", "predict", NETWORK))
    assert code == 0, error
    assert out.startswith("photo.jpg: ")
    assert f"{NETWORK}: COCO, {weights}" in error
    with Image.open(folder / "answers" / "photo.jpg") as drawn:
        assert 3 * drawn.width == 4 * drawn.height  # small images are drawn larger


def test_without_a_connection_one_line_says_what_to_fetch(folder: Path, weights: Path) -> None:
    weights.unlink()
    (folder / "answers" / "photo.jpg").unlink(missing_ok=True)  # no answer is ever replaced
    code, out, error = run(command("tapetum", "predict", NETWORK))
    assert (code, out, error.count("\n")) == (1, "", 1), error
    assert f"http://127.0.0.1:9/{weights.name}" in error
    assert f"put it at {weights}" in error


def test_five_commands_on_ones_own_images(folder: Path) -> None:
    """As on the page; `train` here has a tiny network without published weights, and two steps."""
    own = PAGE.commands[2:]
    short = ("--weights", "none", "--image-size", "64", "--max-steps", "2", *TINY)
    for words in own:
        code, out, error = run(shortened(words, *short) if words[1] == "train" else words)
        assert code == 0, (words, error)
        if words[1] == "train":
            (folder / "runs" / "photos" / "report.html").unlink()
        if words[1] == "evaluate":
            assert "AP50" in out
    assert (folder / "runs" / "photos" / "report.html").is_file()
    assert (folder / "answers" / "new.jpg").is_file()


def test_the_script(folder: Path) -> None:
    """As on the page; in place of 40 epochs a tiny network learns for two steps."""
    (script,) = PAGE.of("python")
    assert script.count("epochs=40") == 1
    arguments = {name: value for name, value in SMALL.items() if name != "backbone"}
    exec(
        script.replace("epochs=40", "**QUICK"),
        {"QUICK": {**QUICK, "backbone": "resnet10", "arguments": arguments}},
    )
    assert (folder / "answer.png").is_file()


def test_models_of_the_page_exist() -> None:
    for name in ("resnet18", "unet", "mask_rcnn", "keypoint_rcnn", "localizer"):
        assert f"`{name}`" in PAGE.text
        assert name in CATALOG
    assert published(NETWORK) is not None
