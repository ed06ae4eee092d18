"""The images that a run is measured on."""

from __future__ import annotations

from pathlib import Path

from tapetum.base.progress import Log, no_log
from tapetum.data.dataset import Dataset
from tapetum.data.reading.files import FileDataset, is_scenes, open_dataset
from tapetum.data.reading.places import absolute
from tapetum.data.reading.samples import (
    IN_PYTHON,
    Samples,
    is_custom_data,
    open_custom_to_evaluate,
    open_samples,
)
from tapetum.data.reading.training_data import (
    DataSpec,
    annotations_of,
    in_files,
    open_validation,
)
from tapetum.data.splits.assign import available
from tapetum.data.splits.split_file import read_parts, with_parts
from tapetum.inference.custom_code import DATA, refuse_code_of_run
from tapetum.runs.record import is_run, read_run


def evaluation_dataset(
    run: Path, data: str | Path | Samples | None, split: str | None, task: str, log: Log = no_log
) -> Dataset:
    """The images that a run is measured on: the given ones, else its test or val split.

    Args:
        run: a run folder, or the name of a published network.
        data: a folder or file of annotations, code, or samples; None: the data of the run.
        split: the part of the data; None: "test" where the run's data has one, else "val"; of
            other data all, of scenes "test".
        task: one of `tapetum.structures.TASKS`.
        log: is called with what matters for the metrics, as when the model was trained on these
            images.

    Returns:
        The images with their labels.
    """
    if isinstance(data, str | Path) and not _is_custom(run, str(data)):
        return open_dataset(data, split or ("test" if is_scenes(data) else "all"), task=task)
    if data is not None and not isinstance(data, str | Path):
        return _samples(run, data, split, task, log)
    record = read_run(run)
    refuse_code_of_run(
        record.options.data if split or record.options.val is None else record.options.val,
        DATA,
        run,
    )
    if split is None and record.options.val is not None:
        return open_validation(DataSpec.of(record.options), task)[0]
    if is_custom_data(record.options.data) and split is None:
        return open_custom_to_evaluate(record.options.data, task=task)
    if not in_files(record.options.data):
        return open_dataset(record.options.data, split or "test", task=task)
    annotations, _ = annotations_of(DataSpec.of(record.options), task)
    if (names := read_parts(run)) is not None:
        annotations, changes = with_parts(annotations, names)
        for line in changes:
            log(line)
    if split is None:
        split = "test" if "test" in available(annotations) else "val"
        if split == "val" and not record.options.validate:
            log("nothing was held out of this training: it may have seen these images")
    return FileDataset(annotations, split, task=task)


def _is_custom(run: Path, data: str) -> bool:
    """Whether `data` is what the run was trained on, with images held out of it."""
    if not is_run(run):
        return False
    record = read_run(run)
    return record.options.val is None and record.options.data == absolute(data)


def _samples(run: Path, data: Samples, split: str | None, task: str, log: Log) -> Dataset:
    """Samples in Python. As many as a run was trained on are taken for those of the run, of which
    the held-out part counts; this is logged."""
    record = read_run(run) if is_run(run) else None
    names = getattr(data, "classes", None) or (record.classes if record else None)
    if split is None and record is not None and record.options.data == IN_PYTHON:
        counts = record.counts.get("images", {})
        if "val" in counts and sum(counts.values()) == len(data):
            log(f"as many samples as the run was given: the {counts['val']} that it held out count")
            split = "val"
    return open_samples(data, split or "all", names, task=task)


def folders_read(run: Path, data: str | Path | Samples | None) -> list[str]:
    """The folders of the images and annotations that are measured on.

    Args:
        run: a run folder, or the name of a published network.
        data: as for `evaluation_dataset`.

    Returns:
        Folders and files; none for samples and built-in data.
    """
    if data is None and is_run(run):
        record = read_run(run)
        places = [record.options.data, record.options.val]
    else:
        places = [str(data) if isinstance(data, str | Path) else None]
    return [place for place in places if place is not None and in_files(place)]
