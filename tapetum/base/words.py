"""Numbers in sentences."""

from __future__ import annotations


def count_of(count: int, name: str, plural: str | None = None) -> str:
    """A count with its noun, "1 image" or "2 images".

    Args:
        count: 0 or more.
        name: the noun in the singular.
        plural: the noun in the plural; None: with an "s".

    Returns:
        Text.
    """
    return f"{count:,} {name}" if count == 1 else f"{count:,} {plural or name + 's'}"
