"""Write keypoint_rcnn.json and keypointrcnn_resnet50_fpn*.keys.json from torchvision's Keypoint
R-CNN.

Run by hand, `python make_keypoint_rcnn.py`, in an environment with torchvision (0.29.2 made these
files). Images and most checks are those of make_faster_rcnn.py. It asserts besides that no
keypoint, to learn or found, hangs on rounding.
"""

from __future__ import annotations

from unittest import mock

import torch
import torchvision
from drawing import draw_image, draw_weights, sample, uniform, write
from make_faster_rcnn import ADJUST, ARGUMENTS, OURS, SIZES, check, check_ground_truth, forward
from nearness import assert_far, published_keys
from torch import Tensor, nn
from torchvision.models.detection import keypointrcnn_resnet50_fpn
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.ops import box_iou

WIDTH = 32  # of the branch, which takes most of the time at its usual 512
BOXES = [
    [[3.125, 5.25, 40.75, 33.875], [30.25, 20.625, 77.75, 60.125]],
    [[10.875, 40.25, 60.25, 117.625]],
]


def main() -> None:
    arguments = {**ARGUMENTS, "weights": None, "weights_backbone": None}
    model = keypointrcnn_resnet50_fpn(num_classes=2, **arguments)
    write_keys(model)
    model.roi_heads.keypoint_head = KeypointRCNNHeads(256, (WIDTH,) * 8)
    model.roi_heads.keypoint_predictor = KeypointRCNNPredictor(WIDTH, num_keypoints=17)
    model = model.double().eval()
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict(draw_weights(shapes, ADJUST))
    images = [draw_image(name, *size) for name, size in SIZES.items()]
    ground_truth = [draw_targets(f"keypoint_rcnn.{i}", boxes) for i, boxes in enumerate(BOXES)]
    targets = [
        {
            "boxes": torch.tensor(t["boxes"], dtype=torch.float64),
            "labels": torch.tensor(t["labels"]),
            "keypoints": torch.tensor(t["keypoints"], dtype=torch.float32),
        }
        for t in ground_truth
    ]
    with torch.no_grad():
        output = forward(model, images)
        detections, logits, sizes = predict(model, images)
        check(output, detections, classes=1)
        check_maps(logits, sizes)
        check_ground_truth(model, images, targets, output)
        check_cells(model, images, targets)
        # The losses, with batch norm as in evaluation, and samplers that take the first.
        for part in (model, model.rpn, model.roi_heads):
            part.training = True
        with mock.patch("torch.randperm", lambda n, device=None: torch.arange(n, device=device)):
            losses = model(images, targets)
    golden = {
        "made with": f"torchvision {torchvision.__version__}",
        "arguments": {**OURS, "keypoint_width": WIDTH},
        "sizes": SIZES,
        "adjust": ADJUST,
        "truth": ground_truth,
        "logits": sample("keypoint_rcnn.logits", logits, count=1000),
        "losses": {name: value.item() for name, value in losses.items()},
        "detections": [{name: v.tolist() for name, v in d.items()} for d in detections],
    }
    write("keypoint_rcnn.json", golden)


def write_keys(model: nn.Module) -> None:
    """Names and shapes of today's files and of the published ones."""
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    write("keypointrcnn_resnet50_fpn.keys.json", shapes)
    old = published_keys(model, str)
    write("keypointrcnn_resnet50_fpn-published.keys.json", {key: shapes[new] for key, new in old})


def draw_targets(name: str, boxes: list[list[float]]) -> dict:
    """Persons with 17 keypoints, some absent, some outside of the box, at eighths of a pixel."""
    table = torch.tensor(boxes)
    drawn = torch.from_numpy(uniform(name, (len(boxes), 17, 3))).float()
    center, size = (table[:, :2] + table[:, 2:]) / 2, table[:, 2:] - table[:, :2]
    place = center[:, None] + 0.55 * drawn[..., :2] * size[:, None]
    seen = (drawn[..., 2:] * 3 + 3).floor().clamp(max=4) / 2
    points = torch.cat(((place * 8).round() / 8, seen.floor()), dim=2)
    print("visibilities:", sorted(points[..., 2].flatten().tolist()))
    return {"boxes": boxes, "labels": [1] * len(boxes), "keypoints": points.tolist()}


def predict(model: nn.Module, images: list[Tensor]) -> tuple[list[dict], Tensor, Tensor]:
    """Detections, the maps (N, 17, 56, 56) of their keypoints, their sizes (N, 2) when read."""
    maps, boxes = [], []
    heads = model.roi_heads
    handles = [
        heads.keypoint_predictor.register_forward_hook(lambda *call: maps.append(call[2])),
        heads.keypoint_roi_pool.register_forward_hook(lambda *call: boxes.extend(call[1][1])),
    ]
    detections = model(images)
    for handle in handles:
        handle.remove()
    every = torch.cat(boxes)
    return detections, maps[0], every[:, 2:] - every[:, :2]


def check_maps(logits: Tensor, sizes: Tensor) -> None:
    """The largest pixel of each map is no matter of rounding, and they are not all alike."""
    sizes = sizes.clamp(min=1)
    cut = sizes == sizes.round()  # a box that both its edges share with the image's, exactly
    assert_far((sizes - sizes.round())[~cut], 0.0)
    places = set()
    for maps, (width, height) in zip(logits, sizes.ceil().long().tolist(), strict=True):
        fine = nn.functional.interpolate(maps[:, None], (height, width), mode="bicubic").flatten(1)
        best = fine.topk(2, dim=1)
        assert (best.values[:, 0] - best.values[:, 1]).min() > 1e-9, "two pixels tie"
        places |= set(best.indices[:, 0].tolist())
    print(f"{len(places)} places of {logits.shape[0]} x {logits.shape[1]} keypoints")


def check_cells(model: nn.Module, inputs: list[Tensor], targets: list[dict]) -> None:
    """No keypoint lies so near the border of a cell of a region that rounding decides."""
    images, moved = model.transform(inputs, targets)
    model.rpn.training = True
    rois, _ = model.rpn(images, model.backbone(images.tensors), moved)
    model.rpn.training = False
    for own, target in zip(rois, moved, strict=True):
        own = torch.cat((own, target["boxes"]))
        overlap, match = box_iou(target["boxes"], own).max(dim=0)
        own, points = own[overlap >= 0.5], target["keypoints"][match[overlap >= 0.5]].double()
        low, high = own[:, None, :2], own[:, None, 2:]
        cell = (points[..., :2] - low) * 56 / (high - low)
        cell = cell[points[..., 2] > 0]
        assert_far(cell - cell.round(), 0.0)
        inside = ((cell >= 0) & (cell < 56)).all(dim=1)
        print(f"{len(own)} regions, {int(inside.sum())} of {len(inside)} keypoints inside")
        assert inside.any()
        assert not inside.all()


if __name__ == "__main__":
    main()
