"""Faster R-CNN with one branch more, which looks at each region again: masks, keypoints.

He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), section 3. While learning, the branch sees the
regions that are objects; while predicting, it sees the detections, once they are final: fewer and
better boxes than the proposals. What such models share is here; a model adds its head, its loss and
what it reads from the head's logits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.models.detection.assign import matched_objects, objects_of
from tapetum.models.detection.two_stage import faster_rcnn
from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN
from tapetum.models.detection.two_stage.roi_heads import image_index
from tapetum.structures import Batch, Objects, Prediction, Target


class RoIs(NamedTuple):
    """Where the branch looked: P boxes of all images one after the other."""

    boxes: Tensor  # (P, 4) xyxy in pixels of the prepared image
    labels: Tensor  # (P,) int64, the class that it is or is taken for
    image: Tensor  # (P,) int64, the image of each
    scores: Tensor | None  # (P,) without truth: how sure the detector is
    match: Tensor | None  # (P,) with truth: the object of each


class Output(NamedTuple):
    """What the detector says, and what the branch says of regions."""

    detection: faster_rcnn.Output
    rois: RoIs
    logits: Tensor  # (P, ...) as the head has them


class BranchedRCNN(nn.Module, ABC):
    """A detector, and a head on features that are pooled a second time.

    detector: see `FasterRCNN`. pool: the features of a region for the head. head: from them
    (P, C, s, s) to logits (P, channels, S, S).
    """

    differentiable = True

    def __init__(self, detector: FasterRCNN, pool: MultiScaleRoIAlign, head: nn.Module) -> None:
        super().__init__()
        self.detector = detector
        self.pool = pool
        self.head = head

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; see `Preprocessing`."""
        return self.detector.preprocess(images, targets)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Output:
        """Without truth: detections and what the branch says of them. With truth: what it says of
        the regions that are objects, among those that `FasterRCNN.forward` draws to learn from."""
        maps = self.detector.maps(pixels)
        detection = self.detector.detect(maps, pixels, sizes, targets, generators)
        if targets is None:
            rois = rois_of(self.detector.found(detection, sizes))
        else:
            rois = regions_to_learn(detection, targets)
        return Output(detection, rois, self._look(maps, rois))

    def _look(self, maps: Sequence[Tensor], rois: RoIs) -> Tensor:
        """The head's logits (P, ...) for regions; p6 only makes proposals."""
        logits: Tensor = self.head(self.pool(maps[:-1], rois.boxes, rois.image))
        return logits

    @abstractmethod
    def losses(self, output: Output, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The detector's losses, and that of the branch over the regions that are objects.

        Raises:
            ValueError: `output` comes from a forward without truth, or objects of the truth lack
                what the branch is to learn.
        """

    def postprocess(self, output: Output, batch: Batch) -> list[Prediction]:
        """Detections in the frame of the original images, by falling score.

        Raises:
            ValueError: `output` comes from a forward with truth, which detects nothing.
        """
        rois = output.rois
        if rois.scores is None:
            raise ValueError("raw: expected from forward without truth, got it from one with")
        frames = zip(batch.sizes.tolist(), batch.originals.tolist(), strict=True)
        predictions = []
        for i, (size, original) in enumerate(frames):
            own = rois.image == i
            found = Objects(rois.boxes[own], rois.labels[own], rois.scores[own])
            objects = self._read(output.logits[own], found, tuple(size), tuple(original))
            predictions.append(Prediction(objects=objects))
        return predictions

    @abstractmethod
    def _read(
        self, logits: Tensor, found: Objects, size: tuple[int, int], original: tuple[int, int]
    ) -> Objects:
        """Detections in one prepared image of `size`, moved to the original, with what the
        branch adds, given its logits (N, ...)."""

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each object, its box taken as the only region: the mean logit of the branch in
        the places that the object marks, and where it marks none the logit of its label."""
        batch = self.preprocess(images, targets)
        assert batch.targets is not None
        objects = [objects_of(target) for target in batch.targets]
        maps = self.detector.maps(batch.pixels)
        of_label = self.detector.label_logits(maps, objects)  # (N,)
        mean, marked = self._mean_logit(self._look(maps, rois_of(objects)), objects)
        return torch.where(marked, mean.to(of_label.dtype), of_label)

    @abstractmethod
    def _mean_logit(self, logits: Tensor, objects: Sequence[Objects]) -> tuple[Tensor, Tensor]:
        """(N,) the mean of logits (N, ...) in the places marked by the objects of all images, and
        (N,) bool, whether there are such places."""

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """Those of the detector: the branch looks at the same maps."""
        return self.detector.explain_layers()


def rois_of(objects: Sequence[Objects]) -> RoIs:
    """The boxes of the objects of all images."""
    boxes = [o.boxes for o in objects]
    scores = [o.scores for o in objects if o.scores is not None]
    return RoIs(
        boxes=torch.cat(boxes),
        labels=torch.cat([o.labels for o in objects]),
        image=image_index(boxes),
        scores=torch.cat(scores) if len(scores) == len(objects) else None,
        match=None,
    )


def regions_to_learn(detection: faster_rcnn.Output, targets: Sequence[Target]) -> RoIs:
    """The regions, among those of a forward with truth, that are objects."""
    assert detection.roi_match is not None
    obj = torch.nonzero(detection.roi_match >= 0).flatten()
    image, match = detection.image[obj], detection.roi_match[obj]
    _, labels = matched_objects(targets, image, match)
    return RoIs(detection.rois[obj], labels, image, scores=None, match=match)
