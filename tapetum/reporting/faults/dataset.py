"""A summary of a dataset: splits, classes, sizes of images and of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tapetum.base.errors import ImageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.images.header import image_size
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.render.charts import histogram
from tapetum.reporting.page.html import EMPTY, Html, join, tag
from tapetum.reporting.page.tables import bar, number, number_table

_MAX_CLASSES = 60
_ONE_COLUMN = 12
_MAX_HEADERS = 1000
"""Images whose size is read from their header, where the dataset does not state it."""


def tiles(annotations: Annotations) -> Html:
    """Format, images, classes, objects."""
    images = annotations.all_images()
    objects = sum(len(image) for image in images)
    values = {
        "format": annotations.format,
        "images": number(len(images)),
        "classes": number(len(annotations.classes)),
        "objects": number(objects) if objects else "",
    }
    shown = [
        tag(
            "div", tag("div", value, class_="value"), tag("div", name, class_="name"), class_="tile"
        )
        for name, value in values.items()
        if value
    ]
    return tag("div", shown, class_="tiles")


def summary(annotations: Annotations, limits: Limits = DEFAULT_LIMITS) -> Html:
    """Splits, classes and sizes."""
    rows = [
        (name, [len(images), sum(map(len, images))]) for name, images in annotations.splits.items()
    ]
    splits = number_table(("split", "images", "objects"), rows)
    charts = [_image_sizes(annotations, limits), _box_sizes(annotations)]
    shown = [tag("div", Html(chart), class_="chart") for chart in charts if chart]
    return join([splits, _classes(annotations), shown])


def class_counts(annotations: Annotations) -> dict[str, np.ndarray]:
    """By split (C,) int64: objects of each class, or images where those have labels."""
    counts = {}
    for name, images in annotations.splits.items():
        labels = [_labels(image) for image in images]
        joined = np.concatenate([*labels, np.zeros(0, dtype=np.int64)])
        counts[name] = np.bincount(joined, minlength=len(annotations.classes))
    return counts


def _labels(image: ImageRecord) -> np.ndarray:
    if image.image_labels is None:
        return image.labels
    return np.array(image.image_labels, dtype=np.int64)


def _classes(annotations: Annotations) -> Html:
    """A row and a bar for each class that something has, the most frequent first."""
    counts = class_counts(annotations)
    total = np.sum(list(counts.values()), axis=0) if counts else np.zeros(0, dtype=np.int64)
    if not total.any():
        return tag("p", "Classes: " + ", ".join(annotations.classes))
    order = [label for label in np.argsort(-total, kind="stable").tolist() if total[label]]
    half = _MAX_CLASSES // 2
    few = order if len(order) <= _MAX_CLASSES else order[:half] + order[-half:]
    middle = len(few) if len(few) <= _ONE_COLUMN else -(-len(few) // 2)
    parts = [part for part in (few[:middle], few[middle:]) if part]
    tables = [_bars(annotations.classes, counts, total, part) for part in parts]
    bare = len(total) - len(order)
    notes = [
        f"The most and least frequent of {len(order):,} classes." * (len(few) < len(order)),
        f"Classes without objects: {bare:,}." if bare else "",
    ]
    note = tag("p", " ".join(filter(None, notes)), class_="dim") if any(notes) else EMPTY
    return join([tag("div", tables, class_="pair"), note])


def _bars(
    names: Sequence[str], counts: dict[str, np.ndarray], total: np.ndarray, labels: Sequence[int]
) -> Html:
    heads = [tag("th", name, scope="col", class_="n") for name in counts]
    rows = [
        tag(
            "tr",
            tag("th", names[label], scope="row"),
            [tag("td", number(int(split[label])), class_="n") for split in counts.values()],
            tag("td", bar(float(total[label]), float(total.max())), class_="bar"),
        )
        for label in labels
    ]
    head = tag("thead", tag("tr", tag("th", "class", scope="col"), heads, tag("th", "")))
    return tag("div", tag("table", head, tag("tbody", rows)), class_="scroll")


def _image_sizes(annotations: Annotations, limits: Limits) -> str:
    sizes = [size for p in annotations.all_images() if (size := p.size) is not None]
    if not sizes:
        sizes = _from_headers(annotations, limits)
    if not sizes:
        return ""
    height, width = np.array(sizes, dtype=np.float64).T
    groups = {"width": width.tolist(), "height": height.tolist()}
    return histogram(groups, x_label="side of an image, pixels", y_label="images")


def _from_headers(annotations: Annotations, limits: Limits) -> list[tuple[int, int]]:
    paths = [p.path for p in annotations.all_images() if p.path is not None]
    sizes = []
    for path in paths[:: max(1, len(paths) // _MAX_HEADERS)]:
        try:
            sizes.append(image_size(path, limits).size)
        except ImageError:
            continue
    return sizes


def _box_sizes(annotations: Annotations) -> str:
    boxes = [p.xywh[:, 2:].prod(1) for p in annotations.all_images() if len(p)]
    if not boxes:
        return ""
    sides = np.sqrt(np.concatenate(boxes))
    label = "side of a box (square root of its area), pixels"
    return histogram({"boxes": sides.tolist()}, x_label=label, y_label="boxes")
