"""docs/own_data.md: an export with faults goes through every command of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tapetum.data.records.findings import CODES
from tapetum.data.scenes import Scenes
from tapetum.runs.settings import Settings
from tapetum.tasks import TASKS
from tapetum.training.data_preview import SHOWN
from tests.docs.pages import (
    TINY,
    Page,
    clip_name,
    make_export,
    make_photos,
    run,
    shortened,
    truth,
)

PAGE = Page("own_data.md")
TURNED_LEFT = 6
"""EXIF's orientation of an image that is to be turned clockwise, as phones write it."""


def make_cvat_export(folder: Path) -> Path:
    """FOLDER/export.zip with one fault of each kind that the page shows."""
    photos, content = make_photos(folder / "photos"), truth()
    for obj in content["annotations"]:
        obj["area"] = obj["bbox"][2] * obj["bbox"][3]
    objects = content["annotations"]
    objects[0].update(bbox=[40, 30, 0, 12], area=0)
    objects[4].update(bbox=[-6, 20, 30, 40], area=1200)
    bare = {content["images"][place]["id"] for place in (9, 17)}
    content["annotations"] = [a for a in objects if a["image_id"] not in bare]
    save_again(photos, content, 8, "hall_2_0 copy.jpg")
    hold_upright(photos / clip_name(12))
    return make_export(folder / "export.zip", content, photos)


def save_again(photos: Path, content: dict[str, Any], place: int, name: str) -> None:
    """The same image smaller, as a messenger sends it, labelled once more."""
    with Image.open(photos / clip_name(place)) as image:
        image.resize((96, 72)).save(photos / name, quality=70)
    old = content["images"][place]
    content["images"].append({"id": 1000, "file_name": name, "width": 96, "height": 72})
    own = [a for a in content["annotations"] if a["image_id"] == old["id"]]
    for number, obj in enumerate(own, start=50_000):
        box = [0.75 * value for value in obj["bbox"]]
        again = {"id": number, "image_id": 1000, "bbox": box, "area": box[2] * box[3]}
        content["annotations"].append(obj | again)


def hold_upright(path: Path) -> None:
    """Store an image as a phone does that was held upright: on its side, with a note to turn."""
    with Image.open(path) as image:
        exif = Image.Exif()
        exif[0x0112] = TURNED_LEFT
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=92)


def make_new_photos(folder: Path) -> None:
    """FOLDER/new/: three that no run has seen, and one as an iPhone keeps it."""
    (folder / "new").mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 255, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "new" / f"IMG_{number}.jpg")
    (folder / "IMG_7.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))


def quick(words: list[str]) -> list[str]:
    """The page's command, as it is run here: a tiny network without published weights, images of
    64 pixels, and two steps in place of epochs or minutes."""
    if words[1] != "train" or "--resume" in words:
        return words
    short = ["--weights", "none", "--image-size", "64", "--max-steps", "2"]
    model = () if "--from" in words else TINY
    return shortened(words, *short, *model, drop=["--minutes", "--epochs"])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The folder after every command, and what each one gave, by the page's own words."""
    folder = tmp_path_factory.mktemp("own_data")
    make_cvat_export(folder)
    make_new_photos(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TAPETUM_CACHE", str(folder / "cache"))
        patch.setattr(
            "tapetum.data.images.header.can_read", lambda: False
        )  # as without the extra for HEIC
        results = [(words, run(quick(words))) for words in PAGE.commands]
    return {"folder": folder, "results": results}


def test_every_command_does_what_it_is_for(story: dict[str, Any]) -> None:
    assert len(story["results"]) == 11
    for words, (code, _, error) in story["results"]:
        expected = 1 if words[-1].endswith(".HEIC") else 0
        assert code == expected, (words, error)


def test_it_says_what_the_page_shows(story: dict[str, Any]) -> None:
    said = {line for _, (_, *texts) in story["results"] for t in texts for line in t.splitlines()}
    shown = [line for text in PAGE.of("text") for line in text.splitlines()]
    assert len(shown) == 12
    assert [line for line in shown if line not in said] == []


def test_check_says_no_more_than_the_page(story: dict[str, Any]) -> None:
    _, (_, out, error) = story["results"][0]
    assert PAGE.of("text")[0] == out + error


def test_it_leaves_the_files_of_the_page(story: dict[str, Any]) -> None:
    """Every file that the page speaks of, below the folder where its commands are typed."""
    named = set(re.findall(r"`([\w./-]+\.(?:html|json|jpg))`", PAGE.prose()))
    named = {name.replace("RUN", "runs/hall") for name in named} - {"hall_2_0.jpg"}
    assert {"faults.html", "runs/hall/data.jpg", "runs/hall/splits.json"} < named
    assert [name for name in named if not (story["folder"] / name).is_file()] == []


def test_groups_are_not_torn_apart(story: dict[str, Any]) -> None:
    parts = json.loads((story["folder"] / "runs" / "hall" / "splits.json").read_text())
    clips = [{name.rpartition("_")[0] for name in parts[p]} for p in ("train", "val", "test")]
    assert sum(map(len, clips)) == len(set.union(*clips)) == 6
    beside = next(p for p in ("train", "val", "test") if "hall_2_0 copy.jpg" in parts[p])
    assert "hall_2_0.jpg" in parts[beside]


def test_a_table_groups_as_well(story: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(story["folder"])
    monkeypatch.setenv("TAPETUM_CACHE", str(story["folder"] / "cache"))
    rows = [f"{clip_name(n)},{'ab'[n < 12]}" for n in range(24)]
    Path("table.csv").write_text("\n".join(["file,patient", *rows]))
    (first, *_) = (words for words in PAGE.commands if "--group-by" in words)
    words = shortened(first, "--split-ratio", "0.5", drop=["--group-by", "--out"])
    (option,) = re.findall(r"`(--group-by \S+:\w+)`", PAGE.text)
    code, _, error = run(quick([*words, *option.split(), "--out", "runs/patients"]))
    assert code == 0, error
    parts = json.loads(Path("runs/patients/splits.json").read_text())
    assert {len(parts["train"]), len(parts["val"])} == {12, 13}


def test_a_cache_says_what_it_takes(story: dict[str, Any]) -> None:
    ((_, (_, _, error)),) = (r for r in story["results"] if "--cache" in r[0])
    assert re.search(r"^cache: 17 images take about \d+ MB of memory$", error, re.MULTILINE)


def test_labels_of_the_model_are_labels(story: dict[str, Any]) -> None:
    file = story["folder"] / "labels" / "coco" / "annotations" / "instances_default.json"
    content = json.loads(file.read_text())
    assert [image["file_name"] for image in content["images"]] == [f"IMG_{n}.jpg" for n in range(3)]
    assert len(content["annotations"]) > 0


def test_the_defaults_are_those_of_the_page() -> None:
    assert Settings().epochs == int(re.findall(r"`--epochs` counts \((\d+)\)", PAGE.text)[0])
    (size,) = re.findall(r"\(short side, (\d+) for boxes\)", PAGE.text)
    assert TASKS["detection"].image_size(Scenes()) == int(size)
    assert SHOWN == 12  # "twelve images"
    for code in re.findall(r"`([a-z]+-[a-z-]+)`", PAGE.prose()):
        assert code in CODES, code
