"""What `make` gives to pip: the CPU build of torch where it is wanted and can be had."""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
FAKE_PYTHON = f"""#!/bin/sh
mkdir -p .venv/bin
ln -s {sys.executable} .venv/bin/python
printf '#!/bin/sh\\necho "$@" > said\\n' > .venv/bin/pip
chmod +x .venv/bin/pip
"""


@pytest.fixture
def torch_index(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, on a Linux machine without a GPU, nothing said of an index."""
    spec = importlib.util.spec_from_file_location("torch_index", ROOT / ".ci" / "torch_index.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module, "has_nvidia_gpu", lambda: False)
    return module


@contextlib.contextmanager
def index(status: int) -> Iterator[str]:
    """A server on this machine that answers every request with `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_index_that_answers_is_taken(
    torch_index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with index(200) as address:
        monkeypatch.setattr(torch_index, "CPU", address)
        assert torch_index.chosen_index() == address


def test_an_index_that_refuses_is_left_out(
    torch_index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with index(403) as address:
        monkeypatch.setattr(torch_index, "CPU", address)
        assert torch_index.chosen_index() == ""


def test_an_index_that_never_answers_is_waited_for_no_longer_than_said(
    torch_index: ModuleType,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as no_log:
        started = time.monotonic()
        assert not torch_index.answers(f"http://127.0.0.1:{no_log.getsockname()[1]}", 0.3)
    assert time.monotonic() - started < 3


def test_a_name_that_nobody_looks_up_is_waited_for_no_longer_than_said(
    torch_index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: woken.wait(20) and [])
    started = time.monotonic()
    assert not torch_index.answers("http://index.invalid", 0.3)
    woken.set()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("said", ["https://mirror.example/cpu", ""])
def test_what_is_said_wins_without_a_look_at_the_machine(
    torch_index: ModuleType, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("TORCH_INDEX", said)
    monkeypatch.delattr(torch_index, "has_nvidia_gpu")
    monkeypatch.delattr(torch_index, "answers")
    assert torch_index.chosen_index() == said


@pytest.mark.parametrize(("platform", "gpu"), [("linux", True), ("darwin", False)])
def test_pypi_has_the_right_build_for_gpus_and_for_macs(
    torch_index: ModuleType, monkeypatch: pytest.MonkeyPatch, platform: str, gpu: bool
) -> None:
    monkeypatch.setattr(torch_index.sys, "platform", platform)
    monkeypatch.setattr(torch_index, "has_nvidia_gpu", lambda: gpu)
    monkeypatch.delattr(torch_index, "answers")
    assert torch_index.chosen_index() == ""


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("said", ["https://mirror.example/cpu", ""])
def test_make_hands_the_index_to_pip(tmp_path: Path, said: str) -> None:
    (tmp_path / ".ci").mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", ".ci/torch_index.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    fake = tmp_path / "python"
    fake.write_text(FAKE_PYTHON)
    fake.chmod(0o755)
    command = ["make", "--silent", ".venv/installed", f"PYTHON={fake}", f"TORCH_INDEX={said}"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    words = (tmp_path / "said").read_text().split()
    assert words[-2:] == ["-e", ".[dev]"]
    follows = words[words.index("constraints.txt") + 1 : -2]
    assert follows == (["--extra-index-url", said] if said else [])
