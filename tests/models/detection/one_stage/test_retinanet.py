from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tapetum.models import CATALOG
from tapetum.models.detection.one_stage.retinanet import RetinaNet, RetinaNetOutput, retinanet
from tapetum.structures import Batch, Objects, Target

ANCHORS = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5.4], [40, 40, 50, 50], [80, 80, 90, 90]])


def tiny(**changes: Any) -> RetinaNet:
    return retinanet(**{**CATALOG["retinanet"].tiny, **changes})


def output(logits: torch.Tensor, levels: tuple[int, ...] = (4,)) -> RetinaNetOutput:
    return RetinaNetOutput(logits, torch.zeros(len(logits), 4, 4), ANCHORS, torch.tensor(levels))


def targets(*rows: tuple[float, ...]) -> Target:
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return Target(objects=Objects(boxes=table[:, :4], labels=table[:, 4].long()))


def focal(p: float, alpha: float) -> float:
    """Of the probability given to what is true."""
    return -alpha * (1 - p) ** 2 * math.log(p)


def test_losses_by_hand() -> None:
    """Anchor 0 is an object of class 1, anchor 1 (IoU 0.45) does not count, the rest is nothing."""
    logits = torch.zeros(1, 4, 2)
    logits[0, 0, 1] = math.log(3)
    logits[0, 1] = 100.0
    gt_box = (0.0, -2, 10, 10, 1)  # moved up by 1 and higher by a fifth
    losses = tiny().losses(output(logits), [targets(gt_box)])
    expected = focal(0.75, 0.25) + 5 * focal(0.5, 0.75)
    assert losses["classification"].item() == pytest.approx(expected, rel=1e-5)
    assert losses["bbox_regression"].item() == pytest.approx(0.1 + math.log(1.2), rel=1e-5)


def test_each_image_is_divided_by_its_own_objects() -> None:
    """Two equal objects cost as much as one, and an image without any halves the mean."""
    logits = torch.zeros(1, 4, 2)
    one = targets((0.0, 0, 10, 12, 0))
    two = targets((0.0, 0, 10, 12, 0), (40.0, 40, 50, 52, 0))
    model = tiny()
    single = model.losses(output(logits), [one])["bbox_regression"]
    torch.testing.assert_close(model.losses(output(logits), [two])["bbox_regression"], single)
    both = model.losses(output(logits.repeat(2, 1, 1)), [one, targets()])
    torch.testing.assert_close(both["bbox_regression"], single / 2)
    alone = [model.losses(output(logits), [t])["classification"] for t in (one, targets())]
    torch.testing.assert_close(both["classification"], (alone[0] + alone[1]) / 2)


def test_an_object_that_no_anchor_fits_takes_the_nearest() -> None:
    """It overlaps anchor 3 by a quarter only, but nothing overlaps it more."""
    small = targets((80.0, 80, 85, 85, 1))
    losses = tiny().losses(output(torch.zeros(1, 4, 2)), [small])
    expected = 0.25 + 0.25 + 2 * math.log(2)  # half its size, a quarter of it off
    assert losses["bbox_regression"].item() == pytest.approx(expected)


def test_candidates_are_cut_in_each_level_by_score() -> None:
    logits = torch.tensor([[[5.0, -9], [4, 6], [-9, 3], [2, 1]]])
    model = tiny(topk_candidates=2)
    found = model.candidates(output(logits, (3, 1)), 0, 0.05)
    assert found.labels.tolist() == [1, 0, 0, 1]
    torch.testing.assert_close(found.scores, torch.tensor([6.0, 5, 2, 1]).sigmoid())
    torch.testing.assert_close(found.boxes[:, 3], torch.tensor([5.4, 10, 90, 90]))


@pytest.mark.parametrize(("threshold", "count"), [(0.0, 8), (0.5, 3), (1.0, 0)])
def test_the_threshold_is_one_of_scores_and_exclusive(threshold: float, count: int) -> None:
    logits = torch.tensor([[[5.0, 0], [4, -50], [1, 0], [-3, -0.0]]])
    found = tiny().candidates(output(logits), 0, threshold)
    assert len(found) == count


def test_not_a_number_is_never_found() -> None:
    logits = torch.full((1, 4, 2), math.nan)
    batch = Batch(torch.zeros(1, 3, 96, 96), torch.tensor([[96, 96]]), torch.tensor([[96, 96]]))
    assert len(tiny(score_thresh=0.0).postprocess(output(logits), batch)[0].objects) == 0


def test_score_is_the_logit_of_the_anchor_that_overlaps_most() -> None:
    torch.manual_seed(0)
    model = tiny().eval()
    image = torch.rand(3, 96, 128)  # prepared without resizing
    batch = model.preprocess([image])
    output = model(batch.pixels, batch.sizes)
    inside = (output.anchors >= 0).all(dim=1) & (output.anchors[:, 2] <= 128)
    for index in torch.nonzero(inside).flatten()[::100].tolist():
        target = targets((*(output.anchors[index] + 0.3).tolist(), 2))
        assert model.target_logits([image], [target]).item() == output.logits[0, index, 2].item()


def test_a_fresh_model_believes_the_prior_everywhere() -> None:
    model = tiny(prior=0.02)
    batch = model.preprocess([torch.rand(3, 96, 128)])
    scores = model(batch.pixels, batch.sizes).logits.sigmoid()
    assert scores.min() > 0.015
    assert scores.max() < 0.027


def test_levels_have_the_anchors_they_are_said_to_have() -> None:
    model = tiny(anchor_sizes=[8, 16, 32, 64, 128], anchor_octaves=1, anchor_ratios=[1.0])
    batch = model.preprocess([torch.rand(3, 96, 128)])
    output = model(batch.pixels, batch.sizes)
    assert output.levels.tolist() == [12 * 16, 6 * 8, 3 * 4, 2 * 2, 1 * 1]
    first = [part[0].tolist() for part in output.anchors.split(output.levels.tolist())]
    assert first == [[-s / 2, -s / 2, s / 2, s / 2] for s in (8, 16, 32, 64, 128)]


def test_towers_may_normalise_each_level_by_itself() -> None:
    """A group norm after each convolution: the size of the features no longer matters."""
    maps = [torch.randn(2, 32, 12, 16), torch.randn(2, 32, 6, 8)]
    for norm, the_same in (("group", True), ("none", False)):
        tower = tiny(head_norm=norm).class_tower
        torch.nn.init.normal_(tower.predict.weight)
        larger = tower([1000 * x for x in maps])
        assert torch.allclose(tower([100 * x for x in maps]), larger, atol=0.01) == the_same
