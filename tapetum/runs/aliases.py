"""Old names in stored runs and what they are called now: the one table for all of them.

A run that an earlier version wrote is read with these. Whoever renames an argument of a model, a
key of run.json or model.json, a loss or a weight adds the old name here. New names that no table
holds stay as they are, so that a current run passes unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from tapetum.structures.renames import Renames

ValueT = TypeVar("ValueT")

RECORD = {"unlabelled": "unlabeled", "wishes": "options"}
"""Keys of run.json."""
COUNTS = {"pictures": "images"}
"""Keys of "counts" in run.json."""
OPTIONS = {"unlabelled": "unlabeled"}
"""Keys of "options" in run.json."""
FORMATS = {"maps": "label_maps", "instances": "instance_maps"}
"""Formats of datasets, in "data_format" of run.json and in "format" of its "options"."""
SETTINGS: dict[str, str] = {}
"""Keys of "settings" in run.json, and of those in "options"."""
ROWS: dict[str, str] = {}
"""Keys of a row of metrics.jsonl."""
_RCNN_LOSSES = {
    "objectness": "loss_objectness",
    "proposal_boxes": "loss_rpn_box_reg",
    "classification": "loss_classifier",
    "boxes": "loss_box_reg",
    "masks": "loss_mask",
    "keypoints": "loss_keypoint",
}
LOSSES: dict[str, dict[str, str]] = {
    "retinanet": {"boxes": "bbox_regression"},
    **dict.fromkeys(("faster_rcnn", "mask_rcnn", "keypoint_rcnn"), _RCNN_LOSSES),
}
"""Keys of "losses" in a row of metrics.jsonl, by model."""

_CLASSIFIERS = (
    *("resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("vit_b_16", "airbench", "linear"),
)
_NUM_CLASSES = {"classes": "num_classes"}
_AUGMENTED = {**_NUM_CLASSES, "views": "test_time_augmentation"}
_RCNN_ARGUMENTS: dict[str, str | tuple[str, ...]] = {
    **_NUM_CLASSES,
    "proposals": ("rpn_pre_nms_top_n_test", "rpn_post_nms_top_n_test"),
    "training_proposals": ("rpn_pre_nms_top_n_train", "rpn_post_nms_top_n_train"),
    "proposal_nms_threshold": "rpn_nms_thresh",
    "sampled_anchors": "rpn_batch_size_per_image",
    "sampled_regions": "box_batch_size_per_image",
    "score_threshold": "box_score_thresh",
    "nms_threshold": "box_nms_thresh",
    "max_detections": "box_detections_per_img",
}
_RETINANET_ARGUMENTS = {
    **_NUM_CLASSES,
    "score_threshold": "score_thresh",
    "nms_threshold": "nms_thresh",
    "max_detections": "detections_per_img",
    "candidates": "topk_candidates",
}
ARGUMENTS: dict[str, Mapping[str, str | tuple[str, ...]]] = {
    **dict.fromkeys((*_CLASSIFIERS, "knn", "localizer"), _NUM_CLASSES),
    **dict.fromkeys(("airbench", "unet"), _AUGMENTED),
    **dict.fromkeys(("faster_rcnn", "mask_rcnn", "keypoint_rcnn"), _RCNN_ARGUMENTS),
    "retinanet": _RETINANET_ARGUMENTS,
}
"""Arguments of the built-in models, by model; where one became several, all have its value."""
VALUES: dict[str, Mapping[str, Mapping[Any, Any]]] = {
    "unet": {"test_time_augmentation": {"one": "none", "mirror": "hflip", "turns": "d4"}},
}
"""Values of arguments of the built-in models, by model and today's name of the argument."""

_FASTER_RCNN = Renames((("proposal_head.*", "rpn_head.*"), ("region_head.*", "box_head.*")))
_INSIDE_NETWORK = Renames(
    tuple(
        (f"{part}.*", f"network.{part}.*")
        for part in ("backbone", "head", "groups", "reduce", "class_head", "box_head")
    )
)
_AIRBENCH = Renames(
    (
        *_INSIDE_NETWORK.pairs,
        ("whitening", "network.whitening"),
        ("bias", "network.bias"),
        ("bias-*", "network.bias-*"),
    )
)
_UNET = Renames(
    (
        ("encoder.body.*", "network.encoder.*"),
        *((f"{part}.*", f"network.{part}.*") for part in ("encoder", "decoder", "head")),
    )
)
_INSIDE_DETECTOR = _FASTER_RCNN.inside("detector.", "detector.")
WEIGHTS: dict[str, Renames] = {
    **dict.fromkeys((*_CLASSIFIERS, "localizer"), _INSIDE_NETWORK),
    "airbench": _AIRBENCH,
    "unet": _UNET,
    "faster_rcnn": _FASTER_RCNN,
    "mask_rcnn": Renames((*_INSIDE_DETECTOR, ("head.*", "mask_head.*"))),
    "keypoint_rcnn": Renames((*_INSIDE_DETECTOR, ("head.*", "keypoint_head.*"))),
}
"""Names in state dicts, (old, new), by model; the first template that fits a name counts."""


def current_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a run.json or model.json with today's names.

    Args:
        record: as the file has it; it is not changed.

    Returns:
        A copy.
    """
    new = _with_format(_renamed(record, RECORD), "data_format")
    model = str(new.get("model"))
    if isinstance(new.get("arguments"), Mapping):
        new["arguments"] = current_arguments(new["arguments"], model)
    for key, names in (("counts", COUNTS), ("settings", SETTINGS)):
        if isinstance(new.get(key), Mapping):
            new[key] = _renamed(new[key], names)
    if isinstance(new.get("options"), Mapping):
        new["options"] = _current_options(new["options"], model)
    return new


def current_arguments(arguments: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Arguments of a stored run for `model`, by today's names and values."""
    names, current = ARGUMENTS.get(model, {}), {}
    for name, value in arguments.items():
        new = names.get(name, name)
        current.update(dict.fromkeys((new,) if isinstance(new, str) else new, value))
    for name, values in VALUES.get(model, {}).items():
        if isinstance(current.get(name), str):
            current[name] = values.get(current[name], current[name])
    return current


def current_state(values: Mapping[str, ValueT], model: str) -> dict[str, ValueT]:
    """What a checkpoint holds by the name of a weight, by today's names.

    Args:
        values: tensors or numbers by name. A name may go on with "-KEY", as in the state of an
            optimizer.
        model: the name of the model in its record.

    Returns:
        The same values by today's names.
    """
    renames = WEIGHTS.get(model)
    if renames is None:
        return dict(values)
    return {renames.theirs(name) or name: value for name, value in values.items()}


def current_rows(rows: Iterable[Mapping[str, Any]], model: str) -> list[dict[str, Any]]:
    """Rows of a metrics.jsonl with today's names.

    Args:
        rows: as the file has them.
        model: the name of the model in the run's record.

    Returns:
        The rows by today's names.
    """
    return [_current_row(row, LOSSES.get(model, {})) for row in rows]


def _current_row(row: Mapping[str, Any], losses: Mapping[str, str]) -> dict[str, Any]:
    new = _renamed(row, ROWS)
    if isinstance(new.get("losses"), Mapping):
        new["losses"] = _renamed(new["losses"], losses)
    return new


def _current_options(options: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The options of a training; arguments and settings lie inside."""
    new = _with_format(_renamed(options, OPTIONS), "format")
    if isinstance(new.get("arguments"), Mapping):
        new["arguments"] = current_arguments(new["arguments"], model)
    if isinstance(new.get("settings"), Mapping):
        new["settings"] = _renamed(new["settings"], SETTINGS)
    return new


def _with_format(values: dict[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(values.get(key), str):
        return values
    return values | {key: FORMATS.get(values[key], values[key])}


def _renamed(values: Mapping[str, ValueT], names: Mapping[str, str]) -> dict[str, ValueT]:
    return {names.get(name, name): value for name, value in values.items()}
