"""Write retinanet.json and retinanet_resnet50_fpn*.keys.json from torchvision's RetinaNet.

Run by hand, `python make_retinanet.py`, in an environment with torchvision (0.29.2 made these
files). It asserts that the numbers can tell right from wrong: enough detections of enough classes,
work for the suppression, and nothing so near a threshold or a tie that rounding could decide.
"""

from __future__ import annotations

import torch
import torchvision
from drawing import draw_image, draw_weights, sample, write
from nearness import (
    assert_far,
    assert_objects_far,
    assert_overlaps_far,
    assert_telling,
    published_keys,
)
from torch import Tensor
from torchvision.models.detection import retinanet_resnet50_fpn
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image

ARGUMENTS = {"min_size": 96, "max_size": 160}
SIZES = {"retinanet.a": (64, 80), "retinanet.b": (120, 75)}
# Scores that differ between levels only because levels differ would hide all but the finest.
ADJUST = {
    "layer_blocks.0.0.weight": (0.62, 0.0),
    "layer_blocks.1.0.weight": (0.9, 0.0),
    "layer_blocks.2.0.weight": (2.0, 0.0),
    "cls_logits.bias": (1.0, -11.1),
    "bbox_reg.weight": (0.1, 0.0),
}
TARGETS = [
    {"boxes": [[3.1, 5.2, 40.7, 33.9], [30.3, 20.6, 77.7, 60.1]], "labels": [5, 17]},
    {"boxes": [[10.9, 40.3, 60.2, 117.6]], "labels": [90]},
]
THRESHOLDS = {"score": 0.05, "nms": 0.5, "high": 0.5, "low": 0.4}


def main() -> None:
    model = retinanet_resnet50_fpn(weights=None, weights_backbone=None, **ARGUMENTS)
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
        model.training = True  # the losses, with batch norm still as in evaluation
        losses = model(images, targets)
    check(output, detections)
    check_ground_truth(model, images, targets, output["anchors"])
    write("retinanet_resnet50_fpn.keys.json", shapes)
    old = published_keys(model, lambda i: str(2 * i))
    write("retinanet_resnet50_fpn-published.keys.json", {key: shapes[new] for key, new in old})
    golden = {
        "made with": f"torchvision {torchvision.__version__}",
        "arguments": ARGUMENTS,
        "sizes": SIZES,
        "adjust": ADJUST,
        "truth": TARGETS,
        "raw": {
            name: sample(f"retinanet.{name}", output[name])
            for name in ("logits", "deltas", "anchors")
        },
        "losses": {name: value.item() for name, value in losses.items()},
        "detections": [{name: v.tolist() for name, v in d.items()} for d in detections],
    }
    write("retinanet.json", golden)


def forward(model: torch.nn.Module, inputs: list[Tensor]) -> dict:
    images, _ = model.transform(inputs)
    features = list(model.backbone(images.tensors).values())
    head = model.head(features)
    return {
        "logits": head["cls_logits"],
        "deltas": head["bbox_regression"],
        "anchors": model.anchor_generator(images, features)[0],
        "levels": [f.shape[2] * f.shape[3] * 9 for f in features],
        "sizes": images.image_sizes,
        "decode": model.box_coder.decode_single,
    }


def check(output: dict, detections: list[dict]) -> None:
    """Enough to see, and nothing near an edge."""
    for i, found in enumerate(detections):
        scores = output["logits"][i].sigmoid()  # (N, K)
        assert_far(scores.flatten(), THRESHOLDS["score"])
        anchor, label = torch.nonzero(scores > THRESHOLDS["score"], as_tuple=True)
        boxes = output["decode"](output["deltas"][i][anchor], output["anchors"][anchor])
        boxes = clip_boxes_to_image(boxes, output["sizes"][i])
        assert (boxes[:, 2:] - boxes[:, :2]).min() > 0.02, "a box without area"
        assert_overlaps_far(boxes, label, THRESHOLDS["nms"])
        kept = batched_nms(boxes, scores[anchor, label], label, THRESHOLDS["nms"])
        assert len(kept) == len(found["scores"])
        assert_telling(scores[anchor, label], found, cap=300)


def check_ground_truth(
    model: torch.nn.Module, images: list[Tensor], targets: list[dict], anchors: Tensor
) -> None:
    _, moved = model.transform(images, targets)
    for target in moved:
        assert_objects_far(box_iou(target["boxes"], anchors), (0.4, 0.5))


if __name__ == "__main__":
    main()
