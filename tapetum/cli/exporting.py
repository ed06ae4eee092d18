"""tapetum export"""

from __future__ import annotations

from typing import Annotated, Literal

from tyro.conf import arg

from tapetum.base.errors import UsageError
from tapetum.cli.options import (
    Checkpoint,
    Code,
    Folder,
    Run,
    Weights,
    download_bar,
    log,
    prepare_process,
)


def export(
    run: Run,
    /,
    *,
    to: Literal["onnx"],
    out: Folder = None,
    model: Code = None,
    checkpoint: Checkpoint = "best",
    weights: Weights = "auto",
    sizes: Annotated[str, arg(metavar="HxW,HxW")] = "320x320,352x480",
) -> int:
    """Write a run, or a published network, for programs without PyTorch.

    The folder holds the network as ONNX, model.json with everything else, and client.py, which
    needs numpy, pillow and onnxruntime alone. It is compared with the model and kept only if it
    says the same.

    For example:
      tapetum export runs/first --to onnx
      tapetum export resnet18 --to onnx --out resnet18-onnx
      python runs/first/onnx/client.py photo.jpg

    Args:
        run: a run folder, or the name of a published network (tapetum models lists them)
        to: the format to write
        out: the folder to make, refused if it exists (default: RUN/onnx, or NAME-onnx here)
        model: the code of the run's own model, to say that it may be run
        checkpoint: which of the run's checkpoints
        weights: of a network by name: those published for it, or a name, file, address or run
        sizes: heights and widths of the made images that both are asked about
    """
    from tapetum import api

    prepare_process()
    folder = api.export(
        run,
        to=to,
        out=out,
        model=model,
        checkpoint=checkpoint,
        weights=weights,
        sizes=[_size(word) for word in sizes.split(",")],
        bar=download_bar,
        log=log,
    )
    print(folder)
    return 0


def _size(word: str) -> tuple[int, int]:
    """ "320x480" as (320, 480)."""
    height, _, width = word.strip().partition("x")
    if not (height.isdigit() and width.isdigit()):
        hint = "as in 320x320,352x480"
        raise UsageError(f"not a height and a width: {word!r}", where="--sizes", hint=hint)
    return int(height), int(width)


COMMANDS = (export,)
