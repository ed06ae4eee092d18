"""Samples of large images, shrunk once to what a training needs of them."""

from __future__ import annotations

from tapetum.data.dataset import Dataset
from tapetum.data.images.header import ImageSize
from tapetum.data.images.orientation import turned_size
from tapetum.data.images.reader import read_image
from tapetum.data.reading.files import FileDataset
from tapetum.data.transforms.geometric import fit
from tapetum.data.transforms.operations import (
    ResizeCrop,
    hide_outside,
    move_boxes,
    move_keypoints,
    resize_image,
)
from tapetum.data.transforms.transform import Size
from tapetum.structures import Objects, Sample, Target


def shrunk_size(size: Size, needed: int | None) -> Size:
    """The size of an image whose shorter side is shrunk to `needed` pixels.

    Args:
        size: (height, width) in pixels.
        needed: pixels of the shorter side; None keeps the size.

    Returns:
        (height, width); `size` itself where the result would not be smaller.
    """
    return size if needed is None or min(size) <= needed else fit(size, needed)


def read_shrunk(dataset: Dataset, index: int, needed: int | None) -> Sample:
    """The sample of a dataset with an image of `shrunk_size`, and its target in the same frame.

    Boxes, keypoints and areas are scaled exactly, masks and class maps take the nearest pixel, as
    in a `Resize`; nothing is dropped. What is not shrunk is the sample itself, bit for bit.

    A JPEG of twice the size or more is decoded at a half, a quarter or an eighth (`at_least` of
    `tapetum.data.images.reader.read_image`), then resized. Against decoding it whole and resizing,
    the pixels of photographs (COCO, VOC) differ by 2 levels of 255 on average, which is what
    bilinear and bicubic resizing differ by; one in a hundred by more than 30, at sharp edges.
    Nothing moves by a whole pixel of the result.

    Args:
        dataset: the samples.
        index: of the sample, from 0.
        needed: pixels of the shorter side; None keeps the image as it is.

    Returns:
        The sample; boxes, keypoints and masks are in the frame of its image.

    Raises:
        ImageError, AnnotationError: as for indexing the dataset.
    """
    if needed is None or not isinstance(dataset, FileDataset):
        return _shrunk(dataset[index], needed)
    # What FileDataset does when it is indexed, with another decoding in its middle.
    record = dataset.records[index]
    if record.path is None:
        return _shrunk(dataset[index], needed)
    image = read_image(record.path, dataset.limits, at_least=needed)
    size = turned_size(image.raw_size, image.orientation)
    target = dataset.target_of(record, ImageSize(size, image.raw_size, image.orientation))
    small = shrunk_size(size, needed)
    return Sample(resize_image(image.pixels, small), _moved(target, size, small), record.name)


def _shrunk(sample: Sample, needed: int | None) -> Sample:
    small = shrunk_size(sample.size, needed)
    image = resize_image(sample.image, small)
    return Sample(image, _moved(sample.target, sample.size, small), sample.name)


def _moved(target: Target, size: Size, small: Size) -> Target:
    """The target of an image of `size` in the frame of the same image of `small`."""
    if size == small:
        return target
    framing = ResizeCrop(small, 0, 0, small)
    objects, semantic = target.objects, target.semantic
    return Target(
        labels=target.labels,
        objects=None if objects is None else _moved_objects(objects, framing, size),
        semantic=None if semantic is None else framing.apply_to_semantic(semantic),
    )


def _moved_objects(objects: Objects, framing: ResizeCrop, size: Size) -> Objects:
    matrix = framing.matrix(size)
    points, masks, area = objects.keypoints, objects.masks, objects.area
    return objects.with_(
        boxes=move_boxes(objects.boxes, matrix).to(objects.boxes.dtype),
        masks=None if masks is None else framing.apply_to_masks(masks),
        keypoints=None
        if points is None
        else hide_outside(move_keypoints(points, matrix), framing.size),
        area=None if area is None else (area * matrix[:2, :2].det()).to(area.dtype),
    )
