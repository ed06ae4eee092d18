"""A sample as bytes and back, without loss: for caches, which detect damage.

TAPC, 4 bytes of CRC-32 over the rest, 4 bytes of length, JSON, then the arrays it describes.
Images are stored as they are; masks as bits, and masks and class maps deflated, since most of
them are one long run.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tapetum.structures import Objects, Sample, Target

_MAGIC = b"TAPC"
_HEAD = struct.Struct("<4sII")
_OBJECTS = tuple(field.name for field in fields(Objects) if field.name != "ids")
_TYPES = {"uint8", "int64", "float32", "float64"}


def pack(sample: Sample) -> bytes:
    """The bytes of a sample whose image is uint8."""
    blobs: list[bytes] = []
    parts: dict[str, Any] = {}
    for name, value in _tensors(sample).items():
        blob, coding = _encoded(value, plain=name == "image")
        parts[name] = [coding, list(value.shape), len(blob)]
        blobs.append(blob)
    objects = sample.target.objects
    header = {
        "name": sample.name,
        "parts": parts,
        "objects": objects is not None,
        "ids": None if objects is None else objects.ids,
    }
    text = json.dumps(header).encode()
    body = b"".join((text, *blobs))
    return _HEAD.pack(_MAGIC, zlib.crc32(body), len(text)) + body


def unpack(data: bytearray) -> Sample:
    """The sample of `pack`; its tensors share the memory of `data`.

    Raises:
        ValueError: these are not the bytes that were packed.
    """
    if len(data) < _HEAD.size:
        raise ValueError("too short")
    magic, checksum, length = _HEAD.unpack_from(data)
    body = memoryview(data)[_HEAD.size :]
    if magic != _MAGIC or zlib.crc32(body) != checksum:
        raise ValueError("damaged")
    header, place = json.loads(bytes(body[:length])), length
    tensors: dict[str, Tensor] = {}
    for name, (coding, shape, size) in header["parts"].items():
        tensors[name] = _decoded(body[place : place + size], coding, shape)
        place += size
    ids = None if header["ids"] is None else tuple(header["ids"])
    instances = {name: tensors[name] for name in _OBJECTS if name in tensors}
    objects = Objects(**instances, ids=ids) if header["objects"] else None
    target = Target(labels=tensors.get("whole"), objects=objects, semantic=tensors.get("semantic"))
    return Sample(tensors["image"], target, header["name"])


def _tensors(sample: Sample) -> dict[str, Tensor]:
    target = sample.target
    known = {"image": sample.image, "whole": target.labels, "semantic": target.semantic}
    if target.objects is not None:
        known |= {name: getattr(target.objects, name) for name in _OBJECTS}
    return {name: value for name, value in known.items() if value is not None}


def _encoded(value: Tensor, *, plain: bool) -> tuple[bytes, str]:
    array = np.ascontiguousarray(value.numpy())
    if array.dtype == np.bool_:
        return zlib.compress(np.packbits(array).tobytes(), 1), "bits"
    name = str(array.dtype)
    assert name in _TYPES, name
    large = not plain and array.nbytes > 4096
    return (zlib.compress(array.tobytes(), 1), f"z {name}") if large else (array.tobytes(), name)


def _decoded(blob: memoryview, coding: str, shape: list[int]) -> Tensor:
    count = math.prod(shape)
    if coding == "bits":
        bits = np.frombuffer(zlib.decompress(blob), dtype=np.uint8)
        return torch.from_numpy(np.unpackbits(bits, count=count).astype(np.bool_).reshape(shape))
    packed, _, name = coding.rpartition(" ")
    if packed:
        return torch.from_numpy(
            np.frombuffer(bytearray(zlib.decompress(blob)), dtype=name).reshape(shape)
        )
    # The blob may lie at any address: only bytes are taken in place.
    array = np.frombuffer(blob, dtype=name).reshape(shape)
    return torch.from_numpy(array if name == "uint8" else array.copy())
