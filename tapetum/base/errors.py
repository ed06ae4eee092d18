"""One error family: file, where, why, hint. The command line prints it as one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_PARAMETER = re.compile(r"`([a-z][a-z0-9_]*)`")


class TapetumError(Exception):
    """Something the user can mend: names the file, the place in it, the reason and a way out.

    `str(error)` is always a single printable line, whatever the names contain. Parameters are named
    as in Python, here `max_steps`: an interface that calls them otherwise, as the command line
    spells options with dashes, has its own words from `text`.

    Args:
        why: the reason. Parameters in it, and in the hint, stand in backquotes.
        file: the file or folder that it is about.
        where: the place in the file.
        hint: a way out.
        option: the name of the parameter that has the wrong value.
    """

    exit_code = 1

    def __init__(
        self,
        why: str,
        *,
        file: str | Path | None = None,
        where: str | None = None,
        hint: str | None = None,
        option: str | None = None,
    ) -> None:
        super().__init__(why)
        self.file = None if file is None else str(file)
        self.where = where
        self.why = why
        self.hint = hint
        self.option = option

    def __str__(self) -> str:
        return self.text(str)

    def text(self, spell: Callable[[str], str]) -> str:
        """The error as one line.

        Args:
            spell: what the interface calls a parameter, by its name in Python.
        """
        option = None if self.option is None else spell(self.option)
        hint = None if self.hint is None else f"(hint: {spelled(self.hint, spell)})"
        places = [part for part in (self.file, option, self.where) if part]
        line = ": ".join([*places, spelled(self.why, spell)])
        return printable(f"{line} {hint}" if hint else line)

    def __reduce__(self) -> tuple:
        # Worker processes send errors through pickle, which would drop the keyword arguments.
        return (_rebuild, (type(self), self.why, self.file, self.where, self.hint, self.option))


class UsageError(TapetumError):
    """An argument that cannot be: unknown name, wrong value, an existing run folder."""

    exit_code = 2


class ImageError(TapetumError):
    """An image that cannot or must not be decoded."""


class AnnotationError(TapetumError):
    """An annotation file that cannot be read at all (single faults are findings)."""


class CheckpointError(TapetumError):
    """A run folder or checkpoint that is missing, damaged, or of another model."""


class DownloadError(TapetumError):
    """Something on the network that cannot be had, or is not what was asked for."""


class TrainingError(TapetumError):
    """Training that must not go on: a loss, gradient or weight that is not finite."""


class FileAccessError(TapetumError):
    """The file system said no: no space, no rights, a name that leaves its folder."""


def spelled(text: str, spell: Callable[[str], str]) -> str:
    """A message with its parameters, which stand in backquotes, renamed.

    Args:
        text: the message.
        spell: gives the spelling of a parameter.

    Returns:
        The message.
    """
    return _PARAMETER.sub(lambda match: spell(match[1]), text)


def printable(text: str) -> str:
    """A text on one line, with control characters and escape sequences made visible.

    Args:
        text: any text.

    Returns:
        The line.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _rebuild(
    kind: type[TapetumError],
    why: str,
    file: str | None,
    where: str | None,
    hint: str | None,
    option: str | None,
) -> TapetumError:
    return kind(why, file=file, where=where, hint=hint, option=option)
