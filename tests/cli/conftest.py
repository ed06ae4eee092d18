"""A tiny run that the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.tools import TINY, tapetum


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    result = tapetum("train", "retinanet", "scenes", "--out", folder, "--max-steps", 3, *TINY)
    assert result.returncode == 0, result.stderr
    return folder
