"""Locks on open files, for processes of one machine; where the system has none, nothing is held."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def take(handle: int) -> bool:
    """Lock a file until it is closed.

    The lock belongs to this process: workers that it forked, and that outlive it, do not keep it.

    Args:
        handle: descriptor of a file that is open for writing.

    Returns:
        False if another process holds the lock.
    """
    if fcntl is None:
        return True
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        return True
    return True


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Inside, a file is locked; another process that has it locked is waited for.

    Args:
        path: of the file, which is made if it does not exist.

    Yields:
        None.
    """
    with path.open("ab") as file:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.lockf(file, fcntl.LOCK_EX)
        yield
