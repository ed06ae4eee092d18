"""Predictions on the same few test images during a training, and the objects missed at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from tapetum import api
from tapetum.base.files import atomic_write
from tapetum.base.runtime import choose_runtime
from tapetum.data.reading.files import open_dataset
from tapetum.data.reading.views import Subset
from tapetum.evaluation.iou_types import similarity_of
from tapetum.inference.predictor import Predictor
from tapetum.render import contact_sheet
from tapetum.render.palette import DARK, WHITE
from tapetum.render.text import line_height, load_font
from tapetum.reporting import Moment, Sheet
from tapetum.reporting.sections import image_outcomes, save_progress
from tapetum.reporting.tasks.detection_errors import Inspected
from tapetum.runs.record import read_run
from tapetum.tasks.detection import DetectionEvaluation
from tapetum.training.job import build_model
from tapetum.weights.checkpoint import FOLDER

SCENES = (4, 14, 21, 30)
"""The test scenes that are shown: few and many objects, large and small ones."""
FRACTIONS = (0.25, 0.5)
"""When they are drawn between start and end, as fractions of the training steps."""
THRESHOLD = 0.4
"""The score from which a prediction is drawn and counts as a detection."""
FILE = "progress.jpg"
SAVES = 20
"""Checkpoints that a training should write in all, so that one is near each of FRACTIONS."""
FITS, NEAR = 0.5, 0.1
"""The overlaps from which a prediction matches an object, and from which it is near it."""
_CELL = 400


class TrainingProgress:
    """Draws predictions during a training: pass `on_step` to it and call `finish` after it.

    An observer sees no weights, so checkpoints are loaded: for each of FRACTIONS the first one from
    then on. The training should save often, about SAVES times.
    """

    def __init__(self, run: str | Path, data: str) -> None:
        self.run, self._data = Path(run), data
        self.moments: list[Moment] = []
        self.evaluation: DetectionEvaluation | None = None
        self._total = 0

    def on_step(self, row: dict[str, Any]) -> None:
        """Draw the untrained model, and each checkpoint that is due."""
        # Models are built with random weights: the random state of the training is kept.
        with torch.random.fork_rng(devices=[]):
            if not self.moments:
                self._start()
            due = FRACTIONS[len(self.moments) - 1 :]
            if due and row["step"] >= due[0] * self._total:
                step = self._newest()
                if step >= due[0] * self._total:
                    predictor = api.load(self.run, checkpoint="last")
                    self._draw(predictor, f"after step {step:,} of {self._total:,}")

    def finish(self) -> tuple[list[str], list[str]]:
        """Draw the trained model; write RUN/progress.jpg and RUN/progress for the report.

        Returns a line for each scene, and one for each object that was missed.
        """
        self._draw(api.load(self.run), f"the end, after step {self._total:,}")
        last = self.moments[-1]
        missed = [] if self.evaluation is None else misses(self.evaluation)
        self.moments[-1] = Moment(last.title, last.sheets, missed)
        save_progress(self.run, self.moments)
        with atomic_write(self.run / FILE) as file:
            sheet(self.moments).save(file, "JPEG", quality=88)
        return [f"{one.name}: {one.caption}" for one in last.sheets], missed

    def _start(self) -> None:
        record = read_run(self.run)
        assert record.settings.max_steps is not None  # it trains for so many minutes
        self._total = record.settings.max_steps
        runtime = choose_runtime("auto", "auto")
        model = build_model(record).to(runtime.device).eval()
        self._draw(Predictor(model, record.model_info(), self.run, runtime), "untrained")

    def _newest(self) -> int:
        """The step of the newest checkpoint; 0 where there is none yet."""
        steps = (folder.name.partition("-")[2] for folder in (self.run / FOLDER).glob("step-*"))
        return max(map(int, steps), default=0)

    def _draw(self, predictor: Predictor, title: str) -> None:
        task = predictor.task
        few = Subset(open_dataset(self._data, "test", task=task.name), SCENES)
        samples = [few[index] for index in range(len(few))]
        answers = predictor.predict([sample.image for sample in samples])
        captions = [task.describe(answer.answer(THRESHOLD)) for answer in answers]
        evaluation = task.measure(predictor.model, few, predictor.runtime)
        if isinstance(evaluation, DetectionEvaluation):
            self.evaluation = evaluation
            captions = [o.caption() for o in image_outcomes(evaluation, _thresholds(evaluation))]
        rows = zip(samples, answers, captions, strict=True)
        sheets = [Sheet(answer.draw(THRESHOLD), s.name, text) for s, answer, text in rows]
        self.moments.append(Moment(title, sheets))


def sheet(moments: Sequence[Moment]) -> Image.Image:
    """A row of images for each moment, under its title."""
    rows = [
        contact_sheet(
            [one.image for one in moment.sheets],
            len(moment.sheets),
            [one.caption for one in moment.sheets],
            cell=_CELL,
        )
        for moment in moments
    ]
    font = load_font(_CELL // 16)
    above = line_height(font) + _CELL // 20
    size = max(row.width for row in rows), sum(above + row.height for row in rows)
    whole, top = Image.new("RGB", size, WHITE), 0
    for moment, row in zip(moments, rows, strict=True):
        place = _CELL // 40, top + _CELL // 20
        ImageDraw.Draw(whole).text(place, moment.title, fill=DARK, font=font)
        whole.paste(row, (0, top + above))
        top += above + row.height
    return whole


def misses(evaluation: DetectionEvaluation) -> list[str]:
    """A line for each object without a detection of THRESHOLD or more."""
    view = Inspected(evaluation, _thresholds(evaluation))
    match = view.errors.match
    missed = view.errors.counted.copy()
    missed[match[view.confident & (match >= 0)]] = False
    return [_missed_line(view, row) for row in np.flatnonzero(missed).tolist()]


def _missed_line(view: Inspected, row: int) -> str:
    ground_truth, records = view.evaluation.ground_truth, view.evaluation.images
    image = records[int(view.image[ground_truth.image[row]])].name
    left, top, width, height = ground_truth.xywh[row]
    name = view.classes[ground_truth.category[row]]
    article = "an" if name[:1].lower() in "aeiou" else "a"
    return (
        f"{image}: {article} {name} at ({left:.0f}, {top:.0f}) of {width:.0f} x {height:.0f} "
        f"pixels was missed: {_nearest_prediction(view, row)}"
    )


def _nearest_prediction(view: Inspected, row: int) -> str:
    """The prediction of any score nearest to ground truth `row`: of those that match it the one
    with the highest score, else the one that overlaps it most."""
    ground_truth, detections = view.evaluation.ground_truth, view.evaluation.detections
    here = np.flatnonzero(detections.image == ground_truth.image[row])
    if len(here) == 0:
        return "no prediction in this image"
    iou_type = view.evaluation.iou_type
    overlaps = similarity_of(iou_type, ground_truth, detections)(np.full(len(here), row), here)
    fits = overlaps >= FITS
    best = int((np.where(fits, detections.score[here], -1) if fits.any() else overlaps).argmax())
    if overlaps[best] < NEAR:
        return "no prediction near it"
    answer = f"{view.classes[detections.category[here[best]]]} {detections.score[here[best]]:.2f}"
    loose = "" if fits.any() else f", {view.task.overlap} {overlaps[best]:.2f} only"
    return f"nearest prediction {answer}{loose}"


def _thresholds(evaluation: DetectionEvaluation) -> np.ndarray:
    return np.full(len(evaluation.ground_truth.category_names), THRESHOLD)
