"""Names of the classes of ImageNet-1K and COCO in the order of torchvision's outputs."""

from __future__ import annotations

from importlib.resources import files

COCO_KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder"),
    *("right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip"),
    *("right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)
COCO_SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip

NamesAndIds = tuple[tuple[str, ...], tuple[int, ...]]


def imagenet_classes() -> NamesAndIds:
    """The 1,000 classes of ImageNet-1K and their indices.

    Returns:
        1,000 names, and 0 to 999.
    """
    names = _lines("imagenet.txt")
    return names, tuple(range(len(names)))


def coco_classes() -> NamesAndIds:
    """COCO's 90 category ids, of which ten were never used ("unused 12" and so on).

    Returns:
        90 names, and 1 to 90.
    """
    names = tuple(name or f"unused {i}" for i, name in enumerate(_lines("coco.txt"), start=1))
    return names, tuple(range(1, len(names) + 1))


def coco_classes_with_background() -> NamesAndIds:
    """The same after a class for the background, which torchvision's RetinaNet never uses.

    Returns:
        91 names, and 0 to 90.
    """
    names, _ = coco_classes()
    return ("background", *names), tuple(range(len(names) + 1))


def coco_person() -> NamesAndIds:
    """COCO's category with keypoints.

    Returns:
        ("person",), and its id.
    """
    return ("person",), (1,)


def _lines(file: str) -> tuple[str, ...]:
    text = (files("tapetum.models") / "names" / file).read_text("utf-8")
    return tuple(text.removesuffix("\n").split("\n"))
