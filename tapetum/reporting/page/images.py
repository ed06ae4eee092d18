"""Images of a page: resized and encoded again, without the metadata of their files."""

from __future__ import annotations

import base64
import io

from PIL import Image

from tapetum.reporting.page.html import Html, tag

_LARGEST_SIDE = 720
_QUALITY = 80
_PNG_PIXELS = 96 * 96


def image_tag(image: Image.Image, alt: str, *, largest: int = _LARGEST_SIDE) -> Html:
    """An <img> with the image in it as data.

    Neither "lazy" nor decoded "async": an image that is not there yet would be printed black.

    Args:
        image: any mode.
        alt: alternative text.
        largest: longer side in pixels, at most.

    Returns:
        HTML.
    """
    small = thumbnail(image, largest)
    width, height = small.size
    return tag(
        "img",
        src=data_uri(small),
        alt=alt,
        width=width,
        height=height,
    )


def thumbnail(image: Image.Image, largest: int = _LARGEST_SIDE) -> Image.Image:
    """The image in RGB on white, without metadata.

    Args:
        image: any mode.
        largest: longer side in pixels, at most.

    Returns:
        A new image.
    """
    small = image.copy()
    small.thumbnail((largest, largest), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if small.mode in ("LA", "PA") or "transparency" in small.info:
        small = small.convert("RGBA")
    # A new image: comments, positions and profiles of the old one stay behind.
    clean = Image.new("RGB", small.size, "white")
    clean.paste(small, mask=small if small.mode == "RGBA" else None)
    return clean


def data_uri(image: Image.Image) -> str:
    """Encode an image as JPEG; tiny ones as PNG, where each pixel can be seen.

    Args:
        image: in RGB.

    Returns:
        A data URI.
    """
    tiny = image.width * image.height <= _PNG_PIXELS
    buffer = io.BytesIO()
    if tiny:
        image.save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    kind = "png" if tiny else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
