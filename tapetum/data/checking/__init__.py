"""Checking: what is wrong with a dataset, by file and line or id; nothing is changed."""

from __future__ import annotations

from tapetum.data.checking.check import CODES, check_annotations, check_dataset
from tapetum.data.checking.near_duplicates import (
    alike,
    fingerprint,
    fingerprints_of,
    first_alike,
    similarity_threshold,
)

__all__ = [
    "CODES",
    "alike",
    "check_annotations",
    "check_dataset",
    "fingerprint",
    "fingerprints_of",
    "first_alike",
    "similarity_threshold",
]
