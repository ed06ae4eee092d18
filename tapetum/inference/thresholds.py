"""The score from which an object counts: one for all classes, or a run's own for each.

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
MOST_NAMED = 6
"""Classes whose thresholds are said aloud."""


@dataclass(frozen=True)
class Thresholds:
    """values: by class, in the order of the labels; 0 for tasks that leave out no answer. said: as
    a user says it, a number or {class: number}. words: where it is from; "" if the user said so, or
    where it decides nothing."""

    values: tuple[float, ...]
    said: float | dict[str, float]
    words: str = ""

    @classmethod
    def of(cls, predictor: Predictor, asked: float | None) -> Thresholds:
        """What was asked for, else what the run of this checkpoint keeps, else the default.

        Raises:
            UsageError: not in [0, 1]. AnnotationError: the run's file is not what it should be.
        """
        count = len(predictor.classes)
        if asked is not None and not 0 <= asked <= 1:
            raise UsageError(f"must lie in [0, 1], got {asked}", option="threshold")
        if not predictor.task.has_thresholds:
            return cls((0.0,) * count, DEFAULT_THRESHOLD if asked is None else asked)
        if asked is not None:
            return cls((asked,) * count, asked)
        run = run_of(predictor)
        if run is None or not (run / FILE).is_file():
            words = f"threshold {DEFAULT_THRESHOLD:g} (`threshold` changes it)"
            return cls((DEFAULT_THRESHOLD,) * count, DEFAULT_THRESHOLD, words)
        kept = read_json(run / FILE)
        own = _by_class(kept, predictor, run / FILE)
        if kept.get("checkpoint") != predictor.folder.name:
            words = (
                f"threshold {DEFAULT_THRESHOLD:g}: {run / FILE} is not of {predictor.folder.name}"
            )
            return cls((DEFAULT_THRESHOLD,) * count, DEFAULT_THRESHOLD, words)
        return cls(tuple(own.values()), own, _words(own, run, kept.get("split")))


def run_of(predictor: Predictor) -> Path | None:
    """The run folder of a checkpoint; None for published networks and checkpoints elsewhere."""
    inside = predictor.folder.resolve().parent
    return inside.parent if inside.name == FOLDER else None


def chosen_thresholds(evaluation: Evaluation) -> tuple[float, ...]:
    """For each class the score from which its F1 is best; the default where nothing was found."""
    best = evaluation.best_thresholds()
    return tuple(DEFAULT_THRESHOLD if score is None else score for score in best)


def write_thresholds(
    run: Path, predictor: Predictor, values: tuple[float, ...], chosen_on: str
) -> None:
    """Write RUN/thresholds.json, whole or not at all."""
    kept = {
        "schema": SCHEMA,
        "split": chosen_on,
        "checkpoint": predictor.folder.name,
        "classes": dict(zip(predictor.classes, values, strict=True)),
    }
    write_json(run / FILE, kept)


def _by_class(kept: Any, predictor: Predictor, file: Path) -> dict[str, float]:
    """A threshold for each of the model's classes, in their order."""
    hint = "tapetum report RUN writes it anew; `threshold` does without it"
    if not isinstance(kept, dict) or kept.get("schema") != SCHEMA:
        raise AnnotationError(f"expected the schema {SCHEMA}", file=file, hint=hint)
    classes = kept.get("classes")
    own = {}
    for name in predictor.classes:
        value = classes.get(name) if isinstance(classes, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            why = f"expected a number in [0, 1] for the class {name!r}"
            raise AnnotationError(why, file=file, where="classes", hint=hint)
        own[name] = float(value)
    return own


def _words(own: dict[str, float], run: Path, split: Any) -> str:
    named = [f"{name} {value:.2f}" for name, value in list(own.items())[:MOST_NAMED]]
    more = [f"{len(own) - MOST_NAMED} more"] if len(own) > MOST_NAMED else []
    return f"thresholds of {run / FILE}, best F1 on {split}: {', '.join(named + more)}"
