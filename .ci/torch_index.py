"""Which further package index `make` gives to pip, on one line; nothing where it needs none.

On Linux PyPI's torch brings gigabytes of CUDA, and PyTorch's own index has a build without. It is
taken where there is no NVIDIA GPU and the index answers within SECONDS: pip itself repeats its
requests to an index out of reach for minutes. A TORCH_INDEX in the environment wins, also if empty.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

CPU = "https://download.pytorch.org/whl/cpu"
SECONDS = 3.0


def chosen_index() -> str:
    """The address of the index, or "" for none."""
    if (said := os.environ.get("TORCH_INDEX")) is not None:
        return said
    if not sys.platform.startswith("linux") or has_nvidia_gpu():
        return ""
    return CPU if answers(CPU) else ""


def has_nvidia_gpu() -> bool:
    """Is there one that its driver knows?"""
    if Path("/dev/nvidia0").exists():
        return True
    try:  # WSL has no such device
        command = ["nvidia-smi", "--list-gpus"]
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.startswith(b"GPU ")


def answers(index: str, seconds: float = SECONDS) -> bool:
    """Does `index` list torch, within `seconds` altogether?"""
    found = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{index}/torch/", timeout=seconds):
                found.set()
        except (OSError, ValueError, http.client.HTTPException):
            pass  # it does not answer as an index does

    # A thread, since the time-out of urlopen counts neither the name's look-up nor a slow trickle.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return found.is_set()


if __name__ == "__main__":
    print(chosen_index())
