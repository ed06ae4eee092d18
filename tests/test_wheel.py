"""The package as it is published: pure Python, typed, nothing but the package in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "import setuptools.build_meta, sys; print(setuptools.build_meta.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, so that nothing is left behind in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tapetum", source / "tapetum", ignore=ignored)
    command = [sys.executable, "-c", BUILD, str(out)]
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=source, env=plain, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_fits_every_machine(wheel: zipfile.ZipFile) -> None:
    assert str(wheel.filename).endswith("-py3-none-any.whl")


def test_it_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = ROOT / "tapetum"
    models = package / "models"
    files = [*package.rglob("*.py"), *(models / "names").iterdir(), models / "latency.json"]
    sources = {path.relative_to(ROOT).as_posix() for path in files}
    assert inside == sources | {"tapetum/py.typed"}


def test_its_licence_and_dependencies_are_stated(wheel: zipfile.ZipFile) -> None:
    (name,) = (entry for entry in wheel.namelist() if entry.endswith("/METADATA"))
    lines = wheel.read(name).decode().splitlines()
    assert "License-Expression: Apache-2.0" in lines
    core = [line for line in lines if line.startswith("Requires-Dist") and "extra" not in line]
    assert len(core) == 10
