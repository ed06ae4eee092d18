"""Nothing that is put into an element can leave it."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapetum.reporting.page.html import Html, escape, join, json_island, tag


class Reader(HTMLParser):
    """What a browser would see: elements, attributes and text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, name, attributes):
        self.tags.append((name, attributes))

    def handle_data(self, data):
        self.text += data


# Without the characters that escape() makes visible, text must come back as it was.
plain = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Cn", "Co"]), max_size=40)


@given(plain, plain)
def test_text_and_attributes_come_back_as_they_were(text, title):
    read = Reader(tag("p", text, title=title))
    assert read.tags == [("p", [("title", title)])]
    assert read.text == text


@given(st.text(max_size=40))
def test_any_text_makes_one_element(text):
    read = Reader(tag("p", text, title=text))
    assert [name for name, _ in read.tags] == ["p"]
    assert len(read.tags[0][1]) == 1
    tag("p", text).encode("utf-8")


def test_children_of_every_kind():
    made = tag("p", None, 3, " & ", [tag("b", "x<y"), ("a", 1.5)], hidden=True, id=None, lang=False)
    assert made == "<p hidden>3 &amp; <b>x&lt;y</b>a1.5</p>"
    assert isinstance(made, Html)


def test_putting_html_together_by_hand_is_escaped_again():
    """Adding and formatting give ordinary text, so a mistake shows but does no harm."""
    assert join([tag("b", "x") + "<i>"]) == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"
    assert join([f"{tag('b', 'x')}"]) == "&lt;b&gt;x&lt;/b&gt;"


def test_attribute_names():
    assert (
        tag("td", class_="n", aria_label="a", name="b")
        == '<td class="n" aria-label="a" name="b"></td>'
    )
    assert tag("br") == "<br>"


@pytest.mark.parametrize("name", ["script", "style", "iframe", "p onload", "P", "", "base", "form"])
def test_elements_that_run_or_load_are_refused(name):
    with pytest.raises(ValueError, match="not an element for a report"):
        tag(name)


@pytest.mark.parametrize("name", ["onclick", "onerror", "style", "style_", "x y", "a=b", 'a"', "A"])
def test_attributes_that_run_are_refused(name):
    with pytest.raises(ValueError, match="not allowed in a report"):
        tag("p", **{name: "x"})


LINKS = [
    "https://example.org", "//example.org", "javascript:alert(1)", "data:text/html,x", "page.html",
    "data:image/svg+xml;base64,AAAA", "data:image/png;base64,AA\nAA", " #a", "#a b", "", "#",
]  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("attribute", ["href", "src"])
def test_links_lead_nowhere_outside(attribute, link):
    with pytest.raises(ValueError, match="a place on the page or an image"):
        tag("a", **{attribute: link})


def test_links_inside_are_fine():
    assert tag("a", href="#part-1") == '<a href="#part-1"></a>'
    assert tag("img", src="data:image/png;base64,AAA=") == '<img src="data:image/png;base64,AAA=">'


def test_characters_that_hide_or_turn_become_visible():
    assert (
        escape("a\x00\x1b[1m\u202egpj.exe\ud800\ufffe")
        == "a\\u0000\\u001b[1m\\u202egpj.exe\\ud800\\ufffe"
    )
    assert escape("two\nlines\tand 日本 🐈 मित्र") == "two\nlines\tand 日本 🐈 मित्र"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(), c, max_size=3),
        max_leaves=6,
    )
)
def test_data_comes_back_and_never_ends_its_element(value):
    island = json_island("run", value)
    inside = island.removeprefix('<script type="application/json" id="run">').removesuffix(
        "</script>"
    )
    assert not set(inside) & set("<>&")

    def finite(v):
        if isinstance(v, float) and not math.isfinite(v):
            return None
        if isinstance(v, list):
            return [finite(x) for x in v]
        return {k: finite(x) for k, x in v.items()} if isinstance(v, dict) else v

    assert json.loads(inside) == finite(value)


def test_a_script_end_in_data():
    assert "</script><" not in json_island("run", {"</script><script>": "<!--"})[:-9]
