"""Files from the network: resumed where a download broke off, verified, then renamed.

A file that is not complete and verified never has its final name. The network is used only for what
the user requests.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tapetum.base.errors import DownloadError, FileAccessError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.base.progress import Log, no_log

Bar = Callable[[Iterable[int], int | None, int], Iterable[int]]
"""Wraps the sizes of the pieces that arrive, given the size of the whole file, None if the server
does not state it, and how much of it was there before; all in bytes."""

PIECE = 1 << 20
ATTEMPTS = 4
"""How often a connection that breaks is taken up again, as long as each brings something."""
SECONDS = 30.0
"""Without an answer or a byte the connection counts as broken."""
_PART = ".part"


def no_bar(pieces: Iterable[int], _: int | None, __: int) -> Iterable[int]:
    """Show no progress.

    Args:
        pieces: lengths in bytes of what arrives.
        _: ignored, the bytes of the whole file, None if unknown.
        __: ignored, the bytes that were there before.

    Returns:
        `pieces`.
    """
    return pieces


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str = "",
    bar: Bar = no_bar,
    log: Log = no_log,
    limits: Limits = DEFAULT_LIMITS,
) -> Path:
    """Fetch a file, unless it is there already.

    Bytes of an earlier attempt lie in PATH.part and are completed, if the server supports that and
    its file is the same.

    Args:
        url: an http or https address.
        path: where the file goes.
        sha256: first characters of the hexadecimal digest of the file; "" checks nothing.
        bar: shows the progress.
        log: gets a line before the file is fetched.
        limits: the size of the file; see `tapetum.Limits`.

    Returns:
        `path`.

    Raises:
        DownloadError: not http(s), no connection, an answer that is not a file, cut off, too large,
            or another digest; it names the URL and where the file can be put by hand.
        FileAccessError: no space or no rights.
    """
    path = Path(path)
    if path.is_file():
        return path
    _refuse_strange(url)
    log(f"downloading {url}")
    part = path.with_name(path.name + _PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _complete(url, path, part, bar, limits)
        _verify(url, path, part, sha256)
        part.replace(path)
    except OSError as error:
        why = f"cannot write: {error.strerror or error}"
        raise FileAccessError(why, file=part) from error
    return path


def digest_of_name(name: str) -> str:
    """The start of a digest in the name of a file, as in resnet18-f37072fd.pth.

    Args:
        name: of the file.

    Returns:
        Hexadecimal digits, or "" if there are none.
    """
    stem, _, digest = name.rpartition("-")
    digest = digest.partition(".")[0]
    known = len(digest) >= 8 and all(c in "0123456789abcdef" for c in digest)
    return digest if stem and known else ""


@dataclass
class _Answer:
    """What a server sends: a stream, from which byte on, and how long the file is in all."""

    stream: http.client.HTTPResponse
    start: int
    total: int | None
    version: str
    broken: bool = False


def _complete(url: str, path: Path, part: Path, bar: Bar, limits: Limits) -> None:
    """Ask until PATH.part is complete."""
    for attempt in range(ATTEMPTS):
        before = _size(part)
        answer = _ask(url, path, part)
        if answer is None:  # the server says that nothing is left to send
            return
        with answer.stream:
            _refuse_page(url, path, answer)
            _refuse_large(url, path, answer.total, limits)
            complete = _receive(answer, part, bar, limits)
        if _size(part) > limits.download_bytes:
            part.unlink()
            _refuse_large(url, path, limits.download_bytes + 1, limits)
        if complete:
            return
        if _size(part) <= before and attempt:
            break
    total = "" if answer is None or answer.total is None else f" of {answer.total:,}"
    raise DownloadError(
        f"the connection broke off after {_size(part):,}{total} bytes",
        file=url,
        hint="the same command again continues the download",
    )


def _ask(url: str, path: Path, part: Path) -> _Answer | None:
    """Open the URL, from where PATH.part ends; None if that is the end of the file."""
    headers = {"User-Agent": "tapetum", "Accept-Encoding": "identity"}
    have, version = _size(part), _version(part)
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        stream = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=SECONDS
        )
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            return None
        raise DownloadError(f"the server answers {error.code} {error.reason}", file=url) from error
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"cannot be reached: {reason}", file=url, hint=_by_hand(path)
        ) from error
    return _answer(stream, have)


def _answer(stream: http.client.HTTPResponse, have: int) -> _Answer:
    length = stream.headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else None
    tag = stream.headers.get("ETag") or ""
    version = tag if tag and not tag.startswith("W/") else stream.headers.get("Last-Modified", "")
    start = have if stream.status == 206 else 0
    if start and not stream.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise DownloadError("the server sends another part than was asked for", file=stream.url)
    return _Answer(stream, start, None if size is None else start + size, version)


def _receive(answer: _Answer, part: Path, bar: Bar, limits: Limits) -> bool:
    """Write what comes behind what is there; has all of it come?"""
    _version_file(part).write_text(answer.version, "utf-8")
    with part.open("r+b" if answer.start else "wb") as file:
        file.seek(answer.start)
        for _ in bar(_pieces(answer, file, limits), answer.total, answer.start):
            pass
        file.truncate()
        end = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return not answer.broken and answer.total in (None, end)


def _pieces(answer: _Answer, file: IO[bytes], limits: Limits) -> Iterator[int]:
    """Sizes of the pieces, each written; ends where the connection does."""
    while file.tell() <= limits.download_bytes:
        try:
            piece = answer.stream.read(PIECE)
        except http.client.IncompleteRead as error:
            piece, answer.broken = error.partial, True
        except (TimeoutError, ConnectionError, http.client.HTTPException):
            answer.broken = True
            return
        if not piece:
            return
        file.write(piece)
        yield len(piece)


def _verify(url: str, path: Path, part: Path, wanted: str) -> None:
    """Raise DownloadError, and keep nothing, if this is not the file that was asked for."""
    found = hashlib.sha256()
    with part.open("rb") as file:
        start = file.read(PIECE)
        found.update(start)
        while piece := file.read(PIECE):
            found.update(piece)
    if start[:64].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        _forget(part)
        why = "the server sends a web page instead of a file"
        raise DownloadError(why, file=url, hint=_by_hand(path))
    if not found.hexdigest().startswith(wanted):
        _forget(part)
        why = f"its sha256 starts with {found.hexdigest()[: len(wanted)]}, expected {wanted}"
        raise DownloadError(f"another file: {why}", file=url, hint=_by_hand(path))
    _version_file(part).unlink(missing_ok=True)


def _refuse_strange(url: str) -> None:
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise DownloadError("not an address of the web", file=url, hint="http:// or https://")


def _refuse_page(url: str, path: Path, answer: _Answer) -> None:
    kind = answer.stream.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        why = "the server sends a web page instead of a file"
        raise DownloadError(why, file=url, hint=_by_hand(path))


def _refuse_large(url: str, path: Path, total: int | None, limits: Limits) -> None:
    if total is not None and total > limits.download_bytes:
        why = f"larger than {limits.download_bytes:,} bytes"
        raise DownloadError(why, file=url, hint=_by_hand(path))


def _by_hand(path: Path) -> str:
    return f"fetch it elsewhere and put it at {path}"


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _version_file(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _version(part: Path) -> str:
    """What the server called the version of which PATH.part is the beginning."""
    file = _version_file(part)
    return file.read_text("utf-8").strip() if file.is_file() else ""


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)
