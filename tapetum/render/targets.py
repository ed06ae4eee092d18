"""An image with its ground truth, whatever the task."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from tapetum.render.canvas import to_image
from tapetum.render.draw import class_name, draw_objects
from tapetum.render.semantic import draw_semantic
from tapetum.structures import Sample


def draw_targets(
    sample: Sample,
    classes: Sequence[str],
    *,
    skeleton: Sequence[tuple[int, int]] = (),
    keypoint_names: Sequence[str] = (),
) -> tuple[Image.Image, str]:
    """The sample's image with its objects or class map drawn in, and a caption: its name, or the
    classes of the whole image where it has some."""
    target = sample.target
    if target.semantic is not None:
        return draw_semantic(sample.image, target.semantic, classes), sample.name
    if target.objects is not None:
        drawn = draw_objects(
            sample.image,
            target.objects,
            classes,
            skeleton=skeleton,
            keypoint_names=keypoint_names,
        )
        return drawn, sample.name
    if target.labels is None:
        return to_image(sample.image), sample.name
    names = [class_name(classes, label) for label in target.labels.tolist()]
    return to_image(sample.image), ", ".join(names) or "no class"
