"""How much memory there is, how much of it is free, and how much this program took at its peak."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path
from typing import NamedTuple

import torch

_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where Linux says what a container may take and has taken, in version 2 and 1 of its control
groups."""


class Memory(NamedTuple):
    """Bytes. where: "" for the machine's own memory, else of what."""

    peak: int
    total: int
    where: str = ""

    def __str__(self) -> str:
        peak = f"peak memory {self.peak / 1e9:.1f}"
        of = f" of {self.total / 1e9:.1f} GB" if self.total else " GB"
        return f"{peak}{of}{self.where}"


def peak_memory() -> Memory | None:
    """The peak of used memory: of the GPU where CUDA was used, else of this process and its
    workers.

    Returns:
        Used and total bytes; None if unknown.
    """
    if torch.cuda.is_initialized():
        device = max(range(torch.cuda.device_count()), key=torch.cuda.max_memory_allocated)
        peak = torch.cuda.max_memory_allocated(device)
        if peak:
            total = torch.cuda.get_device_properties(device).total_memory
            return Memory(peak, total, " on the GPU")
    peak = _own_peak()
    return Memory(peak + _of_workers(), machine_memory()) if peak else None


def machine_memory() -> int:
    """The memory that this process may use, of the machine or of its container.

    Returns:
        Bytes; 0 if unknown.
    """
    machine = _physical()
    limits = [limit for file, _ in _GROUPS if (limit := _number(file)) is not None]
    return min([machine, *limits]) if machine else 0


def free_memory() -> int:
    """Free memory of the machine or of its container.

    Returns:
        Bytes; 0 if unknown.
    """
    free = [_field(_read("/proc/meminfo"), "MemAvailable:") or _physical() // 2]
    for limit, used in _GROUPS:
        maximum, used_now = _number(limit), _number(used)
        if maximum is not None and used_now is not None:
            free.append(max(0, maximum - used_now))
    return min(free)


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _own_peak() -> int:
    """The largest resident size that this process had; 0 if unknown."""
    peak = _field(_read("/proc/self/status"), "VmHWM:")
    if peak:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return 0
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size


def _of_workers() -> int:
    """What the processes that read images take now; pages that they share count once."""
    pids = [process.pid for process in multiprocessing.active_children()]
    return sum(_field(_read(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in pids)


def _field(text: str, name: str) -> int:
    """The bytes behind `name` in a text of Linux's, where they stand in kB; 0 if not there."""
    lines = (line.split() for line in text.splitlines())
    return next((1024 * int(fields[1]) for fields in lines if fields[:1] == [name]), 0)


def _number(file: str) -> int | None:
    text = _read(file).strip()
    return int(text) if text.isdigit() else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""
