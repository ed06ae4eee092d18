"""XML as a small tree of text with line numbers, and nothing of XML that can do harm.

Declarations of document types and entities are refused: annotations need none, and they are how a
small file becomes a large one or names other files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from tapetum.base.errors import AnnotationError
from tapetum.base.files import read_bytes
from tapetum.base.limits import Limits

_DEPTH = 32
_NODES = 5_000_000


@dataclass
class Node:
    """One element: its tag, the line it starts on, its attributes, its own text, its children."""

    tag: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, tag: str) -> list[Node]:
        """The direct children called `tag`; what is nested deeper is another element's."""
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> Node | None:
        """The first direct child called `tag`."""
        return next((child for child in self.children if child.tag == tag), None)

    def value(self, tag: str) -> str | None:
        """The text of the first direct child called `tag`, without the space around it."""
        child = self.first(tag)
        return None if child is None else child.text.strip()


def read_xml(path: Path, limits: Limits) -> Node:
    """The root element of an XML file.

    Raises:
        FileAccessError: missing, unreadable, or larger than `limits.text_bytes`.
        AnnotationError: not XML (with line and column), or it declares a document type.
    """
    data = read_bytes(path, limits.text_bytes)
    builder = _Builder(path)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        where = f"line {error.lineno} column {error.offset + 1}"
        reason = expat.ErrorString(error.code)
        raise AnnotationError(f"not valid XML: {reason}", file=path, where=where) from error
    except (ValueError, LookupError) as error:  # encodings that Python lacks or cannot stream
        raise AnnotationError(f"not valid XML: {error}", file=path) from error
    return builder.root.children[0]


class _Builder:
    """Grows the tree from expat's events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = Node("", 0)
        self.open = [self.root]
        self.count = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse(self, *_: object) -> None:
        self._fail("it declares a document type or an entity, which annotations have no use for")

    def _fail(self, why: str) -> None:
        where = f"line {self.parser.CurrentLineNumber}"
        raise AnnotationError(why, file=self.path, where=where)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) > _DEPTH or self.count > _NODES:
            self._fail(f"more than {_DEPTH} levels or {_NODES:,} elements")
        node = Node(tag, self.parser.CurrentLineNumber, attributes)
        self.open[-1].children.append(node)
        self.open.append(node)

    def _end(self, _tag: str) -> None:
        self.open.pop()

    def _text(self, text: str) -> None:
        self.open[-1].text += text
