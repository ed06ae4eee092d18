"""Write mask_rcnn.json and maskrcnn_resnet50_fpn*.keys.json from torchvision's Mask R-CNN.

Run by hand, `python make_mask_rcnn.py`, in an environment with torchvision (0.29.2 made these
files). The detector in it, its images and its checks are those of make_faster_rcnn.py. It asserts
besides that the masks can tell right from wrong, and that no pixel of one hangs on rounding.
"""

from __future__ import annotations

from unittest import mock

import torch
import torchvision
from drawing import draw_image, draw_masks, draw_weights, sample, write
from make_faster_rcnn import (
    ADJUST,
    ARGUMENTS,
    OURS,
    SIZES,
    TARGETS,
    check,
    check_ground_truth,
    forward,
)
from nearness import assert_far, published_keys
from torch import Tensor, nn
from torchvision.models.detection import maskrcnn_resnet50_fpn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import expand_boxes

WIDTH = 64  # of the branch, which takes most of the time at its usual 256


def main() -> None:
    model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, **ARGUMENTS)
    write_keys(model)
    model.roi_heads.mask_head = MaskRCNNHeads(256, (WIDTH,) * 4, dilation=1)
    model.roi_heads.mask_predictor = MaskRCNNPredictor(WIDTH, WIDTH, num_classes=91)
    model = model.double().eval()
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict(draw_weights(shapes, ADJUST))
    images = [draw_image(name, *size) for name, size in SIZES.items()]
    targets = [
        {
            "boxes": torch.tensor(t["boxes"], dtype=torch.float64),
            "labels": torch.tensor(t["labels"]),
            "masks": draw_masks(t["boxes"], size).to(torch.uint8),
        }
        for t, size in zip(TARGETS, SIZES.values(), strict=True)
    ]
    with torch.no_grad():
        output = forward(model, images)
        detections, logits = predict(model, images)
        check(output, detections)
        check_masks(detections)
        check_ground_truth(model, images, targets, output)
        # The losses, with batch norm as in evaluation, and samplers that take the first.
        for part in (model, model.rpn, model.roi_heads):
            part.training = True
        with mock.patch("torch.randperm", lambda n, device=None: torch.arange(n, device=device)):
            losses = model(images, targets)
    golden = {
        "made with": f"torchvision {torchvision.__version__}",
        "arguments": {**OURS, "mask_width": WIDTH},
        "sizes": SIZES,
        "adjust": ADJUST,
        "truth": TARGETS,
        "mask_logits": sample("mask_rcnn.logits", logits, count=1000),
        "losses": {name: value.item() for name, value in losses.items()},
        "detections": [
            {
                **{name: d[name].tolist() for name in ("boxes", "labels", "scores")},
                "runs": [runs(m[0] >= 0.5) for m in d["masks"]],
            }
            for d in detections
        ],
    }
    write("mask_rcnn.json", golden)


def write_keys(model: nn.Module) -> None:
    """Names and shapes of today's files and of the published ones."""
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    write("maskrcnn_resnet50_fpn.keys.json", shapes)
    old = published_keys(model, str)
    write("maskrcnn_resnet50_fpn-published.keys.json", {key: shapes[new] for key, new in old})


def predict(model: nn.Module, images: list[Tensor]) -> tuple[list[dict], Tensor]:
    """Detections, and the logits (N, 28, 28) of their masks."""
    seen = []
    handle = model.roi_heads.mask_predictor.register_forward_hook(
        lambda *call: seen.append(call[2])
    )
    detections = model(images)
    handle.remove()
    labels = torch.cat([d["labels"] for d in detections])
    return detections, seen[0][torch.arange(len(labels)), labels]


def check_masks(detections: list[dict]) -> None:
    """Masks with an inside and an outside; no pixel and no frame so near that rounding decides."""
    for found in detections:
        soft = found["masks"][:, 0]
        assert (soft - 0.5).abs().min() > 1e-9, "a pixel on the threshold"
        frames = expand_boxes(found["boxes"], 30 / 28)
        assert_far(frames - frames.round(), 0.0)
        area = (found["boxes"][:, 2:] - found["boxes"][:, :2]).prod(dim=1)
        share = (soft >= 0.5).sum(dim=(1, 2)) / area
        print("share of the box inside:", [round(s, 2) for s in share.tolist()])
        assert ((share > 0.05) & (share < 0.95)).double().mean() > 0.7


def runs(mask: Tensor) -> list[int]:
    """Lengths of the runs of equal pixels, row by row, outside first."""
    flat = torch.cat((torch.tensor([False]), mask.flatten()))
    edges = torch.nonzero(flat[1:] != flat[:-1]).flatten().tolist()
    return [b - a for a, b in zip([0, *edges], [*edges, mask.numel()], strict=True)]


if __name__ == "__main__":
    main()
