"""Shares of heat worked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapetum.explain import heat_inside, hits


def test_share_inside_by_hand():
    heat = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])  # sums to 21
    assert heat_inside(heat, torch.tensor([0.0, 0.0, 3.0, 2.0])) == 1
    assert heat_inside(heat, torch.tensor([1.0, 0.0, 3.0, 1.0])) == pytest.approx(5 / 21)
    # Half of the middle column and a quarter of the right one, of the lower row.
    box = torch.tensor([1.5, 1.0, 2.25, 2.0])
    assert heat_inside(heat, box) == pytest.approx((2.5 + 1.5) / 21)


def test_no_heat_and_no_box_give_zero():
    box = torch.tensor([0.0, 0.0, 2.0, 2.0])
    assert heat_inside(torch.zeros(2, 2), box) == 0
    assert heat_inside(torch.ones(2, 2), torch.tensor([1.0, 1.0, 1.0, 1.0])) == 0
    assert heat_inside(torch.ones(2, 2), torch.tensor([5.0, 5.0, 9.0, 9.0])) == 0
    assert not hits(torch.zeros(2, 2), box)


@given(st.lists(st.floats(0, 8), min_size=4, max_size=4))
def test_even_heat_gives_the_share_of_the_area(numbers):
    x1, x2 = sorted(numbers[:2])
    y1, y2 = sorted(numbers[2:])
    box = torch.tensor([x1, y1, x2, y2], dtype=torch.float64)
    expected = (x2 - x1) * (y2 - y1) / 64
    assert heat_inside(torch.ones(8, 8), box) == pytest.approx(expected, abs=1e-12)


def test_hits_at_the_hottest_pixel():
    heat = torch.zeros(4, 6)
    heat[1, 4] = 1
    assert hits(heat, torch.tensor([4.0, 1.0, 5.0, 2.0]))
    assert not hits(heat, torch.tensor([0.0, 0.0, 4.0, 4.0]))
    # Its middle lies half a pixel from the box.
    assert hits(heat, torch.tensor([0.0, 0.0, 4.0, 4.0]), tolerance=0.5)
    assert not hits(heat, torch.tensor([0.0, 0.0, 4.0, 4.0]), tolerance=0.4)
    assert hits(heat, torch.tensor([4.0, 2.0, 5.0, 4.0]), tolerance=0.5)
    assert not hits(heat, torch.tensor([4.0, 2.0, 5.0, 4.0]), tolerance=0.4)
