"""Check a dataset, write it in another format."""

from __future__ import annotations

from pathlib import Path

from tapetum.base.errors import UsageError
from tapetum.base.outputs import refuse_output
from tapetum.base.progress import Progress, no_progress
from tapetum.data.checking.check import check_annotations
from tapetum.data.formats import Converted, read_annotations
from tapetum.data.formats import convert as convert_dataset
from tapetum.data.records.image_record import Finding
from tapetum.reporting.faults import write_faults
from tapetum.tasks import TASKS


def check(
    data: str | Path,
    *,
    format: str = "auto",
    task: str = "detection",
    html: str | Path | None = None,
    progress: Progress = no_progress,
) -> list[Finding]:
    """List the faults of a dataset; nothing is changed.

    Args:
        data: a folder or file of annotations.
        format: what it is written in; by default it is recognised.
        task: one of `tapetum.structures.TASKS`; which labels count where the data has several
            kinds.
        html: a file for a page that shows each kind of fault in images, and how to mend it.
        progress: shows how far it is.

    Returns:
        The findings, most severe first.

    Raises:
        UsageError: html is a file that tapetum did not make, or another kind of file among the
            data.
    """
    if html is not None:
        refuse_output(html, inside=[data if Path(data).is_dir() else Path(data).parent])
    annotations = read_annotations(data, format, task=_valid_task(task))
    findings = check_annotations(annotations, progress=progress)
    if html is not None:
        write_faults(html, annotations, findings)
    return findings


def convert(
    data: str | Path,
    out: str | Path,
    *,
    to: str,
    format: str = "auto",
    task: str = "detection",
) -> Converted:
    """Write a dataset in another format (coco, voc, yolo, instance_maps) into the new folder `out`.

    Args:
        data: a folder or file of annotations, which is left as it is.
        out: the folder to make.
        to: the format to write: "coco", "voc", "yolo" or "instance_maps".
        format: what `data` is written in; by default it is recognised.
        task: one of `tapetum.structures.TASKS`; which labels are written where the data has several
            kinds.

    Returns:
        What was written, and what the new format could not hold; its `str` is a text of that.

    Raises:
        UsageError: an unknown format, or `out` holds something or lies in `data`.
        AnnotationError: the dataset cannot be read, or `to` cannot hold its names.
    """
    return convert_dataset(data, out, to=to, format=format, task=_valid_task(task))


def _valid_task(task: str) -> str:
    if task not in TASKS:
        raise UsageError(f"unknown task {task!r}", hint="one of " + ", ".join(TASKS))
    return task
