"""Memory: how much there is, is free and was used at most; errors for want of it; release."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import platform
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

_NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "alloc_failed")


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device or the machine is out of memory.

    Linux often kills a process instead, which no program can catch.

    Args:
        error: what was raised.

    Returns:
        True if it does.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _NO_MEMORY)


def release_memory() -> None:
    """Give memory that is no longer used back to the system and the devices."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def tune_allocator() -> str:
    """Keep big blocks in the process instead of returning them to the system after each forward.

    glibc's defaults cost some 400,000 page faults per forward of a ResNet-50 on 16 images. Linux
    with glibc only; TAPETUM_ALLOCATOR=system switches it off. Called by the command line, never by
    an import.

    Returns:
        What was done, a phrase.
    """
    if os.environ.get("TAPETUM_ALLOCATOR") == "system":
        return "system (TAPETUM_ALLOCATOR=system)"
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return "system"
    mallopt = ctypes.CDLL("libc.so.6").mallopt
    mmap_threshold, trim_threshold = -3, -1
    done = mallopt(mmap_threshold, 1 << 30) and mallopt(trim_threshold, 2**31 - 1)
    return "tuned (large blocks kept)" if done else "system"


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
