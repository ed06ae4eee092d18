"""Write COCO: ground truth for evaluation, and files that read back as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tapetum.base.files import write_json
from tapetum.data.formats.coco.keypoints import plain_keypoints
from tapetum.data.formats.format import Copy
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.records.segments import plain_segment


def coco_dict(
    images: Sequence[ImageRecord],
    classes: Sequence[str],
    class_ids: Sequence[int | str] | None = None,
    *,
    ignore_difficult: bool = True,
    keypoint_names: Sequence[str] = (),
    skeleton: Sequence[tuple[int, int]] = (),
    keypoint_labels: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Records as COCO's ground truth, in JSON's own types; boxes are float64, unchanged.

    Ids are kept where all of them are integers and no two equal, else numbered from 1.

    Args:
        images: records whose size is known.
        classes: names of the classes, by label from 0.
        class_ids: id of each class in the file; None numbers them from 1.
        ignore_difficult: write VOC's difficult objects as crowds, so that they count neither as
            found nor as missed. COCO's evaluation knows `iscrowd` alone (pycocotools overwrites
            `ignore` by it). A crowd is compared by intersection over the detection's area, so a
            small detection inside a difficult object is ignored, where VOC's rule (intersection
            over union) counts it as false. False, for a file that is to be kept: `iscrowd` is what
            the source states.
        keypoint_names: names of the K keypoints; () writes no keypoints.
        skeleton: pairs of keypoints that are joined by a line, counted from 0.
        keypoint_labels: classes that have keypoints; None: all of them.

    Returns:
        A dictionary of images (id, file_name, height, width), annotations (id, image_id,
        category_id, bbox as x y width height, area, iscrowd, segmentation, `difficult` where it is
        1, keypoints and num_keypoints) and categories (id, name, keypoints, skeleton).
    """
    posed = set(range(len(classes)) if keypoint_labels is None else keypoint_labels)
    posed = posed if keypoint_names else set()
    scheme = {
        "keypoints": list(keypoint_names),
        "skeleton": [[first + 1, second + 1] for first, second in skeleton],
    }
    record_ids, ids = image_ids(images), _object_ids(images)
    categories = category_ids(class_ids, len(classes))
    annotations = [
        _annotation(image, row, next(ids), image_id, categories, ignore_difficult)
        | (_pose(image, row) if int(image.labels[row]) in posed else {})
        for image, image_id in zip(images, record_ids, strict=True)
        for row in range(len(image))
    ]
    return {
        "images": [_image(p, id) for p, id in zip(images, record_ids, strict=True)],
        "annotations": annotations,
        "categories": [
            {"id": id, "name": name} | (scheme if label in posed else {})
            for label, (id, name) in enumerate(zip(categories, classes, strict=True))
        ],
    }


def image_ids(images: Sequence[ImageRecord]) -> list[int]:
    """The ids under which images go into COCO.

    Args:
        images: the records.

    Returns:
        An id for each image: those of the records where all are different integers, else 1, 2, ...
    """
    return _integers([image.id for image in images])


def category_ids(class_ids: Sequence[int | str] | None, count: int) -> list[int]:
    """The ids under which `count` classes go into COCO: the file's own, else 1, 2, ...

    Args:
        class_ids: the ids in the source, None if it has none.
        count: how many classes there are.

    Returns:
        An id for each class: the source's where all are different integers, else 1, 2, ...
    """
    return list(range(1, count + 1)) if class_ids is None else _integers(class_ids)


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    """Write `out`/annotations/instances_SPLIT.json and the images to `out`/SPLIT/.

    Args:
        annotations: the dataset.
        out: the folder, new or empty.
        copy: called with a record and the path of its image relative to `out`; it writes the file.

    Returns:
        What the format cannot hold, a line each: always empty, since COCO holds all that is in
        records.
    """
    for split, images in annotations.splits.items():
        for image in images:
            if image.has_pixels:
                copy(image, f"{split}/{image.name}")
        content = coco_dict(
            images,
            annotations.classes,
            annotations.class_ids,
            ignore_difficult=False,
            keypoint_names=annotations.keypoint_names,
            skeleton=annotations.skeleton,
            keypoint_labels=annotations.keypoint_labels,
        )
        write_json(out / "annotations" / f"instances_{split}.json", content, indent=None)
    return []


def _integers(ids: Sequence[int | str]) -> list[int]:
    integers = [id for id in ids if isinstance(id, int)]
    return integers if len(set(integers)) == len(ids) else list(range(1, len(ids) + 1))


def _object_ids(images: Sequence[ImageRecord]) -> Any:
    return iter(_integers([id for image in images for id in image.ids]))


def _image(record: ImageRecord, id: int) -> dict[str, Any]:
    image: dict[str, Any] = {"id": id, "file_name": record.name}
    if record.size is not None:
        image |= {"height": record.size[0], "width": record.size[1]}
    return image


def _annotation(
    image: ImageRecord, row: int, id: int, image_id: int, categories: list[int], ignore: bool
) -> dict[str, Any]:
    difficult = bool(image.difficult[row])
    entry = {
        "id": id,
        "image_id": image_id,
        "category_id": categories[int(image.labels[row])],
        "bbox": np.asarray(image.xywh[row], dtype=np.float64).tolist(),
        "area": float(image.area[row]),
        "iscrowd": int(bool(image.crowd[row]) or (ignore and difficult)),
        "segmentation": plain_segment(image.segments[row] if image.segments else None),
    }
    return entry | {"difficult": 1} if difficult else entry


def _pose(image: ImageRecord, row: int) -> dict[str, Any]:
    if image.keypoints is None:
        return {}
    points = image.keypoints[row]
    return {"keypoints": plain_keypoints(points), "num_keypoints": int((points[:, 2] > 0).sum())}
