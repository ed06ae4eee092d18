"""Kill a real training again and again, resume it each time; print how often, for the test.

Usage: python kill.py DATA FOLDER KILLS

torch is imported once and every attempt is a fork, so that twenty kills take seconds. The parent
computes nothing, and all run on one thread: forking is safe.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from tapetum import api

TINY = {"backbone_width": 8, "fpn_channels": 16, "head_convs": 1}


def start(data: str, folder: Path) -> None:
    api.train(
        "retinanet",
        data,
        out=folder,
        backbone="resnet10",
        image_size=64,
        arguments=TINY,
        observers=(),
        batch_size=2,
        epochs=8,
        evaluate_every=2,
        save_seconds=0.0,
    )


def fork(work) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def attempt(work, seconds: float | None) -> int | None:
    """Run `work` in a child; its exit code, or None if it was killed first."""
    child = fork(work)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def work_on(data: str, folder: Path):
    if (folder / "run.json").exists():
        return lambda: api.resume(folder, observers=())
    return lambda: start(data, folder)


def main() -> None:
    data, home, wanted = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    began = time.perf_counter()
    assert attempt(lambda: start(data, home / "whole"), None) == 0
    whole = time.perf_counter() - began
    draw, kills, runs = random.Random(0), 0, 0
    while kills < wanted:
        folder = home / f"killed-{runs}"
        code = None
        while code is None:
            seconds = draw.uniform(0.05, 0.5 * whole) if kills < wanted else None
            code = attempt(work_on(data, folder), seconds)
            kills += code is None
        assert code == 0, code
        runs += 1
    print(kills, runs)


if __name__ == "__main__":
    main()
