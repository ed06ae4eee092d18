"""python watched.py LOG: tapetum's commands with an audit hook that notes what leaves the process.

Commands are lines of JSON on stdin, each a list of words. The log has a line of JSON for each
command, and for each file opened to be written, folder made, object renamed or removed, connection,
name looked up, and program started.
"""

from __future__ import annotations

import json
import os
import sys

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto")
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn")


def note(kind: str, *values: object) -> None:
    os.write(log, (json.dumps([kind, *map(str, values)]) + "\n").encode())


def whole(path: object) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100, links are not followed


def watch(event: str, arguments: tuple) -> None:
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & WRITES and not isinstance(path, int):
            note("write", whole(path))
    elif event in CHANGES:
        for path in arguments[:2]:
            if isinstance(path, str | bytes | os.PathLike):
                note("write", whole(path))
    elif event in NETWORK:
        note("network", event, arguments[-1])
    elif event in PROGRAMS:
        note("program", event, arguments[0])


if __name__ == "__main__":
    sys.addaudithook(watch)
    from tapetum.cli.main import main

    for line in sys.stdin:
        note("command", line.strip())
        code = main(json.loads(line))
        note("code", code)
