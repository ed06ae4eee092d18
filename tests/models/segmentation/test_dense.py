"""Semantic maps: preparation, padding that is never learnt, losses, decoding, scores."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.models.segmentation.dense import (
    PixelLosses,
    SegmentationOutput,
    make_preprocessing,
    map_logits,
    pad_targets,
    postprocess_maps,
)
from tapetum.structures import Batch, PostprocessOptions, Target

LIKE = torch.zeros(1)


def semantic(rows: list[list[int]], dtype: torch.dtype = torch.uint8) -> Target:
    return Target(semantic=torch.tensor(rows, dtype=dtype))


def prepared(*sizes: tuple[int, int], min_size: int | None = None, max_size: int | None = None):
    preprocess = make_preprocessing(min_size, max_size, IMAGENET_MEAN, IMAGENET_STD, 32)
    images = [torch.rand(3, *size) for size in sizes]
    targets = [Target(semantic=torch.ones(size, dtype=torch.uint8)) for size in sizes]
    return pad_targets(preprocess(images, targets, LIKE), num_classes=2)


@pytest.mark.parametrize(
    ("min_size", "max_size", "size"),
    [
        (None, None, (300, 100)),
        (None, 300, (300, 100)),
        (None, 150, (150, 50)),
        (50, None, (150, 50)),
        (50, 120, (120, 40)),
        (200, None, (600, 200)),
    ],
)
def test_images_keep_their_size_unless_told(
    min_size: int | None, max_size: int | None, size: tuple[int, int]
) -> None:
    batch = prepared((300, 100), min_size=min_size, max_size=max_size)
    assert tuple(batch.sizes[0].tolist()) == size


def test_truth_is_padded_with_255_where_pixels_are_padding() -> None:
    batch = prepared((40, 64), (33, 20))
    assert batch.pixels.shape == (2, 3, 64, 64)
    for target, (height, width) in zip(batch.targets, batch.sizes.tolist(), strict=True):
        assert target.semantic.shape == (64, 64)
        assert (target.semantic[:height, :width] == 1).all()
        assert int((target.semantic == 1).sum()) == height * width
        assert int((target.semantic == 255).sum()) == 64 * 64 - height * width


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_a_class_that_there_is_not_is_refused(dtype: torch.dtype) -> None:
    preprocess = make_preprocessing(None, None, IMAGENET_MEAN, IMAGENET_STD, 32)
    batch = preprocess([torch.rand(3, 2, 2)], [semantic([[0, 255], [2, 1]], dtype)], LIKE)
    with pytest.raises(ValueError, match="semantic: expected 0 to 1, or 255, got 2"):
        pad_targets(batch, num_classes=2)
    assert pad_targets(batch, num_classes=3).targets[0].semantic.dtype == dtype


def logits(*pixels: list[float]) -> Tensor:
    """(1, C, 1, N) of the logits of each pixel."""
    return torch.tensor(pixels).T[None, :, None]


def test_losses_by_hand() -> None:
    """p = 3 / 4 of class 0 at two pixels, of which one is of class 1; a third is ignored."""
    output = SegmentationOutput(logits([math.log(3), 0], [math.log(3), 0], [50, -50]))
    targets = [semantic([[0, 1, 255]])]
    entropy = (math.log(4 / 3) + math.log(4)) / 2
    focal = (math.log(4 / 3) / 16 + math.log(4) * 9 / 16) / 2
    dice = 1 - ((2 * 0.75 + 1) / (1.5 + 1 + 1) + (2 * 0.25 + 1) / (0.5 + 1 + 1)) / 2
    losses = PixelLosses(cross_entropy=2.0, dice=3.0, focal=0.5)(output, targets, None)
    found = {name: loss.item() for name, loss in losses.items()}
    assert found == pytest.approx(
        {"cross_entropy": 2 * entropy, "dice": 3 * dice, "focal": focal / 2}
    )
    weighted = PixelLosses(focal=1.0)(output, targets, torch.tensor([1.0, 3.0]))
    assert weighted["cross_entropy"].item() == pytest.approx(
        (math.log(4 / 3) + 3 * math.log(4)) / 4
    )
    assert weighted["focal"].item() == pytest.approx(
        (math.log(4 / 3) / 16 + 3 * math.log(4) * 9 / 16) / 4
    )


def test_losses_without_weight_are_left_out() -> None:
    output, targets = SegmentationOutput(logits([1.0, 0.0])), [semantic([[0]])]
    assert set(PixelLosses()(output, targets, None)) == {"cross_entropy"}
    assert set(PixelLosses(0, 1, 0)(output, targets, None)) == {"dice"}
    for weights in ((0, 0, 0), (1, -0.1, 0)):
        with pytest.raises(UsageError, match="weights of losses"):
            PixelLosses(*weights)


def test_an_image_without_a_map_takes_no_part() -> None:
    both = SegmentationOutput(torch.randn(2, 3, 4, 5))
    one = Target(semantic=torch.randint(0, 3, (4, 5)))
    losses = PixelLosses(1, 1, 1)
    alone = losses(SegmentationOutput(both.logits[1:]), [one], None)
    together = losses(both, [Target(), one], None)
    for name, loss in alone.items():
        torch.testing.assert_close(together[name], loss)
    assert sum(losses(both, [Target(), Target()], None).values()).item() == 0


def test_decoding_cuts_the_padding_and_resizes_logits_before_it_compares() -> None:
    """Two pixels wide, four in the original: class 2 loses between 0 and 1 nowhere but by voting.

    Bilinear: the four original pixels see 1, 3/4 + 1/4, 1/4 + 3/4, 1 of the two.
    """
    made = torch.full((1, 3, 1, 3), 9.0)
    made[0, :, 0, :2] = torch.tensor([[4.0, 0], [0.0, 5], [2.4, 2.4]])
    batch = Batch(torch.zeros(1, 3, 1, 3), torch.tensor([[1, 2]]), torch.tensor([[1, 4]]))
    (prediction,) = postprocess_maps(SegmentationOutput(made), batch)
    assert prediction.semantic.tolist() == [[0, 0, 1, 1]]
    made[0, 2, 0, :2] = 3.2  # more than 3/4 of 4, less than 3/4 of 5
    assert postprocess_maps(SegmentationOutput(made), batch)[0].semantic.tolist() == [[0, 2, 1, 1]]
    assert prediction.semantic.dtype == torch.uint8


def test_pixel_scores_are_the_probabilities_of_the_map_and_come_on_request() -> None:
    made = torch.randn(1, 3, 4, 6)
    batch = Batch(torch.zeros(1, 3, 4, 6), torch.tensor([[4, 5]]), torch.tensor([[9, 7]]))
    output = SegmentationOutput(made)
    (prediction,) = postprocess_maps(output, batch, PostprocessOptions(pixel_scores=True))
    scores = prediction.require("pixel_scores")
    assert scores.shape == (3, 9, 7)
    torch.testing.assert_close(scores.sum(0), torch.ones(9, 7))
    assert torch.equal(scores.argmax(0).to(torch.uint8), prediction.require("semantic"))
    assert postprocess_maps(output, batch)[0].pixel_scores is None


def test_bfloat16_logits_are_compared_after_they_are_widened() -> None:
    made = torch.zeros(1, 2, 1, 2)
    made[0, :, 0] = torch.tensor([[1.0, 0.0], [0.5, 0.498]])
    batch = Batch(torch.zeros(1, 3, 1, 2), torch.tensor([[1, 2]]), torch.tensor([[1, 64]]))
    narrow, wide = (
        postprocess_maps(SegmentationOutput(m), batch)[0].semantic for m in (made.bfloat16(), made)
    )
    assert torch.equal(narrow, wide)


def test_score_is_the_mean_logit_of_the_class_over_the_marked_pixels() -> None:
    made = torch.stack([logits([1.0, -2], [3.0, 5], [100, 100])[0]] * 4)
    marked, vanished = semantic([[0, 1, 255]]), semantic([[255] * 3])
    ground_truth = [marked, Target(), semantic([[1, 255, 255]]), vanished, vanished]
    targets = [*ground_truth[:4], marked]  # the last one's marks were lost when it was made smaller
    made = torch.cat([made, made[:1]])
    assert map_logits(SegmentationOutput(made), ground_truth, targets).tolist() == [
        (1 + 5) / 2,
        -2,
        0,
    ]
    assert map_logits(
        SegmentationOutput(made[:2]), [Target(), vanished], [Target(), vanished]
    ).shape == (0,)
