"""The site as a whole: every page is listed, every link leads somewhere, every option exists."""

from __future__ import annotations

import re
import tomllib
from urllib.parse import urlsplit

import pytest
import yaml

from tests.docs.pages import DOCS, Page, run

ROOT = DOCS.parent
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
VERBS = ("train", "evaluate", "predict", "explain", "report", "check", "convert", "export", "demo")
OF_OTHERS = {"--index-url", "--nproc-per-node"}
"""Options of pip and torchrun."""


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Every option of every command, by its help."""
    told = [run(["tapetum", verb, "--help"]) for verb in VERBS]
    assert [code for code, _, _ in told] == [0] * len(VERBS)
    return {option for _, text, _ in told for option in re.findall(r"--[a-z][a-z-]*", text)}


def test_the_menu_lists_every_page_once() -> None:
    listed = [place for entry in SITE["nav"] for place in entry.values()]
    assert sorted(listed) == PAGES
    home = (DOCS / "index.md").read_text("utf-8")
    assert [name for name in PAGES if f"({name})" not in home] == ["index.md"]


def test_the_site_needs_mkdocs_alone() -> None:
    assert SITE["theme"]["name"] == "mkdocs"
    assert SITE["plugins"] == ["search"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert extras["optional-dependencies"]["docs"] == ["mkdocs>=1.6"]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    places = re.findall(r"\]\(([^)\s]+)\)", Page(name).prose())
    inside = [urlsplit(place).path for place in places if not urlsplit(place).scheme]
    assert [place for place in inside if not (DOCS / place).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_options_exist(name: str, options: set[str]) -> None:
    # Benchmarks have options of their own.
    text = re.sub(r"`python benchmarks/[^`]*`", "", Page(name).text)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert named - options - OF_OTHERS == set()


@pytest.mark.parametrize("name", PAGES)
def test_extras_exist(name: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"(?:tapetum|\.)\[(\w+)\]", Page(name).text)
    assert set(named) <= set(extras["optional-dependencies"])
