"""Charts as SVG text: curves, bars, histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from tapetum.base.errors import printable
from tapetum.render.palette import class_color, hex_color
from tapetum.render.svg import chart_style, figure_to_svg

Line = tuple[Sequence[float | None], Sequence[float | None]]
"""x and y of one curve; None or NaN in y makes a gap."""

_WIDTH = 10.4
_DASHES = ("solid", (0, (5, 2)), (0, (1.2, 1.6)), (0, (6, 2, 1.2, 2)))
_MAX_POINTS = 300
_MAX_NAMED = 9
_LONGEST_NAME = 26


def line_chart(
    lines: Mapping[str, Line],
    *,
    x_label: str,
    y_label: str,
    log: bool = False,
    smooth: bool = False,
    y_range: tuple[float, float] | None = None,
    size: tuple[float, float] = (_WIDTH, 3.4),
    description: str = "",
) -> str:
    """Curves over a common axis, told apart by color and by dashes.

    Long curves are drawn through the means of equal stretches, at most 300 points each.

    Args:
        lines: name -> (x, y) of equal length; None in y is a gap.
        x_label: of the axis.
        y_label: of the axis.
        log: logarithmic y axis; values that are not positive become gaps.
        smooth: draw the values faintly and their running mean over them.
        y_range: lowest and highest y shown; by default those of the data.
        size: width and height in inches of 72 units; letters have 9.5.
        description: of the chart, for screen readers.

    Returns:
        SVG.
    """
    with chart_style():
        figure, axes = _figure(size[1], width=size[0])
        for i, (name, line) in enumerate(lines.items()):
            _draw_line(axes, line, i, _label(name, i, len(lines)), log=log, smooth=smooth)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        _set_scale(axes, log=log, y_range=y_range)
        _legend(figure, axes)
        return figure_to_svg(figure, description or f"{y_label} by {x_label}")


def loss_curves(losses: Mapping[str, Line], *, log: bool = True, x_label: str = "step") -> str:
    """Losses by name over the steps of a training, smoothed; the first one is the total."""
    return line_chart(losses, x_label=x_label, y_label="loss", log=log, smooth=True)


def metric_curves(metrics: Mapping[str, Line], *, x_label: str = "step", y_label: str = "") -> str:
    """Metrics in [0, 1] at each evaluation."""
    top = max((v for _, ys in metrics.values() for v in ys if v is not None), default=0.0)
    limit = min(1.0, max(0.1, 1.15 * top)) if top <= 1 else 1.05 * top
    return line_chart(metrics, x_label=x_label, y_label=y_label, y_range=(0, limit))


def precision_recall_curves(curves: Mapping[str, Line]) -> str:
    """Precision over recall, one curve a class; both axes run from 0 to 1."""
    with chart_style():
        figure, axes = _figure(3.8)
        for i, (name, line) in enumerate(curves.items()):
            x, y = _arrays(line)
            label = _label(name, i, len(curves))
            axes.plot(x, y, color=_color(i), linestyle=_dashes(i), label=label)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.005), ylim=(0, 1.02))
        _legend(figure, axes)
        return figure_to_svg(figure, "Precision over recall for each class")


def class_bars(
    names: Sequence[str], values: Sequence[float | None], *, x_label: str, max_classes: int = 40
) -> str:
    """Horizontal bars, best first, with their values.

    Args:
        names: of the classes.
        values: one per class; None and negative values are shown as "–".
        x_label: what the values are.
        max_classes: of more classes the best and the worst are shown.

    Returns:
        SVG.
    """
    pairs = [
        (n, None if v is None or not v >= 0 else float(v))
        for n, v in zip(names, values, strict=True)
    ]
    order = sorted(range(len(pairs)), key=lambda i: -_or(pairs[i][1], -1.0))
    if len(order) > max_classes:
        order = order[: max_classes // 2] + order[-(max_classes - max_classes // 2) :]
    with chart_style():
        figure, axes = _figure(0.6 + 0.24 * max(1, len(order)))
        for row, i in enumerate(order):
            value = pairs[i][1]
            axes.barh(row, _or(value, 0.0), height=0.68, color=_color(i))
            text = "–" if value is None else f"{value:.3f}" if value <= 1 else f"{value:,.0f}"
            axes.annotate(
                text, (_or(value, 0.0), row), xytext=(4, 0), textcoords="offset points", va="center"
            )
        axes.set_yticks(range(len(order)), [_short(pairs[i][0]) for i in order])
        axes.set_ylim(max(1, len(order)) - 0.4, -0.6)
        axes.set_xlim(0, 1.12 * max([_or(v, 0.0) for _, v in pairs], default=0.0) or 1.0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(x_label)
        return figure_to_svg(figure, f"{x_label} of each class")


def histogram(
    groups: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str = "count",
    bins: int = 30,
    x_range: tuple[float, float] | None = None,
) -> str:
    """Distributions of values: one group as bars, several as steps over common bins.

    Args:
        groups: name -> values.
        x_label: what the values are.
        y_label: what is counted.
        bins: how many, of equal width.
        x_range: smallest and largest value shown; by default those of the data.

    Returns:
        SVG.
    """
    arrays = {name: np.asarray(values, dtype=float) for name, values in groups.items()}
    arrays = {name: values[np.isfinite(values)] for name, values in arrays.items()}
    joined = np.concatenate([*arrays.values(), np.zeros(0)])
    edges = np.histogram_bin_edges(joined, bins=bins, range=x_range)
    with chart_style():
        figure, axes = _figure(3.0)
        for i, (name, values) in enumerate(arrays.items()):
            counts = np.histogram(values, edges)[0]
            label = _label(name, i, len(arrays))
            fill = len(arrays) == 1
            axes.stairs(
                counts,
                edges,
                fill=fill,
                color=_color(i),
                linestyle=_dashes(i),
                label=label,
                linewidth=1.5,
            )
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        _legend(figure, axes)
        return figure_to_svg(figure, f"Distribution of {x_label}")


def _figure(height: float, width: float = _WIDTH) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _draw_line(axes: Axes, line: Line, index: int, label: str, *, log: bool, smooth: bool) -> None:
    x, y = _thin(*_arrays(line))
    if log:
        y = np.where(y > 0, y, np.nan)
    marker = "o" if np.isfinite(y).sum() <= 30 and not smooth else None
    if smooth:
        axes.plot(x, y, color=_color(index), alpha=0.25, linewidth=0.8)
        y = running_mean(y, max(1, len(y) // 40))
    axes.plot(
        x,
        y,
        color=_color(index),
        linestyle=_dashes(index),
        label=label,
        marker=marker,
        markersize=3.5,
    )


def running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean of the finite values within `reach` places on either side; gaps stay gaps."""
    finite = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(finite)])
    places = np.arange(len(values))
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    mean = (total[high] - total[low]) / np.maximum(count[high] - count[low], 1)
    return np.where(finite, mean, np.nan)


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of equal stretches where there are more points than a chart can show."""
    if len(y) <= _MAX_POINTS:
        return x, y
    parts = np.array_split(np.arange(len(y)), _MAX_POINTS)
    means = [y[p][np.isfinite(y[p])].mean() if np.isfinite(y[p]).any() else np.nan for p in parts]
    return np.array([x[p].mean() for p in parts]), np.array(means)


def _arrays(line: Line) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.array([np.nan if v is None else v for v in part], dtype=float) for part in line)
    if x.shape != y.shape:
        raise ValueError(f"line: expected as many x as y, got {len(x)} and {len(y)}")
    return x, np.where(np.isfinite(y), y, np.nan)


def _set_scale(axes: Axes, *, log: bool, y_range: tuple[float, float] | None) -> None:
    if log and any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
        axes.set_yscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_formatter(plain)
        # Few decades would show one number or none; many have no room for more.
        low, high = axes.get_ylim()
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5) if high < 30 * low else ()))
        axes.yaxis.set_minor_formatter(plain)
    elif y_range:
        axes.set_ylim(*y_range)


def _legend(figure: Figure, axes: Axes) -> None:
    """Names above the chart, in rows, where there is more than one curve."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        width = figure.get_figwidth()
        widest = max(len(label) for label in labels)
        columns = min(len(handles), max(1, round(14 * width) // (widest + 8)))
        figure.legend(handles, labels, loc="outside upper left", ncols=columns)


def _label(name: str, index: int, count: int) -> str:
    """A curve's name in the legend; a leading underscore hides it from there."""
    if count <= _MAX_NAMED or index < _MAX_NAMED - 1:
        # A zero-width space keeps names that begin with an underscore.
        return "\u200b" * name.startswith("_") + _short(name)
    return f"and {count - _MAX_NAMED + 1} more" if index == count - 1 else f"_{index}"


def _short(name: str) -> str:
    line = printable(name)
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1].rstrip() + "…"


def _color(index: int) -> str:
    return hex_color(class_color(index))


def _dashes(index: int) -> str | tuple:
    return _DASHES[index % len(_DASHES)]


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
