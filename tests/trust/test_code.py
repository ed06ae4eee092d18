"""A run is never a reason to run code: only what the user named himself is run, and it is said.

The canary is a file that leaves a mark when it is run. A stranger ships it in every place, a run of
his names it in every way, and all commands that take a run are called.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tapetum
from tapetum.base import trust
from tapetum.base.bundle import write_bundle
from tapetum.base.errors import CheckpointError
from tapetum.base.files import read_json, write_json
from tapetum.cli.main import main

CANARY = """
from pathlib import Path

import torch
from tapetum import Sample, Target
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.linear import linear

Path({mark!r}).touch()


def build(num_classes: int = 2, image_size: int = 8) -> ImageClassifier:
    return linear(num_classes=num_classes, image_size=image_size)


class Squares(list):
    classes = ("bright", "dark")


def data():
    return Squares(
        Sample(torch.full((3, 8, 8), i % 2 * 200, dtype=torch.uint8), Target(torch.tensor([i % 2])))
        for i in range(20)
    )
"""
COMMANDS = {
    "predict": "predict {run} {photo}",
    "evaluate": "evaluate {run}",
    "explain": "explain {run} {photo} --method saliency --out {out}/why.png",
    "report": "report {run}",
    "export": "export {run} --to onnx --sizes 16x16,24x32 --out {out}/onnx",
    "resume": "train --resume {run}",
    "from": "train --from {run} --max-steps 1 --out {out}/again",
}
ASK = {
    "model": tuple(COMMANDS),
    "data": ("evaluate", "report", "resume", "from"),
    "val": ("evaluate", "report", "resume", "from"),
}
"""What of a run the commands have a use for."""


@pytest.fixture(autouse=True)
def stranger_to_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was ever named here."""
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trust, "_named", {})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a linear classifier, stopped before its end, that names no code."""
    folder = tmp_path_factory.mktemp("plain")
    for label, name in enumerate(("dark", "bright")):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(10):
            gray = np.full((8, 8, 3), 200 * label + number, dtype=np.uint8)
            Image.fromarray(gray).save(folder / "data" / name / f"{number}.png")
    wish = {"arguments": {"image_size": 8}, "batch_size": 4, "max_steps": 2, "observers": []}
    return tapetum.train("linear", folder / "data", out=folder / "run", weights="none", **wish)


def gift(plain: Path, folder: Path) -> Path:
    """What the stranger sends: a run, and a photo."""
    run = Path(shutil.copytree(plain, folder / "run"))
    Image.fromarray(np.full((8, 8, 3), 90, dtype=np.uint8)).save(folder / "photo.png")
    return run


def names(run: Path, role: str, words: str) -> None:
    """The run says of its model, data or val that it is this code."""
    record = read_json(run / "run.json")
    record["options"][role] = words
    if role == "model":
        record["model"] = words
    write_json(run / "run.json", record)
    if role != "model":
        return
    for step in (run / "checkpoints").glob("step-*"):
        write_json(step / "model.json", read_json(step / "model.json") | {"model": words})
        kept = {p.name: p.read_bytes() for p in step.iterdir() if p.name != "manifest.json"}
        facts = read_json(step / "manifest.json")["facts"]
        write_bundle(step, {n: lambda p, c=c: p.write_bytes(c) for n, c in kept.items()}, facts)


def beside(run: Path, file: Path) -> str:
    return str(file)


def inside(run: Path, file: Path) -> str:
    return str(file.rename(run / "canary.py"))


def in_a_checkpoint(run: Path, file: Path) -> str:
    """With a run.json of its own, so that the run seems to be no larger than the checkpoint."""
    step = next((run / "checkpoints").glob("step-*"))
    shutil.copyfile(run / "run.json", step / "run.json")
    return str(file.rename(step / "canary.py"))


def by_a_link(run: Path, file: Path) -> str:
    (run / "canary.py").symlink_to(file)
    return str(run / "canary.py")


def by_the_folder_of_the_process(run: Path, file: Path) -> str:
    return f"/proc/self/cwd/{file.name}"


def relative(run: Path, file: Path) -> str:
    return file.name


def relative_inside(run: Path, file: Path) -> str:
    return str(file.rename(run / "canary.py").relative_to(run.parent))


Place = Callable[[Path, Path], str]
PLACES = (
    beside,
    inside,
    in_a_checkpoint,
    by_a_link,
    by_the_folder_of_the_process,
    relative,
    relative_inside,
)
FUNCTION = {"model": "build", "data": "data", "val": "data"}


def words_of(command: str, folder: Path, *more: str) -> list[str]:
    filled = COMMANDS[command].format(
        run=folder / "run", photo=folder / "photo.png", out=folder / "out"
    )
    return [*shlex.split(filled), *more]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("role", ["model", "data", "val"])
def test_no_command_runs_what_a_run_names(
    role: str,
    place: Place,
    plain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    run, mark = gift(plain, tmp_path), tmp_path / "mark"
    (tmp_path / "canary.py").write_text(CANARY.format(mark=str(mark)))
    words = place(run, tmp_path / "canary.py")
    names(run, role, f"{words}:{FUNCTION[role]}")
    monkeypatch.chdir(tmp_path)
    for command in ASK[role]:
        code = main(words_of(command, tmp_path))
        lines = capsys.readouterr().err.splitlines()
        assert not mark.exists(), command
        assert code == 1, (command, lines)
        assert "if you trust it, name it: --" in lines[-1], (command, lines)
        assert not any(line.startswith("running") for line in lines)


def test_nor_do_the_functions_of_python(plain: Path, tmp_path: Path) -> None:
    run, mark = gift(plain, tmp_path), tmp_path / "mark"
    file = tmp_path / "canary.py"
    file.write_text(CANARY.format(mark=str(mark)))
    names(run, "model", f"{file}:build")
    step = next((run / "checkpoints").glob("step-*"))
    for act in (
        lambda: tapetum.load(run),
        lambda: tapetum.load(step),
        lambda: tapetum.evaluate(run),
        lambda: tapetum.report(run),
        lambda: tapetum.export(run),
        lambda: tapetum.resume(run),
        lambda: tapetum.train(from_run=run, out=tmp_path / "again"),
    ):
        with pytest.raises(CheckpointError, match="you have not named it yourself"):
            act()
    assert not mark.exists()


@pytest.mark.parametrize("role", ["model", "data"])
def test_what_is_named_is_run_then_and_later_and_said(
    role: str,
    plain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """Which is the control of the tests above, too: here the canary leaves its mark."""
    pytest.importorskip("onnxscript")
    for number, command in enumerate(ASK[role]):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.setattr(trust, "_named", {})
        run, mark = gift(plain, folder), folder / "mark"
        file = folder / "canary.py"
        file.write_text(CANARY.format(mark=str(mark)))
        own = f"{file}:{FUNCTION[role]}"
        names(run, role, own)
        assert main(words_of(command, folder, f"--{role}", own)) == 0, capsys.readouterr().err
        assert mark.exists(), command
        assert f"running {file}" in capsys.readouterr().err.splitlines()
        # Later, in another process:
        monkeypatch.setattr(trust, "_named", {})
        assert main(["evaluate", str(run)]) == 0
        file.write_text(file.read_text() + "# changed\n")
        mark.unlink()
        assert main(["evaluate", str(run)]) == 1
        (line,) = (n for n in capsys.readouterr().err.splitlines() if "not run" in n)
        assert "it has changed since you named it" in line
        assert f"--{role} {own}" in line
        assert not mark.exists()


def test_the_everyday_way_asks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CANARY.format(mark=str(tmp_path / "mark")))
    Image.fromarray(np.full((8, 8, 3), 90, dtype=np.uint8)).save("photo.png")
    train = "train mine.py:build mine.py:data --out run --max-steps 2 --batch-size 4"
    assert main([*train.split(), "--image-size", "8"]) == 0, capsys.readouterr().err
    file = tmp_path / "mine.py"
    assert read_json(tmp_path / "cache" / "trusted.json")["code"].keys() == {
        f"{file}:build",
        f"{file}:data",
    }
    monkeypatch.setattr(trust, "_named", {})
    for command in ("predict", "evaluate", "explain", "report", "resume", "from"):
        assert main(words_of(command, tmp_path)) == 0, capsys.readouterr().err


def test_another_function_of_a_trusted_file_is_not_called(plain: Path, tmp_path: Path) -> None:
    """A run must not be able to choose among what else is in there."""
    run, mark = gift(plain, tmp_path), tmp_path / "mark"
    file = tmp_path / "mine.py"
    file.write_text(
        CANARY.format(mark=str(tmp_path / "other"))
        + f"\n\ndef wipe():\n    Path({str(mark)!r}).touch()\n"
    )
    trust.keep(f"{file}:data", "0" * 64)
    names(run, "data", f"{file}:wipe")
    with pytest.raises(CheckpointError, match="you have not named it yourself"):
        tapetum.evaluate(run)
    assert not mark.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "tapetum.trusted/1", "code": 3}', "{" * 999]
)
def test_a_damaged_list_trusts_nothing_and_is_written_anew(text: str, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "trusted.json").write_text(text)
    assert trust.digests("/a.py:f") == set()
    trust.keep("/a.py:f", "1" * 64)
    assert json.loads((tmp_path / "cache" / "trusted.json").read_text())["code"] == {
        "/a.py:f": "1" * 64
    }


def test_a_list_that_cannot_be_written_is_said_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file")
    trust.keep("/a.py:f", "1" * 64)
    assert trust.digests("/a.py:f") == {"1" * 64}
    assert "/a.py:f will have to be named again" in capsys.readouterr().err


def test_what_to_paste_cannot_hold_a_command(plain: Path, tmp_path: Path) -> None:
    run = gift(plain, tmp_path)
    names(run, "data", "/tmp/$(touch mark).py:data")
    with pytest.raises(CheckpointError) as caught:
        tapetum.evaluate(run)
    assert str(caught.value).endswith("data '/tmp/$(touch mark).py:data')")


def test_a_name_that_is_none_is_one_line(plain: Path, tmp_path: Path) -> None:
    run = gift(plain, tmp_path)
    for words in ("/a\0b.py:data", f"/{'x' * 5000}.py:data"):
        names(run, "data", words)
        with pytest.raises(tapetum.TapetumError):
            tapetum.evaluate(run)


def test_the_weights_of_a_run_are_read_without_its_code(plain: Path, tmp_path: Path) -> None:
    run, mark = gift(plain, tmp_path), tmp_path / "mark"
    (tmp_path / "canary.py").write_text(CANARY.format(mark=str(mark)))
    names(run, "model", f"{tmp_path / 'canary.py'}:build")
    data = read_json(plain / "run.json")["options"]["data"]
    wish = {"arguments": {"image_size": 8}, "max_steps": 1, "batch_size": 4, "observers": []}
    again = tapetum.train("linear", data, weights=str(run), out=tmp_path / "again", **wish)
    assert torch.is_tensor(next(tapetum.load(again).model.parameters()))
    assert not mark.exists()
