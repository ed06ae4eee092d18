"""Network: an nn.Module that gives raw outputs; NetworkModel: what the models around one share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from tapetum.structures import ExplainLayer, Model, Sample
from tapetum.structures.renames import Renames

RawT = TypeVar("RawT")
"""What a network gives: logits, or a NamedTuple of tensors."""
OutputT = TypeVar("OutputT")
PREFIX = "network."


class Network(nn.Module, ABC, Generic[RawT]):
    """The layers of a plain network: pixels in, raw outputs out.

    `ImageClassifier`, `SemanticSegmenter` and `ObjectLocalizer` make a `Model` of it, and ask it
    for what follows; all but `forward` has a neutral default.
    """

    references: ClassVar[Mapping[str, Renames]] = {}
    """Names of its weights in other code bases, by the name of the code base."""
    min_image_size: ClassVar[int | None] = None
    """Smallest side of an image in pixels, if images may have any size; None: only one size."""

    if TYPE_CHECKING:  # nn.Module types its call as Any

        def __call__(
            self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None
        ) -> RawT: ...

    @abstractmethod
    def forward(self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None) -> RawT:
        """Compute the raw outputs.

        Args:
            pixels: (B, 3, H, W) normalised images.
            generators: one an image, which decide what is dropped, in training; None: nothing is.
        """

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Layers that explanations may look into, by name, the best one first; see `Model`."""
        return {}

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Prefixes of the weights of each stage of its backbone; see `Model`."""
        return []

    def resizable_weights(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor | None]]:
        """Weights that a checkpoint may hold in another shape; see `Model`."""
        return {}

    def class_templates(self) -> Tensor | None:
        """The weights of each class as an image; see `Model`."""
        return None

    def penalties(self) -> dict[str, Tensor]:
        """Losses that depend on the weights alone, by name."""
        return {}

    def initialize_from_data(self, pixels: Iterable[Tensor], generator: torch.Generator) -> None:
        """Set what is computed from training images before the first step.

        Args:
            pixels: of one image (1, 3, H, W) each.
            generator: decides every random choice.
        """


class NetworkModel(Model[OutputT]):
    """What models around a `Network` pass on to it. The verbs are their own."""

    def __init__(self, network: Network[Any]) -> None:
        super().__init__()
        self.network = network
        self.references = {
            name: Renames(renames.inside(PREFIX, ""))
            for name, renames in network.references.items()
        }
        # The state of the network by itself.
        self.references["network"] = Renames(((f"{PREFIX}*", "*"),))

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Those of the network."""
        return self.network.explain_layers()

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the network."""
        return prefixed_groups(PREFIX, self.network.layer_groups())

    def resizable_weights(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor | None]]:
        """Those of the network."""
        return prefixed(PREFIX, self.network.resizable_weights())

    def class_templates(self) -> Tensor | None:
        """Those of the network."""
        return self.network.class_templates()

    def initialize_from_data(self, samples: Iterable[Sample], generator: torch.Generator) -> None:
        """Preprocess as for training, one image at a time, what the network asks for."""
        batches = (self.preprocess([sample.image], [sample.target]) for sample in samples)
        self.network.initialize_from_data((batch.pixels for batch in batches), generator)


ValueT = TypeVar("ValueT")


def prefixed(prefix: str, values: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """The same values, with names of weights as a larger module has them.

    Args:
        prefix: of the names in the larger module.
        values: by the name of a weight.

    Returns:
        The values by their new names.
    """
    return {prefix + name: value for name, value in values.items()}


def prefixed_groups(prefix: str, groups: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Groups of names of weights, as a larger module has them.

    Args:
        prefix: of the names in the larger module.
        groups: names of weights.

    Returns:
        The groups with the new names.
    """
    return [tuple(prefix + name for name in group) for group in groups]
