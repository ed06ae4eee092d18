"""YAML files, which are configuration here: small, and validated."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import yaml

from tapetum.base.errors import AnnotationError
from tapetum.base.files import nesting, read_text
from tapetum.base.limits import Limits

YAML_BYTES = 2**20  # YAML is slow to read
YAML_SUFFIXES = (".yaml", ".yml")
_DEPTH = 50
_FORMAT = re.compile(rb"^format\s*:", re.MULTILINE)


def has_format(file: Path) -> bool:
    """Is there a key `format`, which tells our descriptions from others' YAML?"""
    if not file.name.lower().endswith(YAML_SUFFIXES):
        return False
    with file.open("rb") as stream:
        return bool(_FORMAT.search(stream.read(YAML_BYTES)))


def load_yaml(file: Path, limits: Limits) -> Any:
    """The content by the safe loader. Merge keys are refused, because a page of them expands to
    gigabytes; deep brackets too, because the time to read them grows with their square."""
    text = read_text(file, dataclasses.replace(limits, text_bytes=YAML_BYTES))
    if "<<" in text:
        raise AnnotationError("merge keys (<<) are not accepted", file=file)
    if nesting(text.encode()) > _DEPTH:
        raise AnnotationError(f"nested deeper than {_DEPTH} levels", file=file)
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}" if error.problem_mark else None
        raise AnnotationError(f"not valid YAML: {error.problem}", file=file, where=where) from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AnnotationError(f"not valid YAML: {reason}", file=file) from error
