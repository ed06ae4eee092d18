"""Going on with a stranger's run writes nothing outside of it, and takes no number on trust."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from tapetum import api
from tapetum.base.bundle import write_bundle
from tapetum.base.errors import FileAccessError, TapetumError, UsageError
from tapetum.base.files import write_json
from tapetum.runs.history import FILE, History
from tapetum.training.loop import fit
from tapetum.training.tensorboard import TensorBoardObserver
from tapetum.weights.checkpoint import find_checkpoint, refuse_links
from tests.training.toy import make_job

LINES = "".join(f"line {number}\n" for number in range(100))


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A run of six steps that has done three."""
    run = tmp_path / "run"
    run.mkdir()
    fit(make_job(run, max_steps=3))
    return run


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the user's, which has nothing to do with any run."""
    path = tmp_path / "thesis.txt"
    path.write_text(LINES)
    return path


def go_on(run: Path) -> None:
    fit(make_job(run, max_steps=6), resume=find_checkpoint(run, "last")[0])


def with_state(run: Path, **changes: object) -> None:
    """The newest checkpoint says something else of its state, and proves it."""
    folder = find_checkpoint(run, "last")[0]
    kept = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "manifest.json"}
    state = json.loads(kept["state.json"]) | changes
    kept["state.json"] = json.dumps({k: v for k, v in state.items() if v is not ...}).encode()
    facts = {"step": 3, "metric": None}
    write_bundle(folder, {n: lambda p, c=c: p.write_bytes(c) for n, c in kept.items()}, facts)


def test_the_log_is_not_written_through_a_link(half: Path, outside: Path) -> None:
    (half / FILE).unlink()
    (half / FILE).symlink_to(outside)
    with_state(half, log_bytes=0)
    with pytest.raises(FileAccessError, match="is a link, and is not written through"):
        go_on(half)
    for keep in (None, 0):
        with pytest.raises(FileAccessError, match="is a link"):
            History(half, keep_bytes=keep)
    assert outside.read_text() == LINES


def test_a_link_that_comes_a_moment_later_is_not_followed_either(
    half: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapetum.runs.history.refuse_link", lambda path: None)
    (half / FILE).unlink()
    (half / FILE).symlink_to(outside)
    with pytest.raises(FileAccessError, match=r"metrics\.jsonl: cannot write: "):
        History(half, keep_bytes=0)
    assert outside.read_text() == LINES


def test_a_log_that_is_a_pipe_is_not_waited_for(half: Path) -> None:
    (half / FILE).unlink()
    os.mkfifo(half / FILE)
    with pytest.raises(FileAccessError, match=r"metrics\.jsonl: cannot write: "):
        go_on(half)


def test_checkpoints_elsewhere_are_neither_written_nor_deleted(half: Path, tmp_path: Path) -> None:
    elsewhere = (half / "checkpoints").rename(tmp_path / "elsewhere")
    (elsewhere / ".tapetum-mine").mkdir()
    (half / "checkpoints").symlink_to(elsewhere)
    before = sorted(p.name for p in elsewhere.rglob("*"))
    with pytest.raises(FileAccessError, match="checkpoints: is a link"):
        go_on(half)
    assert sorted(p.name for p in elsewhere.rglob("*")) == before


@pytest.mark.parametrize("place", ["checkpoints", "checkpoints/step-00000009"])
def test_a_run_with_a_link_for_checkpoints_does_not_go_on(
    place: str, half: Path, tmp_path: Path
) -> None:
    """And it is said before anything of the run is opened."""
    refuse_links(half)
    if place == "checkpoints":
        (half / place).rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir(exist_ok=True)
    (half / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileAccessError, match=f"{Path(place).name}: is a link"):
        api.resume(half)


def test_tensorboard_is_not_written_through_a_link(half: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "elsewhere").mkdir()
    (half / "tensorboard").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileAccessError, match="tensorboard: is a link"):
        TensorBoardObserver(half).on_start(6, 3)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_record_is_not_written_through_a_link_nor_in_its_place(
    tmp_path: Path, outside: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").symlink_to(outside)
    with pytest.raises(FileAccessError, match=r"run\.json: cannot write: it is a link"):
        write_json(run / "run.json", {"a": 1})
    assert (run / "run.json").is_symlink()
    assert outside.read_text() == LINES


WRONG = {
    "step": (-1, "3", 2.5, True, None, ..., 10**30),
    "evaluated": (1, "yes", ...),
    "log_bytes": (-1, 1.0, "0", None, ..., True),
    "ema_updates": (-1, None, "many"),
    "accumulate": (0, -3, "2", None),
    "loss_scale": ({"value": 1}, {"value": "x", "kept": 0, "skipped": 0}, [], 3),
    "groups": (None, {}, [], [1, 2], [{"params": []}, {}], [{"lr": "fast"}, {}]),
    "scalars": (None, [], {"no_dash": 1}, {"a-b": [1]}),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, own in WRONG.items() for v in own])
def test_a_number_that_cannot_be_is_one_line(name: str, value: object, half: Path) -> None:
    with_state(half, **{name: value})
    log = (half / FILE).read_bytes()
    with pytest.raises(TapetumError) as caught:
        go_on(half)
    assert f"state.json: {name}: " in str(caught.value)
    assert (half / FILE).read_bytes() == log


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"step": NaN}'])
def test_a_state_that_is_none_is_one_line(text: str, half: Path) -> None:
    folder = find_checkpoint(half, "last")[0]
    (folder / "state.json").write_text(text)
    with pytest.raises(TapetumError, match=r"state\.json"):
        fit(make_job(half, max_steps=6), resume=folder)


def test_a_log_that_is_shorter_than_the_checkpoint_says_is_one_line(half: Path) -> None:
    with (half / FILE).open("r+b") as file:
        file.truncate(10)
    with pytest.raises(FileAccessError, match="has 10 bytes, fewer than the"):
        go_on(half)
    assert (half / FILE).stat().st_size == 10


def _hold(run: Path, ready, done) -> None:
    history = History(run)
    ready.set()
    done.wait(60)
    history.close()


def test_two_do_not_go_on_with_one_run(half: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(half, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        log = (half / FILE).read_bytes()
        with pytest.raises(UsageError, match="another process trains this run now"):
            go_on(half)
        assert (half / FILE).read_bytes() == log
    finally:
        done.set()
        other.join()
    go_on(half)
    assert find_checkpoint(half, "last")[0].name == "step-00000006"


def test_a_copy_of_a_run_goes_on_beside_it(half: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(half, tmp_path / "copy"))
    history = History(half)
    go_on(copy)
    history.close()
