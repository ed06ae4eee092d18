"""Call the command line as a person would, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

TINY = (
    *("--backbone", "resnet10", "--image-size", "64", "--batch-size", "2", "--augment", "flip"),
    *("--seed", "3", "--set", "backbone_width=8", "fpn_channels=16", "head_convs=1"),
)


def tapetum(*words, timeout=120, **environment) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "tapetum", *map(str, words)]
    own = {"OMP_NUM_THREADS": "1", "COLUMNS": "100", **environment}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=os.environ | own, check=False
    )
