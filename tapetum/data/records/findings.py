"""What can be wrong with a dataset: every code with its severity, and the list that fills up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tapetum.base.errors import printable
from tapetum.data.records.image_record import Finding

_ERRORS = {
    "file-unreadable": "one annotation file of many cannot be read at all",
    "annotation-malformed": "an entry is not of the form that its format asks for",
    "image-malformed": "the entry of an image is incomplete",
    "class-malformed": "the entry of a class is incomplete",
    "class-unknown": "an object of a class that the dataset does not list",
    "image-unknown": "an object on an image that the dataset does not list",
    "box-malformed": "a box is not four numbers",
    "box-not-finite": "a box has a number that is NaN or infinite",
    "box-not-normalised": "a YOLO box in pixels, or otherwise far beyond 0 to 1",
    "box-negative": "a box of negative width or height",
    "box-zero-size": "a box without width or height",
    "box-outside": "a box entirely outside its image",
    "polygon-too-short": "a polygon of fewer than three points; the box is kept",
    "segment-malformed": "an outline that is neither polygons nor a run-length mask",
    "rle-bad-counts": "a run-length mask that does not fill its image; the box is kept",
    "image-missing": "the image file is not there",
    "image-ambiguous": "different image files of this name, and none in a folder of its split",
    "image-unreadable": "the image file cannot be decoded",
    "size-mismatch": "the recorded width and height are not those of the pixels",
    "keypoints-malformed": "keypoints are not x, y, v for each name; the box is kept",
    "map-missing": "an image without its class map",
    "map-unreadable": "a map that cannot be decoded",
    "map-size": "a map that is not of its image's size",
    "map-value": "a map with a value, or a color, that is no class",
    "id-duplicate-image": "two images with one id; the later one is left out",
    "id-duplicate-class": "two classes with one id; the later one is left out",
    "name-hostile": "a file name outside of the dataset's folder; it is never opened",
    "split-missing-file": "a split lists an image that the dataset does not have",
}
_WARNINGS = {
    "box-partly-outside": "a box that crosses the border of its image; clipped for training",
    "box-duplicate": "the same box of the same class again on one image",
    "area-mismatch": "the stated area does not fit the box",
    "size-missing": "no recorded width and height; those of the pixels are taken",
    "size-swapped": "recorded before the EXIF turn; the boxes are turned with the image",
    "id-duplicate-annotation": "two objects with one id",
    "class-name-variant": "class names that differ in case or spaces only, or not at all",
    "class-count": "the number of classes and the list of their names disagree",
    "class-names-missing": "no list of class names; numbers are used",
    "class-id-differs": "a class has different ids in two files of the dataset",
    "image-duplicate": "the same image twice in one split",
    "image-near-duplicate": "nearly the same image twice in one split",
    "split-leak": "the same pixels in two splits",
    "split-near-leak": "nearly the same image in two splits",
    "split-overlap": "the same image file in two splits",
    "label-without-image": "a label file or map without an image",
    "class-empty": "a folder of a class without an image",
    "not-an-image": "files of another kind among the images of a class",
    "keypoint-lists-differ": "classes with different keypoints; those of the first one are read",
    "keypoints-count": "num_keypoints is not the number of keypoints; it is not used",
    "keypoint-outside": "a keypoint outside its image",
}
_NOTES = {
    "box-tiny": "a box narrower or lower than one pixel",
    "area-missing": "no area is stated; width x height is taken",
    "id-missing": "objects without an id; they are numbered",
    "id-gap": "class ids are not consecutive; inside they are",
    "class-root": "a class without objects that only groups the others, as Roboflow adds it",
    "crowd-by-tool": "masks marked iscrowd by a tool that marks every mask; ordinary objects",
    "shape-no-object": "lines and points, which are no objects, are left out",
    "class-without-objects": "a class that no object has, or none in some split",
    "image-empty": "an image without objects",
    "image-unlisted": "an image or label file that no split lists",
    "map-binary": "maps of 0 and 255 only: 255 is taken as the second class, not ignored",
    "exif-turned": "EXIF turns the image; boxes are taken as drawn on the upright one",
    "image-note": "a warning of the decoder",
}

CODES: dict[str, tuple[str, str]] = {
    **{code: ("error", meaning) for code, meaning in _ERRORS.items()},
    **{code: ("warning", meaning) for code, meaning in _WARNINGS.items()},
    **{code: ("info", meaning) for code, meaning in _NOTES.items()},
}
"""code -> (severity, meaning). An entry with an error is left out, and an image with one that only
decoding shows stops a training; a warning is used as it is, info is normal."""


@dataclass
class FindingCollector:
    """Findings as they come up. Files are named relative to the dataset's folder `root`."""

    root: Path
    findings: list[Finding] = field(default_factory=list)

    def note(
        self,
        code: str,
        file: Path | str,
        where: str,
        message: str,
        *,
        image: str | None = None,
        box: Sequence[float] = (),
        duplicate: str | None = None,
    ) -> None:
        """Add one finding; its severity is the code's. All text becomes printable; a box (x y
        width height) that is not finite is not kept."""
        name = self.name(file) if isinstance(file, Path) else file
        known = len(box) == 4 and math.isfinite(sum(box))
        self.findings.append(
            Finding(
                code,
                CODES[code][0],
                printable(name),
                printable(where),
                printable(message),
                image=None if image is None else printable(image),
                box=(box[0], box[1], box[2], box[3]) if known else None,
                duplicate=None if duplicate is None else printable(duplicate),
            )
        )

    def name(self, file: Path) -> str:
        """The name of a file as findings give it."""
        if file.is_relative_to(self.root):
            return file.relative_to(self.root).as_posix()
        return str(file)
