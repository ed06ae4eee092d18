"""Downloads from a server of our own that behaves, and misbehaves, as servers do."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tapetum.base import download as module
from tapetum.base.cache_folder import cache_folder
from tapetum.base.download import digest_of_name, download
from tapetum.base.errors import DownloadError, FileAccessError
from tapetum.base.limits import DEFAULT_LIMITS

BYTES = bytes(range(256)) * 12_000  # 3 MB: three pieces
DIGEST = hashlib.sha256(BYTES).hexdigest()


@dataclass
class Behaviour:
    """How the server answers. cuts: after how many bytes it hangs up, one for each answer."""

    content: bytes = BYTES
    kind: str = "application/octet-stream"
    tag: str | None = '"v1"'
    ranges: bool = True
    length: bool = True
    status: int = 200
    cuts: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        own = self.server.behaviour
        wanted = self.headers.get("Range")
        own.asked.append(wanted)
        if own.status != 200:
            self.send_error(own.status)
            return
        start = 0
        if wanted and own.ranges and self.headers.get("If-Range") == own.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(own.content) > 0:
            self.send_error(416)
            return
        body = own.content[start:]
        self.send_response(206 if start else 200)
        if start:
            total = len(own.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Type", own.kind)
        if own.length:
            self.send_header("Content-Length", str(len(body)))
        if own.tag:
            self.send_header("ETag", own.tag)
        self.end_headers()
        self.wfile.write(body[: own.cuts.pop(0)] if own.cuts else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, Behaviour]]:
    own = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own.behaviour = behaviour = Behaviour()
    thread = threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{own.server_port}/weights.pth", behaviour
    own.shutdown()
    own.server_close()


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_arrives_whole_and_is_not_fetched_twice(server, tmp_path) -> None:
    url, behaviour = server
    said: list[str] = []
    seen: list[tuple[int | None, int, int]] = []

    def bar(pieces, total, start):
        for size in pieces:
            seen.append((total, start, size))
            yield size

    path = download(url, tmp_path / "deep" / "w.pth", sha256=DIGEST[:8], bar=bar, log=said.append)
    assert path.read_bytes() == BYTES
    assert left(path.parent) == {"w.pth"}
    assert said == [f"downloading {url}"]
    assert sum(size for *_, size in seen) == len(BYTES)
    assert {row[:2] for row in seen} == {(len(BYTES), 0)}
    download(url, path, sha256=DIGEST[:8], log=said.append)
    assert len(behaviour.asked) == len(said) == 1


def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path) -> None:
    url, behaviour = server
    behaviour.cuts = [1_500_000, 700_000]
    path = download(url, tmp_path / "w.pth", sha256=DIGEST)
    assert path.read_bytes() == BYTES
    assert behaviour.asked == [None, "bytes=1500000-", "bytes=2200000-"]


def test_the_next_command_goes_on(server, tmp_path) -> None:
    url, behaviour = server
    behaviour.cuts = [1000, 0, 0, 0, 0]
    with pytest.raises(
        DownloadError, match=r"broke off after 1,000 of 3,072,000 bytes.*continues the download"
    ):
        download(url, tmp_path / "w.pth", sha256=DIGEST)
    assert left(tmp_path) == {"w.pth.part", "w.pth.part.version"}
    behaviour.cuts, behaviour.asked = [], []
    assert download(url, tmp_path / "w.pth", sha256=DIGEST).read_bytes() == BYTES
    assert behaviour.asked == ["bytes=1000-"]
    assert left(tmp_path) == {"w.pth"}


def test_another_version_on_the_server_starts_afresh(server, tmp_path) -> None:
    url, behaviour = server
    behaviour.cuts = [1000, 0, 0, 0, 0]
    with pytest.raises(DownloadError):
        download(url, tmp_path / "w.pth")
    behaviour.cuts, behaviour.tag, behaviour.content = [], '"v2"', b"new" * 1000
    assert download(url, tmp_path / "w.pth").read_bytes() == b"new" * 1000


@pytest.mark.parametrize("change", [{"ranges": False}, {"tag": None}, {"length": False}])
def test_servers_that_can_do_less(server, tmp_path, change) -> None:
    url, behaviour = server
    for name, value in change.items():
        setattr(behaviour, name, value)
    behaviour.cuts = [] if not behaviour.length else [1000]
    assert download(url, tmp_path / "w.pth", sha256=DIGEST).read_bytes() == BYTES


def test_a_complete_part_needs_no_more_bytes(server, tmp_path) -> None:
    url, _ = server
    (tmp_path / "w.pth.part").write_bytes(BYTES)
    (tmp_path / "w.pth.part.version").write_text('"v1"')
    assert download(url, tmp_path / "w.pth", sha256=DIGEST).read_bytes() == BYTES


def test_wrong_bytes_are_not_kept(server, tmp_path) -> None:
    url, behaviour = server
    behaviour.content = b"x" + BYTES[1:]
    hint = f"put it at {tmp_path / 'w.pth'}"
    with pytest.raises(DownloadError, match=f"another file.*expected {DIGEST[:8]}.*{hint}"):
        download(url, tmp_path / "w.pth", sha256=DIGEST[:8])
    assert left(tmp_path) == set()


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_page_is_no_file(server, tmp_path, kind) -> None:
    url, behaviour = server
    behaviour.content, behaviour.kind = b"\n<!DOCTYPE html><title>Log in</title>", kind
    with pytest.raises(DownloadError, match="a web page instead of a file"):
        download(url, tmp_path / "w.pth")
    assert left(tmp_path) == set()


@pytest.mark.parametrize("status", [403, 404, 500])
def test_refusals_of_the_server(server, tmp_path, status) -> None:
    url, behaviour = server
    behaviour.status = status
    with pytest.raises(DownloadError, match=f"the server answers {status}"):
        download(url, tmp_path / "w.pth")


@pytest.mark.parametrize("length", [True, False])
def test_files_beyond_the_limit(server, tmp_path, length) -> None:
    url, behaviour = server
    behaviour.length = length
    small = replace(DEFAULT_LIMITS, download_bytes=1_000_000)
    with pytest.raises(DownloadError, match="larger than 1,000,000 bytes"):
        download(url, tmp_path / "w.pth", limits=small)
    assert "w.pth" not in left(tmp_path)


def test_without_a_network(tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "w.pth"
    with pytest.raises(DownloadError, match=rf"cannot be reached: .*put it at {path}"):
        download(f"http://127.0.0.1:{port}/w.pth", path)


def test_a_server_that_falls_silent(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    with socket.socket() as no_log:
        no_log.bind(("127.0.0.1", 0))
        no_log.listen()
        with pytest.raises(DownloadError, match="cannot be reached: timed out"):
            download(f"http://127.0.0.1:{no_log.getsockname()[1]}/w.pth", tmp_path / "w.pth")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/w.pth", "w.pth", "http://"])
def test_addresses_that_are_none(url, tmp_path) -> None:
    with pytest.raises(DownloadError, match="not an address of the web"):
        download(url, tmp_path / "w.pth")


def test_a_folder_that_cannot_be_made(server, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileAccessError, match="cannot write"):
        download(server[0], tmp_path / "file" / "w.pth")


def test_digests_in_names() -> None:
    assert digest_of_name("resnet18-f37072fd.pth") == "f37072fd"
    assert digest_of_name("resnet18.pth") == digest_of_name("a-model.pth") == ""
    assert digest_of_name("-f37072fd.pth") == ""


def test_where_the_cache_is(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("TAPETUM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tapetum"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "tapetum"
    monkeypatch.setenv("TAPETUM_CACHE", "/elsewhere")
    assert cache_folder() == Path("/elsewhere")
