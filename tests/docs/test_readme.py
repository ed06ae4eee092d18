"""README.md: its options, rooms and script are those of the package."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import make_photos, run, truth

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
VERBS = ("train", "evaluate", "predict", "explain", "check", "export", "models")
OF_PIP = {"--index-url"}
OF_ULTRALYTICS = re.compile(r"`yolo [^`]*`")
SMALL = {
    "weights": "none",
    "image_size": 64,
    "max_steps": 2,
    "batch_size": 4,
    "observers": (),
    "backbone": "resnet10",
    "arguments": {"backbone_width": 8, "fpn_channels": 16, "head_convs": 1, "prior": 0.45},
}


def rooms(text: str) -> list[str]:
    """The folders of the tree in a page."""
    return re.findall(r"^  (\w+)/ ", text, re.MULTILINE)


def floors() -> list[set[str]]:
    """The floors of import-linter's contract, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    return [set(re.findall(r"tapetum\.(\w+)", floor)) for floor in layers]


def test_options_exist() -> None:
    helps = " ".join(run(["tapetum", verb, "--help"])[1] for verb in VERBS)
    text = OF_ULTRALYTICS.sub("", README)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert named - set(re.findall(r"--[a-z][a-z-]*", helps)) - OF_PIP == set()


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_every_room_is_in_the_tree_in_the_order_of_the_floors(page: str) -> None:
    listed = rooms((ROOT / page).read_text("utf-8"))
    folders = {path.parent.name for path in (ROOT / "tapetum").glob("*/__init__.py")}
    assert sorted(listed) == sorted(folders)
    order = floors() if page == "README.md" else floors()[::-1]
    height = {room: place for place, floor in enumerate(order) for room in floor}
    assert [height[room] for room in listed] == sorted(height[room] for room in listed)


def test_the_architecture_page_has_the_floors_of_the_contract() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    (line,) = re.findall(r"^    (cli > .*)$", page, re.MULTILINE)
    assert [set(floor.split(" | ")) for floor in line.split(" > ")] == floors()


def test_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the README; in place of 40 epochs a tiny network learns for two steps."""
    monkeypatch.chdir(tmp_path)
    photos = make_photos(tmp_path / "photos", 12)
    (photos / "labels.json").write_text(json.dumps(truth(12)))
    (tmp_path / "new.jpg").write_bytes((photos / "hall_0_0.jpg").read_bytes())
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert script.count("epochs=40") == 1
    space = {"SMALL": SMALL}
    script = script.replace("epochs=40", "**SMALL")
    exec(script.replace("object=0", "object=0, method='saliency'"), space)
    assert space["boxes"].shape[1] == 4
    assert space["heat"].shape == (96, 128)


def test_methods_of_a_model_in_the_table_for_torchvision_users_exist() -> None:
    from tapetum.structures import Model

    named = set(re.findall(r"`[^`]*model\.(\w+)\(", README))
    assert {"preprocess", "losses"} <= named
    assert {name for name in named if not hasattr(Model, name)} - {"predict", "explain"} == set()
