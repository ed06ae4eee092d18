"""U-Net: an encoder and a decoder that are joined at every size.

Ronneberger, Fischer, Brox 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation"
(arXiv 1505.04597). An encoder makes small maps that know what there is; a decoder makes them
large again, which tells where; at every size the encoder's map goes straight to the decoder, so
that edges need not pass through the bottleneck.

`encoder="paper"` is the network of figure 1. It differs in three ways: convolutions are padded, so
that the map is as large as the image and nothing is cropped; there may be a norm after each of
them; there is no dropout. Any other encoder is a backbone, and the decoder then is that of
segmentation_models_pytorch, whose numbers it gives with a ResNet: pixels are repeated instead
of a transposed convolution, and there are fewer channels.
Expected: the paper reports IoU 0.92 on PhC-U373 and 0.776 on DIC-HeLa (table 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones import resnet
from tapetum.backbones.backbone import Backbone, ResizeWeight
from tapetum.base.errors import UsageError
from tapetum.layers.conv import init_linear
from tapetum.models.entry import ModelEntry
from tapetum.models.network import Network, prefixed, prefixed_groups
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.models.segmentation.dense import PixelLosses, make_preprocessing
from tapetum.models.segmentation.encoder_decoder import (
    Decoder,
    PaperEncoder,
    init_relu,
    make_encoder,
    map_of_stride,
)
from tapetum.models.segmentation.segmenter import SemanticSegmenter
from tapetum.models.segmentation.tta import AUGMENTATIONS
from tapetum.structures import IGNORE_INDEX, ExplainLayer
from tapetum.structures.renames import Renames

DECODER = (256, 128, 64, 32, 16)
"""Channels of the decoder under a backbone, from 1/16 of the size to full size."""


class UNet(Network[Tensor]):
    """Encoder, decoder, and a convolution to classes: logits of every pixel (B, C, H, W).

    Args:
        encoder: images to maps of strides that are powers of 2.
        decoder: for the encoder's strides and channels.
        head: the convolution to classes.
    """

    references: ClassVar[Mapping[str, Renames]] = {
        # For ResNet encoders at `finest=1` and without other changes.
        "segmentation_models_pytorch": Renames(
            (
                *resnet.REFERENCE["torchvision"].inside("encoder.", "encoder."),
                ("decoder.stages.#.convs.conv#.conv.*", "decoder.blocks.#.conv#.0.*"),
                ("decoder.stages.#.convs.conv#.norm.*", "decoder.blocks.#.conv#.1.*"),
                ("head.*", "segmentation_head.0.*"),
            )
        )
    }

    def __init__(self, encoder: Backbone, decoder: Decoder, head: nn.Conv2d) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.map_of_stride = map_of_stride(encoder)

    def forward(
        self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        maps = self.encoder(pixels)
        by_stride = {stride: maps[name] for stride, name in self.map_of_stride.items()}
        *_, finest = self.decoder(by_stride).values()
        logits = self.head(finest)
        if logits.shape[-2:] == pixels.shape[-2:]:
            return logits
        return F.interpolate(logits, pixels.shape[-2:], mode="bilinear", align_corners=False)

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """The bottleneck, the decoder's maps from coarse to fine, the encoder's other maps.

        The bottleneck is first because it tells what is where in few cells; towards the end of the
        decoder the map is the prediction itself.
        """
        decoded = {f"d{n}": (self.decoder, itemgetter(f"d{n}")) for n in self.decoder.levels}
        encoded = self.encoder.explain_layers()
        bottleneck = self.map_of_stride[self.decoder.bottleneck]
        return {bottleneck: encoded.pop(bottleneck), **decoded, **encoded}

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the encoder."""
        return prefixed_groups("encoder.", self.encoder.layer_groups())

    def resizable_weights(self) -> dict[str, ResizeWeight]:
        """Those of the encoder."""
        return prefixed("encoder.", self.encoder.resizable_weights())


def unet(
    encoder: str = "resnet18",
    num_classes: int = 21,
    norm: str = "batch",
    width: int = 64,
    decoder_channels: Sequence[int] | None = None,
    finest: int = 1,
    cross_entropy_weight: float = 1.0,
    dice_weight: float = 0.0,
    focal_weight: float = 0.0,
    class_weights: Sequence[float] | None = None,
    min_size: int | None = None,
    max_size: int | None = None,
    tile: int | None = 1024,
    overlap: int = 128,
    test_time_augmentation: str = "none",
    image_mean: Sequence[float] = IMAGENET_MEAN,
    image_std: Sequence[float] = IMAGENET_STD,
) -> SemanticSegmenter:
    """U-Net for semantic maps.

    Args:
        encoder: "paper", or a name in BACKBONES.
        num_classes: number of classes.
        norm: after every convolution, see `layers.norm`; "none" is the paper's and for its encoder
            only.
        width: channels of the first convolution.
        decoder_channels: of the decoder's maps, coarsest first, down to full size; None is the
            paper's mirror image, or 256, 128, 64, 32, 16 under a backbone.
        finest: 1, 2 or 4, the stride of the decoder's last map: 2 and 4 leave out the blocks that
            cost most, and logits are enlarged bilinearly instead.
        cross_entropy_weight: factor of the cross entropy; 0 leaves it out.
        dice_weight: factor of the Dice loss; 0 leaves it out.
        focal_weight: factor of the focal loss; 0 leaves it out.
        class_weights: what a pixel of each class counts in cross entropy and focal loss; None is 1.
        min_size: pixels of the shorter side; None keeps images as they are.
        max_size: pixels of the longer side at most; None: any.
        tile: pixels of the side of tiles in which larger images are predicted; None: in one piece.
        overlap: pixels that neighbouring tiles share; see `tiles`.
        test_time_augmentation: what a prediction is the mean of: "none", the image itself,
            "hflip", also flipped left to right, or "d4", all eight flips and rotations by quarter
            turns (as long as eight predictions).
        image_mean: of images in [0, 1], a number a channel.
        image_std: standard deviation of images in [0, 1], a number a channel.

    Returns:
        The model with fresh weights.

    Raises:
        UsageError: an unknown encoder, or a value that cannot be.
    """
    _check(num_classes, class_weights, tile, overlap)
    if test_time_augmentation not in AUGMENTATIONS:
        why = f"unknown test_time_augmentation {test_time_augmentation!r}"
        raise UsageError(why, hint="one of " + ", ".join(AUGMENTATIONS))
    network = _network(encoder, num_classes, norm, width, decoder_channels, finest)
    multiple = max(network.map_of_stride)
    return SemanticSegmenter(
        network,
        make_preprocessing(min_size, max_size, image_mean, image_std, multiple),
        num_classes=num_classes,
        pixel_losses=PixelLosses(cross_entropy_weight, dice_weight, focal_weight),
        class_weights=class_weights,
        tile=tile,
        overlap=overlap,
        test_time_augmentation=test_time_augmentation,
    )


def _network(
    name: str,
    num_classes: int,
    norm: str,
    width: int,
    decoder_channels: Sequence[int] | None,
    finest: int,
) -> UNet:
    """The layers with their first weights."""
    encoder = make_encoder(name, width, norm)
    names = map_of_stride(encoder)
    paper = isinstance(encoder, PaperEncoder)
    if decoder_channels is None:
        decoder_channels = [8 * width, 4 * width, 2 * width, width] if paper else DECODER
    channels = _first_blocks(decoder_channels, max(names), finest)
    by_stride = {stride: encoder.channels[map_name] for stride, map_name in names.items()}
    decoder = Decoder(by_stride, channels, norm, transposed=paper)
    for part in decoder.modules():
        init_relu(part)
    head = nn.Conv2d(channels[-1], num_classes, 1 if paper else 3, padding=0 if paper else 1)
    init_linear(head)
    return UNet(encoder, decoder, head)


def _first_blocks(channels: Sequence[int], multiple: int, finest: int) -> list[int]:
    """Channels of the blocks from 1 / `multiple` of the size to 1 / `finest`."""
    if finest not in (1, 2, 4):
        raise UsageError(f"finest must be 1, 2 or 4, got {finest}")
    count = (multiple // finest).bit_length() - 1
    if len(channels) < count:
        raise UsageError(f"decoder_channels: {count} numbers or more expected, got {len(channels)}")
    return list(channels[:count])


def _check(
    num_classes: int, class_weights: Sequence[float] | None, tile: int | None, overlap: int
) -> None:
    if not 1 <= num_classes <= IGNORE_INDEX:
        raise UsageError(f"num_classes must be 1 to {IGNORE_INDEX}, got {num_classes}")
    if class_weights is not None and len(class_weights) != num_classes:
        raise UsageError(f"class_weights: {num_classes} expected, got {len(class_weights)}")
    if tile is not None and not (tile % 32 == overlap % 32 == 0 <= 2 * overlap <= tile > 0):
        hint = "multiples of 32, the overlap half a tile at most"
        raise UsageError(f"tile {tile} and overlap {overlap} do not fit", hint=hint)


ENTRIES: dict[str, ModelEntry] = {
    "unet": ModelEntry(
        unet,
        "semantic_segmentation",
        "Ronneberger et al. 2015, arXiv 1505.04597",
        {
            "encoder": "resnet10",
            "num_classes": 3,
            "width": 8,
            "norm": "group",
            "decoder_channels": [32, 16, 16, 8, 8],
        },
        backbone_arguments={"encoder": "backbone", "width": "backbone_width"},
        starts_task=True,
    ),
}
