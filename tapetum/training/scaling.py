"""Scaling the loss, so that small gradients survive fp16.

Micikevicius et al. 2018, "Mixed precision training" (arXiv 1710.03740), section 3.2. The numbers
and the order of events are those of torch.amp.GradScaler; the state here is plain numbers that a
checkpoint stores as JSON, and no second look at the gradients is needed: the norm says it all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from tapetum.base.errors import TrainingError
from tapetum.base.runtime import Runtime

START = 2.0**16
INTERVAL = 2000
"""Steps without overflow after which the scale doubles."""
MOST_SKIPPED = 20
"""Steps in a row. From START on the scale is then below 1: it is not the scale that is wrong."""


@dataclass
class LossScale:
    """What the loss is multiplied by before backward: a power of two, so that no bit is lost.

    kept: steps since the last change; skipped: steps in a row whose gradient overflowed.
    """

    value: float = START
    kept: int = 0
    skipped: int = 0

    def unscale(self, parameters: Iterable[Tensor]) -> None:
        """Divide the gradients by the scale, in place."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if gradients:
            torch._foreach_mul_(gradients, 1 / self.value)

    def keep(self) -> None:
        """A step went well; after INTERVAL of them the scale doubles."""
        self.skipped = 0
        self.kept += 1
        if self.kept == INTERVAL:
            self.value, self.kept = 2 * self.value, 0

    def shrink(self) -> None:
        """A gradient overflowed: halve the scale.

        Raises:
            TrainingError: it did so MOST_SKIPPED times in a row.
        """
        self.value, self.kept = self.value / 2, 0
        self.skipped += 1
        if self.skipped == MOST_SKIPPED:
            why = f"the gradient overflowed in {MOST_SKIPPED} steps in a row"
            raise TrainingError(why, hint="`precision` bf16 or fp32, or a lower `lr`")


def make_scale(runtime: Runtime) -> LossScale | None:
    """A scale where training needs one: fp32 and bf16 reach down far enough without."""
    return LossScale() if runtime.precision == "fp16" else None
