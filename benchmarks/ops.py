"""Box operators beside torchvision.ops: milliseconds, ratios, equal answers.

    python benchmarks/ops.py                 # about three minutes; needs torch and torchvision
    python benchmarks/ops.py --quick         # about one minute, fewer repeats
    python benchmarks/ops.py --tuned         # both sides with the allocator that training uses
    python benchmarks/ops.py --only nms      # rows whose name contains the word

torchvision need not live beside the package: any Python that has it will do, with this checkout
on PYTHONPATH. The two sides take turns, call by call, in one process, so that a busy machine
troubles both; ratios are ours / theirs, of the fastest calls and of the medians. Every row first
compares the answers, and the run fails if they differ.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision
from torch import Tensor
from torchvision import ops as theirs

from tapetum import ops
from tapetum.base.memory import tune_allocator


class Row(NamedTuple):
    """One line of the table: two calls that must give the same."""

    name: str
    ours: Callable[[], Any]
    peer: Callable[[], Any]
    tolerance: float = 0.0


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    allocator = tune_allocator() if options.tuned else "system"
    print(_machine(), f"allocator {allocator}", sep="\n", end="\n\n")
    print(
        f"{'milliseconds':<42}{'ours':>9}{'median':>9}{'peer':>9}{'median':>9}{'ratio':>8}{'median':>8}"
    )
    for row in _rows():
        if options.only in row.name:
            _compare(row)
            seconds = options.seconds / 4 if options.quick else options.seconds
            _print(row.name, *_duel(row, seconds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6.0, help="per row, at least five rounds")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--only", default="")
    return parser.parse_args()


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return "\n".join(
        (
            f"{datetime.date.today()}  {names[0] if names else platform.processor()}, "
            f"{os.cpu_count()} cores, load {load}",
            f"torch {torch.__version__}, torchvision {torchvision.__version__}, "
            f"{torch.get_num_threads()} threads",
        )
    )


def _rows() -> Iterator[Row]:
    yield from _suppression()
    yield from _overlaps()
    yield from _regions()


def _suppression() -> Iterator[Row]:
    kinds = (
        ("scattered", scattered, 0.5),
        ("crowded", crowded, 0.5),
        ("proposals", proposals, 0.7),
    )
    for count in (300, 1000, 2000, 4000, 10_000):
        for kind, make, threshold in kinds:
            some, scores = make(count), _scores(count)
            yield Row(
                f"nms {kind} {count:,} at {threshold}",
                lambda b=some, s=scores, t=threshold: ops.nms(b, s, t),
                lambda b=some, s=scores, t=threshold: theirs.nms(b, s, t),
            )
    for count in (1000, 10_000):
        some, scores = scattered(count), _scores(count)
        labels = (_numbers(count, 2)[:, 1] * 80).long()
        yield Row(
            f"batched_nms scattered {count:,}, 80 classes",
            lambda b=some, s=scores, c=labels: ops.batched_nms(b, s, c, 0.5),
            lambda b=some, s=scores, c=labels: theirs.batched_nms(b, s, c, 0.5),
        )


def _overlaps() -> Iterator[Row]:
    for first, second in ((100, 20_000), (5000, 5000)):
        one, other = scattered(first), scattered(second)
        for name in ("box_iou", "generalized_box_iou"):
            ours, peer = getattr(ops, name), getattr(theirs, name)
            yield Row(
                f"{name} {first:,} x {second:,}",
                lambda f=ours, a=one, b=other: f(a, b),
                lambda f=peer, a=one, b=other: f(a, b),
            )


def _regions() -> Iterator[Row]:
    """1,000 regions, 256 x 50 x 68, 7 x 7 bins."""
    rois = torch.cat((torch.zeros(1000, 1), scattered(1000, 600, 200)), dim=1)
    grad = torch.randn(1000, 256, 7, 7, generator=torch.Generator().manual_seed(3))
    for order in ("channels_last", "contiguous_format"):
        features = torch.randn(1, 256, 50, 68, generator=torch.Generator().manual_seed(4))
        features = features.to(memory_format=getattr(torch, order)).requires_grad_()
        for name, arguments in (
            ("roi_align 2 x 2 samples", (7, 1 / 16, 2)),
            ("roi_align adaptive, aligned", (7, 1 / 16, -1, True)),
            ("roi_pool", (7, 1 / 16)),
        ):
            function = name.split()[0]
            calls = [
                lambda s=side, n=function, x=features, a=arguments: getattr(s, n)(x, rois, *a)
                for side in (ops, theirs)
            ]
            title = f"{name}, {order.split('_')[0]}"
            yield Row(f"{title}, forward", *map(_untracked, calls), tolerance=2e-5)
            both = [lambda c=call, x=features: _backward(c, x, grad) for call in calls]
            yield Row(f"{title}, and backward", *both, tolerance=2e-4)


def _untracked(call: Callable[[], Tensor]) -> Callable[[], Tensor]:
    return torch.no_grad()(call)


def _backward(call: Callable[[], Tensor], features: Tensor, grad: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(call(), features, grad)
    return gradient


def _numbers(count: int, seed: int) -> Tensor:
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))


def _scores(count: int) -> Tensor:
    """All different: torchvision leaves the order of equal ones open where there are classes."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(1)) / count


def scattered(count: int, extent: float = 1000.0, size: float = 100.0) -> Tensor:
    """Boxes anywhere, of any size up to `size`: few overlap."""
    numbers = _numbers(count, 5)
    corner = numbers[:, :2] * extent
    return torch.cat((corner, corner + numbers[:, 2:] * size + 1), dim=1)


def crowded(count: int) -> Tensor:
    """A hundred places, around each a crowd of nearly equal boxes."""
    generator = torch.Generator().manual_seed(6)
    place = torch.randint(0, 100, (count,), generator=generator)
    center = _numbers(100, 7)[place, :2] * 1000 + torch.randn(count, 2, generator=generator) * 5
    half = 30 + torch.randn(count, 2, generator=generator) * 2.5
    return torch.cat((center - half, center + half), dim=1)


def proposals(count: int) -> Tensor:
    """As a region proposal network gives them: two thirds around a dozen objects of different size,
    the rest anywhere."""
    generator = torch.Generator().manual_seed(8)
    obj = torch.randint(0, 12, (count, 1), generator=generator).expand(-1, 2)
    size = torch.exp(_numbers(12, 9)[:, :2] * 2.5 + 3).gather(0, obj)
    center = (_numbers(12, 10)[:, :2] * torch.tensor([1000.0, 600])).gather(0, obj)
    center = center + torch.randn(count, 2, generator=generator) * size * 0.15
    half = size * torch.exp(torch.randn(count, 2, generator=generator) * 0.25) / 2
    made = torch.cat((center - half, center + half), dim=1)
    made[: count // 3] = scattered(count // 3, 900, 200)
    return made


def _compare(row: Row) -> None:
    ours, peer = row.ours(), row.peer()
    if row.tolerance:
        same = torch.allclose(ours, peer, rtol=row.tolerance, atol=row.tolerance)
    else:
        same = torch.equal(ours, peer)
    if not same:
        raise SystemExit(f"{row.name}: the answers differ")


def _duel(row: Row, seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds of either side, call by call in turns."""
    times: tuple[list[float], list[float]] = [], []
    deadline = time.perf_counter() + seconds
    while len(times[0]) < 5 or (time.perf_counter() < deadline and len(times[0]) < 500):
        for call, spent in zip((row.ours, row.peer), times, strict=True):
            start = time.perf_counter()
            call()
            spent.append(1e3 * (time.perf_counter() - start))
    return times


def _print(name: str, ours: list[float], peer: list[float]) -> None:
    best, middle = min(ours), statistics.median(ours)
    their_best, their_middle = min(peer), statistics.median(peer)
    numbers = f"{best:9.2f}{middle:9.2f}{their_best:9.2f}{their_middle:9.2f}"
    print(f"{name:<42}{numbers}{best / their_best:8.2f}{middle / their_middle:8.2f}", flush=True)


if __name__ == "__main__":
    main()
