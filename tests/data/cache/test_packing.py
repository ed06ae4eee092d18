"""A sample as bytes, and back."""

from __future__ import annotations

import pytest
import torch

from tapetum.data.cache.packing import pack, unpack
from tapetum.structures import Objects, Sample, Target
from tests.data.photos import same


def test_bytes_and_back():
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, 7, 5), generator=generator, dtype=torch.uint8)
    full = Objects(
        boxes=torch.rand(2, 4, generator=generator),
        labels=torch.tensor([3, 1]),
        masks=torch.rand(2, 7, 5, generator=generator) > 0.5,
        keypoints=torch.rand(2, 3, 3, generator=generator),
        crowd=torch.tensor([True, False]),
        difficult=torch.tensor([False, False]),
        area=torch.rand(2, generator=generator),
        ids=("a", 7),
    )
    semantic = torch.randint(0, 256, (7, 5), generator=generator, dtype=torch.uint8)
    for target in (
        Target(),
        Target(labels=torch.tensor([], dtype=torch.int64)),
        Target(objects=full, semantic=semantic, labels=torch.tensor([2, 5])),
        Target(objects=Objects.empty(), semantic=semantic.long()),
        Target(objects=full[[]]),
    ):
        sample = Sample(image, target, "näme \ud800.png")
        data = pack(sample)
        assert same(unpack(bytearray(data)), sample)
        for place in range(0, len(data), 7):
            broken = bytearray(data)
            broken[place] ^= 4
            with pytest.raises(ValueError, match=r"damaged|too short"):
                unpack(broken)
    with pytest.raises(ValueError, match="too short"):
        unpack(bytearray(b"TAPC"))
