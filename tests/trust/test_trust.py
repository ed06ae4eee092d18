"""No telemetry, no downloads that nobody asked for, no writes beside --out and the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WATCHED = Path(__file__).with_name("watched.py")
TRAIN = "train resnet10 photos --weights none --out run --image-size 32 --max-steps 2"
COMMANDS = {
    TRAIN: "run",
    "check photos": None,
    "evaluate run": None,
    "predict run photos/cats/0.png --json": None,
    "predict run photos/cats --out out": "out",
    "explain run photos/cats/0.png --out why/why.png": "why",
    "report run": "run",
    "convert photos other --to coco --task classification": "other",
    "models": None,
    "data": None,
    "env": None,
}
"""Each command, and the folder that it may write to."""
if all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))):
    COMMANDS["export run --to onnx"] = "run"

FONTS = ["program", "subprocess.Popen", "fc-list"]
"""Matplotlib asks the system for its fonts when it is first used, and keeps the answer."""

Rows = list[list[str]]


def environment(home: Path) -> dict[str, str]:
    """One in which all that a program may want to keep lies below `home`."""
    kept = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    for name in ("TORCH_HOME", "MPLCONFIGDIR", "XDG_CONFIG_HOME"):
        kept.pop(name, None)
    (home / "tmp").mkdir(exist_ok=True)
    return {
        **kept,
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "TAPETUM_CACHE": str(home / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


def read(log: Path) -> Rows:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with eight labelled photos."""
    home = tmp_path_factory.mktemp("home")
    for name in ("cats", "dogs"):
        (home / "photos" / name).mkdir(parents=True)
        for number in range(4):
            noise = np.random.default_rng(number).integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(noise).save(home / "photos" / name / f"{number}.png")
    return home


@pytest.fixture(scope="module")
def done(home: Path) -> dict[str, Rows]:
    """What each command did outside of the process, which served them all."""
    log = home / "log.jsonl"
    lines = "".join(json.dumps(command.split()) + "\n" for command in COMMANDS)
    words = [sys.executable, str(WATCHED), str(log)]
    result = subprocess.run(
        words, input=lines, env=environment(home), capture_output=True, text=True, cwd=home
    )
    assert result.returncode == 0, result.stderr
    by_command: dict[str, Rows] = {}
    for row in read(log):
        if row[0] == "command":
            by_command[" ".join(json.loads(row[1]))] = own = []
        elif row[0] == "code":
            assert row[1] == "0", result.stderr
        else:
            own.append(row)
    return by_command


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[0])
def test_nothing_leaves_the_process_but_what_was_asked_for(
    home: Path, done: dict[str, Rows], command: str
) -> None:
    folder = COMMANDS[command]
    allowed = [Path(os.devnull), home / "cache", home / "tmp"]
    allowed += [home / folder] if folder else []

    def fine(row: list[str]) -> bool:
        path = Path(row[-1])
        return row[0] == "write" and any(path == a or a in path.parents for a in allowed)

    assert [row for row in done[command] if not fine(row) and row != FONTS] == []
    assert any(folder in row[1] for row in done[command]) if folder else True


def test_the_watcher_sees(home: Path) -> None:
    """It notes writes, connections and programs; else nothing would be proven here."""
    script = (
        "import runpy, sys, socket, subprocess; from pathlib import Path\n"
        f"sys.addaudithook(runpy.run_path({str(WATCHED)!r})['watch'])\n"
        "Path('seen.txt').write_text('x'); Path('made').mkdir(); subprocess.run(['true'])\n"
        "try: socket.create_connection(('127.0.0.1', 9), timeout=1)\n"
        "except OSError: pass"
    )
    words = [sys.executable, "-c", script, str(home / "probe.jsonl")]
    subprocess.run(words, cwd=home, env=environment(home), check=True)
    seen = read(home / "probe.jsonl")
    assert ["write", str(home / "seen.txt")] in seen
    assert ["write", str(home / "made")] in seen
    assert {"network", "program"} <= {row[0] for row in seen}
