"""Predictions as files that other programs read: labels, a table, crops."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tapetum.base.errors import UsageError
from tapetum.base.files import atomic_write, safe_path
from tapetum.base.outputs import refuse_output
from tapetum.base.written import remove, replaceable
from tapetum.data.formats import FORMATS, Format
from tapetum.data.images.reader import read_image
from tapetum.data.records.image_record import Annotations, ImageRecord, bare_record
from tapetum.inference.predictor import Predictor
from tapetum.render import to_image

IMAGES = "images"
_TABLE = "predictions.csv"


def saves() -> tuple[str, ...]:
    """What `predict` can write: images with the predictions drawn in, labels in several formats,
    all predictions as one table, each detected object as an image."""
    return (IMAGES, *_label_formats(), "csv", "crops")


def _label_formats() -> dict[str, Format]:
    return {name: format for name, format in FORMATS.items() if format.label_split is not None}


def check_saves(kinds: Iterable[str], predictor: Predictor, files: Sequence[Path]) -> None:
    """Check the kinds of files to write.

    Args:
        kinds: of `saves()`.
        predictor: the model.
        files: the images.

    Raises:
        UsageError: an unknown kind, one that the task has no predictions for, or one in which two
            images would share a file.
    """
    for kind in kinds:
        if kind not in saves():
            raise UsageError(f"unknown kind {kind!r}", option="save", hint=", ".join(saves()))
        if kind not in (IMAGES, "csv") and not predictor.task.has_objects:
            why = f"{predictor.task.name} finds no boxes to write as {kind}"
            raise UsageError(why, option="save", hint=f"{IMAGES} or csv")
        if kind in FORMATS and FORMATS[kind].label_per_image:
            _refuse_same(kind, files)


def _refuse_same(kind: str, files: Sequence[Path]) -> None:
    owners: dict[str, Path] = {}
    for file in files:
        if (first := owners.setdefault(file.stem.casefold(), file)) != file:
            why = f"{first} and {file} would share one file of labels"
            raise UsageError(why, option="save", hint="coco holds both")


def refuse_places(
    kinds: Sequence[str], out: Path, drawings: Iterable[str], images: Sequence[str | Path]
) -> None:
    """Refuse outputs that would replace files, or lie among the images.

    Files that tapetum wrote there and that are unchanged may be replaced.

    Args:
        kinds: what is written, see `saves`.
        out: the folder.
        drawings: names of the images that are drawn into.
        images: files and folders that are read.

    Raises:
        UsageError: a file would be replaced, or lie among the images.
    """
    inside = [image for image in images if Path(image).is_dir()]
    beside = {Path(image).parent for image in images if not Path(image).is_dir()}
    files = [out / name for name in drawings] if IMAGES in kinds else []
    files += [out / _TABLE] if "csv" in kinds else []
    ours = replaceable(out)
    refuse_output(*files, inside=inside, beside=beside, replaceable=ours)
    refuse_output(*_folders(kinds, out), folder=True, inside=inside, replaceable=ours)


def clear_places(kinds: Sequence[str], out: Path) -> None:
    """Delete what an earlier run wrote into the folders of these kinds.

    Else labels and crops of other images would stay among the new ones.

    Args:
        kinds: what is written, see `saves`.
        out: the folder.
    """
    ours = replaceable(out)
    for folder in _folders(kinds, out):
        remove(ours, folder)


def _folders(kinds: Sequence[str], out: Path) -> list[Path]:
    return [out / kind for kind in (*_label_formats(), "crops") if kind in kinds]


def save_answers(
    answers: Mapping[str, Any],
    predictor: Predictor,
    kinds: Sequence[str],
    out: Path,
    names: Mapping[str, str],
) -> list[Path]:
    """Write the predictions of `predict_files`, each kind but the drawings.

    Labels come without images, as CVAT and Label Studio take them: coco/annotations/
    instances_default.json, yolo/labels/train/*.txt with data.yaml, voc/Annotations/*.xml. An image
    that could not be read is in none of them.

    Args:
        answers: as `predict_files` returns them.
        predictor: the model.
        kinds: what is written, see `saves`.
        out: the folder.
        names: a different name for each file, for its crops.

    Returns:
        The files and folders that were written.
    """
    written = []
    for kind in kinds:
        if kind in FORMATS:
            _save_labels(FORMATS[kind], answers, predictor, out / kind)
            written.append(out / kind)
        elif kind == "csv":
            written.append(_save_table(answers, out / _TABLE))
        elif kind == "crops":
            written.append(_save_crops(answers, out / kind, names))
    return written


def _save_labels(
    format: Format, answers: Mapping[str, Any], predictor: Predictor, out: Path
) -> None:
    split, write = format.label_split, format.write
    assert split is not None
    assert write is not None
    write(_annotations(answers, predictor, split), out, _no_copy)


def _annotations(answers: Mapping[str, Any], predictor: Predictor, split: str) -> Annotations:
    """The predictions as annotations."""
    images = tuple(_image(n, answer) for n, answer in enumerate(answers["images"], start=1))
    model_info = predictor.model_info
    ids = model_info.class_ids or tuple(range(1, len(model_info.classes) + 1))
    posed = tuple(range(len(model_info.classes))) if model_info.keypoint_names else ()
    return Annotations(
        "tapetum",
        Path(),
        tuple(model_info.classes),
        tuple(ids),
        {split: images},
        (),
        keypoint_names=model_info.keypoint_names,
        skeleton=model_info.skeleton,
        keypoint_labels=posed,
    )


def _image(number: int, answer: Mapping[str, Any]) -> ImageRecord:
    """The record of one image; its objects are numbered over all images by COCO's writer."""
    file, objects = Path(answer["file"]), answer["objects"]
    height, width = answer["size"]
    empty = bare_record(file.name, file, number, (height, width))
    if not objects:
        return empty
    corners = np.array([obj["box"] for obj in objects], dtype=np.float64)  # (N, 4)
    sides = corners[:, 2:] - corners[:, :2]
    segments = tuple(obj.get("mask") for obj in objects)
    count = len(objects)
    return ImageRecord(
        name=file.name,
        path=file,
        id=number,
        size=(height, width),
        xywh=np.concatenate((corners[:, :2], sides), axis=1),
        labels=np.array([obj["label"] for obj in objects], dtype=np.int64),
        crowd=np.zeros(count, dtype=bool),
        difficult=np.zeros(count, dtype=bool),
        area=sides.prod(axis=1),
        ids=tuple(range(1, count + 1)),
        segments=segments if any(s is not None for s in segments) else (),
        keypoints=_keypoints(objects),
    )


def _keypoints(objects: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
    """(N, K, 3) x, y and 2 for "seen": models do not predict visibility."""
    if "keypoints" not in objects[0]:
        return None
    points = np.array([obj["keypoints"] for obj in objects], dtype=np.float64)
    points[..., 2] = 2
    return points


def _no_copy(_: ImageRecord, __: str) -> None:
    """Labels alone are written; their images stay where they are."""


def _save_table(answers: Mapping[str, Any], path: Path) -> Path:
    """One line for each prediction: file, class, score or fraction of pixels, and a box."""
    with atomic_write(path, "w") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "class", "score", "x1", "y1", "x2", "y2"))
        for answer in answers["images"]:
            for obj in answer.get("objects", ()):
                corners = (round(value, 2) for value in obj["box"])
                table.writerow((answer["file"], obj["class"], f"{obj['score']:.4f}", *corners))
            for name, value in (answer.get("scores") or answer.get("pixels") or {}).items():
                table.writerow((answer["file"], name, f"{value:.4f}", "", "", "", ""))
    return path


def _save_crops(answers: Mapping[str, Any], folder: Path, names: Mapping[str, str]) -> Path:
    """CLASS/NAME-NUMBER.jpg for each detection, by score."""
    for answer in answers["images"]:
        stem = Path(names[answer["file"]]).stem
        pixels = read_image(answer["file"]).pixels if answer["objects"] else None
        for number, obj in enumerate(answer["objects"], start=1):
            assert pixels is not None
            x1, y1, x2, y2 = (round(value) for value in obj["box"])
            crop = pixels[:, max(0, y1) : max(y2, y1 + 1), max(0, x1) : max(x2, x1 + 1)]
            if not crop.numel():
                continue
            name = obj["class"].replace("/", "-").replace("\\", "-")
            place = safe_path(folder, f"{name}/{stem}-{number}.jpg")
            with atomic_write(place) as file:
                to_image(crop).save(file, "JPEG", quality=92)
    return folder
