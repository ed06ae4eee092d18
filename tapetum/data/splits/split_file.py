"""RUN/splits.json: which images a run held out, so that they are the same the next time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tapetum.base.errors import CheckpointError
from tapetum.base.files import read_json, write_json
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.assign import to_divide, with_splits

FILE, SCHEMA = "splits.json", "tapetum.splits/1"
MADE = ("train", "val", "test")

Names = Mapping[str, list[str]]
"""Names of images by split."""


def write_parts(folder: Path, annotations: Annotations) -> None:
    """Write which images the made splits have; nothing where all splits are those of the dataset.

    Args:
        folder: the run.
        annotations: the dataset.
    """
    if not annotations.split_descriptions:
        return
    description = next(iter(annotations.split_descriptions.values()))
    names = {
        name: [image.name for image in annotations.splits[name]]
        for name in annotations.split_descriptions
    }
    write_json(folder / FILE, {"schema": SCHEMA, "words": description, **names})


def read_parts(folder: Path) -> Names | None:
    """Read the file that `write_parts` wrote.

    Args:
        folder: the run.

    Returns:
        Split -> names of its images; None if there is no file.

    Raises:
        CheckpointError: the file is not one that `write_parts` writes.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    raw = read_json(path)
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise CheckpointError(f"expected schema {SCHEMA}", file=path)
    for name in ("train", "val"):
        if not isinstance(raw.get(name), list):
            raise CheckpointError("expected a list of names", file=path, where=name)
    return {name: raw[name] for name in MADE if isinstance(raw.get(name), list)}


def with_parts(annotations: Annotations, names: Names) -> tuple[Annotations, list[str]]:
    """Divide a dataset as it was divided for a run.

    Images that came later are for training.

    Args:
        annotations: the dataset.
        names: split -> names of its images, of `read_parts`.

    Returns:
        The divided dataset, and lines about what has changed since.
    """
    source = to_divide(annotations)
    if source is None:
        return annotations, ["it has a split for validation now; that is taken"]
    held = {name: set(names[name]) for name in names if name != "train"}
    parts: dict[str, list[ImageRecord]] = {name: [] for name in names}
    for image in annotations.splits[source]:
        part = next((name for name, members in held.items() if image.name in members), "train")
        parts[part].append(image)
    present = {image.name for image in annotations.splits[source]}
    known = {name for members in names.values() for name in members}
    changes = [
        f"{len(images)} images {state} since the run was made"
        for images, state in ((known - present, "are gone"), (present - known, "are new"))
        if images
    ]
    return with_splits(annotations, parts, "as for the run, whose splits.json lists them"), changes
