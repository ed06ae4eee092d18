"""Pure functions on tensors, no parameters: what torchvision.ops has, by the same names.

    from tapetum.ops import box_iou, nms, roi_align

Names, arguments and their order and defaults are those of `torchvision.ops`; docs/ops.md lists
where an answer differs. They are imported when they are first used, so that `import tapetum.ops`
costs nothing. What has no counterpart there is in the modules: matching, masks, more losses.
"""

from __future__ import annotations

from tapetum.base.faces import lazy_names

_PLACES = {
    "batched_nms": "tapetum.ops.suppression",
    "box_area": "tapetum.ops.boxes",
    "box_convert": "tapetum.ops.boxes",
    "box_iou": "tapetum.ops.boxes",
    "clip_boxes_to_image": "tapetum.ops.boxes",
    "complete_box_iou": "tapetum.ops.boxes",
    "complete_box_iou_loss": "tapetum.ops.box_losses",
    "distance_box_iou": "tapetum.ops.boxes",
    "distance_box_iou_loss": "tapetum.ops.box_losses",
    "generalized_box_iou": "tapetum.ops.boxes",
    "generalized_box_iou_loss": "tapetum.ops.box_losses",
    "masks_to_boxes": "tapetum.ops.masks",
    "nms": "tapetum.ops.suppression",
    "remove_small_boxes": "tapetum.ops.boxes",
    "roi_align": "tapetum.ops.roi",
    "roi_pool": "tapetum.ops.roi",
    "sigmoid_focal_loss": "tapetum.ops.losses",
}

__all__ = sorted(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
