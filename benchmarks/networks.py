"""The networks that `models.py` measures: ours and the reference's, with the same weights.

Each function that ends on `_side` gives a function of no arguments that does the work once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CLASSES = {"labels": 1000, "maps": 11}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Pair:
    """A network of ours and the reference's.

    kind: of its truth, "labels", "maps" or "objects". package, name: where the reference is.
    ours, theirs: arguments. size: (height, width) of the images unless told otherwise.
    images: how many a training step has, and a prediction.
    adjust: factors for random weights of the reference.
    """

    kind: str
    package: str
    name: str
    size: tuple[int, int]
    images: dict[str, int]
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    adjust: dict[str, float] = field(default_factory=dict)


def _classifier(name: str) -> Pair:
    size, images = (224, 224), {"train": 8, "predict": 8}
    return Pair("labels", "torchvision", name, size, images, theirs={"weights": None})


def _detector(name: str, **adjust: float) -> Pair:
    plain = {"weights": None, "weights_backbone": None}
    names = {name.replace("__", "."): factor for name, factor in adjust.items()}
    size, images = (400, 533), {"train": 2, "predict": 1}
    return Pair("objects", "torchvision", name, size, images, theirs=plain, adjust=names)


# Boxes that stay apart, and classes that are neither believed nor refused everywhere, make 100
# detections, and with them masks and keypoints.
_NEAR = {"rpn__head__bbox_pred__weight": 1e-3, "roi_heads__box_predictor__bbox_pred__weight": 1e-3}
_TORN = {**_NEAR, "roi_heads__box_predictor__cls_score__weight": 1e-2}

PAIRS = {
    "resnet50": _classifier("resnet50"),
    "vit_b_16": _classifier("vit_b_16"),
    "unet": Pair(
        "maps",
        "segmentation_models_pytorch",
        "Unet",
        (360, 480),
        {"train": 8, "predict": 1},
        ours={"encoder": "resnet34", "classes": CLASSES["maps"]},
        theirs={
            "encoder_name": "resnet34",
            "encoder_weights": None,
            "classes": CLASSES["maps"],
        },
    ),
    "retinanet": _detector("retinanet_resnet50_fpn"),
    "faster_rcnn": _detector("fasterrcnn_resnet50_fpn"),
    "mask_rcnn": _detector("maskrcnn_resnet50_fpn", **_NEAR),
    "keypoint_rcnn": _detector("keypointrcnn_resnet50_fpn", **_TORN),
}


def reference(model: str, size: tuple[int, int] | None = None) -> torch.nn.Module:
    """The reference's network; detectors bring images to `size`."""
    pair = PAIRS[model]
    if pair.package == "segmentation_models_pytorch":
        import segmentation_models_pytorch

        return getattr(segmentation_models_pytorch, pair.name)(**pair.theirs)
    import torchvision

    if pair.kind == "labels":
        return getattr(torchvision.models, pair.name)(**pair.theirs)
    sizes = {} if size is None else {"min_size": size[0], "max_size": 2 * size[0]}
    return getattr(torchvision.models.detection, pair.name)(**pair.theirs, **sizes)


def reference_weights(model: str) -> dict[str, Tensor]:
    """Random weights under the reference's names."""
    torch.manual_seed(0)
    state = reference(model).state_dict()
    for name, factor in PAIRS[model].adjust.items():
        state[name] *= factor
    return state


def tapetum_side(
    model: str, work: str, precision: str, weights: dict[str, Tensor], size: tuple[int, int]
) -> Callable[[], object]:
    """Ours: `predict`, or `train_step` with plain SGD."""
    from tapetum.base.runtime import Runtime
    from tapetum.models import CATALOG
    from tapetum.models.predict import predict
    from tapetum.structures import Model, Sample
    from tapetum.training.state import TrainingState
    from tapetum.training.step import StepBatch, train_step

    pair = PAIRS[model]
    sizes = {"min_size": size[0], "max_size": 2 * size[0]} if pair.kind == "objects" else {}
    network = CATALOG[model].build(**pair.ours, **sizes)
    module = sys.modules[type(network).__module__]
    tables = network.references if isinstance(network, Model) else module.REFERENCE
    renames = tables[pair.package]
    own = {name: weights[str(renames.theirs(name))] for name in network.state_dict()}
    network.load_state_dict(own)
    network = network.to(memory_format=torch.channels_last)
    runtime = Runtime(torch.device("cpu"), precision)
    images, ground_truth = made(model, pair.images[work], size)
    if work == "predict":
        return lambda: predict(network, images, batch_size=len(images), runtime=runtime)
    targets = _targets(pair.kind, ground_truth, shift=int(model != "retinanet"))
    samples = [Sample(p, t) for p, t in zip(images, targets, strict=True)]
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    state, batch = TrainingState(network, optimizer), StepBatch(samples)
    return lambda: train_step(state, batch, runtime)


def reference_side(
    model: str, work: str, precision: str, weights: dict[str, Tensor], size: tuple[int, int]
) -> Callable[[], object]:
    """Theirs: the same work in their way."""
    pair = PAIRS[model]
    network = reference(model, size)
    network.load_state_dict(weights)
    network = network.to(memory_format=torch.channels_last)
    if model == "keypoint_rcnn":  # its loss refuses the memory order that everything else likes
        heatmaps = network.roi_heads.keypoint_predictor
        heatmaps.register_forward_hook(lambda module, inputs, output: output.contiguous())
    images, ground_truth = made(model, pair.images[work], size)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    network.train(work == "train")
    if work == "predict":

        def predict() -> None:
            with torch.inference_mode(), autocast:
                _read(pair.kind, network(_inputs(pair.kind, images)), size)

        return predict
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)

    def step() -> None:
        optimizer.zero_grad()
        with autocast:
            given = (ground_truth,) if pair.kind == "objects" else ()
            raw = network(_inputs(pair.kind, images), *given)
        _loss(pair.kind, raw, ground_truth, size).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1e9)
        optimizer.step()

    return step


def made(model: str, count: int, size: tuple[int, int]) -> tuple[list[Tensor], list[Any]]:
    """Random images of `size` and what is true of them, in the reference's terms."""
    torch.manual_seed(0)
    kind = PAIRS[model].kind
    images = [torch.rand(3, *size) for _ in range(count)]
    if kind == "labels":
        return images, [torch.randint(0, CLASSES[kind], ()) for _ in images]
    if kind == "maps":
        return images, [torch.randint(0, CLASSES[kind], size) for _ in images]
    return images, [_objects(model, *size) for _ in images]


def _objects(model: str, height: int, width: int) -> dict[str, Tensor]:
    """Five random objects."""
    corner = torch.rand(5, 2) * torch.tensor([width * 0.6, height * 0.6])
    boxes = torch.cat([corner, corner + 20 + 0.35 * height * torch.rand(5, 2)], 1)
    objects = {"boxes": boxes, "labels": torch.randint(1, 90, (5,))}
    if model == "mask_rcnn":
        y, x = torch.arange(height)[:, None], torch.arange(width)
        inside = [(x > x1) & (x < x2) & (y > y1) & (y < y2) for x1, y1, x2, y2 in boxes.tolist()]
        objects["masks"] = torch.stack(inside)
    if model == "keypoint_rcnn":
        objects["labels"] = torch.ones(5, dtype=torch.int64)
        places = corner[:, None] + torch.rand(5, 17, 2) * (boxes[:, 2:] - corner)[:, None]
        objects["keypoints"] = torch.cat([places, torch.full((5, 17, 1), 2.0)], 2)
    return objects


def _targets(kind: str, ground_truth: list[Any], shift: int) -> list[Any]:
    """The truth in our terms; shift: which of the reference's classes is our first."""
    from tapetum.structures import Objects, Target

    if kind == "labels":
        return [Target(labels=label[None]) for label in ground_truth]
    if kind == "maps":
        return [Target(semantic=semantic.to(torch.uint8)) for semantic in ground_truth]
    return [Target(objects=Objects(**{**t, "labels": t["labels"] - shift})) for t in ground_truth]


def _inputs(kind: str, images: list[Tensor]) -> Any:
    """What the reference's network takes: detectors normalise and pad by themselves."""
    if kind == "objects":
        return images
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    pixels = (torch.stack(images) - mean) / std
    if kind == "maps":
        pixels = F.pad(pixels, (0, -pixels.shape[3] % 32, 0, -pixels.shape[2] % 32))
    return pixels.contiguous(memory_format=torch.channels_last)


def _read(kind: str, raw: Any, size: tuple[int, int]) -> Any:
    """What a user would make of the reference's raw answers."""
    if kind == "objects":
        return raw
    return raw.softmax(1) if kind == "labels" else raw[..., : size[0], : size[1]].argmax(1)


def _loss(kind: str, raw: Any, ground_truth: list[Any], size: tuple[int, int]) -> Tensor:
    if kind == "objects":
        return torch.stack(list(raw.values())).sum()
    if kind == "labels":
        return F.cross_entropy(raw.float(), torch.stack(ground_truth))
    return F.cross_entropy(raw[..., : size[0], : size[1]].float(), torch.stack(ground_truth))
