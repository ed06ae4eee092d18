"""What Mask and Keypoint R-CNN share."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tapetum.base.runtime import generator
from tapetum.models.instances.branch import regions_of
from tapetum.models.instances.keypoint_rcnn import keypoint_rcnn
from tapetum.models.instances.mask_rcnn import mask_rcnn
from tapetum.structures import Objects, Target
from tests.contract.tiny import TINY

PICTURE = torch.rand(3, 96, 128, generator=generator(0))


def thing(*box: float, label: int = 1) -> Objects:
    mask = torch.zeros(1, 96, 128, dtype=torch.bool)
    x1, y1, x2, y2 = (round(side) for side in box)
    mask[0, y1:y2, x1:x2] = True
    points = torch.tensor([[[x1 + 2.0, y1 + 3, 2], [x2 - 4.0, y1 + 5, 1], [0, 0, 0]]])
    return Objects(torch.tensor([box]).float(), torch.tensor([label]), masks=mask, keypoints=points)


@pytest.fixture(params=["masks", "keypoints"])
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    if request.param == "masks":
        return mask_rcnn(**TINY["faster_rcnn"], mask_width=16, mask_convs=1).eval()
    arguments = {"keypoints": 3, "keypoint_width": 16, "keypoint_convs": 1}
    return keypoint_rcnn(**TINY["faster_rcnn"], **arguments).eval()


def test_the_branch_sees_the_final_detections(model: Any) -> None:
    batch = model.prepare([PICTURE, PICTURE.flip(2)])
    raw = model(batch.pixels, batch.sizes)
    detected = model.detector.found(model.detector(batch.pixels, batch.sizes), batch.sizes)
    assert len(detected[0]) > 1
    assert len(raw.logits) == len(raw.regions.boxes) == sum(map(len, detected))
    for i, objects in enumerate(detected):
        own = raw.regions.picture == i
        assert torch.equal(raw.regions.boxes[own], objects.boxes)
        assert torch.equal(raw.regions.labels[own], objects.labels)
        assert torch.equal(raw.regions.scores[own], objects.scores)


def test_predictions_are_those_of_the_detector_in_the_original_frame(model: Any) -> None:
    batch = model.prepare([PICTURE[:, :48, :60], PICTURE])
    raw = model(batch.pixels, batch.sizes)
    sizes = [(48, 60), (96, 128)]
    expected = model.detector.decode(raw.detection, batch)
    for found, plain, size in zip(model.decode(raw, batch), expected, sizes, strict=True):
        assert torch.equal(found.objects.boxes, plain.objects.boxes)
        assert torch.equal(found.objects.labels, plain.objects.labels)
        assert torch.equal(found.objects.scores, plain.objects.scores)
        if model.task == "instances":
            assert found.objects.masks.shape == (len(plain.objects), *size)
        else:
            x, y, _ = found.objects.keypoints.unbind(2)
            x1, y1, x2, y2 = found.objects.boxes[:, :, None].unbind(1)
            grown = (
                0.5 * torch.tensor([size]).max() / 96 + 1e-3
            )  # boxes below a pixel are read as 1
            assert ((x >= x1) & (x <= x2 + grown) & (y >= y1) & (y <= y2 + grown)).all()


def test_truth_makes_it_look_at_the_regions_that_are_things(model: Any) -> None:
    truth = [
        Target(objects=thing(10, 12, 60, 70)),
        Target(objects=Objects.empty()),
        Target(objects=Objects.cat([thing(5, 5, 40, 40, label=0), thing(50, 30, 120, 90)])),
    ]
    batch = model.prepare([PICTURE] * 3, truth)
    raw = model(batch.pixels, batch.sizes, batch.truth, generator(0))
    positive = raw.detection.region_match >= 0
    assert torch.equal(raw.regions.boxes, raw.detection.regions[positive])
    assert torch.equal(raw.regions.picture, raw.detection.picture[positive])
    assert raw.regions.scores is None
    for i, target in enumerate(truth):
        own = raw.regions.picture == i
        assert set(raw.regions.match[own].tolist()) == set(range(len(target.objects)))
        assert torch.equal(raw.regions.labels[own], target.objects.labels[raw.regions.match[own]])


def test_a_forward_serves_either_decoding_or_losses(model: Any) -> None:
    truth = [Target(objects=thing(10, 12, 60, 70))]
    batch = model.prepare([PICTURE], truth)
    with pytest.raises(ValueError, match="from forward without truth"):
        model.decode(model(batch.pixels, batch.sizes, batch.truth), batch)
    with pytest.raises(ValueError, match=r"from forward\(\.\.\., truth\)"):
        model.losses(model(batch.pixels, batch.sizes), batch.truth)


def test_without_marks_score_is_the_logit_of_the_label(model: Any) -> None:
    marked = thing(10, 12, 60, 70)
    hidden = marked.with_(masks=marked.masks & False, keypoints=marked.keypoints * 0)
    plain = marked.with_(masks=None, keypoints=None)
    expected = model.detector.score([PICTURE], [Target(objects=plain)])
    for objects in (hidden, plain):
        assert torch.equal(model.score([PICTURE], [Target(objects=objects)]), expected)
    assert not torch.equal(model.score([PICTURE], [Target(objects=marked)]), expected)


def test_things_with_and_without_marks_are_scored_each_its_way(model: Any) -> None:
    marked, plain = thing(10, 12, 60, 70), thing(30, 5, 90, 60, label=2)
    plain = plain.with_(masks=None, keypoints=None)
    alone = [model.score([PICTURE], [Target(objects=o)]) for o in (marked, plain)]
    both = model.score([PICTURE] * 2, [Target(objects=marked), Target(objects=plain)])
    torch.testing.assert_close(both, torch.cat(alone))


def test_explanations_look_at_the_detector(model: Any) -> None:
    assert model.explain_layers().keys() == model.detector.explain_layers().keys()
    assert next(iter(model.explain_layers())) == "c3"


def test_regions_of_pictures_with_and_without_objects() -> None:
    regions = regions_of([thing(1, 2, 3, 4), Objects.empty(), thing(5, 6, 7, 8, label=0)])
    assert regions.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert regions.labels.tolist() == [1, 0]
    assert regions.picture.tolist() == [0, 2]
    assert regions.scores is None
