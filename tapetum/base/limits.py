"""Every bound that input from outside must respect, as one value, checked before allocating."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds for files from outside; pass another instance to a reader to move them."""

    image_bytes: int = 256 * 2**20
    """Largest image file, in bytes."""
    image_pixels: int = 200_000_000
    """Largest image, in pixels, known from its header."""
    image_side: int = 65_535
    """Longest side of an image, in pixels (the largest that JPEG can hold)."""
    metadata_bytes: int = 16 * 2**20
    """Largest text, profile or EXIF block inside an image file."""
    json_bytes: int = 2 * 2**30
    """Largest JSON file."""
    json_depth: int = 200
    """Deepest nesting of a JSON file."""
    text_bytes: int = 64 * 2**20
    """Largest XML, YAML or list file."""
    annotations: int = 20_000_000
    """Most annotations in one dataset."""
    header_bytes: int = 16 * 2**20
    """Largest header of a safetensors file."""
    tensors: int = 10_000
    """Most tensors in a safetensors file."""
    archive_files: int = 2_000_000
    """Most files in an archive."""
    archive_bytes: int = 64 * 2**30
    """Most bytes that an archive unpacks to."""
    download_bytes: int = 8 * 2**30
    """Largest file from the network."""


DEFAULT_LIMITS = Limits()
