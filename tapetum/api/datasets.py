"""Check a dataset, write it in another format."""

from __future__ import annotations

from pathlib import Path

from tapetum.api.common import Progress, unseen
from tapetum.data.check import check_dataset
from tapetum.data.formats import convert as convert_dataset
from tapetum.data.picture import Finding


def check(data: str | Path, *, format: str = "auto", progress: Progress = unseen) -> list[Finding]:
    """Everything that is wrong with a dataset, most severe first; nothing is changed."""
    return list(check_dataset(data, format, progress=progress))


def convert(data: str | Path, out: str | Path, *, to: str, format: str = "auto") -> Path:
    """Write a dataset in another format ("coco" or "yolo") into the new folder `out`."""
    convert_dataset(data, out, to=to, format=format)
    return Path(out)
