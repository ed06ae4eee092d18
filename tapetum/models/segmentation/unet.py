"""U-Net: what was lost on the way down is fetched from the other side on the way up.

Ronneberger, Fischer, Brox 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation"
(arXiv 1505.04597). An encoder makes the image small and sees what there is; a decoder makes it
large again and says where; at every size the encoder's map goes straight to the decoder, so that
edges need not pass through the bottleneck.

`encoder="paper"` is the network of figure 1. It differs in three ways: convolutions are padded, so
that the map is as large as the image and nothing is cropped; there may be a norm after each of
them; there is no dropout. Any other encoder is a ResNet, and the decoder then is that of
segmentation_models_pytorch, whose numbers it gives: pixels are repeated instead of a learnt
enlargement, and there are fewer channels.
Expected: the paper reports IoU 0.92 on PhC-U373 and 0.776 on DIC-HeLa (table 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones import resnet
from tapetum.base.errors import UsageError
from tapetum.layers.conv import init_linear
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from tapetum.models.segmentation.dense import (
    IGNORE,
    Output,
    PixelLosses,
    decode_maps,
    pad_targets,
    preprocessing,
    score_maps,
)
from tapetum.models.segmentation.encoder_decoder import (
    Decoder,
    PaperEncoder,
    ResNetEncoder,
    init_relu,
    make_encoder,
)
from tapetum.models.segmentation.test_time_augmentation import VIEWS, mean_of_views
from tapetum.models.segmentation.tiles import forward_tiles
from tapetum.structures import Batch, Prediction, Target
from tapetum.structures.renames import Renames

DECODER = (256, 128, 64, 32, 16)
"""Channels of the decoder under a ResNet, from 1/16 of the size to full size."""


class UNet(nn.Module):
    """Encoder, decoder, and a convolution to classes; see the module's docstring and `unet`."""

    task = "semantic_segmentation"
    differentiable = True
    class_weights: Tensor | None

    def __init__(
        self,
        encoder: PaperEncoder | ResNetEncoder,
        decoder: Decoder,
        head: nn.Conv2d,
        preprocessing: Preprocessing,
        *,
        pixel_losses: PixelLosses,
        class_weights: Sequence[float] | None,
        tile: int | None,
        overlap: int,
        views: str,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.preprocessing = preprocessing
        self.pixel_losses = pixel_losses
        self.tile = tile
        self.overlap = overlap
        self.views = views
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.register_buffer("class_weights", weights, persistent=False)

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; semantic maps padded with 255.

        Raises:
            ValueError: images or targets that cannot be, a class of a pixel that there is not.
        """
        batch = self.preprocessing(images, targets, like=self.head.weight)
        return pad_targets(batch, classes=self.head.out_channels)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Output:
        """Logits of every pixel. Without truth the mean over all views, and what is larger than a
        tile goes tile by tile."""
        if targets is not None:
            return Output(self._logits(pixels))
        if self.tile is None or max(pixels.shape[-2:]) <= self.tile:
            return Output(self.seen(pixels))
        multiple = self.preprocessing.multiple
        return Output(forward_tiles(self.seen, pixels, self.tile, self.overlap, multiple))

    def seen(self, pixels: Tensor) -> Tensor:
        """Logits of every pixel (B, C, H, W): the mean over all views, in one piece."""
        return mean_of_views(self._logits, pixels, self.views)

    def _logits(self, pixels: Tensor) -> Tensor:
        *_, finest = self.decoder(self.encoder(pixels)).values()
        logits = self.head(finest)
        if logits.shape[-2:] == pixels.shape[-2:]:
            return logits
        return F.interpolate(logits, pixels.shape[-2:], mode="bilinear", align_corners=False)

    def losses(self, output: Output, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Cross entropy, Dice and focal loss, those with a weight, over all pixels but 255."""
        return self.pixel_losses(output, targets, self.class_weights)

    def postprocess(self, output: Output, batch: Batch) -> list[Prediction]:
        """A class for every pixel of the original images."""
        return decode_maps(output, batch)

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each map with marked pixels, the mean logit of their classes."""
        batch = self.preprocess(images, targets)
        assert batch.targets is not None
        # With truth, in one piece however large: an explanation needs the maps of the whole.
        output = self(batch.pixels, batch.sizes, batch.targets)
        return score_maps(output, batch.targets, targets)

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """The bottleneck, the decoder's maps from coarse to fine, the encoder's other maps.

        The bottleneck is first because it knows what is where and says so in few, telling cells;
        towards the end of the decoder the map is the answer itself.
        """
        made = {
            f"d{level}": (self.decoder, itemgetter(f"d{level}")) for level in self.decoder.levels
        }
        seen = {name: (self.encoder, itemgetter(name)) for name in reversed(self.encoder.channels)}
        bottleneck = self.decoder.bottleneck
        return {bottleneck: seen.pop(bottleneck), **made, **seen}


def unet(
    encoder: str = "resnet18",
    classes: int = 21,
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
    views: str = "one",
    image_mean: Sequence[float] = IMAGENET_MEAN,
    image_std: Sequence[float] = IMAGENET_STD,
) -> UNet:
    """U-Net for semantic maps.

    encoder: "paper", or a ResNet's name in BACKBONES.
    norm: after every convolution; "none" is the paper's and for its encoder only.
    width: channels of the first convolution.
    decoder_channels: of the decoder's maps, coarsest first, down to full size; None is the
        paper's mirror image, or 256, 128, 64, 32, 16 under a ResNet.
    finest: 1, 2 or 4, the size of the decoder's last map: a half and a quarter of the image's
        leave out the stages that cost most, and logits are enlarged bilinearly instead.
    cross_entropy_weight, dice_weight, focal_weight: what each loss counts; 0 leaves it out.
    class_weights: what a pixel of each class counts in cross entropy and focal loss; None is one.
    min_size, max_size: None, None keeps images as they are; see `maps.preprocessing`.
    tile, overlap: how images larger than `tile` are predicted; see `tiles`. None: in one piece.
    views: what a prediction is the mean of: "one", the image itself, "mirror", its mirror image,
        too, or "turns", all eight ways in which it can lie (as long as eight predictions).

    Raises:
        UsageError: an unknown encoder, or a value that cannot be.
    """
    _check(classes, class_weights, tile, overlap)
    if views not in VIEWS:
        raise UsageError(f"unknown views {views!r}", hint="one of " + ", ".join(VIEWS))
    body = make_encoder(encoder, width, norm)
    learnt = isinstance(body, PaperEncoder)
    multiple = 2 ** int(list(body.channels)[-1].removeprefix("c"))
    if decoder_channels is None:
        decoder_channels = [8 * width, 4 * width, 2 * width, width] if learnt else DECODER
    channels = _first_stages(decoder_channels, multiple, finest)
    decoder = Decoder(body.channels, channels, norm, learnt=learnt)
    for part in decoder.modules():
        init_relu(part)
    head = nn.Conv2d(channels[-1], classes, 1 if learnt else 3, padding=0 if learnt else 1)
    init_linear(head)
    return UNet(
        encoder=body,
        decoder=decoder,
        head=head,
        preprocessing=preprocessing(min_size, max_size, image_mean, image_std, multiple),
        pixel_losses=PixelLosses(cross_entropy_weight, dice_weight, focal_weight),
        class_weights=class_weights,
        tile=tile,
        overlap=overlap,
        views=views,
    )


def _first_stages(channels: Sequence[int], multiple: int, finest: int) -> list[int]:
    """Channels of the stages from 1 / `multiple` of the size to 1 / `finest`."""
    if finest not in (1, 2, 4):
        raise UsageError(f"finest must be 1, 2 or 4, got {finest}")
    count = (multiple // finest).bit_length() - 1
    if len(channels) < count:
        raise UsageError(f"decoder_channels: {count} numbers or more expected, got {len(channels)}")
    return list(channels[:count])


def _check(
    classes: int, class_weights: Sequence[float] | None, tile: int | None, overlap: int
) -> None:
    if not 1 <= classes <= IGNORE:
        raise UsageError(f"classes must be 1 to {IGNORE}, got {classes}")
    if class_weights is not None and len(class_weights) != classes:
        raise UsageError(f"class_weights: {classes} expected, got {len(class_weights)}")
    if tile is not None and not (tile % 32 == overlap % 32 == 0 <= 2 * overlap <= tile > 0):
        hint = "multiples of 32, the overlap half a tile at most"
        raise UsageError(f"tile {tile} and overlap {overlap} do not fit", hint=hint)


REFERENCE = {
    # For ResNet encoders at `finest=1` and without other changes.
    "segmentation_models_pytorch": Renames(
        (
            *resnet.REFERENCE["torchvision"].inside("encoder.body.", "encoder."),
            ("decoder.stages.#.convs.conv#.conv.*", "decoder.blocks.#.conv#.0.*"),
            ("decoder.stages.#.convs.conv#.norm.*", "decoder.blocks.#.conv#.1.*"),
            ("head.*", "segmentation_head.0.*"),
        )
    )
}
