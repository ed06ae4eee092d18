from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tapetum.base.seeds import image_generators
from tapetum.models import CATALOG
from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN, FasterRCNNOutput, faster_rcnn
from tapetum.models.detection.two_stage.rpn import SampledAnchors
from tapetum.structures import Batch, Objects, Target

NONE = torch.zeros(0, dtype=torch.int64)


def tiny(**changes: Any) -> FasterRCNN:
    torch.manual_seed(0)
    return faster_rcnn(**{**CATALOG["faster_rcnn"].tiny, **changes})


def targets(*rows: tuple[float, ...], crowd: bool = False) -> Target:
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    crowds = torch.full((len(table),), crowd)
    objects = Objects(boxes=table[:, :4], labels=table[:, 4].long(), crowd=crowds)
    return Target(objects=objects)


def output(
    class_logits: torch.Tensor, match: list[int] | None, rois: torch.Tensor, image: list[int]
) -> FasterRCNNOutput:
    return FasterRCNNOutput(
        objectness=torch.zeros(2, 1),
        anchor_deltas=torch.zeros(2, 1, 4),
        anchors=torch.zeros(1, 4),
        rois=rois,
        image=torch.tensor(image),
        class_logits=class_logits,
        roi_deltas=torch.zeros(*class_logits.shape, 4),
        sampled_anchors=None if match is None else SampledAnchors(NONE, NONE, NONE),
        roi_match=None if match is None else torch.tensor(match),
    )


REGIONS = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40], [0, 0, 10, 10]])


def test_losses_of_regions_by_hand() -> None:
    """Region 0 is background, region 1 an object of class 1, region 2 one of class 0."""
    logits = torch.zeros(3, 3)
    logits[1, 2] = math.log(2)  # probability 1/2 for class 1, output 2
    targets_list = [targets((20, 20, 40, 40, 1)), targets((0, 0, 0, 0, 0), (1, 0, 11, 10, 0))]
    losses = tiny().losses(output(logits, [-1, 0, 1], REGIONS, [0, 0, 1]), targets_list)
    assert losses["loss_classifier"].item() == pytest.approx((2 * math.log(3) + math.log(2)) / 3)
    # Offset 0.1, weighted by 10, costs 1 - 1/18.
    assert losses["loss_box_reg"].item() == pytest.approx((1 - 1 / 18) / 3)


def test_offsets_are_learnt_for_the_class_of_the_object_only() -> None:
    model, targets_list = tiny(), [targets((0, 0, 10, 10, 1)), targets()]
    one = output(torch.zeros(1, 3), [0], REGIONS[:1], [0])
    for raw_output, cost in ((0, False), (1, False), (2, True)):
        one.roi_deltas.zero_()[0, raw_output] = 1
        assert (model.losses(one, targets_list)["loss_box_reg"] > 0) == cost


def test_losses_need_a_forward_with_truth() -> None:
    with pytest.raises(ValueError, match=r"expected from forward\(..., targets\)"):
        tiny().losses(output(torch.zeros(3, 3), None, REGIONS, [0, 0, 1]), [targets(), targets()])


def test_background_is_never_found_and_each_image_has_its_own() -> None:
    logits = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 0, 9]])
    batch = Batch(torch.zeros(2, 3, 64, 64), torch.full((2, 2), 64), torch.full((2, 2), 64))
    first, second = tiny().postprocess(output(logits, None, REGIONS, [0, 0, 1]), batch)
    assert first.objects.labels.tolist() == [0]
    assert first.objects.boxes.tolist() == [[20, 20, 40, 40]]
    assert second.objects.labels.tolist() == [1]


def test_true_boxes_are_among_the_regions_to_learn_from_but_crowds_are_not() -> None:
    model = tiny()
    image, box = torch.rand(3, 96, 128), (13.0, 17.0, 59.0, 71.0, 1)
    for crowd in (False, True):
        batch = model.preprocess([image], [targets(box, crowd=crowd)])
        output = model(
            batch.pixels, batch.sizes, batch.targets, image_generators(0, len(batch.pixels))
        )
        true = (output.rois == batch.targets[0].objects.boxes).all(dim=1)
        assert bool(true.any()) is not crowd
        assert (output.roi_match[true] == 0).all()
        assert len(output.rois) <= 32
        assert len(output.sampled_anchors.anchor) <= 64


def test_a_crowd_is_no_region_even_where_it_overlaps_an_object() -> None:
    model = tiny()
    boxes = torch.tensor([[13.0, 17, 59, 71], [13, 17, 59, 65]])
    both = Objects(boxes, torch.tensor([1, 1]), crowd=torch.tensor([True, False]))
    batch = model.preprocess([torch.rand(3, 96, 128)], [Target(objects=both)])
    output = model(batch.pixels, batch.sizes, batch.targets, image_generators(0, 1))
    there = [bool((output.rois == box).all(dim=1).any()) for box in batch.targets[0].objects.boxes]
    assert there == [False, True]


def test_a_quarter_of_the_regions_are_objects_and_chance_draws_them() -> None:
    model = tiny(
        box_batch_size_per_image=20,
        rpn_pre_nms_top_n_train=200,
        rpn_post_nms_top_n_train=200,
        rpn_nms_thresh=1.0,
    )
    objects = [(8.0 * i, 10, 8 * i + 7, 20, 0) for i in range(12)]
    batch = model.preprocess([torch.rand(3, 96, 128)], [targets(*objects)])
    generators = (image_generators(seed, 1) for seed in (0, 0, 1))
    drawn = [model(batch.pixels, batch.sizes, batch.targets, own) for own in generators]
    assert [int((output.roi_match >= 0).sum()) for output in drawn] == [5, 5, 5]
    assert [len(output.rois) for output in drawn] == [20, 20, 20]
    assert torch.equal(drawn[0].rois, drawn[1].rois)
    first, last = (drawn[i].roi_match >= 0 for i in (0, 2))
    assert not torch.equal(drawn[0].rois[first], drawn[2].rois[last])
    assert not torch.equal(drawn[0].rois[~first], drawn[2].rois[~last])


def test_truth_not_the_mode_asks_for_more_proposals() -> None:
    model = tiny(
        rpn_post_nms_top_n_test=5, rpn_post_nms_top_n_train=9, box_batch_size_per_image=100
    )
    batch = model.preprocess([torch.rand(3, 96, 128)], [targets()])
    for training in (True, False):
        model.train(training)
        assert len(model(batch.pixels, batch.sizes).rois) == 5
        assert len(model(batch.pixels, batch.sizes, batch.targets).rois) == 9


def test_score_is_the_logit_with_the_box_as_the_only_proposal() -> None:
    """What forward says of a region, score says of a box in the same place."""
    model = tiny().eval()
    image = torch.rand(3, 96, 128)
    batch = model.preprocess([image])
    output = model(batch.pixels, batch.sizes)
    boxes = [(*output.rois[i].tolist(), label) for i, label in ((3, 2), (0, 0))]
    scores = model.target_logits([image], [targets(*boxes)])
    torch.testing.assert_close(scores, output.class_logits[[3, 0], [3, 1]])
