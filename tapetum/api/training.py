"""Train a model on a dataset, and go on with a training that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tapetum.api.common import Say, silent
from tapetum.base.errors import UsageError
from tapetum.base.runtime import Runtime, choose_runtime, derive_seed
from tapetum.data.dataset import Dataset
from tapetum.data.files import FileDataset, open_dataset
from tapetum.data.transforms import standard_transforms
from tapetum.models import MODELS
from tapetum.models.checkpoint import FOLDER, find_checkpoint
from tapetum.train.console import ConsoleObserver
from tapetum.train.loop import Job, Observer, fit
from tapetum.train.measure import measure
from tapetum.train.run import RunRecord, command_line, environment, read_run
from tapetum.train.settings import Settings
from tapetum.train.signals import StopFlag


def train(
    model: str,
    data: str | Path,
    *,
    out: str | Path,
    val: str | Path | None = None,
    format: str = "auto",
    image_size: int = 320,
    backbone: str = "resnet18",
    arguments: dict[str, Any] | None = None,
    augment: str = "default",
    device: str = "auto",
    precision: str = "auto",
    validate: bool = True,
    observers: Sequence[Observer] | None = None,
    say: Say = silent,
    **settings: Any,
) -> Path:
    """Train `model` on `data`; the run folder `out` holds its checkpoints and numbers afterwards.

    data: a folder or file of annotations, or the name of a built-in dataset ("scenes").
    val: other data to measure on; by default the data's own validation split, else a held-out
        tenth. image_size: pixels of the short side that the model sees.
    arguments: more arguments of the model's function. augment: a name in
        `tapetum.data.transforms.RECIPES`. validate: measure now and then; else the last weights
        are the best. observers: are told of every step; None shows a bar.
    settings: fields of `tapetum.Settings`, such as epochs, lr, batch_size, seed.

    Raises:
        UsageError: an unknown name or value, or `out` exists.
        TrainingError: a loss or gradient is not finite. Stopped: a signal came; it has saved.
    """
    if model not in MODELS:
        raise UsageError(f"unknown model {model!r}", hint="one of " + ", ".join(MODELS))
    runtime = choose_runtime(device, precision, training=True)
    pictures = Pictures.open(str(data), None if val is None else str(val), format)
    classes = pictures.training.classes
    record = RunRecord(
        model=model,
        arguments=model_arguments(len(classes), image_size, backbone) | (arguments or {}),
        classes=classes,
        class_ids=tuple(getattr(pictures.training, "class_ids", ())),
        data=_source(data),
        data_format=format,
        val=None if val is None else _source(val),
        augment=augment,
        validate=validate,
        settings=parse_settings(settings),
        device=str(runtime.device),
        precision=runtime.precision,
        counts=pictures.counts(),
        command=command_line(),
        environment=environment(),
    )
    job = make_job(record, pictures, Path(out), runtime)
    record.write(Path(out))
    for line in [*pictures.words(), *describe(record, job.model)]:
        say(line)
    fit(job, [ConsoleObserver()] if observers is None else observers)
    return Path(out)


def resume(
    run: str | Path, *, observers: Sequence[Observer] | None = None, say: Say = silent
) -> Path:
    """Go on with a training that was stopped, to the same bits as if it had not been."""
    folder = Path(run)
    record = read_run(folder)
    runtime = choose_runtime(record.device, record.precision, training=True)
    pictures = Pictures.open(record.data, record.val, record.data_format)
    if pictures.training.classes != record.classes:
        raise UsageError("its classes are not those of the run any more", file=record.data)
    start = None
    if any((folder / FOLDER).glob("step-*")):
        start, complaints = find_checkpoint(folder, "last")
        for words in [*complaints, f"resuming at {start.name}"]:
            say(words)
    job = make_job(record, pictures, folder, runtime)
    fit(job, [ConsoleObserver()] if observers is None else observers, start)
    return folder


@dataclass(frozen=True)
class Pictures:
    """What a training learns from and what it is measured on."""

    training: Dataset
    held: Dataset

    @staticmethod
    def open(data: str, val: str | None, format: str) -> Pictures:
        training = open_dataset(data, "train", format)
        held = open_dataset(data, "val", format) if val is None else open_dataset(val, "all")
        if held.classes != training.classes:
            raise UsageError("its classes differ from those of the training data", file=val)
        return Pictures(training, held)

    def counts(self) -> dict[str, Any]:
        """Pictures and, of datasets in files, objects of each class, by split."""
        both = {"train": self.training, "val": self.held}
        counted = {n: d.class_counts() for n, d in both.items() if isinstance(d, FileDataset)}
        return {"pictures": {n: len(d) for n, d in both.items()}, "objects": counted}

    def words(self) -> list[str]:
        """How the splits were chosen, what is left out, and what the reader found, for people."""
        lines = []
        for dataset in (self.training, self.held):
            if isinstance(dataset, FileDataset):
                lines.append(f"{dataset.name}: {len(dataset)} pictures, {dataset.words}")
                if dataset.left_out:
                    lines.append(f"{dataset.name}: {dataset.left_out} pictures are missing")
        if isinstance(self.training, FileDataset):
            serious = [f for f in self.training.findings if f.severity != "info"]
            if serious:
                lines.append(
                    f"{len(serious)} findings in the annotations; tapetum check lists them"
                )
        return lines


def make_job(record: RunRecord, pictures: Pictures, folder: Path, runtime: Runtime) -> Job:
    """Everything that `fit` needs, from the record of a run alone."""

    def validate(model: nn.Module, flag: StopFlag) -> dict[str, float]:
        ids, held = record.class_ids, pictures.held
        return measure(model, held, runtime, class_ids=ids, check=flag.check).result.stats

    return Job(
        model=build_model(record),
        dataset=pictures.training,
        augment=standard_transforms(int(record.arguments["min_size"]), record.augment),
        settings=record.settings,
        runtime=runtime,
        folder=folder,
        card=record.card(),
        validate=validate if record.validate else None,
    )


def build_model(record: RunRecord) -> nn.Module:
    """The model of a run with its start weights, a function of the seed alone.

    Raises:
        UsageError: an argument that the model does not have or cannot take.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(record.settings.seed, "weights"))
        try:
            return MODELS[record.model](**record.arguments)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{record.model}: {error}", hint="tapetum models") from error


def model_arguments(classes: int, image_size: int, backbone: str) -> dict[str, Any]:
    """Arguments that every detector takes, with anchors that suit the size of the pictures.

    The published 32 pixels on pictures of 800 are a twenty-fifth; kept as a power of two.
    """
    if image_size < 32:
        raise UsageError(f"--image-size must be at least 32, got {image_size}")
    smallest = 2 ** ((image_size // 18).bit_length() - 1)
    return {
        "backbone": backbone,
        "classes": classes,
        "min_size": image_size,
        "max_size": image_size * 5 // 3,
        "anchor_sizes": [smallest * 2**level for level in range(5)],
    }


def parse_settings(values: dict[str, Any]) -> Settings:
    """Settings from keywords; None means the default.

    Raises:
        UsageError: a name that is no setting, or a value that cannot be.
    """
    known = [field.name for field in fields(Settings)]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise UsageError(f"unknown setting {unknown[0]!r}", hint="one of " + ", ".join(known))
    return Settings(**{name: value for name, value in values.items() if value is not None})


def describe(record: RunRecord, model: nn.Module) -> list[str]:
    """What will be trained, in a few lines."""
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    names = ", ".join(record.classes[:8]) + (", ..." if len(record.classes) > 8 else "")
    settings = record.settings
    return [
        f"{len(record.classes)} classes: {names}",
        f"{record.model}, {record.arguments['backbone']}, {parameters:.2f} million parameters",
        f"{record.device} {record.precision}, {settings.optimizer}, lr {settings.lr:g}",
    ]


def _source(data: str | Path) -> str:
    """A path as an absolute one, so that the run finds it from anywhere; names stay names."""
    return str(Path(data).resolve()) if Path(data).exists() else str(data)
