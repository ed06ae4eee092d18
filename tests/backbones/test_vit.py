from __future__ import annotations

import pytest
import torch

from tapetum.backbones.vit import VisionTransformer


def tiny(depth: int = 2, class_token: bool = True) -> VisionTransformer:
    return VisionTransformer(32, 8, 16, depth, heads=2, mlp=32, class_token=class_token)


@pytest.mark.parametrize("class_token", [True, False])
def test_tokens_are_patches_row_by_row(class_token: bool) -> None:
    """Without blocks, a token is its own patch: the one that changes is the one in the map."""
    vit = tiny(depth=0, class_token=class_token)
    pixels = torch.randn(1, 3, 32, 32)
    other = pixels.clone()
    other[:, :, 8:16, 24:] += 1
    tokens, moved = vit.tokens(pixels), vit.tokens(other)
    assert tokens.shape == (1, 16 + class_token, 16)
    changed = (vit.as_map(tokens) != vit.as_map(moved)).any(dim=1)[0]
    assert changed.nonzero().tolist() == [[1, 3]]


def test_places_are_told_apart_by_their_positions_alone() -> None:
    vit = tiny(class_token=False)
    tokens = vit.tokens(torch.ones(1, 3, 32, 32))[0]
    assert not torch.allclose(tokens[0], tokens[5], atol=1e-3)
    torch.nn.init.zeros_(vit.positions)
    tokens = vit.tokens(torch.ones(1, 3, 32, 32))[0]
    torch.testing.assert_close(tokens[0], tokens[5])
