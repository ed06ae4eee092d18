"""Numbers in sentences."""

from __future__ import annotations

from tapetum.base.words import count_of


def test_a_count_agrees_with_its_noun() -> None:
    assert [count_of(n, "image") for n in (0, 1, 2000)] == ["0 images", "1 image", "2,000 images"]
    assert [count_of(n, "class", "classes") for n in (1, 2)] == ["1 class", "2 classes"]
