"""One more task: how many objects of each class an image has. Its files, and a line of TASKS (the
names), TASKS (the verbs), GATHER and METRICS; scenes and the demo, if it wants its own of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.reading.loading import Augment
from tapetum.data.transforms import detection_pixels, detection_transforms
from tapetum.evaluation import METRICS, Metric
from tapetum.models.catalog import CATALOG, ModelEntry
from tapetum.models.predict import predict
from tapetum.models.preprocessing import Preprocessing
from tapetum.render import draw_class_scores
from tapetum.reporting.contents import ReportContents
from tapetum.reporting.sections.run import Run, frame
from tapetum.reporting.tasks import GATHER
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    TASKS,
    Batch,
    ExplainLayer,
    Model,
    PostprocessOptions,
    Prediction,
    Target,
)
from tapetum.structures.tasks import TaskAnnotations
from tapetum.tasks import TASKS as VERBS
from tapetum.tasks import ExplainTarget, Names, Task, Watch
from tapetum.tasks.task import batches, of_all_ranks
from tests.extending.source import naming
from tests.extending.tools import look, train

NAME = "counting"


class CountOutput(NamedTuple):
    """B images, C classes."""

    counts: Tensor  # (B, C)


class Counter(Model[CountOutput]):
    """A convolution, and a linear layer on the mean of its maps."""

    task = NAME

    def __init__(self, num_classes: int, image_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, num_classes)
        self.preprocessing = Preprocessing(image_size, 2 * image_size, multiple=2)

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        return self.preprocessing(images, targets, like=self.head.weight)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> CountOutput:
        return CountOutput(self.head(self.conv(pixels).relu().mean(dim=(2, 3))))

    def losses(self, output: CountOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        wanted = torch.stack([counts(target, output.counts.shape[1]) for target in targets])
        return {"count": (output.counts - wanted).abs().mean()}

    def postprocess(
        self,
        output: CountOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        return [Prediction(class_scores=row.clamp(min=0)) for row in output.counts]

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        batch = self.preprocess(images)
        rows = zip(self(batch.pixels, batch.sizes).counts, targets, strict=True)
        return torch.cat([row[target.require("labels")] for row, target in rows])

    def explain_layers(self) -> dict[str, ExplainLayer]:
        return {"conv": (self.conv, torch.relu)}


def counter(num_classes: int = 8, image_size: int = 64) -> Counter:
    """The toy model of the task."""
    return Counter(num_classes, image_size)


def counts(target: Target, classes: int) -> Tensor:
    """(C,) objects of each class."""
    return torch.bincount(target.require("objects").labels, minlength=classes).float()


@dataclass(frozen=True)
class CountingEvaluation:
    """Counts over a dataset, judged."""

    names: tuple[str, ...]
    found: Tensor
    wanted: Tensor

    @property
    def stats(self) -> dict[str, float]:
        error = (self.found - self.wanted).abs().mean()
        return {"count_accuracy": float(1 / (1 + error)), "MAE": float(error)}

    def results(self) -> list[dict[str, Any]]:
        rows = zip(self.names, self.found.tolist(), strict=True)
        return [{"image": name, "counts": row} for name, row in rows]

    def best_thresholds(self) -> tuple[float | None, ...]:
        return ()


@dataclass(frozen=True)
class Counting(Task):
    """How many objects of each class an image has."""

    name: str = NAME
    metric: str = "count_accuracy"
    noun: str = "counts"
    annotation: str = "boxes"
    answers_every_class: bool = True
    augmentations: tuple[str, ...] = ("default", "none")

    def image_size(self, dataset: Dataset) -> int:
        return 64

    def arguments(self, dataset: Dataset, image_size: int) -> dict[str, Any]:
        return {"num_classes": len(dataset.classes), "image_size": image_size}

    def transforms(self, dataset: Dataset, image_size: int, augmentation: str) -> Augment:
        return detection_transforms(image_size, augmentation)

    def most_pixels(self, image_size: int, augmentation: str) -> int | None:
        return detection_pixels(image_size, augmentation)

    def ground_truth(self, dataset: Dataset, class_ids: Sequence[int | str] = ()) -> None:
        return None

    def measure(
        self,
        model: Model,
        dataset: Dataset,
        runtime: Runtime,
        *,
        class_ids: Sequence[int | str] = (),
        max_dets: int | None = None,
        watch: Watch = Watch(),  # noqa: B008, it is frozen
        workers: int = 0,
        known: None = None,
    ) -> CountingEvaluation:
        rows: list[tuple[str, Tensor, Tensor]] = []
        for samples in batches(dataset, 8, watch, workers):
            answers = predict(model, [sample.image for sample in samples], runtime=runtime)
            for sample, answer in zip(samples, answers, strict=True):
                found = answer.require("class_scores")
                rows.append((sample.name, found, counts(sample.target, len(found))))
        names, found, wanted = zip(*of_all_ranks(rows, 8), strict=True)
        return CountingEvaluation(names, torch.stack(found), torch.stack(wanted))

    def answer(self, prediction: Prediction, names: Names, threshold: float) -> dict[str, Any]:
        values = prediction.require("class_scores").tolist()
        return {"counts": dict(zip(names.classes, values, strict=True))}

    def describe(self, answer: Mapping[str, Any]) -> str:
        return ", ".join(f"{round(value)} {name}" for name, value in answer["counts"].items())

    def draw(
        self, image: Tensor, prediction: Prediction, names: Names, threshold: float
    ) -> dict[str, Image.Image]:
        scores = prediction.require("class_scores")
        return {"": draw_class_scores(image, scores / scores.sum().clamp(min=1), names.classes)}

    def objects(self, prediction: Prediction, names: Names) -> list[ExplainTarget]:
        return [
            ExplainTarget(name, Target(labels=torch.tensor([label])))
            for label, name in enumerate(names.classes)
        ]


def report(run: Run, evaluation: CountingEvaluation) -> ReportContents:
    return frame(run, evaluation.stats, "count_accuracy")


def test_a_task_is_a_line_in_four_tables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Path
) -> None:
    monkeypatch.setitem(TASKS, NAME, TaskAnnotations(("boxes",)))
    monkeypatch.setitem(VERBS, NAME, Counting())
    monkeypatch.setitem(GATHER, NAME, report)
    monkeypatch.setitem(METRICS, "count_accuracy", Metric("1 / (1 + mean error of the counts)"))
    monkeypatch.setitem(CATALOG, "counter", ModelEntry(counter, NAME, "none", {"num_classes": 3}))
    run = train("counter", tmp_path / "run")
    assert set(look(run, photo)) == {"count_accuracy", "MAE"}
    assert "mean error of the counts" in (run / "report.html").read_text()


def test_a_task_of_ours_is_named_in_five_files_beside_its_own() -> None:
    """Localization: with scenes of its own, a demonstration of its own, and metrics."""
    own = {
        "models/localization/localizer.py",
        "reporting/tasks/localization.py",
        "tasks/localization.py",
    }
    # "localization" is a kind of error, too.
    own |= {"diagnosis/detection.py", "evaluation/errors.py", "reporting/tasks/error_kinds.py"}
    assert naming("localization", "Localization", "localization_report") - own == {
        "evaluation/metrics.py",
        "recipes/demo.py",
        "reporting/tasks/__init__.py",
        "structures/tasks.py",
        "tasks/__init__.py",
    }
