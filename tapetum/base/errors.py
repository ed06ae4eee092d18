"""One error family: file, where, why, hint. The command line prints it as one line."""

from __future__ import annotations

from pathlib import Path


class TapetumError(Exception):
    """Something the user can mend: names the file, the place in it, the reason and a way out.

    `str(error)` is always a single printable line, whatever the names contain.
    """

    exit_code = 1

    def __init__(
        self,
        why: str,
        *,
        file: str | Path | None = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(why)
        self.file = None if file is None else str(file)
        self.where = where
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.where) if part)
        text = f"{place}: {self.why}" if place else self.why
        return printable(f"{text} (hint: {self.hint})" if self.hint else text)

    def __reduce__(self) -> tuple:
        # Worker processes send errors through pickle, which would drop the keyword arguments.
        return (_rebuild, (type(self), self.why, self.file, self.where, self.hint))


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


def printable(text: str) -> str:
    """`text` on one line, control characters and escape sequences made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _rebuild(
    kind: type[TapetumError], why: str, file: str | None, where: str | None, hint: str | None
) -> TapetumError:
    return kind(why, file=file, where=where, hint=hint)
