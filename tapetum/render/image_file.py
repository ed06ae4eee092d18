"""Write a drawn image."""

from __future__ import annotations

import io
from pathlib import Path

import PIL.Image

from tapetum.base.files import atomic_write, safe_path


def save_image(image: PIL.Image.Image, folder: Path, name: str) -> None:
    """Write a drawn image as JPEG or PNG, by its suffix."""
    path = safe_path(folder, name)
    with atomic_write(path) as file:
        file.write(encode_image(image, path.suffix))


def encode_image(image: PIL.Image.Image, suffix: str) -> bytes:
    """The bytes of a JPEG or PNG."""
    kind = "JPEG" if suffix.lower() in (".jpg", ".jpeg") else "PNG"
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=92)
    return buffer.getvalue()
