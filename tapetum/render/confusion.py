"""Confusion matrix and reliability diagram as SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from tapetum.base.errors import printable
from tapetum.render.palette import OKABE_ITO, Color, hex_color, mix
from tapetum.render.svg import INK, chart_style, figure_to_svg

MAX_NUMBERED = 20
"""Classes in a confusion matrix whose cells hold numbers."""

_RIGHT: Color = OKABE_ITO[5]
_WRONG: Color = mix(OKABE_ITO[0], (0, 0, 0), 0.12)
_LEVELS = 12
_STRONG = 0.5
_WIDTH = 10.4


def confusion_matrix(matrix: np.ndarray, classes: Sequence[str]) -> str:
    """Draw a confusion matrix: fractions of each true class (row), right ones blue, others red.

    Args:
        matrix: (C, C) counts; rows are true classes, columns predicted ones. Legible up to C = 100;
            up to 20 classes the cells hold percent of their row.
        classes: C names.

    Returns:
        SVG.

    Raises:
        ValueError: the matrix is not square, or has another size than `classes`.
    """
    counts = np.asarray(matrix, dtype=float)
    size = len(classes)
    if counts.shape != (size, size):
        raise ValueError(f"matrix: expected shape {(size, size)}, got {counts.shape}")
    total = counts.sum(1, keepdims=True)
    fraction = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    names = [_short(name, 22 if size <= 40 else 16) for name in classes]
    with chart_style():
        axes, figure = _square(size, max(map(len, names), default=0))
        _cells(axes, fraction * np.eye(size), _RIGHT)
        _cells(axes, fraction * (1 - np.eye(size)), _WRONG)
        if size <= MAX_NUMBERED:
            _numbers(axes, fraction)
        _name_classes(axes, names)
        return figure_to_svg(figure, "Confusion matrix: shares of each true class by prediction")


def reliability_diagram(confidence: np.ndarray, accuracy: np.ndarray, count: np.ndarray) -> str:
    """Accuracy over confidence of a classifier (Guo et al. 2017, figure 1).

    Beside it: how the images are distributed over the bins.

    Args:
        confidence: (BINS,) mean confidence of each bin of equal width from 0 to 1.
        accuracy: (BINS,) mean accuracy of each bin.
        count: (BINS,) images of each bin; empty bins are left out.

    Returns:
        SVG.

    Raises:
        ValueError: the three have different lengths.
    """
    sure, right, many = (np.asarray(a, dtype=float) for a in (confidence, accuracy, count))
    if not sure.shape == right.shape == many.shape or sure.ndim != 1:
        shapes = f"{sure.shape}, {right.shape}, {many.shape}"
        raise ValueError(f"expected three arrays (BINS,), got {shapes}")
    edges, filled = np.linspace(0, 1, len(sure) + 1), many > 0
    with chart_style():
        figure = Figure(figsize=(_WIDTH, 3.9), layout="constrained")
        axes, beside = figure.subplots(1, 2)
        width = 1 / max(1, len(sure))
        axes.bar(
            edges[:-1][filled], right[filled], 0.92 * width, align="edge", color=hex_color(_RIGHT)
        )
        axes.plot([0, 1], [0, 1], color=INK, linestyle=(0, (4, 3)), linewidth=1)
        axes.plot(sure[filled], right[filled], "o-", color=hex_color(_WRONG), markersize=4)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
        fraction = many[filled] / max(1.0, many.sum())
        beside.bar(
            edges[:-1][filled], fraction, 0.92 * width, align="edge", color=hex_color(_RIGHT)
        )
        beside.set(xlim=(0, 1), xlabel="confidence", ylabel="fraction of images")
        return figure_to_svg(figure, "Accuracy by confidence, against the diagonal")


def _square(size: int, longest: int) -> tuple[Axes, Figure]:
    """Axes for a matrix of `size`, with room for names of `longest` letters."""
    letters = 0.075 * longest * _font(size) / 9.5 + 0.6
    side = min(_WIDTH - letters, max(1.6, 0.42 * size))
    figure = Figure(figsize=(_WIDTH, side + letters), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, max(1, size)), ylim=(max(1, size), 0), aspect="equal")
    axes.grid(visible=False)
    return axes, figure


def _cells(axes: Axes, fraction: np.ndarray, color: Color) -> None:
    """One path for all cells of a level; neighbours in a row become one rectangle."""
    level = np.ceil(fraction * _LEVELS - 1e-9).astype(int)  # (C, C), 0 where there is nothing
    for step in np.unique(level[level > 0]).tolist():
        corners, codes = [], []
        for row in range(len(level)):
            for start, end in _runs(level[row] == step):
                below = row + 1
                corners += [(start, row), (end, row), (end, below), (start, below), (start, row)]
                codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
        axes.add_patch(
            PathPatch(
                Path(corners, codes),
                facecolor=hex_color(color),
                alpha=_opacity(step / _LEVELS),
                linewidth=0,
            )
        )


def _opacity(fraction: float) -> float:
    """Strong cells are opaque, so that white numbers read; weak ones let the page through."""
    return 1.0 if fraction > _STRONG else 0.12 + 0.6 * fraction


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """Half-open stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _numbers(axes: Axes, fraction: np.ndarray) -> None:
    for row, column in np.argwhere(fraction > 0):
        value = 100 * fraction[row, column]
        text = f"{value:.0f}" if value >= 0.5 else "<1"
        level = np.ceil(fraction[row, column] * _LEVELS - 1e-9) / _LEVELS
        ink = "#ffffff" if level > _STRONG else INK
        place = (column + 0.5, row + 0.5)
        axes.annotate(text, place, ha="center", va="center", color=ink, fontsize=8.5)


def _name_classes(axes: Axes, names: Sequence[str]) -> None:
    size = len(names)
    step = max(1, -(-size // 110))  # beyond what can be read only some are named
    places = np.arange(0, size, step)
    named = [names[i] for i in places.tolist()]
    axes.set_xticks(places + 0.5, named, rotation=90, fontsize=_font(size))
    axes.set_yticks(places + 0.5, named, fontsize=_font(size))
    axes.set(xlabel="predicted class", ylabel="true class")
    for spine in axes.spines.values():
        spine.set(visible=True, alpha=0.4)


def _font(size: int) -> float:
    """Letters as high as a row allows."""
    return float(np.clip(480 / max(1, size), 4.2, 9.5))


def _short(name: str, max_length: int) -> str:
    line = printable(name)
    return line if len(line) <= max_length else line[: max_length - 1].rstrip() + "…"
