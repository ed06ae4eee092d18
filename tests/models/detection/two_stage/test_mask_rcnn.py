from __future__ import annotations

import math

import pytest
import torch

from tapetum.base.seeds import generator
from tapetum.models import CATALOG
from tapetum.models.detection.two_stage.mask_rcnn import (
    MaskHead,
    MaskRCNN,
    MaskRCNNOutput,
    mask_rcnn,
    mask_targets,
)
from tapetum.models.detection.two_stage.roi_branch import RoIs
from tapetum.structures import Batch, Objects, Target


@pytest.fixture(scope="module")
def model() -> MaskRCNN:
    torch.manual_seed(0)
    return mask_rcnn(**CATALOG["faster_rcnn"].tiny, mask_width=8, mask_convs=1).eval()


def targets(*rows: tuple[int, int, int, int], empty: tuple[int, ...] = ()) -> Target:
    """Objects that fill their boxes, but for those in `empty`, whose masks have no pixels."""
    masks = torch.zeros(len(rows), 96, 128, dtype=torch.bool)
    for i, (x1, y1, x2, y2) in enumerate(rows):
        masks[i, y1:y2, x1:x2] = i not in empty
    boxes = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
    return Target(objects=Objects(boxes, torch.arange(len(rows)), masks=masks))


def loss(model: MaskRCNN, targets: list[Target], logits: float) -> float:
    """The mask loss if all logits of all regions were the same."""
    batch = model.preprocess([torch.rand(3, 96, 128, generator=generator(0))] * 2, targets)
    assert batch.targets is not None
    output = model(batch.pixels, batch.sizes, batch.targets)
    output = output._replace(logits=torch.full_like(output.logits, logits))
    return model.losses(output, batch.targets)["loss_mask"].item()


def test_loss_by_hand(model: MaskRCNN) -> None:
    """Undecided logits cost log 2 a pixel, whatever the masks."""
    ground_truth = [targets((10, 10, 60, 50), (70, 30, 120, 90)), targets()]
    assert loss(model, ground_truth, 0.0) == pytest.approx(math.log(2))
    assert loss(model, ground_truth, 9.0) < loss(model, ground_truth, -9.0)


def test_goals_are_the_masks_of_the_own_objects() -> None:
    """A region that covers an object and as much on its right is to be half full."""
    ground_truth = [targets((0, 0, 10, 10), (64, 32, 96, 64)), targets((32, 32, 64, 64))]
    rois = RoIs(
        boxes=torch.tensor([[64.0, 32, 128, 64], [32, 32, 64, 64]]),
        labels=torch.tensor([1, 0]),
        image=torch.tensor([0, 1]),
        scores=None,
        match=torch.tensor([1, 0]),
    )
    wanted, there = mask_targets(rois, ground_truth, 28)
    assert there.all()
    assert wanted[0, :-1, :13].min() == 1
    assert wanted[0, :, 15:].max() == 0
    assert wanted[1, :-1, :-1].min() == 1
    swapped, _ = mask_targets(rois._replace(match=torch.tensor([0, 0])), ground_truth, 28)
    assert not swapped[0].any()


def test_a_mask_without_pixels_teaches_nothing(model: MaskRCNN) -> None:
    rows = ((10, 10, 60, 50), (70, 30, 120, 90))
    both, one = targets(*rows), targets(*rows, empty=(0,))
    # Both masks fill their boxes: wrong logits cost about the same for each of them.
    assert loss(model, [one, targets()], -9.0) == pytest.approx(
        loss(model, [both, targets()], -9.0), rel=0.1
    )
    assert loss(model, [targets(*rows, empty=(0, 1)), targets()], -9.0) == 0


def test_objects_without_masks_are_refused(model: MaskRCNN) -> None:
    plain = targets((10, 10, 60, 50)).objects.with_(masks=None)
    with pytest.raises(ValueError, match="expected masks of its 1 objects, got None"):
        loss(model, [targets(), Target(objects=plain)], 0.0)
    assert loss(model, [Target(objects=Objects.empty()), targets()], 0.0) == 0


def with_constant_masks(model: MaskRCNN, *logits: float) -> None:
    """Let the head say the same logit everywhere: of the background, of class 0, 1, 2."""
    head = model.mask_head
    assert isinstance(head, MaskHead)
    torch.nn.init.zeros_(head.predict.weight)
    with torch.no_grad():
        head.predict.bias.copy_(torch.tensor(logits))


def test_score_is_the_mean_logit_of_the_own_class_inside(model: MaskRCNN) -> None:
    torch.manual_seed(0)
    model = mask_rcnn(**CATALOG["faster_rcnn"].tiny, mask_width=8, mask_convs=1)
    with_constant_masks(model, 100.0, 1.5, -2.0, 7.0)
    target = targets((10, 10, 60, 50), (70, 30, 120, 90), (5, 5, 20, 60))
    scores = model.target_logits([torch.rand(3, 96, 128)], [target])
    torch.testing.assert_close(scores, torch.tensor([1.5, -2.0, 7.0]))


def test_score_counts_the_pixels_inside_only(model: MaskRCNN) -> None:
    """What forward says of a region, score says where the mask is."""
    image = torch.rand(3, 96, 128, generator=generator(3))
    box = torch.tensor([[16.0, 16, 72, 72]])
    left = torch.zeros(1, 96, 128, dtype=torch.bool)
    left[:, :, :44] = True
    halves = [Objects(box, torch.tensor([1]), masks=mask) for mask in (left, ~left)]
    scores = torch.cat([model.target_logits([image], [Target(objects=o)]) for o in halves])
    batch = model.preprocess([image])
    rois = RoIs(box, torch.tensor([1]), torch.tensor([0]), None, None)
    logits = model.mask_logits(model.detector.maps(batch.pixels), rois)[0]  # (28, 28)
    # The half cell at the seam weighs in a little on both sides.
    expected = torch.stack((logits[:, :14].mean(), logits[:, 14:].mean()))
    assert (expected[0] - expected[1]).abs() > 5 * (scores - expected).abs().max()


def test_masks_are_drawn_where_the_boxes_are_in_the_original(model: MaskRCNN) -> None:
    """Found in 96 x 128, drawn in 48 x 256; the second image has its own."""
    rois = RoIs(
        boxes=torch.tensor([[32.0, 24, 64, 72], [0, 0, 128, 96]]),
        labels=torch.tensor([0, 2]),
        image=torch.tensor([0, 1]),
        scores=torch.tensor([0.9, 0.8]),
        match=None,
    )
    logits = torch.full((2, 28, 28), 20.0)
    logits[1, :, 14:] = -20
    batch = Batch(
        torch.zeros(2, 3, 96, 128),
        torch.tensor([[96, 128]] * 2),
        torch.tensor([[48, 256], [192, 64]]),
    )
    first, second = model.postprocess(MaskRCNNOutput(None, rois, logits), batch)
    assert first.objects.boxes.tolist() == [[64, 12, 128, 36]]
    assert first.objects.masks.shape == (1, 48, 256)
    assert first.objects.masks[0, 13:36, 65:128].all()  # its edges fade
    assert first.objects.masks.sum() <= 25 * 65
    assert second.objects.masks[0, 1:, 1:31].all()
    assert not second.objects.masks[0, :, 33:].any()


def test_the_head_takes_no_convolutions_at_all() -> None:
    assert MaskHead(channels=4, width=8, convs=0, num_classes=2)(
        torch.zeros(5, 4, 14, 14)
    ).shape == (
        5,
        3,
        28,
        28,
    )
