"""Torchvision's files of weights: their names hold the start of their sha256.

Torchvision's code is BSD-3-Clause; it states no licence of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapetum.base.download import digest_of_name
from tapetum.models.class_names import imagenet_classes
from tapetum.models.entry import ClassNames, PublishedWeights

_HOST = "https://download.pytorch.org/models/"


def torchvision_classifier(
    name: str,
    digest: str,
    top1: float,
    top5: float,
    *,
    fixed_arguments: tuple[str, ...],
    resize_size: int = 256,
    starts_backbones: bool = False,
) -> PublishedWeights:
    """A classifier of ImageNet-1K with the protocol of its figures.

    Args:
        name: of the network, with ".v1" or ".v2" where there are several files.
        digest: the start of the file's sha256, part of its name.
        top1: accuracy in percent.
        top5: accuracy in percent.
        fixed_arguments: see `PublishedWeights`.
        resize_size: pixels that the short side becomes before the middle is cropped.
        starts_backbones: see `PublishedWeights`.

    Returns:
        The entry for `ModelEntry.weights`.
    """
    file = f"{name.partition('.')[0]}-{digest}.pth"
    protocol = {"image_size": 224, "resize_size": resize_size, "crop_mode": "center"}
    return PublishedWeights(
        name=name,
        file=file,
        url=_HOST + file,
        sha256=digest_of_name(file),
        data="ImageNet-1K",
        figures={"top1": top1, "top5": top5},
        class_names=imagenet_classes,
        arguments={"num_classes": 1000, **protocol},
        fixed_arguments=fixed_arguments,
        starts_backbones=starts_backbones,
    )


def torchvision_detector(
    name: str,
    file: str,
    figures: Mapping[str, float],
    class_names: ClassNames,
    *,
    fixed_arguments: tuple[str, ...],
    keypoint_names: tuple[str, ...] = (),
    skeleton: tuple[tuple[int, int], ...] = (),
) -> PublishedWeights:
    """A detector with a ResNet-50 and a feature pyramid, trained on COCO train2017.

    Args:
        name: of the network.
        file: its name on the server.
        figures: AP in percent on COCO val2017.
        class_names: gives the names and ids of its classes; as many as its outputs.
        fixed_arguments: see `PublishedWeights`.
        keypoint_names: of an object's keypoints.
        skeleton: pairs of keypoints that a line joins.

    Returns:
        The entry for `ModelEntry.weights`.
    """
    num_classes = len(class_names()[0])
    return PublishedWeights(
        name=name,
        file=file,
        url=_HOST + file,
        sha256=digest_of_name(file),
        data="COCO train2017",
        figures=figures,
        class_names=class_names,
        arguments={"backbone": "resnet50", "num_classes": num_classes, "norm": "frozen"},
        fixed_arguments=fixed_arguments,
        norm_epsilon=0.0,
        keypoint_names=keypoint_names,
        skeleton=skeleton,
    )
