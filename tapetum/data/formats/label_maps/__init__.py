"""Class maps: for each image a second one with the class of each pixel.

Images lie in `images/` (or image, img, JPEGImages), maps in `labels/` (or label, masks, mask,
annotations, SegmentationClass), under the same names but for their suffixes; either way round with
the splits, as in `images/train/` and `labels/train/`, or `train/images/` and `train/labels/`. Else
lists divide them: `train.txt`, `val.txt`, `test.txt`, or those of `ImageSets/Segmentation/`.

A map is a PNG (also TIFF, BMP or GIF) whose pixels are numbers of classes, gray or indexed; 255 is
ignored. Or it shows colors; then a list must say what they mean. The list of classes stands in
`classes.txt`, `class_dict.csv`, `labelmap.txt` or `label_colors.txt` (see
`tapetum.data.formats.label_maps.legend`). Without one all maps are read for the numbers in them,
which become "class 0" and so on; where they are 0 and 255 only, which is how black and white masks
are written, 255 is class 1.
"""

from __future__ import annotations

from pathlib import Path

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.format import Format
from tapetum.data.formats.label_maps.legend import Legend, find_legend, legend_of_values
from tapetum.data.formats.label_maps.pairs import IMAGES, MAPS, Pair, find_pairs, is_there
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations, ImageRecord, bare_record
from tapetum.data.splits.assign import in_order

__all__ = ["LOOKED_FOR", "read", "read_placed", "recognize"]

LOOKED_FOR = "images/ beside labels/ or masks/ with a PNG for each image"


def recognize(path: Path) -> bool:
    """Is this a folder with images and maps of the same names?

    Args:
        path: a file or folder.

    Returns:
        Whether it is a folder with images and class maps of the same names.
    """
    return path.is_dir() and is_there(Finder(path))


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """Read all images that have a class map.

    Args:
        path: the folder.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        The dataset; a bad map is a finding and is left out.

    Raises:
        AnnotationError: no images with maps there, or a list of classes that cannot be read.
    """
    return read_placed(path, limits)


def read_placed(
    path: Path,
    limits: Limits = DEFAULT_LIMITS,
    *,
    images: str | None = None,
    maps: str | None = None,
    names: dict[int, str] | None = None,
) -> Annotations:
    """Read as `read` does, from the given folders and with the given names of classes.

    Args:
        path: the folder of the dataset.
        limits: what a file may measure; see `tapetum.Limits`.
        images: folder of the images, relative to `path`; None: the usual ones.
        maps: folder of the maps, relative to `path`; None: the usual ones.
        names: name of each value that is a class; None: those of the dataset's list of classes.

    Returns:
        The dataset.

    Raises:
        AnnotationError: as for `read`.
    """
    finder, collector = Finder(path), FindingCollector(path)
    splits = find_pairs(finder, images or IMAGES, maps or MAPS, collector, limits)
    pairs = list({pair.image: pair for members in splits.values() for pair in members}.values())
    if not pairs:
        raise AnnotationError("no images with maps", file=path, hint=f"needs {LOOKED_FOR}")
    legend = _legend(finder, pairs, names, collector, limits)
    records = {pair.image: _image(path, pair, id) for id, pair in enumerate(pairs)}
    finder.tell(collector)
    return Annotations(
        format="label_maps",
        root=path,
        classes=tuple(legend.names.values()),
        class_ids=tuple(legend.names),
        splits=in_order(
            {s: [records[pair.image] for pair in members] for s, members in splits.items()}
        ),
        findings=tuple(collector.findings),
        maps=legend.code(),
    )


def _legend(
    finder: Finder,
    pairs: list[Pair],
    names: dict[int, str] | None,
    collector: FindingCollector,
    limits: Limits,
) -> Legend:
    """What is said from outside, else by a file, else by the maps themselves."""
    listed = find_legend(finder, pairs[0], limits)
    if names is not None:
        fits = listed is not None and len(listed.names) == len(names)
        return Legend(names, listed.colors if listed and fits else None)
    if listed is not None and len(listed.names) != 2:
        return listed
    files = [finder.root / pair.map for pair in pairs]
    return legend_of_values(files, listed, collector, limits)


def _image(root: Path, pair: Pair, id: int) -> ImageRecord:
    return bare_record(pair.name, root / pair.image, id, semantic=root / pair.map)


FORMAT = Format(
    "label_maps",
    LOOKED_FOR,
    recognize,
    read,
    tasks=("semantic_segmentation",),
    read_placed=read_placed,
)
