"""Splits: which images are for training, validation and testing."""

from __future__ import annotations

from tapetum.data.splits.assign import (
    ALL,
    Split,
    available,
    choose_split,
    in_order,
    split_name,
    to_divide,
    with_held_out,
    with_splits,
)
from tapetum.data.splits.by_name import divide
from tapetum.data.splits.hold_out import HELD_OUT, HoldOut, held_out, parse_ratio
from tapetum.data.splits.split_file import Names, read_parts, with_parts, write_parts
from tapetum.data.splits.stratify import stratify

__all__ = [
    "ALL",
    "HELD_OUT",
    "HoldOut",
    "Names",
    "Split",
    "available",
    "choose_split",
    "divide",
    "held_out",
    "in_order",
    "parse_ratio",
    "read_parts",
    "split_name",
    "stratify",
    "to_divide",
    "with_held_out",
    "with_parts",
    "with_splits",
    "write_parts",
]
