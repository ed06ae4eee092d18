"""The whole page: safe with any names, complete in itself, useful with any contents."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tapetum.base.errors import FileAccessError
from tapetum.reporting import ClassRow, Curve, ReportContents, make_page, write_report
from tapetum.reporting.report import SECTIONS

PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg/onload=alert(1)>",
    "]]><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "<!--<script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "` onclick=alert(1) `",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe src=//evil.example></iframe>",
    "<object data=//evil.example></object>",
    "<embed src=//evil.example>",
    "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><button>x",
    "<style>@import '//evil.example'</style>",
    "<p style=background:url(//evil.example)>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)",
    "\\u003cscript\\u003ealert(1)",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\x00<script>alert(1)</script>",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\u2028\u2029<script>alert(1)</script>",
    "\ud800<script>\udc00",
    "＜script＞alert(1)＜/script＞",
    "+ADw-script+AD4-alert(1)",
    "\u202e<tpircs>\u202c",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "$\\href{javascript:alert(1)}{x}$",
    "<?xml version='1.0'?><?xml-stylesheet href='//evil.example'?>",
    "<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>&x;",
    "<![CDATA[<script>alert(1)</script>]]>",
    "A" * 20_000,
    "\n\r\t\x1b[2J\x07",
    "🐈‍⬛ 猫 קטן قط",
    "../../etc/passwd",
]


class Outline(HTMLParser):
    """Elements outside and inside of charts, and the raw text of scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.page_tags, self.chart_tags, self.raw, self.depth = [], [], {}, 0
        self.inside = None
        self.feed(page)
        self.close()

    def handle_starttag(self, name, attributes):
        self.depth += name == "svg"
        chosen = self.chart_tags if self.depth else self.page_tags
        chosen.append((name, dict(attributes)))
        self.inside = name if name in ("script", "style", "title") else None

    def handle_endtag(self, name):
        self.depth -= name == "svg"
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.raw.setdefault(self.inside, []).append(data)

    @property
    def tags(self):
        return self.page_tags + self.chart_tags


@pytest.fixture(scope="module")
def page(contents):
    return make_page(contents())


@pytest.fixture(scope="module")
def harmless(page):
    return Outline(page)


@pytest.fixture(scope="module")
def plain_shape(contents):
    return shape(Outline(make_page(contents("name", 1, charts=False))))


def shape(outline):
    return [(name, sorted(attributes)) for name, attributes in outline.page_tags]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_names_change_nothing_but_text(contents, plain_shape, payload):
    page = make_page(contents(payload, 1, charts=False))
    page.encode("utf-8")
    outline = Outline(page)
    assert shape(outline) == plain_shape
    refuse_what_runs(outline)


@pytest.mark.parametrize("names", [PAYLOADS[:26], PAYLOADS[26:]])
def test_hostile_names_in_charts_change_nothing_but_text(harmless, names):
    step = {"loss": 1.0, "losses": dict.fromkeys(names[:8], 0.1)}
    contents = ReportContents(
        "t",
        history=[step | {"step": i} for i in (1, 2)],
        class_rows=[ClassRow(name, {"AP": 0.5}) for name in names],
        curves=[Curve(name, [0, 1], [1, 0.5]) for name in names[8:16]],
    )
    outline = Outline(make_page(contents))
    assert {name for name, _ in outline.chart_tags} <= {name for name, _ in harmless.chart_tags}
    refuse_what_runs(outline)


def refuse_what_runs(outline):
    for name, attributes in outline.tags:
        assert name not in ("iframe", "object", "embed", "base", "form", "link", "foreignobject")
        for key, value in attributes.items():
            assert not key.startswith("on")
            assert key != "style"
            if key in ("href", "xlink:href"):
                assert re.fullmatch(r"#[\w-]+", value)
            if key == "src":
                assert re.match(r"data:image/(png|jpeg);base64,", value)
    scripts = [attributes for name, attributes in outline.tags if name == "script"]
    assert scripts == [{"type": "application/json", "id": "run"}]
    assert len(outline.raw["style"]) == 1
    assert len(outline.raw["script"]) == 1


def test_nothing_outside_is_named(page):
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert "@import" not in page
    assert "url(//" not in page


def test_the_policy_allows_our_style_and_nothing_else(harmless):
    (policy,) = [
        a["content"] for _, a in harmless.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(harmless.raw["style"][0].encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    # It must stand before anything that it is to govern.
    names = [name for name, _ in harmless.tags[:5]]
    assert names == ["html", "head", "meta", "meta", "meta"]


def test_every_section_is_there_and_in_the_list_of_contents(harmless):
    sections = [a["id"] for name, a in harmless.tags if name == "section"]
    assert sections == [key for key, _, _ in SECTIONS]
    links = [a["href"] for name, a in harmless.tags if name == "a"]
    assert links[: len(sections)] == [f"#{key}" for key in sections]


def test_ids_are_unique_and_links_lead_to_one(harmless):
    page = harmless.page_tags
    ids = [a["id"] for _, a in page if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"].removeprefix("#") for _, a in page if "href" in a}
    assert links <= set(ids)


def test_images_have_a_text_and_a_size(harmless):
    images = [a for name, a in harmless.page_tags if name == "img"]
    assert len(images) == 2 * (5 + 2)
    for attributes in images:
        assert attributes["alt"]
        assert (attributes["width"], attributes["height"]) == ("40", "30")
        assert "decoding" not in attributes


def test_an_empty_report_is_a_page(tmp_path):
    outline = Outline(write_report(tmp_path / "r.html", ReportContents("only a title")).read_text())
    assert outline.raw["title"] == ["only a title"]
    assert not [a for name, a in outline.tags if name in ("section", "nav", "img")]
    refuse_what_runs(outline)


OPTIONAL = [f.name for f in fields(ReportContents) if f.name not in ("title", "metric")]


@pytest.mark.parametrize("name", OPTIONAL)
def test_any_single_part_may_be_there_or_missing(contents, name):
    full = contents(count=1, charts=name in ("history", "class_rows", "curves"))
    default = getattr(ReportContents("t"), name)
    refuse_what_runs(Outline(make_page(replace(full, **{name: default}))))
    refuse_what_runs(Outline(make_page(ReportContents("t", **{name: getattr(full, name)}))))


def test_undefined_numbers_are_dashes_and_explained(contents):
    page = make_page(ReportContents("t", stats={"AP": 0.25, "APsmall": -1.0}))
    assert ">0.250<" in page
    assert ">-1" not in page
    assert "– means undefined" in page
    assert "– means undefined" not in make_page(ReportContents("t", stats={"AP": 0.25}))


def test_the_same_contents_give_the_same_page(contents, page):
    assert make_page(contents()) == page


def test_the_numbers_are_there_for_programs(harmless):
    data = json.loads(harmless.raw["script"][0])
    assert data["stats"] == {"AP": 0.5, "APsmall": -1.0, "name": 0.25}
    assert data["classes"]["name"] == {"AP": 0.5, "name": 7}
    assert [row["step"] for row in data["evaluations"]] == [4, 8]
    assert data["parameters"] == 1_234_567


def test_headings_go_down_one_level_at_a_time(harmless):
    levels = [int(name[1]) for name, _ in harmless.tags if re.fullmatch(r"h\d", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_the_heat_sentence(page):
    assert "71 % of the heat lies inside the box, which covers 12 %" in page


def test_written_whole_or_not_at_all(tmp_path, monkeypatch, contents):
    path = tmp_path / "report.html"
    path.write_text("old")
    few = contents(count=1, charts=False)
    assert write_report(path, few) == path
    assert path.read_text(encoding="utf-8") == make_page(few)
    path.write_text("old")

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tapetum.base.files.os.fsync", full_disk)
    with pytest.raises(FileAccessError, match="No space left"):
        write_report(path, few)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_twenty_large_images_stay_a_modest_page(contents):
    """Photographs compress worse than drawings; noise with structure is worse still."""
    import numpy as np
    from PIL import Image

    from tapetum.reporting import Sheet

    coarse = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((1600, 1200), Image.Resampling.BICUBIC)
    page = make_page(ReportContents("t", best=[Sheet(photo, "a")] * 20))
    assert len(page) < 4_000_000
