"""Write a model for programs without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from tapetum.base.download import Bar, no_bar
from tapetum.base.errors import UsageError
from tapetum.base.progress import Log, no_log
from tapetum.base.runtime import placed
from tapetum.exporting import SIZES, check_request, export_onnx
from tapetum.inference.predictor import load
from tapetum.inference.thresholds import Thresholds
from tapetum.weights.sources import AUTO

FORMATS = ("onnx",)


def export(
    run: str | Path,
    *,
    to: str = "onnx",
    out: str | Path | None = None,
    model: str | None = None,
    checkpoint: str = "best",
    weights: str = AUTO,
    sizes: Sequence[tuple[int, int]] = SIZES,
    bar: Bar = no_bar,
    log: Log = no_log,
) -> Path:
    """Write a run, or a published network, as a new folder with graphs and a client in NumPy.

    Args:
        run: a run folder, or the name of a published network.
        to: the format; "onnx".
        out: the folder; by default RUN/onnx, of a network by name or a checkpoint NAME-onnx in the
            working directory.
        model: "FILE.py:FUNCTION", the code of a run on custom code, as for `load`.
        weights: of a network by name: "auto" (those published for it), or a name, file, address
            or run.
        checkpoint: "best" (highest metric) or "last".
        sizes: (height, width) in pixels of synthetic images, two or more, on which the outputs of
            the graphs are compared with the model's; the folder stays only where they agree.
        bar: shows how far a download is.
        log: is called with the measured differences.

    Returns:
        The folder.

    Raises:
        UsageError: an unknown format, a folder that exists, a model that cannot be exported, or
            ONNX is not installed.
        TapetumError: the outputs of the graphs differ from the model's.
    """
    if to not in FORMATS:
        raise UsageError(f"unknown format {to!r}", option="to", hint=", ".join(FORMATS))
    folder = Path(out) if out is not None else _place(Path(run))
    check_request(folder, sizes)
    predictor = load(
        run,
        model=model,
        weights=weights,
        checkpoint=checkpoint,
        device="cpu",
        precision="fp32",
        bar=bar,
        log=log,
    )
    network = placed(predictor.model, predictor.runtime.device, torch.contiguous_format)
    thresholds = Thresholds.of(predictor, None)
    parity = export_onnx(
        network,
        predictor.model_info,
        folder,
        lambda image, options: predictor.predictions([image], options)[0],
        thresholds.values,
        sizes,
    )
    log(f"{parity}; {thresholds.origin}" if thresholds.origin else str(parity))
    return folder


def _place(run: Path) -> Path:
    """The folder by default."""
    if run.is_dir() and not (run / "manifest.json").is_file():
        return run / "onnx"
    return Path(f"{run.name}-onnx")
