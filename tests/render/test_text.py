"""Names cut to the room they have."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.render.text import ELLIPSIS, load_font, shorten, text_width

FONT = load_font(14)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(0, 200))
def test_never_wider_than_the_room_and_always_one_printable_line(text, room):
    line = shorten(text, FONT, room)
    assert line == "" or text_width(line, FONT) <= room
    assert line.isprintable()


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec="latin-1", categories=["L", "N"]), max_size=30))
def test_what_fits_is_left_alone(text):
    assert shorten(text, FONT, 2000) == text


def test_as_much_as_possible_is_kept():
    room = text_width("pedest" + ELLIPSIS, FONT)
    assert shorten("pedestrian", FONT, room) == "pedest" + ELLIPSIS
    assert shorten("pedestrian", FONT, room - 1) == "pedes" + ELLIPSIS
    assert shorten("two words", FONT, text_width("two …", FONT)) == "two" + ELLIPSIS


def test_no_room_at_all():
    assert shorten("cat", FONT, 3) == ""
    assert shorten("", FONT, 0) == ""


def test_control_characters_become_visible():
    assert shorten("a\nb\x1b[31m", FONT, 500) == "a\\nb\\x1b[31m"


def test_a_book_as_a_name_is_fast():
    assert shorten("x" * 10**6, FONT, 100).endswith(ELLIPSIS)


@pytest.mark.parametrize("size", [12, 111])
def test_the_font_is_always_there(size):
    assert load_font(size).getname() == ("DejaVu Sans", "Book")
