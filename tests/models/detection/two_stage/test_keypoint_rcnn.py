from __future__ import annotations

import math

import pytest
import torch

from tapetum.base.seeds import generator
from tapetum.models import CATALOG
from tapetum.models.detection.two_stage.keypoint_rcnn import (
    KeypointHead,
    KeypointRCNN,
    KeypointRCNNOutput,
    keypoint_rcnn,
)
from tapetum.models.detection.two_stage.keypoint_targets import keypoint_targets
from tapetum.models.detection.two_stage.roi_branch import RoIs
from tapetum.structures import Batch, Objects, Target

ARGUMENTS = {"keypoints": 3, "keypoint_width": 8, "keypoint_convs": 1}
BOX = (10.0, 10.0, 66.0, 66.0)


@pytest.fixture(scope="module")
def model() -> KeypointRCNN:
    torch.manual_seed(0)
    return keypoint_rcnn(**CATALOG["faster_rcnn"].tiny, **ARGUMENTS).eval()


def targets(*points: tuple[float, float, float], label: int = 0) -> Target:
    """One object in BOX with three keypoints."""
    keypoints = torch.tensor([points], dtype=torch.float32)
    return Target(objects=Objects(torch.tensor([BOX]), torch.tensor([label]), keypoints=keypoints))


NOTHING = Target(objects=Objects.empty())
THREE = targets((20, 20, 2), (30, 50, 1), (60, 60, 0))


def forward(
    model: KeypointRCNN, targets: list[Target]
) -> tuple[KeypointRCNNOutput, tuple[Target, ...]]:
    image = torch.rand(3, 96, 128, generator=generator(0))
    batch = model.preprocess([image] * len(targets), targets)
    assert batch.targets is not None
    return model(batch.pixels, batch.sizes, batch.targets), batch.targets


def test_loss_by_hand(model: KeypointRCNN) -> None:
    """Every cell alike costs the logarithm of their number; the right one far above, nothing."""
    output, targets = forward(model, [NOTHING, THREE])
    flat = output._replace(logits=torch.zeros_like(output.logits))
    cost = model.losses(flat, targets)["loss_keypoint"].item()
    assert cost == pytest.approx(math.log(56 * 56))
    only = (output.rois.boxes == torch.tensor(BOX)).all(dim=1)  # the true box: a cell is a pixel
    assert only.sum() == 1
    rois = RoIs(*(None if v is None else v[only] for v in output.rois))
    logits = torch.zeros(1, 3, 56, 56)
    logits[0, 0, 10, 10] = logits[0, 1, 40, 20] = 50
    sure = model.losses(KeypointRCNNOutput(output.detection, rois, logits), targets)[
        "loss_keypoint"
    ].item()
    assert sure == pytest.approx(0, abs=1e-6)
    logits[0, 2] = torch.rand(56, 56) * 100  # a keypoint that nobody marked
    again = model.losses(KeypointRCNNOutput(output.detection, rois, logits), targets)[
        "loss_keypoint"
    ].item()
    assert again == sure


def test_nothing_marked_costs_nothing(model: KeypointRCNN) -> None:
    for target in (
        NOTHING,
        targets((20, 20, 0), (0, 0, 0), (60, 60, 0)),
        targets(*[(90, 90, 2)] * 3),
    ):
        output, ground_truth = forward(model, [target])
        loss = model.losses(output, ground_truth)["loss_keypoint"]
        assert loss.item() == 0
        loss.backward()


def test_goals_are_the_keypoints_of_the_own_object() -> None:
    other = targets((1, 2, 2), (3, 4, 2), (5, 6, 2))
    assert other.objects is not None
    assert THREE.objects is not None
    both = Target(objects=Objects.cat([THREE.objects, other.objects]))
    rois = RoIs(
        boxes=torch.zeros(3, 4),
        labels=torch.zeros(3, dtype=torch.int64),
        image=torch.tensor([0, 0, 2]),
        scores=None,
        match=torch.tensor([1, 0, 0]),
    )
    wanted = keypoint_targets(rois, [both, NOTHING, other], 3)
    assert torch.equal(wanted[0], wanted[2])
    assert wanted[0].tolist() == [[1, 2, 2], [3, 4, 2], [5, 6, 2]]
    assert wanted[1].tolist() == THREE.objects.keypoints[0].tolist()


def test_objects_without_keypoints_or_with_others_are_refused(model: KeypointRCNN) -> None:
    assert THREE.objects is not None
    plain = Target(objects=THREE.objects.with_(keypoints=None))
    two = Target(objects=THREE.objects.with_(keypoints=THREE.objects.keypoints[:, :2]))
    for target, message in (
        (plain, "expected keypoints of its 1 objects, got None"),
        (two, "expected 3 keypoints an object, got 2"),
    ):
        output, targets = forward(model, [target])
        with pytest.raises(ValueError, match=message):
            model.losses(output, targets)
    with pytest.raises(ValueError, match="expected 3 keypoints an object, got 2"):
        model.target_logits([torch.rand(3, 96, 128)], [two])


def test_score_is_the_mean_logit_at_the_marked_places(model: KeypointRCNN) -> None:
    image = torch.rand(3, 96, 128, generator=generator(3))
    batch = model.preprocess([image])
    zero = torch.tensor([0])
    maps = model.detector.maps(batch.pixels)
    logits = model.keypoint_logits(maps, RoIs(torch.tensor([BOX]), zero, zero, None, None))[0]
    (score,) = model.target_logits([image], [THREE])
    torch.testing.assert_close(score, (logits[0, 10, 10] + logits[1, 40, 20]) / 2)
    (outside,) = model.target_logits([image], [targets((20, 20, 2), (90, 50, 2), (5, 5, 2))])
    torch.testing.assert_close(outside, logits[0, 10, 10])


def test_keypoints_are_moved_to_the_original(model: KeypointRCNN) -> None:
    """Found in 96 x 128, of an image that was 48 x 256."""
    one = torch.tensor([0])
    boxes = torch.tensor([[32.0, 16, 88, 72]])
    rois = RoIs(boxes, one, one, torch.tensor([0.9]), None)
    logits = torch.zeros(1, 3, 56, 56)
    logits[0, 0, 0, 0], logits[0, 1, 10, 20], logits[0, 2, 55, 55] = 3, 4, 5
    batch = Batch(torch.zeros(1, 3, 96, 128), torch.tensor([[96, 128]]), torch.tensor([[48, 256]]))
    (found,) = model.postprocess(KeypointRCNNOutput(None, rois, logits), batch)
    assert found.objects.keypoints.tolist() == [[[65, 8.25, 3], [105, 13.25, 4], [175, 35.75, 5]]]


def test_the_head_takes_no_convolutions_at_all() -> None:
    head = KeypointHead(channels=4, width=8, convs=0, keypoints=2)
    assert head(torch.zeros(5, 4, 14, 14)).shape == (5, 2, 56, 56)
