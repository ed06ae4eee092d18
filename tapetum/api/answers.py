"""Answers about image files: found objects as JSON and drawn, and explanations."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import PIL.Image

from tapetum.base.errors import ImageError
from tapetum.base.outputs import open_output, refuse_output
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.data.images.reader import SUFFIXES, read_image
from tapetum.explain import AUTO
from tapetum.inference.explain_target import STRONGEST, check_target, explain_target
from tapetum.inference.filtering import Choice, nms_at
from tapetum.inference.folder import predict_in_batches
from tapetum.inference.predictor import Predictor
from tapetum.inference.results import above_thresholds
from tapetum.inference.saving import IMAGES, check_saves, refuse_places, save_answers
from tapetum.inference.thresholds import Thresholds
from tapetum.render.image_file import encode_image, save_image
from tapetum.render.overlay import overlay_heat
from tapetum.tasks.segmentation import MAP

SCHEMA = "tapetum.predictions/1"


def predict_files(
    predictor: Predictor,
    images: Iterable[str | Path],
    *,
    threshold: float | None = None,
    classes: Sequence[str] = (),
    max_detections: int | None = None,
    nms_iou: float | None = None,
    out: str | Path | None = None,
    save: Sequence[str] = (IMAGES,),
    workers: int | None = None,
    progress: Progress = no_progress,
    log: Log = no_log,
) -> dict[str, Any]:
    """What a model finds in image files, as JSON values (schema tapetum.predictions/1).

    images: files and folders (their images, by name). threshold: lowest score of an object that
    counts; by default that of each class which the run's report has chosen, 0.5 where there is none
    (`tapetum.inference.thresholds`). classes: the only ones that count, all unless some are named.
    max_detections: the most objects of an image, the best ones. nms_iou: the overlap from which
    the weaker of two boxes of a class goes, where the model decides by that. out: a folder for what
    `save` names, see `SAVES`. workers: processes that decode images; None: as many as help. log:
    takes where thresholds are from that were not given.

    Returns {"schema", "task", "model", "classes", "threshold": number or {class: number}, "images":
    [{"file", "size": [height, width], ...}], "failed": [{"file", "error"}]}. An entry of "images"
    holds, by task,

    - classification: "labels": [class], "scores": {class: probability}
    - localization, detection, instances, keypoints: "objects": [{"class", "label", "score",
      "box": [x1, y1, x2, y2], "mask": COCO's run lengths, "keypoints": [[x, y, score]]}]
    - segmentation: "pixels": {class: share of the image}

    Boxes are pixels of the upright image. An image that cannot be read is in "failed"; the
    others are answered.

    Raises:
        UsageError: an option that cannot be followed, or something that is written would replace a
            file, or lie among the images that are read.
    """
    images = list(images)
    thresholds = Thresholds.of(predictor, threshold)
    choice = Choice.of(predictor, classes, max_detections)
    files = list(dict.fromkeys(list_images(images)))
    check_saves(save if out is not None else (), predictor, files)
    if out is not None:
        drawn_names = _drawn_names(files, predictor.task.drawings)
        refuse_places(save, Path(out), drawn_names, images)
    if thresholds.words:
        log(thresholds.words)
    answers: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    names = _output_names(files)
    entries = predict_in_batches(predictor, files, workers=workers)
    with nms_at(predictor, nms_iou), closing(entries):
        for index, entry in zip(progress(range(len(files)), len(files)), entries, strict=True):
            if entry.image is None or entry.prediction is None:
                failed.append({"file": str(entry.file), "error": str(entry.error)})
                continue
            found = choice.kept(above_thresholds(entry.prediction, thresholds.values))
            head = {"file": str(entry.file), "size": list(entry.image.shape[-2:])}
            answers.append(head | predictor.task.answer(found, predictor.model_info, 0.0))
            if out is not None and IMAGES in save:
                drawn = predictor.task.draw(entry.image, found, predictor.model_info, 0.0)
                save_drawings(drawn, Path(out), names[index])
    whole = {
        "schema": SCHEMA,
        "task": predictor.task.name,
        "model": predictor.model_info.model,
        "classes": list(predictor.classes),
        "threshold": thresholds.said,
        "images": answers,
        "failed": failed,
    }
    if out is not None:
        own = dict(zip(map(str, files), names, strict=True))
        save_answers(whole, predictor, save, Path(out), own)
    return whole


def refuse_answers(
    images: Iterable[str | Path], out: str | Path, save: Sequence[str] = (IMAGES,)
) -> None:
    """Raise UsageError where `predict_files` would, as far as that is known without the model."""
    images = list(images)
    files = list(dict.fromkeys(list_images(images)))
    refuse_places(save, Path(out), _drawn_names(files), images)


def explain_file(
    predictor: Predictor,
    image: str | Path,
    out: str | Path | None = None,
    *,
    target: str = STRONGEST,
    method: str = AUTO,
    layer: str | None = None,
    log: Log = no_log,
) -> Path:
    """Draw why a model gave one of its answers for an image file.

    target: which one, in the words of `tapetum.inference.explain_target`: "0" (the strongest),
        "dog", "box:2", "mask:2", "keypoint:2:nose", "pixel:120,45".
    out: explanation.png unless told otherwise, or explanation-2.png, ... where that is taken.

    Raises:
        UsageError: `out` is there already; an unknown method, layer or target, or one that this
            model has not: before the image is read, unless it depends on the image.
    """
    out = free_explanation() if out is None else Path(out)
    refuse_output(out)
    predictor.check_method(method, layer)
    check_target(target, predictor.task, predictor.model_info)
    record = read_image(image).pixels
    obj = explain_target(
        target, predictor.predictions([record])[0], predictor.task, predictor.model_info
    )
    method = predictor.method_for(obj.target) if method == AUTO else method
    log(f"{obj.words}: {method}")
    heat = predictor.explain(record, obj.target, method=method, layer=layer)
    drawn = overlay_heat(record, heat, objects=obj.target.objects, classes=predictor.classes)
    with open_output(out) as file:
        file.write(encode_image(drawn, out.suffix))
    return out


def free_explanation() -> Path:
    """The first of explanation.png, explanation-2.png, ... here that is not there yet."""
    numbered = (f"-{number}" if number > 1 else "" for number in itertools.count(1))
    names = (Path(f"explanation{number}.png") for number in numbered)
    return next(name for name in names if not os.path.lexists(name))


def list_images(images: Iterable[str | Path]) -> Iterable[Path]:
    """The files named, and the images inside the folders named, sorted."""
    for image in map(Path, images):
        if not image.is_dir():
            yield image
            continue
        inside = sorted(p for p in image.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not inside:
            raise ImageError("no images in this folder", file=image)
        yield from inside


def save_drawings(drawings: Mapping[str, PIL.Image.Image], folder: Path, name: str) -> None:
    """Write each drawing beside the others."""
    for ending, drawn in drawings.items():
        save_image(drawn, folder, _drawn_name(name, ending))


def _drawn_names(files: Sequence[Path], endings: Sequence[str] = ("",)) -> list[str]:
    """What the drawings of images will be called, by what their task draws of each."""
    return [_drawn_name(name, ending) for name in _output_names(files) for ending in endings]


def _drawn_name(name: str, ending: str) -> str:
    """All drawings but the main one are PNG, which loses nothing."""
    return f"{Path(name).stem}{ending}.png" if ending else name


def _output_names(files: Sequence[Path]) -> list[str]:
    """A different name for each drawn image, also where two inputs have the same. They differ
    before the suffix, which crops and further drawings replace."""
    taken: set[str] = set()
    names = []
    for file in files:
        suffix = ".jpg" if file.suffix.lower() in (".jpg", ".jpeg") else ".png"
        stem, number = file.stem, 1
        while not taken.isdisjoint(_stems(stem)):
            number += 1
            stem = f"{file.stem}-{number}"
        taken |= _stems(stem)
        names.append(stem + suffix)
    return names


def _stems(stem: str) -> set[str]:
    """What the drawings of an image may be called, as systems see it that know no case."""
    return {stem.casefold(), f"{stem}{MAP}".casefold()}
