"""A convolutional network that learns small images in minutes.

Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498), section 3. The
first layer decorrelates patches of 2 x 2 pixels by the eigenvectors of the training images and
is never trained; three groups of two convolutions follow, which start as identities; the scale of
every batch norm is fixed. All of this saves steps: nothing has to be unlearnt.

Differs from the paper: the maximum over the whole last map, which for 32 pixels is the paper's
pooling of 3 x 3, so that images of other sizes do, too. The schedule and the optimizer are a
training's, not the model's: see `recipes.cifar10` and `training.airbench`.
Expected: see `recipes.cifar10`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.entry import ModelEntry
from tapetum.models.network import Network
from tapetum.structures import ExplainLayer

PATCH = 2
"""Side of the patches that are decorrelated."""
FILTERS = 2 * 3 * PATCH * PATCH
"""Each eigenvector, and its negative."""
MAX_IMAGES = 5000
"""Images from which the first layer is computed."""
EPSILON = 5e-4
"""Added to the eigenvalues: directions that hardly occur are noise, not to be amplified."""
MIN_SIZE = 9
"""Pixels of the smallest image of which pooling three times leaves anything."""
SCALE = 1 / 9
"""Of the logits: identities let the activations grow with every group."""
SHIFTS = ((0, 0, 0.5), (-1, -1, 0.25), (1, 1, 0.25))
"""Of test-time augmentation: shifts down and right in pixels, and their weights."""

CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2470, 0.2435, 0.2616)


class Group(nn.Module):
    """Convolution, pooling, convolution; a norm without scale and a GELU after each."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = identity_convolution(inputs, outputs)
        self.pool = nn.MaxPool2d(2)
        self.norm1 = ShiftedNorm(outputs)
        self.conv2 = identity_convolution(outputs, outputs)
        self.norm2 = ShiftedNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(self.pool(self.conv1(x))))
        return F.gelu(self.norm2(self.conv2(x)))


class ShiftedNorm(nn.Module):
    """Batch norm with a learnt shift and no learnt scale; it follows the images quickly."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False, momentum=0.4)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x) + self.bias[:, None, None]


class Airbench(Network[Tensor]):
    """See the module's docstring; class logits (B, C). Build a model of it with `airbench`."""

    whitening: Tensor  # (FILTERS, 3, PATCH, PATCH)
    min_image_size: ClassVar[int | None] = 2 * MIN_SIZE

    def __init__(self, widths: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.register_buffer("whitening", _random_filters())
        self.bias = nn.Parameter(torch.zeros(FILTERS))
        pairs = zip((FILTERS, *widths), widths, strict=False)
        self.groups = nn.ModuleList(Group(inputs, outputs) for inputs, outputs in pairs)
        self.head = nn.Linear(widths[-1], num_classes, bias=False)

    def initialize_from_data(self, pixels: Iterable[Tensor], generator: torch.Generator) -> None:
        """Compute the first layer from the first MAX_IMAGES training images."""
        self.whitening.copy_(whitening_filters(islice(pixels, MAX_IMAGES)))

    def forward(
        self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        x = F.gelu(F.conv2d(pixels, self.whitening.to(pixels.dtype), self.bias))
        for group in self.groups:
            x = group(x)
        features = x.amax(dim=(2, 3))  # (B, C)
        return self.head(features) * SCALE

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """The groups, the last one first."""
        named = {f"group{i}": group for i, group in enumerate(self.groups, start=1)}
        return {name: (named[name], lambda x: x) for name in reversed(named)}


def flipped_and_shifted(network: Network[Tensor], pixels: Tensor) -> Tensor:
    """Test-time augmentation: mean logits of the image, its mirror image and small shifts.

    Args:
        network: pixels to logits (B, C).
        pixels: (B, 3, H, W).

    Returns:
        (B, C) logits.
    """
    total = torch.zeros((), device=pixels.device)
    padded = F.pad(pixels, (1, 1, 1, 1), mode="reflect")
    height, width = pixels.shape[-2:]
    for down, right, weight in SHIFTS:
        shifted = padded[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        both = 0.5 * (network(shifted) + network(shifted.flip(-1)))
        total = total + weight * both
    return total


def identity_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3 x 3 convolution that hands its inputs on; what outputs there are more start random.

    Args:
        inputs: channels.
        outputs: channels, at least as many.

    Returns:
        The convolution, without a bias.
    """
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:inputs])
    return conv


def whitening_filters(batches: Iterable[Tensor]) -> Tensor:
    """Filters that whiten patches of images.

    They are the eigenvectors of the covariance of the patches, each scaled to give a variance of
    one, and their negatives.

    Args:
        batches: of pixels (B, 3, H, W).

    Returns:
        (FILTERS, 3, PATCH, PATCH) float32.
    """
    total, count = torch.zeros(FILTERS // 2, FILTERS // 2, dtype=torch.float64), 0
    for pixels in batches:
        patches = pixels.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (B, 3, h, w, PATCH, PATCH)
        # Float64 on the processor, since not every device has it.
        flat = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, FILTERS // 2).cpu().double()
        total += flat.T @ flat
        count += len(flat)
    covariance = total / count  # the pixels are centred already
    values, vectors = torch.linalg.eigh(covariance)
    scaled = (vectors / (values + EPSILON).sqrt()).T.flip(0)  # the strongest direction first
    shaped = scaled.reshape(-1, 3, PATCH, PATCH)
    return torch.cat((shaped, -shaped)).float()


def _random_filters() -> Tensor:
    """The start where `initialize_from_data` is not called: orthogonal directions."""
    half = nn.init.orthogonal_(torch.empty(FILTERS // 2, FILTERS // 2))
    shaped = half.reshape(-1, 3, PATCH, PATCH)
    return torch.cat((shaped, -shaped))


def airbench(
    num_classes: int = 10,
    image_size: int = 32,
    widths: Sequence[int] = (64, 256, 256),
    label_smoothing: float = 0.2,
    test_time_augmentation: bool = True,
    image_mean: Sequence[float] = CIFAR_MEAN,
    image_std: Sequence[float] = CIFAR_STD,
) -> ImageClassifier:
    """The network of the paper.

    Training images that all are squares smaller than `image_size` stay as small as they are, which
    is what makes them cheap.

    Args:
        num_classes: number of classes.
        image_size: pixels of the side of the square that every image is squashed to.
        widths: channels of the groups.
        label_smoothing: see `ImageClassifier`.
        test_time_augmentation: predictions are means over the image, its mirror image and small
            shifts of both.
        image_mean: of images in [0, 1], a number a channel.
        image_std: standard deviation of images in [0, 1], a number a channel.

    Returns:
        The model with fresh weights.

    Raises:
        ValueError: `image_size` is under MIN_SIZE.
    """
    if image_size < MIN_SIZE:
        raise ValueError(f"image_size: expected at least {MIN_SIZE}, got {image_size}")
    return ImageClassifier(
        Airbench(widths, num_classes),
        SquarePreprocessing(
            image_size, tuple(image_mean), tuple(image_std), min_training_size=MIN_SIZE
        ),
        label_smoothing=label_smoothing,
        test_time_augmentation=flipped_and_shifted if test_time_augmentation else None,
    )


ENTRIES: dict[str, ModelEntry] = {
    "airbench": ModelEntry(
        airbench,
        "classification",
        "Jordan 2024, arXiv 2404.00498",
        {"num_classes": 3, "image_size": 32, "widths": [8, 16, 16]},
    ),
}
