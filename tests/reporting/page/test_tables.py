"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from tapetum.reporting.page.html import EMPTY
from tapetum.reporting.page.tables import (
    compact,
    number,
    number_table,
    pair_table,
    percent,
    plain,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (1, "1"), (1.0, "1.000"), (0, "0"), (0.0, "0.000"), (12345, "12,345"),
     (12345.0, "12,345"), (3.14159, "3.142"), (-1, "–"), (-1.0, "–"), (None, "–"),
     (math.nan, "–"), (math.inf, "–"), (True, "–"), (-0.25, "-0.250"), (123.456, "123.5")],
)  # fmt: skip
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (False, "no"), (0, "0"), (2048, "2048"), (1_234_567, "1,234,567"),
     (3e-4, "0.0003"), (None, "–"), ("", "–"), ([], "–"), ((1, 2.5, "a"), "1, 2.5, a"),
     ({"a": 1, "b": None}, "a 1, b –"), ("text", "text"), ([True, [1]], "yes, 1")],
)  # fmt: skip
def test_plain(value, text):
    assert plain(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1 k"), (48_210, "48.2 k"), (999_499, "999 k"),
     (999_600, "1 M"), (19_862_331, "19.9 M"), (1_240_000_000, "1.24 G"), (3 * 10**15, "3e+03 T")],
)  # fmt: skip
def test_compact(count, text):
    assert compact(count) == text


def test_shares():
    assert [percent(s) for s in (0, 0.012, 0.0994, 0.0996, 0.71, 1)] == [
        "0.0 %", "1.2 %", "9.9 %", "10 %", "71 %", "100 %"
    ]  # fmt: skip


def test_numbers_stand_at_the_right_under_their_heads():
    table = number_table(("class", "AP"), [("cat", [0.5])])
    assert '<th scope="col">class</th><th scope="col" class="n">AP</th>' in table
    assert '<tr><th scope="row">cat</th><td class="n">0.500</td></tr>' in table


def test_pairs_leave_out_what_has_no_value_but_keep_zero_and_no():
    table = pair_table({"a": None, "b": "", "c": [], "d": 0, "e": False})
    assert [name in table for name in (">a<", ">b<", ">c<", ">d<", ">e<")] == [False] * 3 + [
        True
    ] * 2
    assert pair_table({"a": None}) == EMPTY
    assert pair_table({}) == EMPTY
