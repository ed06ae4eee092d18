"""Image files that are read, and the files that their drawings are written to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import PIL.Image

from tapetum.base.errors import ImageError
from tapetum.data.images.reader import SUFFIXES
from tapetum.render.image_file import save_image
from tapetum.tasks.segmentation import MAP


def list_images(images: Iterable[str | Path]) -> Iterable[Path]:
    """List image files.

    Args:
        images: files, and folders whose images are taken, sorted by name.

    Yields:
        The files, and the images inside the folders.

    Raises:
        ImageError: a folder without images.
    """
    for image in map(Path, images):
        if not image.is_dir():
            yield image
            continue
        inside = sorted(p for p in image.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not inside:
            raise ImageError("no images in this folder", file=image)
        yield from inside


def save_drawings(drawings: Mapping[str, PIL.Image.Image], folder: Path, name: str) -> list[Path]:
    """Write each drawing into `folder`; returns the files."""
    names = {_drawn_name(name, ending): drawn for ending, drawn in drawings.items()}
    for file, drawn in names.items():
        save_image(drawn, folder, file)
    return [folder / file for file in names]


def drawn_names(files: Sequence[Path], endings: Sequence[str] = ("",)) -> list[str]:
    """Names of the drawings of images.

    Args:
        files: the images.
        endings: of the drawings of an image, see `Task.drawings`.

    Returns:
        File names without folders.
    """
    return [_drawn_name(name, ending) for name in output_names(files) for ending in endings]


def _drawn_name(name: str, ending: str) -> str:
    """All drawings but the main one are PNG, which loses nothing."""
    return f"{Path(name).stem}{ending}.png" if ending else name


def output_names(files: Sequence[Path]) -> list[str]:
    """Give each drawn image a different name, also where two inputs have the same name.

    They differ before the suffix, which crops and further drawings replace.

    Args:
        files: the images.

    Returns:
        One file name an image, without folders.
    """
    taken: set[str] = set()
    names = []
    for file in files:
        suffix = ".jpg" if file.suffix.lower() in (".jpg", ".jpeg") else ".png"
        stem, number = file.stem, 1
        while not taken.isdisjoint(_stems(stem)):
            number += 1
            stem = f"{file.stem}-{number}"
        taken |= _stems(stem)
        names.append(stem + suffix)
    return names


def _stems(stem: str) -> set[str]:
    """What the drawings of an image may be called, as systems see it that ignore case."""
    return {stem.casefold(), f"{stem}{MAP}".casefold()}
