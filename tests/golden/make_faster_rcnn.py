"""Write faster_rcnn.json and fasterrcnn_resnet50_fpn*.keys.json from torchvision's Faster R-CNN.

Run by hand, `python make_faster_rcnn.py`, in an environment with torchvision (0.29.2 made these
files). It asserts that the numbers can tell right from wrong: enough detections of enough classes,
work for both suppressions, and nothing so near a threshold or a tie that rounding could decide.
"""

from __future__ import annotations

from unittest import mock

import torch
import torchvision
from drawing import draw_image, draw_weights, sample, write
from nearness import (
    GAP,
    assert_far,
    assert_objects_far,
    assert_overlaps_far,
    assert_telling,
    published_keys,
)
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image

PROPOSALS, TRAINING_PROPOSALS = 40, 60
SAMPLED_ANCHORS, SAMPLED_REGIONS = 48, 24
SCORE_THRESHOLD = 0.15
ARGUMENTS = {
    "min_size": 96,
    "max_size": 160,
    "rpn_pre_nms_top_n_test": PROPOSALS,
    "rpn_post_nms_top_n_test": PROPOSALS,
    "rpn_pre_nms_top_n_train": TRAINING_PROPOSALS,
    "rpn_post_nms_top_n_train": TRAINING_PROPOSALS,
    "rpn_batch_size_per_image": SAMPLED_ANCHORS,
    "box_batch_size_per_image": SAMPLED_REGIONS,
    "box_score_thresh": SCORE_THRESHOLD,
}
OURS = {
    "min_size": 96,
    "max_size": 160,
    "rpn_pre_nms_top_n_test": PROPOSALS,
    "rpn_post_nms_top_n_test": PROPOSALS,
    "rpn_pre_nms_top_n_train": TRAINING_PROPOSALS,
    "rpn_post_nms_top_n_train": TRAINING_PROPOSALS,
    "rpn_batch_size_per_image": SAMPLED_ANCHORS,
    "box_batch_size_per_image": SAMPLED_REGIONS,
    "box_score_thresh": SCORE_THRESHOLD,
}
SIZES = {"faster_rcnn.a": (64, 80), "faster_rcnn.b": (120, 75)}
ADJUST = {
    "rpn.head.bbox_pred.weight": (0.1, 0.0),
    "box_predictor.bbox_pred.weight": (0.8, 0.0),
}
TARGETS = [
    {"boxes": [[3.1, 5.2, 40.7, 33.9], [30.3, 20.6, 77.7, 60.1]], "labels": [5, 17]},
    {"boxes": [[10.9, 40.3, 60.2, 117.6]], "labels": [90]},
]


def main() -> None:
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, **ARGUMENTS)
    model = model.double().eval()
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict(draw_weights(shapes, ADJUST))
    images = [draw_image(name, *size) for name, size in SIZES.items()]
    targets = [
        {
            "boxes": torch.tensor(t["boxes"], dtype=torch.float64),
            "labels": torch.tensor(t["labels"]),
        }
        for t in TARGETS
    ]
    with torch.no_grad():
        output = forward(model, images)
        detections = model(images)
        check(output, detections)
        check_ground_truth(model, images, targets, output)
        # The losses, with batch norm as in evaluation, and samplers that take the first.
        for part in (model, model.rpn, model.roi_heads):
            part.training = True
        with mock.patch("torch.randperm", lambda n, device=None: torch.arange(n, device=device)):
            losses = model(images, targets)
    write("fasterrcnn_resnet50_fpn.keys.json", shapes)
    old = published_keys(model, str)
    write("fasterrcnn_resnet50_fpn-published.keys.json", {key: shapes[new] for key, new in old})
    names = ("objectness", "anchor_deltas", "anchors", "regions", "class_logits", "region_deltas")
    golden = {
        "made with": f"torchvision {torchvision.__version__}",
        "arguments": OURS,
        "sizes": SIZES,
        "adjust": ADJUST,
        "truth": TARGETS,
        "raw": {name: sample(f"faster_rcnn.{name}", output[name]) for name in names},
        "losses": {name: value.item() for name, value in losses.items()},
        "detections": [{name: v.tolist() for name, v in d.items()} for d in detections],
    }
    write("faster_rcnn.json", golden)


def forward(model: nn.Module, inputs: list[Tensor]) -> dict:
    """Every intermediate of torchvision's prediction."""
    images, _ = model.transform(inputs)
    features = model.backbone(images.tensors)
    logits, deltas = model.rpn.head(list(features.values()))
    levels = [x.shape[1] * x.shape[2] * x.shape[3] for x in logits]
    logits, deltas = concat_box_prediction_layers(logits, deltas)
    anchors = model.rpn.anchor_generator(images, list(features.values()))
    rois, _ = model.rpn(images, features)
    pooled = model.roi_heads.box_roi_pool(features, rois, images.image_sizes)
    class_logits, roi_deltas = model.roi_heads.box_predictor(model.roi_heads.box_head(pooled))
    return {
        "objectness": logits.view(len(inputs), -1),
        "anchor_deltas": deltas.view(len(inputs), -1, 4),
        "anchors": anchors[0],
        "levels": levels,
        "per_picture": rois,
        "regions": torch.cat(rois),
        "class_logits": class_logits,
        "region_deltas": roi_deltas.view(len(class_logits), -1, 4),
        "sizes": images.image_sizes,
        "rpn decode": model.rpn.box_coder.decode_single,
        "decode": model.roi_heads.box_coder.postprocess,
    }


def check(output: dict, detections: list[dict], classes: int = 3) -> None:
    """Enough to see, of enough classes, and nothing near an edge."""
    scores = F.softmax(output["class_logits"], dim=1)
    boxes = output["decode"](output["region_deltas"].flatten(1), output["per_picture"])
    counts = [len(r) for r in output["per_picture"]]
    rows = zip(scores.split(counts), boxes.split(counts), detections, strict=True)
    for i, (score, box, found) in enumerate(rows):
        check_proposals(output, i, PROPOSALS)
        assert_far(score[:, 1:], SCORE_THRESHOLD)
        roi, label = torch.nonzero(score[:, 1:] > SCORE_THRESHOLD, as_tuple=True)
        label = label + 1
        box = clip_boxes_to_image(box[roi, label], output["sizes"][i])
        assert (box[:, 2:] - box[:, :2]).min() > 0.02, "a box without area"
        assert_overlaps_far(box, label, 0.5)
        kept = batched_nms(box, score[roi, label], label, 0.5)
        assert len(kept) == len(found["scores"])
        assert_telling(score[roi, label], found, cap=100, least=classes)


def check_proposals(output: dict, image: int, count: int) -> None:
    """The order of proposals, their suppression and the cut are not a matter of rounding."""
    start, left, every = 0, 0, []
    for length in output["levels"]:
        own = slice(start, start + length)
        start += length
        logits, index = output["objectness"][image, own].topk(min(count + 1, length))
        if length > count:
            assert logits[-2] - logits[-1] > GAP, "the last proposal of a level ties with the next"
            logits, index = logits[:-1], index[:-1]
        boxes = output["rpn decode"](
            output["anchor_deltas"][image, own][index], output["anchors"][own][index]
        )
        boxes = clip_boxes_to_image(boxes, output["sizes"][image])
        side = (boxes[:, 2:] - boxes[:, :2]).amin(dim=1)
        assert_far(side, 1e-3)
        boxes, logits = boxes[side > 1e-3], logits[side > 1e-3]
        same = torch.zeros(len(boxes), dtype=torch.int64)
        if len(boxes) > 1:
            assert_overlaps_far(boxes, same, 0.7)
        kept = batched_nms(boxes, logits, same, 0.7)
        left += len(kept)
        every.append(logits)
    scores = torch.cat(every).sigmoid().sort().values
    assert scores.diff().min() > 1e-9, "proposals whose order rounding decides"
    print(f"{len(scores)} anchors, {left} after suppression, at most {count} proposals")
    assert left <= 0.8 * len(scores)
    assert left > count, "no proposal is cut"


def check_ground_truth(
    model: nn.Module, inputs: list[Tensor], targets: list[dict], output: dict
) -> None:
    """Matches of anchors and of the proposals of training are not a matter of rounding."""
    images, moved = model.transform(inputs, targets)
    model.rpn.training = True
    rois, _ = model.rpn(images, model.backbone(images.tensors), moved)
    model.rpn.training = False
    for i, target in enumerate(moved):
        check_proposals(output, i, TRAINING_PROPOSALS)
        assert_objects_far(box_iou(target["boxes"], output["anchors"]), (0.3, 0.7))
        assert_objects_far(box_iou(target["boxes"], rois[i]), (0.5,))


if __name__ == "__main__":
    main()
