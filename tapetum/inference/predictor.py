"""A trained model, ready to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from torch import Tensor

from tapetum.base.download import Bar, no_bar
from tapetum.base.errors import ImageError, UsageError
from tapetum.base.progress import Log, no_log
from tapetum.base.runtime import Runtime, choose_runtime, placed
from tapetum.data.images.reader import read_image
from tapetum.explain import AUTO as AUTO_METHOD
from tapetum.explain import explain, method_for
from tapetum.explain.methods import check_method
from tapetum.inference.custom_code import function_of_run, model_named
from tapetum.inference.explain_target import check_target, explain_target, valid_index
from tapetum.inference.results import Result
from tapetum.inference.thresholds import Thresholds
from tapetum.models import task_of
from tapetum.models.classification.classifier import see_whole_images
from tapetum.models.custom import is_custom
from tapetum.models.predict import predict
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Model,
    PostprocessOptions,
    Prediction,
    Target,
)
from tapetum.tasks import TASKS, Task
from tapetum.weights.checkpoint import load_model
from tapetum.weights.published import model_of
from tapetum.weights.run_checkpoint import checkpoint_of_run, neither_run_nor_network
from tapetum.weights.sources import AUTO, build_network, network

Image = Any
"""A path, bytes, a PIL image, an array (H, W, 3) uint8 RGB, or a tensor (3, H, W), uint8 or float
in [0, 1]."""


@dataclass(frozen=True)
class Predictor:
    """A model with its class names.

    Attributes:
        model: in evaluation mode, on the device of `runtime`.
        model_info: its name, arguments and classes.
        folder: its checkpoint, or the file of a published network.
        runtime: device and precision.
    """

    model: Model
    model_info: ModelInfo
    folder: Path
    runtime: Runtime

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is an index into them."""
        return self.model_info.classes

    @cached_property
    def task(self) -> Task:
        """What the model predicts, and how that is measured and shown."""
        return TASKS[task_of(self.model_info.model)]

    @overload
    def predict(self, images: list[Image] | tuple[Image, ...]) -> list[Result]: ...
    @overload
    def predict(self, images: Image) -> Result: ...
    def predict(self, images: Any) -> Any:
        """Predict on one image, or on each of a list of them.

        Args:
            images: a path, bytes, a PIL image, an array (H, W, 3) uint8 RGB, or a tensor
                (3, H, W), uint8 or float in [0, 1]; or a list of these.

        Returns:
            A result, or a list of them; objects count from the run's threshold of their class.

        Raises:
            ImageError: an image cannot be read.
            AnnotationError: the run's thresholds cannot be read.
        """
        if not isinstance(images, list | tuple):
            return self.predict([images])[0]
        inputs = [as_image(image) for image in images]
        model_info, task, thresholds = self.model_info, self.task, self._thresholds
        rows = zip(self.predictions(inputs), inputs, strict=True)
        return [Result.of(found, pixels, model_info, task, thresholds) for found, pixels in rows]

    def predictions(
        self, images: Sequence[Tensor], options: PostprocessOptions = DEFAULT_POSTPROCESS
    ) -> list[Prediction]:
        """Predict on tensors, in batches of images of one size.

        Args:
            images: (3, H, W) uint8, or float in [0, 1].
            options: thresholds in place of the model's.

        Returns:
            One prediction an image.
        """
        return predict(self.model, images, runtime=self.runtime, options=options)

    @cached_property
    def _thresholds(self) -> tuple[float, ...]:
        return Thresholds.of(self, None).values

    def explain(
        self,
        image: Image,
        target: Target | str,
        object: int | None = None,
        method: str = AUTO_METHOD,
        layer: str | None = None,
    ) -> Tensor:
        """Compute which pixels raise the logits of `target`, see `tapetum.explain.explain`.

        Args:
            image: as for `predict`.
            target: what the model can score: a label, objects, or the pixels of a map that are
                not 255; or a part of the model's prediction, as "dog" or "box:2", see
                `tapetum.inference.explain_target`.
            object: only this one of its objects, counted from 0; for a prediction with objects the
                first by default.
            method: a name in `tapetum.explain.METHODS`, or "auto".
            layer: one of `model.explain_layers()`, by default its first.

        Returns:
            (H, W) float in [0, 1] on the CPU.

        Raises:
            UsageError: no such object, method or layer; or the method needs what the model lacks.
        """
        self.check_method(method, layer)
        if isinstance(target, str):
            target = self._part(image, target)
        objects = target.objects
        if objects is not None and (object is not None or isinstance(target, Prediction)):
            target = Target(objects=objects[[valid_index(object or 0, len(objects))]])
        pixels = as_image(image).to(self.runtime.device)
        return explain(self.model, pixels, target, method=method, layer=layer).cpu()

    def _part(self, image: Image, text: str) -> Target:
        """The part of the prediction for an image that a text names."""
        check_target(text, self.task, self.model_info)
        (prediction,) = self.predictions([as_image(image)])
        return explain_target(text, prediction, self.task, self.model_info).target

    def check_method(self, method: str, layer: str | None = None) -> None:
        """Check that the model supports a method and a layer.

        Raises:
            UsageError: no such method or layer; or the method needs what the model lacks.
        """
        check_method(self.model, method, layer)

    def method_for(self, target: Target) -> str:
        """The method that "auto" stands for with this target."""
        return method_for(target, self.model)


def load(
    run: str | Path,
    *,
    model: str | None = None,
    weights: str = AUTO,
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    whole_image: bool = False,
    bar: Bar = no_bar,
    log: Log = no_log,
) -> Predictor:
    """Load the model of a run folder, of one checkpoint folder, or a published network.

    Args:
        run: a folder, else a name: of torchvision ("retinanet_resnet50_fpn") or of tapetum
            ("retinanet").
        model: "FILE.py:FUNCTION", the code of a run on custom code. It must be named where it was
            never named on this machine, or has changed since, because a run alone must not start
            code; see docs/own_model.md.
        weights: of a network by name: "auto" (those published for it), or a name, file, address
            or run.
        checkpoint: "best" (highest metric) or "last".
        device: "auto", "cpu", "cuda", ...
        precision: "auto" (fp32), "fp32", "bf16" or "fp16".
        whole_image: squash the whole image to a square, in place of the center crop with which
            published classifiers were measured.
        bar: shows how far a download is.
        log: is called with each line about the work.

    Returns:
        The model in evaluation mode on its device, with its class names.

    Raises:
        CheckpointError: a damaged run, no intact checkpoint, or custom code that must be named
            first.
        DownloadError: the weights cannot be downloaded.
        UsageError: no run and no published network; `whole_image` for a custom model, which
            preprocesses images by itself; or an unknown checkpoint, device or precision.
    """
    if checkpoint not in ("best", "last"):
        raise UsageError(f"unknown checkpoint {checkpoint!r}", hint="best or last")
    runtime = choose_runtime(device, precision)
    entry = None if Path(run).exists() else network(str(run))
    if entry is not None:
        model_named(model_of(entry), model, Path(run))
        network_model, model_info, file = build_network(entry, weights, bar, log)
        return _ready(network_model, model_info, file, runtime, whole_image, log)
    if not Path(run).is_dir():
        raise neither_run_nor_network(Path(run))
    if weights != AUTO:
        raise UsageError("is for networks by name; a run has weights", option="weights", file=run)
    folder, complaints = checkpoint_of_run(Path(run), checkpoint)
    for complaint in complaints:
        log(complaint)

    def renamed(model_info: ModelInfo) -> ModelInfo:
        return replace(model_info, model=model_named(model_info.model, model, Path(run)))

    run_model, model_info = load_model(
        folder, lambda model_info: function_of_run(renamed(model_info), folder, log)
    )
    return _ready(run_model, renamed(model_info), folder, runtime, whole_image, log)


def _ready(
    model: Model[Any],
    model_info: ModelInfo,
    place: Path,
    runtime: Runtime,
    whole_image: bool,
    log: Log,
) -> Predictor:
    if whole_image:
        model_info = _show_whole_images(model, model_info, log)
    model = placed(model, runtime.device).eval()
    predictor = Predictor(model, model_info, place, runtime)
    _ = predictor.task  # now, before the file of a custom model can change
    return predictor


def _show_whole_images(model: Model[Any], model_info: ModelInfo, log: Log) -> ModelInfo:
    """Make a model that crops see whole images; log it, and return its new info.

    Raises:
        UsageError: a custom model, which preprocesses images by itself.
    """
    if is_custom(model_info.model):
        why = f"{model_info.model} preprocesses images by itself"
        raise UsageError(why, where="whole_image", hint="change its preprocess")
    preprocessing = see_whole_images(model)
    if preprocessing is None:
        log(f"{model_info.model} already uses whole images")
        return model_info
    side = preprocessing.size
    usual = (
        f"not a short side of {preprocessing.short_side} and of that the middle, as it was measured"
    )
    log(f"{model_info.model}: whole images, squashed to {side} x {side}; {usual}")
    return replace(
        model_info, arguments=model_info.arguments | {"crop_mode": "squash", "resize_size": None}
    )


def as_image(image: Image) -> Tensor:
    """An image of any supported kind as a tensor (3, H, W) RGB.

    Raises:
        ImageError: it cannot be read, or is a tensor whose floats are not in [0, 1].
    """
    if not isinstance(image, Tensor):
        return read_image(image).pixels
    if image.is_floating_point() and image.numel() and image.device.type != "meta":
        low, high = float(image.min()), float(image.max())
        if not 0 <= low <= high <= 1:
            why = f"a tensor: expected floats in [0, 1], got {low:g} to {high:g}"
            raise ImageError(why, hint="divide by 255, or give uint8")
    return image
