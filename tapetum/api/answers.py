"""Predictions for image files, as JSON and drawn, and explanations of them."""

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
    """Predict on image files; the predictions as JSON values, and as files.

    Args:
        predictor: the model, see `load`.
        images: files, and folders whose images are taken by name.
        threshold: in [0, 1], the lowest score of an object that counts; by default that of each
            class in the run's report, 0.5 where there is none (`tapetum.inference.thresholds`).
        classes: names of the classes that count; by default all.
        max_detections: the largest number of objects an image, those with the highest scores.
        nms_iou: in [0, 1], the IoU above which NMS drops the box with the lower score of two of a
            class, for models with NMS.
        out: a folder for what `save` names. What an earlier run wrote there is replaced, unless it
            was changed since.
        save: see `tapetum.inference.saving.saves`.
        workers: processes that decode images; by default chosen by the number of images and cores.
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
        UsageError: an option that the model does not support, or an output would replace a file of
            the user's, or lie among the images that are read.
    """
    images = list(images)
    files = list(dict.fromkeys(list_images(images)))
    answering = Answering.of(predictor, files, threshold, classes, max_detections, nms_iou)
    if out is not None:
        check_saves(save, predictor, files)
        refuse_places(save, Path(out), drawn_names(files, predictor.task.drawings), images)
    if answering.thresholds.origin:
        log(answering.thresholds.origin)
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
    """Raise UsageError where `predict_files` would, as far as known without the model.

    Args:
        images: files, and folders of images.
        out: the folder that `predict_files` is to write to.
        save: see `tapetum.inference.saving.saves`.
    """
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
    """Draw the heat map of one prediction of a model over its image file.

    Args:
        predictor: the model, see `load`.
        image: the image file.
        out: the image to write; by default explanation.png, or explanation-2.png, ... where that
            exists.
        target: which prediction, see `tapetum.inference.explain_target`: "0" (the strongest),
            "dog", "box:2", "mask:2", "keypoint:2:nose", "pixel:120,45".
        method: a name in `tapetum.explain.METHODS`; "auto" takes one that the model supports.
        layer: name of the module whose activations Grad-CAM uses; by default the model's.
        log: is called with the target and the method.

    Returns:
        The image that was written.

    Raises:
        UsageError: `out` exists; or an unknown method, layer or target, or one that this model
            does not support: before the image is read, unless it depends on the image.
    """
    out = free_name("explanation.png") if out is None else Path(out)
    refuse_output(out)
    predictor.check_method(method, layer)
    check_target(target, predictor.task, predictor.model_info)
    pixels = read_image(image).pixels
    (prediction,) = predictor.predictions([pixels])
    obj = explain_target(target, prediction, predictor.task, predictor.model_info)
    method = predictor.method_for(obj.target) if method == AUTO else method
    log(f"{obj.description}: {method}")
    heat = predictor.explain(pixels, obj.target, method=method, layer=layer)
    if not (heat > 0).any():
        log("the heat map is empty: no pixel raises this score")
    drawn = overlay_heat(pixels, heat, objects=obj.target.objects, classes=predictor.classes)
    with open_output(out) as file:
        file.write(encode_image(drawn, out.suffix))
    return out
