"""Drawn images as JPEG and PNG files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import PIL.Image

from tapetum.base.files import atomic_write, safe_path


def save_drawings(drawings: Mapping[str, PIL.Image.Image], folder: Path, name: str) -> None:
    """Write each drawing beside the others; all but the main one as PNG, which loses nothing."""
    for ending, drawn in drawings.items():
        own = f"{Path(name).stem}{ending}.png" if ending else name
        save_image(drawn, folder, own)


def save_image(image: PIL.Image.Image, folder: Path, name: str) -> None:
    """Write a drawn image as JPEG or PNG, by its suffix."""
    path = safe_path(folder, name)
    with atomic_write(path) as file:
        file.write(encode_image(image, path.suffix))


def encode_image(image: PIL.Image.Image, suffix: str) -> bytes:
    """The bytes of a JPEG file for the suffixes .jpg and .jpeg, else of a PNG file."""
    kind = "JPEG" if suffix.lower() in (".jpg", ".jpeg") else "PNG"
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=92)
    return buffer.getvalue()
