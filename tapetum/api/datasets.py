"""Check a dataset, write it in another format."""

from __future__ import annotations

from pathlib import Path

from tapetum.api.common import Progress, unseen
from tapetum.data.check import check_dataset
from tapetum.data.formats import Converted
from tapetum.data.formats import convert as convert_dataset
from tapetum.data.picture import Finding


def check(data: str | Path, *, format: str = "auto", progress: Progress = unseen) -> list[Finding]:
    """Everything that is wrong with a dataset, most severe first; nothing is changed."""
    order = {"error": 0, "warning": 1, "info": 2}
    findings = check_dataset(data, format, progress=progress)
    return sorted(findings, key=lambda finding: order[finding.severity])


def convert(data: str | Path, out: str | Path, *, to: str, format: str = "auto") -> Converted:
    """Write a dataset in another format ("coco" or "yolo") into the new folder `out`.

    Returns what was written, and what the new format could not hold; `str` of it says so.
    """
    return convert_dataset(data, out, to=to, format=format)
