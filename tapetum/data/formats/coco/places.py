"""Where the images of a COCO file are looked for, so that its labels land on no other split's."""

from __future__ import annotations

import filecmp
import posixpath
import re
from pathlib import Path

from tapetum.base.errors import AnnotationError
from tapetum.data.formats.finder import Finder
from tapetum.data.splits.assign import compatible, split_name

KINDS = r"^(instances|annotations|person_keypoints)_"
"""How names of files begin, before the name of the split."""
_PREFIXED = re.compile(r"[0-9a-f]{8}-(.+)")


class Places:
    """Folders of images for one file, by the rules in the docstring of `tapetum.data.formats.coco`.

    split: the split's name. word: train, val, test or trainval, where the file or its folder says
    one of them.
    """

    def __init__(self, finder: Finder, file: Path, split: str, word: str | None) -> None:
        self._finder = finder
        below = [f"images/{name}" for name in finder.folders("images")]
        others = finder.folders() + below
        ending = re.sub(KINDS, "", file.stem)
        parent = file.parent.relative_to(finder.root).as_posix()
        self._own = [ending, f"images/{ending}", split, f"images/{split}"]
        self._respelt = [name for name in others if word and _word(name) == word]
        self._shared = ["images", "" if parent == "." else parent, ""]
        self._others = [name for name in others if compatible(_word(name), word)]

    def find(self, name: str) -> Path | None:
        """The image called `name`, or, without the eight digits that Label Studio puts before the
        names of files that it was given, the file that it was given.

        Raises:
            AnnotationError: several folders, none of them the right one, have different images
                of the name. FileAccessError: the name leads out of the dataset.
        """
        folder, file = posixpath.split(name.replace("\\", "/"))
        found = self._find(name)
        if found is None and (prefixed := _PREFIXED.fullmatch(file)):
            given = prefixed[1]
            return self._find(posixpath.join(folder, given)) or self._find(given)
        return found

    def _find(self, name: str) -> Path | None:
        return (
            self._finder.find(name, self._own)
            or self._only(name, self._respelt)
            or self._finder.find(name, self._shared)
            or self._only(name, self._others)
        )

    def _only(self, name: str, folders: list[str]) -> Path | None:
        """The image in those of `folders` that have it, which must all have the same."""
        having = [(f, path) for f in folders if (path := self._finder.find(name, [f])) is not None]
        if not having:
            return None
        first = having[0][1]
        if any(not filecmp.cmp(first, path, shallow=False) for _, path in having[1:]):
            where = ", ".join(f"{folder}/" for folder, _ in having)
            raise AnnotationError(f"there are different images of this name in {where}")
        return first


def _word(folder: str) -> str | None:
    return split_name(posixpath.basename(folder))
