"""The run folder: RUN/run.json says what was trained on what, how and where."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from tapetum.base.errors import CheckpointError, UsageError
from tapetum.base.files import write_json
from tapetum.runs.aliases import current_record
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.settings import Settings

FILE, FORMAT_VERSION = "run.json", 1


@dataclass(frozen=True)
class RunRecord:
    """The whole recipe of a run as JSON values; enough to resume, evaluate and report it.

    image_size: pixels of the short side in training.
    data: path (absolute) or built-in name; val: a separate place for validation images, or None.
    augment: name of the augmentation. validate: is the model measured on the way?
    precision, device: as resolved, not as asked. weights: what it started from. unlabeled: are
    images without labels "negative", or to "skip"? cache: where decoded images are kept.
    merge_options: what was asked, to ask it again.
    """

    model: str
    arguments: dict[str, Any]
    classes: tuple[str, ...]
    class_ids: tuple[int | str, ...]
    data: str
    data_format: str
    val: str | None
    augment: str
    validate: bool
    image_size: int
    settings: Settings
    device: str
    precision: str
    counts: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    weights: str = "none"
    unlabeled: str = "negative"
    cache: str = "off"
    options: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def model_info(self) -> ModelInfo:
        """What a checkpoint of this run carries, so that it loads without the run."""
        facts = {"data": self.data, "environment": self.environment}
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
    """Raise UsageError if there is something at the place of a new run."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "choose another `out`, or resume the run"
        raise UsageError("exists already and is not empty", file=folder, hint=hint)


def default_folder(model: str, data: str) -> Path:
    """runs/MODEL-DATA, or with the first free number behind it."""
    name = f"{Path(model.partition(':')[0]).stem}-{Path(data.partition(':')[0]).stem or 'data'}"
    numbered = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in range(1, 10_000))
    return next(path for path in numbered if not path.exists())


def is_run(folder: Path) -> bool:
    """Is there a run in this folder?"""
    return (folder / FILE).is_file()


def read_run(folder: Path) -> RunRecord:
    """The record of a run folder.

    Raises:
        CheckpointError: not a run folder, or of a newer version.
    """
    path = folder / FILE
    try:
        output = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        hint = "a folder made by tapetum train"
        raise CheckpointError("holds no run.json: not a run", file=folder, hint=hint) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"not readable: {error}", file=path) from error
    if not isinstance(output, dict) or output.get("format_version") != FORMAT_VERSION:
        version = output.get("format_version") if isinstance(output, dict) else None
        raise CheckpointError(f"format version {version}, expected {FORMAT_VERSION}", file=path)
    try:
        output = current_record(output)
        settings = Settings(**output.pop("settings"))
        classes, class_ids = tuple(output.pop("classes")), tuple(output.pop("class_ids"))
        output["keypoint_names"] = tuple(output.get("keypoint_names", ()))
        output["skeleton"] = tuple((a, b) for a, b in output.get("skeleton", ()))
        # Runs of the first version saw images of the size that their model prepares.
        output.setdefault("image_size", output["arguments"].get("min_size"))
        return RunRecord(**output, settings=settings, classes=classes, class_ids=class_ids)
    except (TypeError, KeyError) as error:
        raise CheckpointError(f"not a run record: {error}", file=path) from error


def environment() -> dict[str, Any]:
    """Versions and machine, for the record and for `tapetum env`."""
    packages = ("numpy", "pillow", "scipy", "scikit-learn", "safetensors", "matplotlib")
    return {
        "tapetum": importlib.metadata.version("tapetum"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: importlib.metadata.version(name) for name in packages},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def command_line() -> str:
    """The command that runs this process, as one would type it."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()
