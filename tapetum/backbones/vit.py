"""Vision transformer: an image is a row of patches, and every patch may look at every other.

Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words" (arXiv 2010.11929). The image is cut into
squares, each becomes one vector, learnt position vectors tell them apart, and blocks of attention
mix them. A class token, a vector of its own, gathers what the classifier needs. Nothing in it knows
that neighbours belong together: that has to be learnt, from many images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones.backbone import Backbone, ResizeWeight
from tapetum.layers.attention import Block
from tapetum.layers.dropout import check_dropout, dropout
from tapetum.structures.renames import Renames


def _pairs(fc1: str, fc2: str) -> tuple[tuple[str, str], ...]:
    block = "encoder.layers.encoder_layer_#."
    return (
        ("patches.*", "conv_proj.*"),
        ("token", "class_token"),
        ("positions", "encoder.pos_embedding"),
        ("blocks.#.norm#.*", f"{block}ln_#.*"),
        ("blocks.#.attention.qkv.weight", f"{block}self_attention.in_proj_weight"),
        ("blocks.#.attention.qkv.bias", f"{block}self_attention.in_proj_bias"),
        ("blocks.#.attention.out.*", f"{block}self_attention.out_proj.*"),
        ("blocks.#.mlp.fc1.*", f"{block}mlp.{fc1}.*"),
        ("blocks.#.mlp.fc2.*", f"{block}mlp.{fc2}.*"),
        ("norm.*", "encoder.ln.*"),
    )


REFERENCE = {
    "torchvision": Renames(_pairs("0", "3")),
    # Published files are older than the MLP that torchvision builds with today.
    "torchvision-published": Renames(_pairs("linear_1", "linear_2")),
}


class VisionTransformer(Backbone):
    """Images (B, 3, S, S) to one map "patches", at 1 / `patch` of the size; `tokens` gives all.

    Args:
        image_size: pixels of the side of every image.
        patch: pixels of the side of a patch.
        width: values of a token.
        depth: number of blocks.
        heads: of the attention in each block.
        mlp: hidden values of the MLP in each block.
        dropout: fraction of the values that is dropped at every step, in [0, 1).
        class_token: is there a token before those of the patches?

    Attributes:
        grid: patches along each side of the image.
        lead: tokens before those of the patches, 1 with a class token, else 0.

    Raises:
        ValueError: `patch` does not divide `image_size`, or `dropout` is not in [0, 1).
    """

    norm_epsilon: ClassVar[float] = 1e-6
    references: ClassVar[Mapping[str, Renames]] = REFERENCE

    def __init__(
        self,
        image_size: int = 224,
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp: int = 3072,
        dropout: float = 0.0,
        class_token: bool = True,
    ) -> None:
        super().__init__()
        if patch < 1 or image_size % patch:
            raise ValueError(f"patch: expected a divisor of image_size {image_size}, got {patch}")
        check_dropout(dropout)
        self.image_size = image_size
        self.grid = image_size // patch
        self.lead = int(class_token)
        self.dropout = dropout
        self.channels = {"patches": width}
        self.strides = {"patches": patch}
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width)) if class_token else None
        self.positions = nn.Parameter(torch.empty(1, self.lead + self.grid**2, width))
        self.blocks = nn.ModuleList(Block(width, heads, mlp, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        nn.init.normal_(self.positions, std=0.02)
        nn.init.trunc_normal_(self.patches.weight, std=math.sqrt(1 / (3 * patch**2)))
        assert self.patches.bias is not None
        nn.init.zeros_(self.patches.bias)

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Patches with their positions, then the blocks; the last one with the norm behind it."""
        *others, last = (f"blocks.{i}" for i in range(len(self.blocks)))
        first = ("patches", "token", "positions")
        return [first, *((name,) for name in others), (last, "norm")]

    def first_convolutions(self) -> tuple[str, ...]:
        """The one that makes tokens of patches."""
        return ("patches.weight",)

    def resizable_weights(self) -> dict[str, ResizeWeight]:
        """The first convolution, and the positions, for images of another size."""
        resize = partial(resize_positions, lead=self.lead)
        return super().resizable_weights() | {"positions": resize}

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """The tokens of the patches as a map (B, width, grid, grid)."""
        return {"patches": self.as_map(self.tokens(pixels))}

    def tokens(self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        """Compute all tokens.

        Args:
            pixels: (B, 3, S, S) normalised images.
            generators: one an image, which decide what values are dropped; None: none.

        Returns:
            (B, T, width), the class token first, then the patches row by row.

        Raises:
            ValueError: images of another size.
        """
        size = tuple(pixels.shape[-2:])
        if size != (self.image_size, self.image_size):
            raise ValueError(f"pixels: expected {self.image_size} x {self.image_size}, got {size}")
        x = self.patches(pixels).flatten(2).transpose(1, 2)  # (B, grid * grid, width)
        if self.token is not None:
            x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1)  # (B, T, width)
        x = dropout(x + self.positions, self.dropout, generators)
        for block in self.blocks:
            x = block(x, generators)
        return self.norm(x)

    def as_map(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T, width) as a map (B, width, grid, grid), without the class token."""
        return tokens[:, self.lead :].transpose(1, 2).unflatten(2, (self.grid, self.grid))


def resize_positions(theirs: Tensor, ours: Tensor, lead: int) -> Tensor | None:
    """Position embeddings for another number of patches.

    Bicubic over the grid, as Dosovitskiy et al. 2021, section 3.2, resize them for larger images.

    Args:
        theirs: (1, T, width) of the file.
        ours: (1, lead + n * n, width).
        lead: of our tokens, how many come before those of the patches.

    Returns:
        (1, lead + n * n, width) float32; None where the widths differ, or where a token before the
        patches is missing in the file.
    """
    if theirs.ndim != 3 or theirs.shape[::2] != ours.shape[::2]:
        return None
    old, new = math.isqrt(theirs.shape[1]), math.isqrt(ours.shape[1] - lead)
    their_lead = theirs.shape[1] - old * old
    if their_lead < lead:
        return None
    grid = theirs[:, their_lead:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(grid.float(), (new, new), mode="bicubic", align_corners=False)
    flat = resized.permute(0, 2, 3, 1).reshape(1, new * new, -1)
    return torch.cat((theirs[:, :lead].float(), flat), dim=1)
