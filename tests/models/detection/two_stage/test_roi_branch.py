"""What Mask and Keypoint R-CNN share."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tapetum.base.seeds import generator, image_generators
from tapetum.models import CATALOG
from tapetum.models.detection.two_stage.keypoint_rcnn import keypoint_rcnn
from tapetum.models.detection.two_stage.mask_rcnn import mask_rcnn
from tapetum.models.detection.two_stage.roi_branch import rois_of
from tapetum.structures import Objects, Target

IMAGE = torch.rand(3, 96, 128, generator=generator(0))


def obj(*box: float, label: int = 1) -> Objects:
    mask = torch.zeros(1, 96, 128, dtype=torch.bool)
    x1, y1, x2, y2 = (round(side) for side in box)
    mask[0, y1:y2, x1:x2] = True
    points = torch.tensor([[[x1 + 2.0, y1 + 3, 2], [x2 - 4.0, y1 + 5, 1], [0, 0, 0]]])
    return Objects(torch.tensor([box]).float(), torch.tensor([label]), masks=mask, keypoints=points)


@pytest.fixture(params=["masks", "keypoints"])
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    if request.param == "masks":
        return mask_rcnn(**CATALOG["faster_rcnn"].tiny, mask_width=16, mask_convs=1).eval()
    arguments = {"keypoints": 3, "keypoint_width": 16, "keypoint_convs": 1}
    return keypoint_rcnn(**CATALOG["faster_rcnn"].tiny, **arguments).eval()


def test_the_branch_sees_the_final_detections(model: Any) -> None:
    batch = model.preprocess([IMAGE, IMAGE.flip(2)])
    output = model(batch.pixels, batch.sizes)
    detected = model.detector.detections(model.detector(batch.pixels, batch.sizes), batch.sizes)
    assert len(detected[0]) > 1
    assert len(output.logits) == len(output.rois.boxes) == sum(map(len, detected))
    for i, objects in enumerate(detected):
        own = output.rois.image == i
        assert torch.equal(output.rois.boxes[own], objects.boxes)
        assert torch.equal(output.rois.labels[own], objects.labels)
        assert torch.equal(output.rois.scores[own], objects.scores)


def test_predictions_are_those_of_the_detector_in_the_original_frame(model: Any) -> None:
    batch = model.preprocess([IMAGE[:, :48, :60], IMAGE])
    output = model(batch.pixels, batch.sizes)
    sizes = [(48, 60), (96, 128)]
    expected = model.detector.postprocess(output.detection, batch)
    for found, plain, size in zip(model.postprocess(output, batch), expected, sizes, strict=True):
        assert torch.equal(found.objects.boxes, plain.objects.boxes)
        assert torch.equal(found.objects.labels, plain.objects.labels)
        assert torch.equal(found.objects.scores, plain.objects.scores)
        if model.task == "instance_segmentation":
            assert found.objects.masks.shape == (len(plain.objects), *size)
        else:
            x, y, _ = found.objects.keypoints.unbind(2)
            x1, y1, x2, y2 = found.objects.boxes[:, :, None].unbind(1)
            grown = (
                0.5 * torch.tensor([size]).max() / 96 + 1e-3
            )  # boxes below a pixel are read as 1
            assert ((x >= x1) & (x <= x2 + grown) & (y >= y1) & (y <= y2 + grown)).all()


def test_truth_makes_it_look_at_the_regions_that_are_objects(model: Any) -> None:
    targets = [
        Target(objects=obj(10, 12, 60, 70)),
        Target(objects=Objects.empty()),
        Target(objects=Objects.cat([obj(5, 5, 40, 40, label=0), obj(50, 30, 120, 90)])),
    ]
    batch = model.preprocess([IMAGE] * 3, targets)
    output = model(batch.pixels, batch.sizes, batch.targets, image_generators(0, len(batch.pixels)))
    positive = output.detection.roi_match >= 0
    assert torch.equal(output.rois.boxes, output.detection.rois[positive])
    assert torch.equal(output.rois.image, output.detection.image[positive])
    assert output.rois.scores is None
    for i, target in enumerate(targets):
        own = output.rois.image == i
        assert set(output.rois.match[own].tolist()) == set(range(len(target.objects)))
        assert torch.equal(output.rois.labels[own], target.objects.labels[output.rois.match[own]])


def test_a_forward_serves_either_decoding_or_losses(model: Any) -> None:
    targets = [Target(objects=obj(10, 12, 60, 70))]
    batch = model.preprocess([IMAGE], targets)
    with pytest.raises(ValueError, match="from forward without targets"):
        model.postprocess(model(batch.pixels, batch.sizes, batch.targets), batch)
    with pytest.raises(ValueError, match=r"from forward\(\.\.\., targets\)"):
        model.losses(model(batch.pixels, batch.sizes), batch.targets)


def test_without_marks_score_is_the_logit_of_the_label(model: Any) -> None:
    marked = obj(10, 12, 60, 70)
    hidden = marked.with_(masks=marked.masks & False, keypoints=marked.keypoints * 0)
    plain = marked.with_(masks=None, keypoints=None)
    expected = model.detector.target_logits([IMAGE], [Target(objects=plain)])
    for objects in (hidden, plain):
        assert torch.equal(model.target_logits([IMAGE], [Target(objects=objects)]), expected)
    assert not torch.equal(model.target_logits([IMAGE], [Target(objects=marked)]), expected)


def test_objects_with_and_without_marks_are_scored_each_its_way(model: Any) -> None:
    marked, plain = obj(10, 12, 60, 70), obj(30, 5, 90, 60, label=2)
    plain = plain.with_(masks=None, keypoints=None)
    alone = [model.target_logits([IMAGE], [Target(objects=o)]) for o in (marked, plain)]
    both = model.target_logits([IMAGE] * 2, [Target(objects=marked), Target(objects=plain)])
    torch.testing.assert_close(both, torch.cat(alone))


def test_explanations_look_at_the_detector(model: Any) -> None:
    assert model.explain_layers().keys() == model.detector.explain_layers().keys()
    assert next(iter(model.explain_layers())) == "c3"


def test_regions_of_images_with_and_without_objects() -> None:
    rois = rois_of([obj(1, 2, 3, 4), Objects.empty(), obj(5, 6, 7, 8, label=0)])
    assert rois.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert rois.labels.tolist() == [1, 0]
    assert rois.image.tolist() == [0, 2]
    assert rois.scores is None
