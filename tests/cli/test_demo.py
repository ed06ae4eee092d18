"""The report of the demo opens where somebody can see it, and nowhere else."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import pytest

from tapetum.cli.about import demo, has_desktop

X11, WAYLAND = {"DISPLAY": ":0"}, {"WAYLAND_DISPLAY": "wayland-0"}
SSH = {"SSH_CONNECTION": "10.0.0.1 50000 10.0.0.2 22"}


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        (X11, "linux", True),
        (WAYLAND, "linux", True),
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        (X11 | {"CI": "true"}, "linux", False),
        ({}, "darwin", True),
        ({}, "win32", True),
        (SSH, "darwin", False),
        ({"SSH_TTY": "/dev/pts/0"}, "win32", False),
        ({"CI": "1"}, "darwin", False),
    ],
)
def test_a_desktop_is_where_a_page_can_be_seen(
    environment: dict[str, str], platform: str, expected: bool
) -> None:
    assert has_desktop(environment, platform, terminal=True) is expected
    assert not has_desktop(environment, platform, terminal=False)


@pytest.mark.parametrize(("no_open", "opened"), [(False, 1), (True, 0)])
def test_the_path_is_printed_and_the_page_opened_once(
    no_open: bool,
    opened: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page, asked = tmp_path / "report.html", []
    monkeypatch.setattr("tapetum.recipes.demo.run_demo", lambda *_, **__: page)
    monkeypatch.setattr(webbrowser, "open", asked.append)
    monkeypatch.setattr("tapetum.cli.about.has_desktop", lambda *_, **__: True)
    assert demo(no_open=no_open) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert asked == [page.resolve().as_uri()] * opened


def test_nothing_opens_where_the_output_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("tapetum.recipes.demo.run_demo", lambda *_, **__: tmp_path / "r.html")
    monkeypatch.setattr(webbrowser, "open", asked.append)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("CI", raising=False)
    assert not sys.stdout.isatty()
    assert demo() == 0
    assert asked == []
