"""A model as a folder that needs no PyTorch: graphs, a description, a client, measured differences.

Everything is written to a temporary folder, compared with the model, and renamed: an incomplete or
unchecked folder never appears.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from tapetum.base.errors import FileAccessError, TapetumError, UsageError
from tapetum.base.files import sync_folder, write_json
from tapetum.exporting.assemble import assemble_client
from tapetum.exporting.graphs import GraphModule, graphs_of
from tapetum.exporting.parity import Parity, Predict, check_folder, made_images
from tapetum.exporting.rules import describe_model
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import Batch, ExportGraph, Model

SIZES = ((320, 320), (352, 480))
"""Heights and widths in pixels of the images that are compared, by default."""
LEAST = 16
"""Pixels of the smallest side of an image that is compared."""
MORE = 6
"""Steps of a size above its least, of the example that is traced."""
MODULES = ("onnx", "onnxscript", "onnxruntime")


def export_onnx(
    model: Model[Any],
    model_info: ModelInfo,
    out: Path,
    predict: Predict,
    thresholds: Sequence[float],
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> Parity:
    """Write model.onnx, model.json and client.py to a new folder, and compare them with the model.

    Args:
        model: on the CPU, in evaluation mode.
        model_info: its name, arguments and classes.
        out: the folder to make, see `check_request`.
        predict: the model's prediction for an image, with which the client's is compared.
        thresholds: by class, in [0, 1], the score from which an object counts in the client.
        sizes: (height, width) in pixels of the images that are compared, see `check_request`.

    Returns:
        The measured differences.

    Raises:
        UsageError: the model cannot be exported.
        TapetumError: PyTorch cannot write the graph, or its outputs differ from the model's.
    """
    graphs, about = graphs_of(model), describe_model(model, model_info, thresholds)
    client = assemble_client(about["postprocess"]["kind"])
    with _appearing(out) as folder, torch.no_grad():
        example = _example(model, sizes)
        about["graphs"] = {graph.name: _write(model, graph, example, folder) for graph in graphs}
        (folder / "client.py").write_text(client, "utf-8")
        write_json(folder / "model.json", about)
        parity = check_folder(folder, model, graphs, predict, sizes)
        about["parity"] = {**vars(parity), "sizes": [list(size) for size in sizes]}
        about["made_with"] = {name: version(name) for name in ("tapetum", "torch", *MODULES)}
        write_json(folder / "model.json", about)
    return parity


def check_request(out: Path, sizes: Sequence[tuple[int, int]]) -> None:
    """Check folder, sizes and packages before the export.

    Args:
        out: the folder to make.
        sizes: two different (height, width) or more, of LEAST pixels or more.

    Raises:
        UsageError: `out` exists, sizes are missing or too small, or a package that writes or runs
            graphs is not installed.
    """
    if out.exists():
        raise UsageError(
            "exists already and is left as it is", file=out, hint="another folder in `out`"
        )
    if len(set(sizes)) < 2 or min(map(min, sizes)) < LEAST:
        why = f"two different sizes are compared, of {LEAST} pixels or more"
        raise UsageError(why, option="sizes", hint="as in 320x320,352x480")
    for name in MODULES:
        try:
            with _quiet():
                importlib.import_module(name)
        except ImportError as error:
            hint = "pip install 'tapetum[onnx]'"
            raise UsageError(f"{name} is not installed", hint=hint) from error


def _example(model: Model[Any], sizes: Sequence[tuple[int, int]]) -> Batch:
    return model.preprocess([next(made_images(model, sizes))])


def _write(model: Model[Any], graph: ExportGraph, batch: Batch, folder: Path) -> dict[str, Any]:
    """Write a graph; what goes in and out of it."""
    example = graph.feed(batch).contiguous()
    for axis, (name, factor, least) in graph.dynamic.items():
        if axis > 1 and example.shape[axis] < factor * least:
            why = f"an image has a {name} of {example.shape[axis]} pixels after preprocessing"
            hint = f"`sizes` with {factor * least} or more"
            raise UsageError(why, option="sizes", hint=hint)
    example = _enlarged(example, graph)
    dims = {}
    for axis, (name, factor, least) in graph.dynamic.items():
        dim = torch.export.Dim(name, min=least)
        dims[axis] = dim if factor == 1 else factor * dim
    try:
        with _quiet():
            program = torch.export.export(
                GraphModule(model, graph).eval(), (example,), dynamic_shapes=(dims,), strict=False
            )
            made = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                input_names=[graph.input],
                output_names=list(graph.outputs),
            )
            assert made is not None
            made.save(str(folder / f"{graph.name}.onnx"))
    except TapetumError:
        raise
    except Exception as error:  # the exporter raises whatever it meets
        why = f"PyTorch cannot write {graph.name}.onnx: {_first_line(error)}"
        raise TapetumError(why, hint="TAPETUM_DEBUG=1 shows where") from error
    shape = graph.axes(example)
    return {"input": graph.input, "shape": shape, "outputs": list(graph.outputs)}


def _enlarged(example: torch.Tensor, graph: ExportGraph) -> torch.Tensor:
    """An example that is larger where the graph takes any size: tracing takes a size of 1, of the
    batch or of the smallest map of a pyramid, for a constant."""
    shape = list(example.shape)
    for axis, (_, factor, least) in graph.dynamic.items():
        shape[axis] = max(shape[axis], factor * (least + MORE if axis > 1 else 2))
    return example.new_zeros(shape)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log messages and warnings of the exporter."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder to write to that becomes `out` at the end, and is gone where anything fails."""
    ground = out.absolute().parent
    while not ground.exists():
        ground = ground.parent
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=".tapetum-", dir=ground))
        folder = temporary / "folder"
        folder.mkdir()
        yield folder
        out.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise FileAccessError(f"cannot write: {error.strerror or error}", file=out) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
