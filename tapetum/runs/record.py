"""The run folder: RUN/run.json records model, data, options and machine of a training."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tapetum.base.errors import CheckpointError, UsageError
from tapetum.base.files import write_json
from tapetum.runs.aliases import current_record
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions

FILE, FORMAT_VERSION = "run.json", 1
RUN = "a folder made by tapetum train; tapetum models lists the published networks"
ALONE = "a folder in RUN/checkpoints can be used alone, without run.json"
LIFTED = {
    "data": "data",
    "val": "val",
    "data_format": "format",
    "augment": "augment",
    "validate": "validate",
    "unlabeled": "unlabeled",
    "cache": "cache",
}
"""Keys that runs of earlier versions had beside their options, and the options that they are."""


@dataclass(frozen=True)
class RunRecord:
    """The options of a run and the values that followed from them, as JSON values.

    Enough to resume, evaluate, report and repeat it.

    Attributes:
        model: its name, or the absolute FILE.py:FUNCTION of a custom model.
        options: as given, with absolute paths.
        arguments: those of the model, after the defaults of the task and the data.
        classes: class names, index = label.
        class_ids: the data's id of each class.
        image_size: pixels of the short side in training.
        settings: as used, after the defaults of the model and the task.
        device: as used.
        precision: as used.
        weights: the start weights, "none" or where they are.
        counts: images by split.
        command: the command line.
        environment: versions and machine.
        keypoint_names: of the data.
        skeleton: pairs of keypoints that a line joins.
        format_version: of the file.
    """

    model: str
    options: TrainOptions
    arguments: dict[str, Any]
    classes: tuple[str, ...]
    class_ids: tuple[int | str, ...]
    image_size: int
    settings: Settings
    device: str
    precision: str
    weights: str = "none"
    counts: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    format_version: int = FORMAT_VERSION

    def model_info(self) -> ModelInfo:
        """What a checkpoint of this run stores, so that it loads without the run."""
        facts = {"data": self.options.data, "environment": self.environment}
        return ModelInfo(
            model=self.model,
            arguments=self.arguments,
            classes=self.classes,
            class_ids=self.class_ids,
            facts=facts,
            keypoint_names=self.keypoint_names,
            skeleton=self.skeleton,
        )

    def write(self, folder: Path) -> None:
        """Make `folder` and write run.json.

        Raises:
            UsageError: a run is there already; nothing is overwritten.
        """
        refuse_used(folder)
        write_json(folder / FILE, asdict(self))


def refuse_used(folder: Path) -> None:
    """Refuse a folder that is not empty as the place of a new run.

    Args:
        folder: the folder to make.

    Raises:
        UsageError: it exists and is not empty, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "choose another `out`, or resume the run"
        raise UsageError("exists already and is not empty", file=folder, hint=hint)


def default_folder(model: str, data: str) -> Path:
    """The folder of a run by default.

    Args:
        model: its name, or "FILE.py:FUNCTION".
        data: the data, as given.

    Returns:
        runs/MODEL-DATA, or with the first free number behind it.
    """
    name = f"{Path(model.partition(':')[0]).stem}-{Path(data.partition(':')[0]).stem or 'data'}"
    numbered = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in range(1, 10_000))
    return next(path for path in numbered if not path.exists())


def is_run(folder: Path) -> bool:
    """Whether there is a run in this folder.

    Args:
        folder: any path.

    Returns:
        Whether it holds a run.json.
    """
    return (folder / FILE).is_file()


def read_run(folder: Path) -> RunRecord:
    """Read the record of a run.

    Args:
        folder: the run folder.

    Returns:
        The record, by today's names.

    Raises:
        UsageError: no such folder, or not a run.
        CheckpointError: damaged, or of a newer version.
    """
    path, raw = folder / FILE, _read_file(folder)
    try:
        raw = current_record(raw)
        settings = Settings(**raw.pop("settings"))
        options = _options(raw, settings)
        classes, class_ids = tuple(raw.pop("classes")), tuple(raw.pop("class_ids"))
        raw["keypoint_names"] = tuple(raw.get("keypoint_names", ()))
        raw["skeleton"] = tuple((a, b) for a, b in raw.get("skeleton", ()))
        # Runs of the first version saw images of the size that their model prepares.
        raw.setdefault("image_size", raw["arguments"].get("min_size"))
        return RunRecord(
            **raw, options=options, settings=settings, classes=classes, class_ids=class_ids
        )
    except (TypeError, KeyError, ValueError, AttributeError, UsageError) as error:
        raise CheckpointError(f"damaged: {error!r}", file=path, hint=ALONE) from error


def no_such_run(folder: Path, hint: str = RUN) -> UsageError:
    """The error of a path that is no folder.

    Args:
        folder: the path.
        hint: a way out.

    Returns:
        The error.
    """
    return UsageError("no such run folder", file=folder, hint=hint)


def _read_file(folder: Path) -> dict[str, Any]:
    """The content of run.json, of a format version that is known."""
    path = folder / FILE
    if not folder.is_dir():
        raise no_such_run(folder)
    try:
        raw = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError("not a run folder: it holds no run.json", file=folder, hint=RUN) from error
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror or error}", file=path) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"damaged, not JSON: {error}", file=path, hint=ALONE) from error
    if not isinstance(raw, dict) or "format_version" not in raw:
        raise CheckpointError("damaged: no format_version in it", file=path, hint=ALONE)
    if raw["format_version"] != FORMAT_VERSION:
        why = f"format version {raw['format_version']}, this program reads {FORMAT_VERSION}"
        raise CheckpointError(why, file=path, hint="update tapetum")
    return raw


def _options(record: dict[str, Any], settings: Settings) -> TrainOptions:
    """The options in a record; takes their keys out of it. Earlier versions kept some of them
    beside the options, the first one all: then the values that were used are the options."""
    apart = {LIFTED[name]: record.pop(name) for name in LIFTED.keys() & record.keys()}
    given = record.pop("options", None)
    if not given:
        used = ("model", "arguments", "image_size", "weights", "device", "precision")
        given = {name: record[name] for name in used if name in record}
        given["settings"] = asdict(settings)
    return TrainOptions(**(given | apart))


def command_line() -> str:
    """The command that runs this process, as one would type it."""
    program = Path(sys.argv[0]).name
    # What `python -m tapetum` puts there.
    return " ".join(["tapetum" if program == "__main__.py" else program, *sys.argv[1:]])
