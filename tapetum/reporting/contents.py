"""What a report is made of: plain data that the caller has gathered. Everything is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image


@dataclass(frozen=True, eq=False)
class Sheet:
    """A whole image with its ground truth and predictions drawn on it.

    name: the image's file name. caption: what to see in it, as in "7 of 9 found, 1 false alarm".
    """

    image: Image.Image
    name: str
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of an image around an object that was missed, or a detection that was wrong.

    label: the class of the object, or of the false alarm. score: of the detection, if there is one.
    reason: why it counts as an error, as in "the box overlaps the ground truth by 0.41 only".
    """

    image: Image.Image
    name: str
    label: str
    score: float | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class ErrorGroup:
    """A kind of error: how often it happens, what it costs, what to do, and a few examples.

    count: among what the report shows; everywhere: among all answers, however weak. cost: what the
    metric would gain without it. All three are None where a kind is shown by examples alone.
    meaning: of the name.
    """

    name: str
    count: int | None = None
    everywhere: int | None = None
    cost: float | None = None
    meaning: str = ""
    advice: str = ""
    examples: Sequence[Crop] = ()


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of text and numbers under a title. heads: of the columns; the first one names a row."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Moment:
    """What a model said of a few images at one moment of its training; all moments show the same.

    title: when, as in "step 219 of 876". lines: what there is to say of it.
    """

    title: str
    sheets: Sequence[Sheet]
    lines: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Suggestion:
    """What to do next, and the command that does it, if there is one."""

    text: str
    command: str = ""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A detection and its heat map.

    image: the image with the object's box. heat: the map over the image. method: as in
    "grad-cam at p3". inside: share of the heat inside the object, 0 to 1; area: the object's share
    of the image, which is what chance would give. place: what it is inside of. verdict: is the
    answer right? In a word or two; "" where that is not known.
    """

    image: Image.Image
    heat: Image.Image
    name: str
    label: str
    score: float | None = None
    method: str = ""
    inside: float | None = None
    area: float | None = None
    place: str = "box"
    verdict: str = ""


@dataclass(frozen=True, eq=False)
class ClassRow:
    """One class: its numbers by column name, in [0, 1] or counts; -1, None or NaN: undefined."""

    name: str
    values: Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve, as precision (y) over recall (x); None or NaN in y is a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


@dataclass(frozen=True, eq=False)
class Panel:
    """A chart (SVG text) or an image with a title, and a note on how to read it."""

    title: str
    figure: str | Image.Image
    note: str = ""


@dataclass(frozen=True, eq=False)
class ReportContents:
    """Everything that a report may show; a section without contents is left out.

    title: one line, as in "retinanet on bccd". subtitle: a second one.
    verdicts: what the run says, one sentence each, the most important first.
    command: the command line that repeats the run.
    settings: group -> name -> value, as {"model": {...}, "training": {...}, "data": {...}}.
    environment: name -> value: versions, machine, device, precision.
    resources: name -> value: what it cost, as {"training time": "3 min 12 s", "memory": ...}.
    parameters: count of the model's weights.
    classes: names. splits: split -> number of images.
    class_counts: split -> objects per class, in the order of `classes`.
    progress: predictions on the same images during the training, in order.
    history: rows of metrics.jsonl: steps (event "step") and evaluations (event "evaluation").
    metric: the number that chose the checkpoint. stats: final numbers by name, in their order.
    stats_note: how they were measured. class_rows: the same for each class.
    curves: precision over recall for each class, and curves_note: at which IoU.
    panels: other charts and images of the task, such as a confusion matrix. tables: likewise.
    errors: kinds of error, the most costly first where that is known; errors_note: how they are
    told apart. relabel: images whose labels deserve a second look.
    next_steps: what the run suggests, the most promising first.
    """

    title: str
    subtitle: str = ""
    verdicts: Sequence[str] = ()
    command: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    classes: Sequence[str] = ()
    splits: Mapping[str, int] = field(default_factory=dict)
    class_counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    progress: Sequence[Moment] = ()
    history: Sequence[Mapping[str, Any]] = ()
    metric: str = "AP"
    stats: Mapping[str, float | None] = field(default_factory=dict)
    stats_note: str = ""
    class_rows: Sequence[ClassRow] = ()
    curves: Sequence[Curve] = ()
    curves_note: str = ""
    panels: Sequence[Panel] = ()
    tables: Sequence[Table] = ()
    best: Sequence[Sheet] = ()
    worst: Sequence[Sheet] = ()
    errors: Sequence[ErrorGroup] = ()
    errors_note: str = ""
    relabel: Table | None = None
    explanations: Sequence[Explanation] = ()
    notes: Sequence[str] = ()
    next_steps: Sequence[Suggestion] = ()
