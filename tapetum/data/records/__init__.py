"""Records: what annotation files state of each image, before any pixel is read."""

from __future__ import annotations

from tapetum.data.records.align import keep_objects, settle, settle_in, to_objects
from tapetum.data.records.annotation_types import carried, narrowed, states_one_label
from tapetum.data.records.findings import CODES, FindingCollector
from tapetum.data.records.image_record import (
    Annotations,
    Finding,
    ImageRecord,
    Segment,
    bare_record,
)
from tapetum.data.records.label_map import MapCode
from tapetum.data.records.relabel import keep_classes, relabel
from tapetum.data.records.segments import (
    parse_segment,
    plain_segment,
    segment_to_mask,
    segments_to_masks,
)
from tapetum.data.records.semantic import MapSizeError, paint_semantic, read_semantic
from tapetum.data.records.table import Head, Table

__all__ = [
    "CODES",
    "Annotations",
    "Finding",
    "FindingCollector",
    "Head",
    "ImageRecord",
    "MapCode",
    "MapSizeError",
    "Segment",
    "Table",
    "bare_record",
    "carried",
    "keep_classes",
    "keep_objects",
    "narrowed",
    "paint_semantic",
    "parse_segment",
    "plain_segment",
    "read_semantic",
    "relabel",
    "segment_to_mask",
    "segments_to_masks",
    "settle",
    "settle_in",
    "states_one_label",
    "to_objects",
]
