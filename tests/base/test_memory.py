"""Memory as the system tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tapetum.base import memory
from tapetum.base.memory import free_memory, machine_memory, peak_memory


def test_the_peak_holds_what_was_allocated() -> None:
    first = peak_memory()
    assert first is not None
    block = torch.ones(60_000_000)  # 240 MB
    there = peak_memory()
    assert there is not None
    assert block.nbytes < there.peak <= there.total == machine_memory()
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    assert first.peak <= there.peak
    assert 1024 * resident <= there.peak
    del block
    later = peak_memory()
    assert later is not None
    assert later.peak > 0.99 * there.peak  # the kernel counts in batches of pages


def test_without_proc_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    there = memory._own_peak()
    monkeypatch.setattr(memory, "_read", lambda path: "")
    assert 0.5 * there < memory._own_peak() < 2 * there


def test_a_container_has_what_it_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_read", lambda path: "2000000\n" if "max" in path else "")
    assert machine_memory() == 2_000_000
    monkeypatch.setattr(memory, "_read", lambda path: "max\n")
    assert machine_memory() > 100_000_000


def test_a_container_has_free_what_it_has_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"memory.max": "5000\n", "memory.current": "3000\n", "meminfo": "MemAvailable: 4 kB\n"}
    monkeypatch.setattr(memory, "_read", lambda path: texts.get(Path(path).name, ""))
    assert free_memory() == 2000
    texts["memory.current"] = "6000\n"
    assert free_memory() == 0
    texts["memory.max"] = "max\n"
    assert free_memory() == 4096
    texts.clear()
    assert free_memory() == machine_memory() // 2 > 0
