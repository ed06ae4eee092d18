"""Answers about image files: found objects as JSON and drawn, and explanations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tapetum.base.outputs import free_name, open_output, refuse_output
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.base.written import listing
from tapetum.data.images.reader import read_image
from tapetum.explain import AUTO
from tapetum.inference.answering import Answering, Drawings
from tapetum.inference.explain_target import STRONGEST, check_target, explain_target
from tapetum.inference.image_files import drawn_names, list_images, output_names
from tapetum.inference.predictor import Predictor
from tapetum.inference.saving import (
    IMAGES,
    check_saves,
    clear_places,
    refuse_places,
    save_answers,
)
from tapetum.render.image_file import encode_image
from tapetum.render.overlay import overlay_heat


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
    """What a model finds in image files, as JSON values and as files.

    Args:
        predictor: the model, see `load`.
        images: files, and folders whose images are taken by name.
        threshold: in [0, 1], the lowest score of an object that counts; by default that of each
            class in the run's report, 0.5 where there is none (`tapetum.inference.thresholds`).
        classes: the only ones that count; all unless some are named.
        max_detections: the most objects of an image, the best ones.
        nms_iou: in [0, 1], the IoU from which the lower of two boxes of a class is left out, where
            the model has such a limit.
        out: a folder for what `save` names. What an earlier run wrote there is replaced, unless it
            was changed since.
        save: see `tapetum.inference.saving.saves`.
        workers: processes that decode images; None: as many as help.
        progress: shows how far it is.
        log: is called with the origin of thresholds that were not given.

    Returns:
        Schema tapetum.predictions/1: {"schema", "task", "model", "classes", "threshold": number or
        {class: number}, "images": [{"file", "size": [height, width], ...}], "failed": [{"file",
        "error"}]}. An image that cannot be read is in "failed". An entry of "images" has, by task,

        - classification: "labels": [class], "scores": {class: probability}
        - localization, detection, instance segmentation, keypoint detection: "objects": [{"class",
          "label", "score", "box": [x1, y1, x2, y2] in pixels of the upright image, "mask": COCO's
          run lengths, "keypoints": [[x, y, score]]}]
        - semantic segmentation: "pixels": {class: fraction of the image}

    Raises:
        UsageError: an option that the model cannot follow, or an output would replace a file of
            the user's, or lie among the images that are read.
    """
    images = list(images)
    files = list(dict.fromkeys(list_images(images)))
    answering = Answering.of(predictor, files, threshold, classes, max_detections, nms_iou)
    if out is not None:
        check_saves(save, predictor, files)
        refuse_places(save, Path(out), drawn_names(files, predictor.task.drawings), images)
    if answering.thresholds.words:
        log(answering.thresholds.words)
    if out is None:
        return answering.answers(progress, workers=workers)
    with listing(Path(out)) as written:
        clear_places(save, Path(out))
        names = output_names(files)
        draw = Drawings(predictor, names, Path(out), written) if IMAGES in save else None
        answers = answering.answers(progress, draw, workers)
        by_file = dict(zip(map(str, files), names, strict=True))
        written += save_answers(answers, predictor, save, Path(out), by_file)
    return answers


def refuse_answers(
    images: Iterable[str | Path], out: str | Path, save: Sequence[str] = (IMAGES,)
) -> None:
    """Raise UsageError where `predict_files` would, as far as that is known without the model."""
    images = list(images)
    files = list(dict.fromkeys(list_images(images)))
    refuse_places(save, Path(out), drawn_names(files), images)


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

    Args:
        predictor: the model, see `load`.
        image: the image file.
        out: the image to write; by default explanation.png, or explanation-2.png, ... where that
            exists.
        target: which answer, see `tapetum.inference.explain_target`: "0" (the strongest), "dog",
            "box:2", "mask:2", "keypoint:2:nose", "pixel:120,45".
        method: of `tapetum.explain`; "auto" takes one that suits the model.
        layer: where Grad-CAM looks.
        log: is called with what is explained, and how.

    Returns:
        The image that was written.

    Raises:
        UsageError: `out` is there already; an unknown method, layer or target, or one that this
            model has not: before the image is read, unless it depends on the image.
    """
    out = free_name("explanation.png") if out is None else Path(out)
    refuse_output(out)
    predictor.check_method(method, layer)
    check_target(target, predictor.task, predictor.model_info)
    pixels = read_image(image).pixels
    (prediction,) = predictor.predictions([pixels])
    obj = explain_target(target, prediction, predictor.task, predictor.model_info)
    method = predictor.method_for(obj.target) if method == AUTO else method
    log(f"{obj.words}: {method}")
    heat = predictor.explain(pixels, obj.target, method=method, layer=layer)
    drawn = overlay_heat(pixels, heat, objects=obj.target.objects, classes=predictor.classes)
    with open_output(out) as file:
        file.write(encode_image(drawn, out.suffix))
    return out
