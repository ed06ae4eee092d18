"""`client.py`: the parts that a model's answers need, put into one file that stands alone."""

from __future__ import annotations

import ast
import sys
from importlib.resources import files

from tapetum.base.errors import UsageError

PARTS: dict[str, tuple[str, ...]] = {
    "labels": ("boxes", "labels"),
    "slots": ("boxes", "slots"),
    "dense": ("boxes", "dense"),
    "maps": ("semantic",),
    "stages": ("boxes", "rois", "two_stage"),
    "masks": ("boxes", "rois", "masks"),
    "keypoints": ("boxes", "rois", "keypoints"),
}
"""Kinds of "postprocess" in model.json, with the parts of the client that each needs, in order:
files of `exporting/client`, the last of which defines `answer` and `describe`; or names of modules
elsewhere, with their dots."""
_OWN = "tapetum.exporting.client"
_HEAD = '''"""Answers of the model in this folder, without PyTorch and without tapetum.

    python client.py photo.jpg

    from client import Client
    found = Client("FOLDER").predict("photo.jpg")

Needs numpy, pillow and onnxruntime. Written by `tapetum export` from parts of tapetum (Apache-2.0).
"""
'''


def assemble_client(kind: str) -> str:
    """The text of the client for a kind of "postprocess" in model.json.

    Raises:
        UsageError: an unknown kind.
    """
    if kind not in PARTS:
        why = f"no client reads outputs of the kind {kind!r}"
        raise UsageError(why, hint="one of " + ", ".join(PARTS))
    imports: dict[str, set[str]] = {}
    bodies = []
    for part in ("images", "running", *PARTS[kind], "main"):
        bodies.append(_body(part, imports))
    lines: dict[bool, list[str]] = {True: [], False: []}
    for name, parts in sorted(imports.items(), key=lambda pair: (bool(pair[1]), pair[0])):
        line = f"from {name} import {', '.join(sorted(parts))}" if parts else f"import {name}"
        lines[name.split(".")[0] in sys.stdlib_module_names].append(line)
    future = "from __future__ import annotations"
    head = "\n".join((_HEAD, future, "", *lines[True], "", *lines[False]))
    return "\n\n\n".join((head, *bodies)) + "\n"


def _body(part: str, imports: dict[str, set[str]]) -> str:
    """The text of a part below its imports. Those from outside go into `imports`: the names taken
    from each module, none for a module that is imported as such."""
    package, _, module = (part if "." in part else f"{_OWN}.{part}").rpartition(".")
    text = (files(package) / f"{module}.py").read_text("utf-8")
    start = 0
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            imports.update({ast.unparse(alias): set() for alias in node.names})
            start = node.end_lineno or 0
        elif isinstance(node, ast.ImportFrom):
            module = str(node.module)
            if module != "__future__" and not module.startswith(_OWN):
                imports.setdefault(module, set()).update(ast.unparse(a) for a in node.names)
            start = node.end_lineno or 0
    return "\n".join(text.splitlines()[start:]).strip()
