"""What a way to explain consists of. Each file of methods ends with its own, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Method:
    """One way to explain: an entry of `tapetum.explain.METHODS`.

    Attributes:
        function: (model, image, target, and what `needs` names) -> a map (H, W) of any scale, not
            negative.
        needs: any of
            "gradient": logits that can be differentiated; without it, there is no graph
            "layer": `layer`, one of the model's `explain_layers()`
            "noise": `generator`, its only source of chance
            "forwards": many forward passes, of `batch_size` images at once
        paper: where the method is from.
    """

    function: Callable[..., Tensor]
    needs: frozenset[str]
    paper: str
