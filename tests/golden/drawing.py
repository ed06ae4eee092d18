"""Weights and images that are the same wherever they are drawn: NumPy and names, nothing else.

Both sides of a golden test draw by the reference's names, so the numbers pin the renames as well.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

HERE = Path(__file__).parent


def uniform(name: str, shape: Sequence[int]) -> np.ndarray:
    """Numbers in [-1, 1), float64, a pure function of the name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return np.random.RandomState(seed).random_sample(tuple(shape)) * 2 - 1


def draw_weights(
    shapes: Mapping[str, Sequence[int]], adjust: Mapping[str, tuple[float, float]]
) -> dict[str, Tensor]:
    """Weights and buffers by the reference's names, in float64.

    Matrices and kernels keep the variance of their input (after a ReLU); norms have statistics,
    scales and shifts of their own. `adjust` gives a factor and an offset to what ends in its key.
    """
    drawn = {}
    for name, shape in shapes.items():
        values = _scaled(name, shape)
        for end, (factor, offset) in adjust.items():
            if name.endswith(end):
                values = values * factor + offset
        drawn[name] = torch.from_numpy(values)
    return drawn


def _scaled(name: str, shape: Sequence[int]) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
        return np.zeros(tuple(shape), dtype=np.int64)
    values = uniform(name, shape)
    if len(shape) > 1:
        return values * math.sqrt(6 / math.prod(shape[1:]))
    if name.endswith("running_var"):
        return 1 + 0.5 * values
    if name.endswith(".weight"):
        return 0.6 + 0.2 * values
    return 0.2 * values


def draw_image(name: str, height: int, width: int) -> Tensor:
    """A float64 image (3, height, width) in [0, 1]: colored blocks under a little noise."""
    blocks = np.kron(uniform(name + ".blocks", (3, 12, 12)), np.ones((1, 16, 16)))
    noise = uniform(name + ".noise", (3, height, width))
    return torch.from_numpy(0.5 + 0.4 * blocks[:, :height, :width] + 0.1 * noise)


def draw_photo(name: str, height: int, width: int) -> Tensor:
    """A larger one, up to 576 pixels a side: nine times the same, so that a shift shows."""
    return draw_image(name, 192, 192).repeat(1, 3, 3)[:, :height, :width]


def draw_masks(boxes: Sequence[Sequence[float]], size: tuple[int, int]) -> Tensor:
    """Masks (N, height, width) bool: an ellipse in each box, with a bite out of its corner."""
    rows, columns = np.indices(size)
    masks = []
    for x1, y1, x2, y2 in boxes:
        x = (columns + 0.5 - (x1 + x2) / 2) / (x2 - x1)
        y = (rows + 0.5 - (y1 + y2) / 2) / (y2 - y1)
        masks.append((x**2 + y**2 < 0.25) & ((x > 0.05) | (y > -0.1)))
    return torch.from_numpy(np.stack(masks))


def sample(name: str, values: Tensor, count: int = 200) -> dict[str, object]:
    """A tensor in brief: its shape, mean, deviation, and `count` of its values."""
    flat = values.detach().double().flatten()
    return {
        "shape": list(values.shape),
        "mean": flat.mean().item(),
        "std": flat.std(correction=0).item(),
        "values": flat[_places(name, len(flat), count)].tolist(),
    }


def assert_sample(name: str, values: Tensor, golden: dict, tolerance: float) -> float:
    """Compare a tensor with its brief; the largest difference, relative to max(1, |value|)."""
    assert list(values.shape) == golden["shape"], name
    flat = values.detach().double().flatten()
    own = flat[_places(name, len(flat), len(golden["values"]))]
    error = max(
        largest_error(own, torch.tensor(golden["values"], dtype=torch.float64)),
        abs(flat.mean().item() - golden["mean"]) / max(1, abs(golden["mean"])),
        abs(flat.std(correction=0).item() - golden["std"]) / max(1, golden["std"]),
    )
    assert error <= tolerance, f"{name}: {error:.2e} > {tolerance:.0e}"
    return error


def largest_error(own: Tensor, golden: Tensor) -> float:
    """The largest difference, relative to max(1, |value|)."""
    if not golden.numel():
        return 0.0
    return ((own.double() - golden).abs() / golden.abs().clamp(min=1)).max().item()


def _places(name: str, length: int, count: int) -> np.ndarray:
    return ((uniform(name + ".places", (min(count, length),)) + 1) / 2 * length).astype(np.int64)


def read(name: str) -> dict:
    """A golden file of this folder."""
    return json.loads((HERE / name).read_text())


def write(name: str, content: dict) -> None:
    """Write a golden file of this folder, one entry a line at the top level."""
    rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in content.items())
    (HERE / name).write_text("{\n" + rows + "\n}\n")
