"""The score from which an object counts: one for all classes, or one for each, of a run.

RUN/thresholds.json: {"schema": "tapetum.thresholds/1", "split": the images that they were chosen
on, "checkpoint": its name, "classes": {class: the score from which its F1 was best there}}. It may
be edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.files import read_json, write_json
from tapetum.inference.results import DEFAULT_THRESHOLD
from tapetum.tasks import Evaluation
from tapetum.weights.checkpoint import FOLDER

if TYPE_CHECKING:
    from tapetum.inference.predictor import Predictor

FILE, SCHEMA = "thresholds.json", "tapetum.thresholds/1"
MAX_NAMED = 6
"""The largest number of classes whose thresholds are logged."""


@dataclass(frozen=True)
class Thresholds:
    """The score of each class from which an object counts.

    Attributes:
        values: by label, in [0, 1]; 0 for tasks that leave out no prediction.
        given: as JSON has it, a number or {class: number}.
        origin: a text for the log; "" if the user gave the threshold, or the task has none.
    """

    values: tuple[float, ...]
    given: float | dict[str, float]
    origin: str = ""

    @classmethod
    def of(cls, predictor: Predictor, threshold: float | None) -> Thresholds:
        """Choose the given threshold, else those of the checkpoint's run, else the default.

        Args:
            predictor: the model.
            threshold: in [0, 1], for all classes; None: those of the run.

        Returns:
            The thresholds and their origin.

        Raises:
            UsageError: not in [0, 1], or the task leaves out no prediction.
            AnnotationError: the run's file is invalid.
        """
        count = len(predictor.classes)
        if threshold is not None and not 0 <= threshold <= 1:
            raise UsageError(f"must lie in [0, 1], got {threshold}", option="threshold")
        if not predictor.task.has_thresholds:
            if threshold is not None:
                why = f"has no effect on {predictor.task.name}: nothing is left out by its score"
                raise UsageError(why, option="threshold")
            return cls((0.0,) * count, DEFAULT_THRESHOLD)
        if threshold is not None:
            return cls((threshold,) * count, threshold)
        run = run_of(predictor)
        if run is None or not (run / FILE).is_file():
            origin = f"threshold {DEFAULT_THRESHOLD:g} (`threshold` changes it)"
            return cls((DEFAULT_THRESHOLD,) * count, DEFAULT_THRESHOLD, origin)
        stored = read_json(run / FILE)
        by_class = _by_class(stored, predictor, run / FILE)
        if stored.get("checkpoint") != predictor.folder.name:
            origin = (
                f"threshold {DEFAULT_THRESHOLD:g}: {run / FILE} is not of {predictor.folder.name}"
            )
            return cls((DEFAULT_THRESHOLD,) * count, DEFAULT_THRESHOLD, origin)
        return cls(tuple(by_class.values()), by_class, _origin(by_class, run, stored.get("split")))


def run_of(predictor: Predictor) -> Path | None:
    """The run folder of a checkpoint; None for published networks and checkpoints elsewhere."""
    inside = predictor.folder.resolve().parent
    return inside.parent if inside.name == FOLDER else None


def chosen_thresholds(evaluation: Evaluation) -> tuple[float, ...]:
    """Choose for each class the score with the best F1 on an evaluation.

    Args:
        evaluation: of a detector on a dataset.

    Returns:
        A threshold in [0, 1] for each class; the default where no detection is right.
    """
    best = evaluation.best_thresholds()
    return tuple(DEFAULT_THRESHOLD if score is None else score for score in best)


def write_thresholds(
    run: Path, predictor: Predictor, values: tuple[float, ...], chosen_on: str
) -> None:
    """Write RUN/thresholds.json atomically.

    Args:
        run: the run folder.
        predictor: the model of its checkpoint.
        values: a threshold in [0, 1] for each class.
        chosen_on: the name of the images that they were chosen on.
    """
    content = {
        "schema": SCHEMA,
        "split": chosen_on,
        "checkpoint": predictor.folder.name,
        "classes": dict(zip(predictor.classes, values, strict=True)),
    }
    write_json(run / FILE, content)


def _by_class(stored: Any, predictor: Predictor, file: Path) -> dict[str, float]:
    """A threshold for each of the model's classes, in their order."""
    hint = "`tapetum report RUN` writes it again, or give a `threshold`"
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        raise AnnotationError(f"expected the schema {SCHEMA}", file=file, hint=hint)
    classes = stored.get("classes")
    by_class = {}
    for name in predictor.classes:
        value = classes.get(name) if isinstance(classes, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            why = f"expected a number in [0, 1] for the class {name!r}"
            raise AnnotationError(why, file=file, where="classes", hint=hint)
        by_class[name] = float(value)
    return by_class


def _origin(by_class: dict[str, float], run: Path, split: Any) -> str:
    named = [f"{name} {value:.2f}" for name, value in list(by_class.items())[:MAX_NAMED]]
    more = [f"{len(by_class) - MAX_NAMED} more"] if len(by_class) > MAX_NAMED else []
    return f"thresholds of {run / FILE}, best F1 on {split}: {', '.join(named + more)}"
