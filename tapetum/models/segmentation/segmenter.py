"""SemanticSegmenter: a network that gives logits of every pixel as a model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tapetum.models.network import Network, NetworkModel
from tapetum.models.preprocessing import Preprocessing
from tapetum.models.segmentation.dense import (
    PixelLosses,
    SegmentationOutput,
    map_logits,
    pad_targets,
    postprocess_maps,
)
from tapetum.models.segmentation.tiles import forward_tiles
from tapetum.models.segmentation.tta import augmented_mean
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    ExportGraph,
    ExportRule,
    PostprocessOptions,
    Prediction,
    Target,
)


class SemanticSegmenter(NetworkModel[SegmentationOutput]):
    """A model of a network that gives class logits of every pixel (B, C, H, W).

    Args:
        network: pixels to logits of the same size.
        preprocessing: how images are brought to the network; its `multiple` is what H and W must
            be multiples of.
        num_classes: number of classes.
        pixel_losses: weights of the losses.
        class_weights: what a pixel of each class counts; None is 1.
        tile: pixels of the side of tiles in which larger images are predicted; None: in one piece.
        overlap: pixels that neighbouring tiles share; see `tiles`.
        test_time_augmentation: one of `test_time_augmentation.AUGMENTATIONS`.
    """

    task = "semantic_segmentation"
    class_weights: Tensor | None

    def __init__(
        self,
        network: Network[Tensor],
        preprocessing: Preprocessing,
        *,
        num_classes: int,
        pixel_losses: PixelLosses | None = None,
        class_weights: Sequence[float] | None = None,
        tile: int | None = None,
        overlap: int = 0,
        test_time_augmentation: str = "none",
    ) -> None:
        super().__init__(network)
        self.preprocessing = preprocessing
        self.num_classes = num_classes
        self.pixel_losses = pixel_losses or PixelLosses()
        self.tile = tile
        self.overlap = overlap
        self.test_time_augmentation = test_time_augmentation
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.register_buffer("class_weights", weights, persistent=False)

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; semantic maps padded with 255.

        Raises:
            ValueError: images or targets that cannot be, a class of a pixel that there is not.
        """
        batch = self.preprocessing(images, targets, like=next(self.parameters()))
        return pad_targets(batch, self.num_classes)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> SegmentationOutput:
        """Logits of every pixel. Without targets, test-time augmentation takes part, and what is
        larger than a tile goes tile by tile."""
        if targets is not None:
            return SegmentationOutput(self.network(pixels, generators))
        if self.tile is None or max(pixels.shape[-2:]) <= self.tile:
            return SegmentationOutput(self._augmented(pixels))
        multiple = self.preprocessing.multiple
        logits = forward_tiles(self._augmented, pixels, self.tile, self.overlap, multiple)
        return SegmentationOutput(logits)

    def _augmented(self, pixels: Tensor) -> Tensor:
        return augmented_mean(self.network, pixels, self.test_time_augmentation)

    def losses(self, output: SegmentationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Cross entropy, Dice and focal loss, those with a weight, over all pixels but 255."""
        pixel_losses = self.pixel_losses(output, targets, self.class_weights)
        return pixel_losses | self.network.penalties()

    def postprocess(
        self,
        output: SegmentationOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        """A class for every pixel of the original images; of the options `pixel_scores` counts."""
        return postprocess_maps(output, batch, options)

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each map with marked pixels, the mean logit of their classes."""
        batch = self.preprocess(images, targets)
        assert batch.targets is not None
        # With targets, in one piece however large: an explanation needs the maps of the whole.
        output = self(batch.pixels, batch.sizes, batch.targets)
        return map_logits(output, batch.targets, targets)

    def export_graphs(self) -> list[ExportGraph]:
        """One graph, pixels to logits, in one piece; the client cuts the tiles."""
        multiple = self.preprocessing.multiple
        free = {2: ("height", multiple, 2), 3: ("width", multiple, 2)}

        def logits(pixels: Tensor) -> tuple[Tensor, ...]:
            return (self._augmented(pixels),)

        return [
            ExportGraph(
                "model",
                logits,
                "pixels",
                ("logits",),
                lambda batch: batch.pixels,
                {0: ("batch", 1, 1), **free},
            )
        ]

    def export_rule(self) -> ExportRule:
        """Resized and padded images, and maps in tiles."""
        tiles = {"tile": self.tile, "overlap": self.overlap}
        maps = {"kind": "maps", **tiles, "multiple": self.preprocessing.multiple}
        return {"preprocess": self.preprocessing.export_rule(), "postprocess": maps}
