"""Published checkpoints: where they are, what they were trained on, what they are called.

The files are torchvision's (its code is BSD-3-Clause; it states no licence of the weights). Their
names hold the start of their sha256. `names/imagenet.txt` and `names/coco.txt` list the classes in
the order of the outputs; COCO's 90 ids have ten that were never used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from tapetum.base.download import digest_of_name
from tapetum.runs.model_info import ModelInfo

_HOST = "https://download.pytorch.org/models/"
_NOT_STATED = "not stated"
_FIRST_COCO_ID = 1
_KEYPOINTS = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle"
)
_SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip


@dataclass(frozen=True)
class Published:
    """One file.

    name: of the file's network where it comes from; with ".v1" or ".v2" where there are several.
    model, arguments: the same network here. file: its name on the server.
    data: what it was trained on. figures: what its makers measured, in percent.
    epsilon: of the norms it was trained with; ours have 1e-5.
    """

    name: str
    model: str
    file: str
    data: str
    figures: Mapping[str, float]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    epsilon: float = 1e-5

    @property
    def url(self) -> str:
        return _HOST + self.file

    @property
    def sha256(self) -> str:
        """The start of its digest."""
        return digest_of_name(self.file)

    def model_info(self) -> ModelInfo:
        """What is needed, beside the weights, to use it."""
        classes, ids = class_names(self)
        posed = self.model == "keypoint_rcnn"
        return ModelInfo(
            self.model,
            dict(self.arguments),
            classes,
            ids,
            facts=self.facts(),
            keypoint_names=tuple(_KEYPOINTS.split()) if posed else (),
            skeleton=_SKELETON if posed else (),
        )

    def facts(self) -> dict[str, Any]:
        """Where it comes from, for people."""
        return {
            "source": f"torchvision, {self.url}",
            "training data": self.data,
            "published figures": dict(self.figures),
            "code licence": "BSD-3-Clause",
            "weights licence": _NOT_STATED,
        }


def class_names(entry: Published) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names of a network's classes, and the ids that its training data has for them."""
    if entry.data.startswith("ImageNet"):
        names = _lines("imagenet.txt")
        return names, tuple(range(len(names)))
    names = tuple(name or f"unused {i}" for i, name in enumerate(_lines("coco.txt"), start=1))
    if entry.model == "keypoint_rcnn":
        return names[:1], (_FIRST_COCO_ID,)
    if entry.model == "retinanet":  # which kept a place for "nothing", and never used it
        return ("background", *names), tuple(range(len(names) + 1))
    return names, tuple(range(_FIRST_COCO_ID, len(names) + 1))


def published(name: str) -> Published | None:
    """The file of that name; of a name with several files the first in PUBLISHED."""
    return next((e for e in PUBLISHED if name in (e.name, e.name.partition(".")[0])), None)


def _lines(file: str) -> tuple[str, ...]:
    text = (files("tapetum.models") / "names" / file).read_text("utf-8")
    return tuple(text.removesuffix("\n").split("\n"))


def _classifier(
    name: str, digest: str, top1: float, top5: float, resize_size: int = 256
) -> Published:
    """With the protocol by which its figures were measured: the short side becomes `resize_size`,
    and the middle is kept."""
    model = name.partition(".")[0]
    figures = {"top1": top1, "top5": top5}
    file = f"{model}-{digest}.pth"
    protocol = {"image_size": 224, "resize_size": resize_size, "crop_mode": "center"}
    return Published(name, model, file, "ImageNet-1K", figures, {"num_classes": 1000, **protocol})


def _detector(
    name: str, model: str, file: str, figures: Mapping[str, float], classes: int
) -> Published:
    arguments = {"backbone": "resnet50", "classes": classes, "norm": "frozen"}
    return Published(name, model, file, "COCO train2017", figures, arguments, epsilon=0.0)


PUBLISHED = (
    _classifier("resnet18", "f37072fd", 69.758, 89.078),
    _classifier("resnet34", "b627a593", 73.314, 91.420),
    _classifier("resnet50.v2", "11ad3fa6", 80.858, 95.434, 232),
    _classifier("resnet50.v1", "0676ba61", 76.130, 92.862),
    _classifier("resnet101.v2", "cd907fc2", 81.886, 95.780, 232),
    _classifier("resnet101.v1", "63fe2227", 77.374, 93.546),
    _classifier("resnet152.v2", "f82ba261", 82.284, 96.002, 232),
    _classifier("resnet152.v1", "394f9c45", 78.312, 94.046),
    _classifier("vit_b_16", "c867db91", 81.072, 95.318),
    _detector(
        "retinanet_resnet50_fpn",
        "retinanet",
        "retinanet_resnet50_fpn_coco-eeacb38b.pth",
        {"AP": 36.4},
        classes=91,
    ),
    _detector(
        "fasterrcnn_resnet50_fpn",
        "faster_rcnn",
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        {"AP": 37.0},
        classes=90,
    ),
    _detector(
        "maskrcnn_resnet50_fpn",
        "mask_rcnn",
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        {"box AP": 37.9, "mask AP": 34.6},
        classes=90,
    ),
    _detector(
        "keypointrcnn_resnet50_fpn",
        "keypoint_rcnn",
        "keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
        {"box AP": 54.6, "keypoint AP": 65.0},
        classes=1,
    ),
)
"""All that is known; the first of several files of one network is the one its name means."""

BODIES = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50.v1",
    "resnet101": "resnet101.v1",
    "resnet152": "resnet152.v1",
}
"""Which of them start the bodies of other models: what the makers of the detectors took."""
