"""Objects drawn on their image: boxes, names, scores, masks and keypoints, at any size."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from tapetum.render.canvas import Canvas, ImageLike, make_canvas
from tapetum.render.keypoints import draw_pose
from tapetum.render.labels import Label, Rect, paste_labels
from tapetum.render.legend import Entry, with_legend
from tapetum.render.masks import blend_mask
from tapetum.render.palette import BLACK, DARK, Color, class_color
from tapetum.structures import Objects


def draw_objects(
    image: ImageLike,
    objects: Objects,
    classes: Sequence[str],
    ground_truth: Objects | None = None,
    *,
    skeleton: Sequence[tuple[int, int]] = (),
    keypoint_names: Sequence[str] = (),
    scores: bool = True,
    labels: bool = True,
    masks: bool = True,
    legend: bool = True,
) -> Image.Image:
    """Objects with solid lines, and ground truth, if given, dashed with its labels below.

    The highest scores are drawn last and find the best place for their label. Boxes are clipped to
    the image; those with a coordinate that is not finite are left out.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], or a PIL image. Small images are enlarged by a
            whole factor, so that labels can be read.
        objects: drawn solid, in the frame of the image.
        classes: names by label; a label beyond them reads "class 7".
        ground_truth: drawn dashed.
        skeleton: as in `draw_keypoints`.
        keypoint_names: as in `draw_keypoints`.
        scores: write the scores.
        labels: write the classes.
        masks: draw the masks.
        legend: add a strip below that tells the two kinds of line (only with ground truth).

    Returns:
        The drawn image.
    """
    canvas, pose = make_canvas(image), (skeleton, keypoint_names)
    boxes = _draw_kind(
        canvas, objects, classes, pose, ground_truth=False, masks=masks, scores=scores
    )
    dashed = []
    if ground_truth is not None:
        dashed = _draw_kind(
            canvas, ground_truth, classes, pose, ground_truth=True, masks=False, scores=False
        )
    if labels:
        paste_labels(canvas, boxes + dashed)
    return _with_legend(canvas) if legend and ground_truth is not None else canvas.image


def class_name(classes: Sequence[str], label: int) -> str:
    """The name of a label, "class 7" where it has none."""
    return classes[label] if 0 <= label < len(classes) else f"class {label}"


def _draw_kind(
    canvas: Canvas,
    objects: Objects,
    classes: Sequence[str],
    pose: tuple[Sequence[tuple[int, int]], Sequence[str]],
    *,
    ground_truth: bool,
    masks: bool,
    scores: bool,
) -> list[Label]:
    """Draw one kind of object, weakest first; returns their labels, strongest first."""
    ranked = _drawable(objects)
    if masks and objects.masks is not None:
        for i in reversed(ranked):
            color = class_color(int(objects.labels[i]))
            blend_mask(canvas.image, objects.masks[i], color, line=canvas.line)
    rects = {i: _to_canvas(objects.boxes[i].tolist(), canvas) for i in ranked}
    draw = ImageDraw.Draw(canvas.image)
    for i in reversed(ranked):
        color = class_color(int(objects.labels[i]))
        _outline(
            draw,
            _line_rect(rects[i], canvas, ground_truth),
            canvas.line,
            color,
            dashed=ground_truth,
        )
        if objects.keypoints is not None:
            draw_pose(draw, canvas, objects, i, *pose, color, dashed=ground_truth)
    return [
        Label(
            box=_line_rect(rects[i], canvas, ground_truth),
            name=class_name(classes, int(objects.labels[i])),
            note=_note(objects, i, scores=scores),
            color=class_color(int(objects.labels[i])),
            ground_truth=ground_truth,
        )
        for i in ranked
    ]


def _drawable(objects: Objects) -> list[int]:
    """Indices of the objects with finite boxes, by falling score (equal ones in their order)."""
    finite = objects.boxes.isfinite().all(dim=1).nonzero().flatten().tolist()
    if objects.scores is None:
        return finite
    scores = objects.scores.tolist()
    return sorted(finite, key=lambda i: -scores[i])


def _note(objects: Objects, i: int, *, scores: bool) -> str:
    """What stands behind the name: the score, and whether evaluation ignores the object."""
    parts = []
    if scores and objects.scores is not None:
        parts.append(f"{float(objects.scores[i]):.2f}")
    if objects.crowd is not None and bool(objects.crowd[i]):
        parts.append("crowd")
    if objects.difficult is not None and bool(objects.difficult[i]):
        parts.append("difficult")
    return " ".join(parts)


def _to_canvas(box: Sequence[float], canvas: Canvas) -> Rect:
    """A box in canvas pixels, half open, inside the canvas, at least one pixel large."""
    width, height = canvas.image.size
    # Clipped as floats first: a box of a model that diverged may not fit any integer.
    x1, x2 = (round(min(max(x * canvas.factor, 0), width)) for x in (box[0], box[2]))
    y1, y2 = (round(min(max(y * canvas.factor, 0), height)) for y in (box[1], box[3]))
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _line_rect(rect: Rect, canvas: Canvas, ground_truth: bool) -> Rect:
    """Where the line's outer edge runs.

    Outside the box, so that small objects stay visible; that of the ground truth inside where there
    is room, so that a perfect prediction does not hide it.
    """
    left, top, right, bottom = rect
    line = canvas.line
    if ground_truth and min(right - left, bottom - top) >= 8 * line:
        return rect
    width, height = canvas.image.size
    edges = max(left - line, 0), max(top - line, 0), min(right + line, width)
    return *edges, min(bottom + line, height)


def _outline(
    draw: ImageDraw.ImageDraw, rect: Rect, line: int, color: Color, *, dashed: bool
) -> None:
    """A rectangle of `color`: solid with a thin dark edge, or dashes of color on black."""
    left, top, right, bottom = rect[0], rect[1], rect[2] - 1, rect[3] - 1
    if not dashed:
        edge = max(1, line // 3)
        grown = (left - edge, top - edge, right + edge, bottom + edge)
        draw.rectangle(grown, outline=BLACK, width=edge)
        draw.rectangle((left, top, right, bottom), outline=color, width=line)
        return
    draw.rectangle((left, top, right, bottom), outline=BLACK, width=line)
    for x1, x2 in _dashes(left, right, line):
        draw.rectangle((x1, top, x2, min(top + line - 1, bottom)), fill=color)
        draw.rectangle((x1, max(bottom - line + 1, top), x2, bottom), fill=color)
    for y1, y2 in _dashes(top, bottom, line):
        draw.rectangle((left, y1, min(left + line - 1, right), y2), fill=color)
        draw.rectangle((max(right - line + 1, left), y1, right, y2), fill=color)


def _dashes(start: int, end: int, line: int) -> list[tuple[int, int]]:
    """Inclusive runs of color from `start` to `end`, beginning and ending with a dash."""
    dash, gap = 4 * line, 3 * line
    length = end - start + 1
    count = max(1, round((length + gap) / (dash + gap)))
    step = (length + gap) / count
    starts = [k * step for k in range(count)]
    return [(start + round(a), start + round(a + step - gap) - 1) for a in starts]


def _with_legend(canvas: Canvas) -> Image.Image:
    """The image with a strip below that shows how predictions and ground truth are drawn."""
    line, entries = canvas.line, []
    for name in ("prediction", "ground truth"):
        swatch = Image.new("RGB", (14 * line, 4 * line), DARK)
        rect = (0, 0, 14 * line, 4 * line)
        _outline(ImageDraw.Draw(swatch), rect, line, class_color(1), dashed=name == "ground truth")
        entries.append(Entry(name, swatch))
    return with_legend(canvas.image, canvas.font, entries)
