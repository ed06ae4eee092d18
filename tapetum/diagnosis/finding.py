"""What numbers say, in a sentence, and what to do about it: the unit that reports and logs show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SEVERITIES = ("error", "warning", "info")
"""As in `tapetum check`: it must be mended; it is probably wrong; it is worth knowing."""

TRAINING_IMAGES = "training images"
"""In `Remedy.inputs`: the folder of the run's own images."""


@dataclass(frozen=True)
class Remedy:
    """What to do about a finding.

    Attributes:
        text: one sentence.
        verb: the command that does it ("train" means: again, with the changes below), or "" where
            it is done by hand.
        options: options of that command by their Python names, {"image_size": 480}.
        arguments: arguments of the model for "train", {"dice_weight": 1}.
        inputs: what the command is given besides the run; empty: images of the reader.
    """

    text: str
    verb: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One fact about a run.

    Attributes:
        text: one sentence with its numbers.
        severity: one of `SEVERITIES`.
        evidence: the numbers that it rests on, by name.
        threshold: the limit that one of them crossed; None where nothing is compared.
        remedy: what to do; None where there is nothing to do.
    """

    text: str
    severity: str = "info"
    evidence: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None
    remedy: Remedy | None = None

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity: expected one of {SEVERITIES}, got {self.severity!r}")
