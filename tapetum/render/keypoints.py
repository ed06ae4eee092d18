"""Keypoints on their image: joints, limbs, and which side of the body they belong to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from tapetum.render.canvas import Canvas, ImageLike, make_canvas
from tapetum.render.legend import Entry, with_legend
from tapetum.render.palette import BLACK, OKABE_ITO, WHITE, Color, class_color
from tapetum.structures import Objects

LEFT, RIGHT, MIDDLE = "left", "right", ""
_COLORS: dict[str, Color] = {LEFT: OKABE_ITO[4], RIGHT: OKABE_ITO[1], MIDDLE: WHITE}
_COCO = 17


@dataclass(frozen=True)
class Joint:
    """A keypoint to be drawn: x, y in canvas pixels, its side, and whether it is filled."""

    x: float
    y: float
    side: str
    filled: bool


def draw_keypoints(
    image: ImageLike,
    objects: Objects,
    skeleton: Sequence[tuple[int, int]] = (),
    names: Sequence[str] = (),
    ground_truth: Objects | None = None,
    *,
    legend: bool = True,
) -> Image.Image:
    """Keypoints and the limbs between them, without boxes: predictions solid, ground truth dashed.

    Annotated keypoints are filled where visible, hollow where hidden, and not drawn where absent.
    Predicted ones (their objects have scores) are filled where their third number is positive, else
    hollow. Objects without keypoints leave the image as it is.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], or a PIL image.
        objects: with keypoints (N, K, 3).
        skeleton: pairs of keypoints that a limb joins.
        names: of the keypoints; those that begin with left_ are orange discs, those with right_
            blue squares, others white discs. Without names 17 keypoints are taken for COCO's.
        ground_truth: objects to draw dashed.
        legend: add a strip below that tells sides and lines apart.

    Returns:
        The drawn image.
    """
    canvas = make_canvas(image)
    draw = ImageDraw.Draw(canvas.image)
    for instances, dashed in ((ground_truth, True), (objects, False)):
        if instances is not None and instances.keypoints is not None:
            for i in range(len(instances)):
                color = class_color(int(instances.labels[i]))
                draw_pose(draw, canvas, instances, i, skeleton, names, color, dashed=dashed)
    if not legend:
        return canvas.image
    return with_legend(canvas.image, canvas.font, _entries(canvas, objects, names, ground_truth))


def draw_pose(
    draw: ImageDraw.ImageDraw, canvas: Canvas, objects: Objects, row: int,
    skeleton: Sequence[tuple[int, int]], names: Sequence[str], color: Color, *, dashed: bool,
) -> None:  # fmt: skip
    """The keypoints of one object; `color` is for those of neither side."""
    assert objects.keypoints is not None
    points = objects.keypoints[row].tolist()
    sides = sides_of(names, len(points))
    joints = _joints(points, sides, canvas.factor, predicted=objects.scores is not None)
    present = [joint for joint in joints if joint is not None]
    if not present:
        return
    extent = max(_spread([j.x for j in present]), _spread([j.y for j in present]))
    line = min(canvas.line, max(1, round(extent / 40)))
    palette = _COLORS if any(sides) else {MIDDLE: color}
    for first, second in skeleton:
        a, b = _at(joints, first), _at(joints, second)
        if a is not None and b is not None:
            side = a.side if a.side == b.side else MIDDLE
            width = line if a.filled and b.filled else max(1, line // 2)
            _limb(draw, a, b, width, palette[side], dashed=dashed)
    for joint in present:
        _mark(draw, joint, 1.5 * line, max(1, line // 2), palette[joint.side])


def sides_of(names: Sequence[str], count: int) -> tuple[str, ...]:
    """The side of each of `count` keypoints, by name; without names 17 are taken for COCO's."""
    if not names and count == _COCO:
        return MIDDLE, *[LEFT if i % 2 else RIGHT for i in range(1, _COCO)]
    named = list(names)[:count] + [""] * (count - len(names))
    return tuple(
        next((side for side in (LEFT, RIGHT) if name.startswith(f"{side}_")), MIDDLE)
        for name in named
    )


def _joints(
    points: Sequence[Sequence[float]], sides: Sequence[str], factor: int, *, predicted: bool
) -> list[Joint | None]:
    """One for each keypoint, None where nothing is to be drawn."""
    joints: list[Joint | None] = []
    for (x, y, v), side in zip(points, sides, strict=True):
        visible = predicted or v > 0
        # Far outside of any image it is invisible, and too large for the integers of PIL. Each by
        # itself: max(0, NaN) is 0.
        if not visible or not (abs(x) < 1e6 and abs(y) < 1e6):
            joints.append(None)
        else:
            joints.append(Joint(x * factor, y * factor, side, v > (0 if predicted else 1)))
    return joints


def _at(joints: Sequence[Joint | None], index: int) -> Joint | None:
    return joints[index] if 0 <= index < len(joints) else None


def _limb(
    draw: ImageDraw.ImageDraw, a: Joint, b: Joint, width: int, color: Color, *, dashed: bool
) -> None:
    """A line on a wider black one; dashed lines show the black between their dashes."""
    draw.line((a.x, a.y, b.x, b.y), fill=BLACK, width=width + 2)
    if not dashed:
        draw.line((a.x, a.y, b.x, b.y), fill=color, width=width)
        return
    length = math.hypot(b.x - a.x, b.y - a.y)
    count = max(2, round(length / (6 * width + 2)))
    for k in range(count):
        start, end = k / count, (k + 0.5) / count
        ends = [(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t) for t in (start, end)]
        draw.line(ends, fill=color, width=width)


def _mark(draw: ImageDraw.ImageDraw, joint: Joint, radius: float, line: int, color: Color) -> None:
    """A disc, or a square for the right side; only its outline where the joint is hollow."""
    shape = draw.rectangle if joint.side == RIGHT else draw.ellipse
    half = 0.9 * radius if joint.side == RIGHT else radius
    place = (joint.x - half, joint.y - half, joint.x + half, joint.y + half)
    if joint.filled:
        shape(place, fill=color, outline=BLACK, width=line)
    else:
        shape(place, fill=None, outline=color, width=line)


def _entries(
    canvas: Canvas, objects: Objects, names: Sequence[str], ground_truth: Objects | None
) -> list[Entry]:
    """The legend: sides where there are some, kinds of line where there are two."""
    count = 0 if objects.keypoints is None else objects.keypoints.shape[1]
    size = (12 * canvas.line, 5 * canvas.line)
    entries = []
    for side in (LEFT, RIGHT):
        if side in sides_of(names, count):
            swatch, draw = _swatch(size)
            middle = Joint(size[0] / 2, size[1] / 2, side, True)
            _mark(draw, middle, 2 * canvas.line, max(1, canvas.line // 2), _COLORS[side])
            entries.append(Entry(side, swatch))
    if ground_truth is not None:
        ends = Joint(0, size[1] / 2, "", True), Joint(size[0], size[1] / 2, "", True)
        for name in ("prediction", "ground truth"):
            swatch, draw = _swatch(size)
            _limb(draw, *ends, canvas.line, WHITE, dashed=name == "ground truth")
            entries.append(Entry(name, swatch))
    return entries


def _swatch(size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", size, (90, 94, 102))
    return image, ImageDraw.Draw(image)


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)
