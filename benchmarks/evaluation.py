"""COCO evaluation beside pycocotools and faster-coco-eval: seconds, memory, equal numbers.

    python benchmarks/evaluation.py                      # about two minutes
    python benchmarks/evaluation.py --skip-pycocotools   # the quick comparison
    python benchmarks/evaluation.py --iou-type segm --images 500
    python benchmarks/evaluation.py --iou-type keypoints --images 500 --detections 20 --classes 1

The made set has 5,000 images, 100 detections on each and 80 classes unless told otherwise. Masks
are polygons in the truth and compressed run lengths in the results.
Every tool runs in a process of its own on the same files. "evaluate" is everything between two
loaded inputs and the headline numbers; on a busy machine its CPU seconds are those to compare. The
run fails if our numbers differ from those of pycocotools in any bit.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOOLS = ("pycocotools", "faster-coco-eval", "tapetum")


def main() -> None:
    options = _options()
    if options.tool:
        print(json.dumps(_measure(options.tool, options.iou_type, Path(options.folder))))
        return
    if options.make:
        size = (options.images, options.detections, options.classes)
        _make(Path(options.folder), options.iou_type, *size)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or scratch
        if not (Path(folder) / "results.json").exists():
            size = (options.images, options.detections, options.classes)
            flags = ("--images", "--detections", "--classes")
            sizes = [str(part) for pair in zip(flags, size, strict=True) for part in pair]
            _child("--make", "--iou-type", options.iou_type, "--folder", folder, *sizes)
        tools = [t for t in TOOLS if t != "pycocotools" or not options.skip_pycocotools]
        rows = {tool: _repeat(tool, options.iou_type, folder, options.repeat) for tool in tools}
    _print_table(rows)
    _compare(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--iou-type", choices=("bbox", "segm", "keypoints"), default="bbox")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="per image")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each tool; the best counts")
    parser.add_argument("--skip-pycocotools", action="store_true", help="it takes half a minute")
    parser.add_argument("--folder", help="keep the made files here, and use them if they exist")
    parser.add_argument("--tool", choices=TOOLS, help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _make(folder: Path, iou_type: str, images: int, detections: int, classes: int) -> None:
    from coco_made import made_coco
    from coco_shapes import with_keypoints, with_masks

    folder.mkdir(parents=True, exist_ok=True)
    gt, results = made_coco(images, detections, classes)
    if iou_type == "segm":
        gt, results = with_masks(gt, results)
    if iou_type == "keypoints":
        gt, results = with_keypoints(gt, results)
    (folder / "truth.json").write_text(json.dumps(gt))
    (folder / "results.json").write_text(json.dumps(results))
    print(f"{images} images, {len(gt['annotations'])} truths, {len(results)} detections")


def _repeat(tool: str, iou_type: str, folder: str, times: int) -> dict[str, Any]:
    """The run with the shortest evaluation."""
    runs = [
        json.loads(_child("--tool", tool, "--iou-type", iou_type, "--folder", folder))
        for _ in range(times)
    ]
    return min(runs, key=lambda run: run["evaluate"])


def _child(*arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1]


def _measure(tool: str, iou_type: str, folder: Path) -> dict[str, Any]:
    """Load and evaluate with one tool, in this process."""
    load, evaluate = _ours(iou_type) if tool == "tapetum" else _peer(tool, iou_type)
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        inputs = load(folder)
        loaded, spent = time.perf_counter(), time.process_time()
        stats = evaluate(*inputs)
    ended, spent = time.perf_counter(), time.process_time() - spent
    return {
        "load": loaded - started,
        "evaluate": ended - loaded,
        "processor": spent,
        "total": ended - started,
        "memory": _peak_memory(),
        "stats": stats,
    }


def _ours(iou_type: str) -> tuple[Callable[[Path], tuple], Callable[..., list[float]]]:
    from tapetum.base.files import read_json
    from tapetum.evaluation.coco import detections_from_coco, ground_truth_from_coco
    from tapetum.evaluation.detection import evaluate_detections

    def load(folder: Path) -> tuple:
        ground_truth = ground_truth_from_coco(read_json(folder / "truth.json"), iou_type)
        return ground_truth, detections_from_coco(
            read_json(folder / "results.json"), ground_truth, iou_type
        )

    def evaluate(ground_truth: Any, detections: Any) -> list[float]:
        return list(evaluate_detections(ground_truth, detections, iou_type=iou_type).stats.values())

    return load, evaluate


def _peer(tool: str, iou_type: str) -> tuple[Callable[[Path], tuple], Callable[..., list[float]]]:
    if tool == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval as Evaluation
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as Evaluation

    def load(folder: Path) -> tuple:
        ground_truth = COCO(str(folder / "truth.json"))
        return ground_truth, ground_truth.loadRes(str(folder / "results.json"))

    def evaluate(ground_truth: Any, detections: Any) -> list[float]:
        evaluation = Evaluation(ground_truth, detections, iouType=iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return [float(value) for value in evaluation.stats[: 10 if iou_type == "keypoints" else 12]]

    return load, evaluate


def _peak_memory() -> float:
    """The most memory this process has held, in MiB (Linux)."""
    # Not getrusage: its maximum survives exec, so a child would report its parent's.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _print_table(rows: dict[str, dict[str, Any]]) -> None:
    ours = rows["tapetum"]
    heads = {
        "load": "load s",
        "evaluate": "evaluate s",
        "processor": "(CPU s)",
        "total": "load + evaluate s",
        "memory": "peak MiB",
    }
    print(f"{'':18}" + "".join(f"{head:>21}" for head in heads.values()))
    for tool, row in rows.items():
        cells = (f"{row[key]:.2f} ({row[key] / ours[key]:.1f} x)" for key in heads)
        print(f"{tool:18}" + "".join(f"{cell:>21}" for cell in cells))


def _compare(rows: dict[str, dict[str, Any]]) -> None:
    """Report equality with the peers; anything but equal bits to pycocotools is a failure."""
    ours = rows["tapetum"]["stats"]
    print("AP {:.4f}  AP50 {:.4f}  AP75 {:.4f}".format(*ours[:3]))
    for tool, row in rows.items():
        if tool != "tapetum":
            gap = max(abs(a - b) for a, b in zip(ours, row["stats"], strict=True))
            print(
                f"against {tool}: {'equal in every bit' if gap == 0 else f'differs by {gap:.3g}'}"
            )
    if "pycocotools" in rows and rows["pycocotools"]["stats"] != ours:
        sys.exit("our numbers are not those of pycocotools")


if __name__ == "__main__":
    main()
