"""Exported folders: whole and proven, or not there; and a client that needs no PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tapetum import api
from tapetum.base.bundle import write_bundle
from tapetum.base.errors import TapetumError, UsageError
from tapetum.base.seeds import generator
from tapetum.exporting.client.masks import describe as describe_masks
from tapetum.exporting.client.masks import run_lengths
from tapetum.exporting.parity import Parity, _compare_objects, compare_answers, load_client
from tapetum.inference.custom_code import named_by_user
from tapetum.models import CATALOG
from tapetum.models.catalog import model_function
from tapetum.runs.model_info import ModelInfo
from tapetum.weights.checkpoint import model_parts
from tests.runs.records import write_record

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'tapetum[onnx]'")

SIZES = ((96, 128), (120, 90))
OTHERS = ((150, 70), (64, 200))
"""Of images that no export has seen."""
QUICK = ("linear", "resnet10", "localizer", "vit_b_16")
SLOW = ("airbench", "unet", "retinanet", "faster_rcnn", "mask_rcnn", "keypoint_rcnn")
FREE = ("resnet10", "airbench", "unet", "retinanet", "faster_rcnn", "mask_rcnn", "keypoint_rcnn")
ALONE = """
import json, sys
sys.modules.update(torch=None, tapetum=None)
sys.path.insert(0, sys.argv[1])
import numpy
from client import Client
client = Client(sys.argv[1])
for path in sys.argv[2:]:
    found = client.predict(path)
    numpy.savez(path + ".npz", **found)
    print(json.dumps(client.describe(found, 0.0)))
"""


def make_run(name: str, folder: Path, **changes: Any) -> Path:
    """A run with one checkpoint of a tiny model whose scores are spread out."""
    arguments = {**CATALOG[name].tiny, **changes}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CATALOG[name].build(**arguments)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="linear")
    points = tuple("abc") if name == "keypoint_rcnn" else ()
    classes = tuple(f"class {i}" for i in range(CATALOG[name].tiny["num_classes"]))
    model_info = ModelInfo(name, arguments, classes, keypoint_names=points)
    parts = model_parts(model.state_dict(), model_info)
    write_record(folder, model_info)
    write_bundle(folder / "checkpoints" / "step-00000001", parts, {"step": 1, "metric": None})
    return folder


def make_images(folder: Path) -> list[Path]:
    paths = []
    for height, width in OTHERS:
        values = torch.rand(height, width, 3, generator=generator(7, height, width))
        paths.append(folder / f"{height}.png")
        Image.fromarray((255 * values).to(torch.uint8).numpy()).save(paths[-1])
    return paths


@pytest.fixture(
    scope="module",
    params=[*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)],
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its folder `onnx`."""
    changes = {"unet": {"tile": 96, "overlap": 32, "test_time_augmentation": "d4"}}.get(
        request.param, {}
    )
    folder = make_run(request.param, tmp_path_factory.mktemp("export") / request.param, **changes)
    said: list[str] = []
    assert api.export(folder, sizes=SIZES, log=said.append) == folder / "onnx"
    assert said[-1].startswith("outputs of the graphs differ by")
    return folder


def test_the_folder_is_whole_and_says_how_it_was_proven(run: Path) -> None:
    about = json.loads((run / "onnx" / "model.json").read_text())
    names = {"client.py", "model.json", *(f"{graph}.onnx" for graph in about["graphs"])}
    assert {path.name for path in (run / "onnx").iterdir()} == names
    assert about["parity"]["output"] <= 1e-4
    assert about["parity"]["count"] >= 3
    assert about["parity"]["lost"] == 0
    assert {path.name for path in run.iterdir()} == {"checkpoints", "onnx", "run.json"}


COMPARED = {
    "classification": {"score"},
    "localization": {"score", "box"},
    "detection": {"score", "box"},
    "instance_segmentation": {"score", "box", "masks"},
    "keypoint_detection": {"score", "box", "points"},
    "semantic_segmentation": {"pixels"},
}
SAID = {
    "score": "differ by",
    "box": "boxes by",
    "masks": "masks by",
    "points": "keypoints are elsewhere",
    "pixels": "pixels have another class",
}


def test_what_was_compared_is_said_for_each_task(run: Path) -> None:
    about = json.loads((run / "onnx" / "model.json").read_text())
    parity = about["parity"]
    del parity["sizes"]
    assert {name for name in SAID if parity[name] is not None} == COMPARED[about["task"]]
    line = str(Parity(**parity)).partition("; ")[2]
    assert {name for name, words in SAID.items() if words in line} == COMPARED[about["task"]]
    assert ("probabilities" in line) == (about["task"] == "classification")


def test_the_client_alone_answers_as_the_package_does(run: Path, tmp_path: Path) -> None:
    paths = make_images(tmp_path)
    command = [sys.executable, "-W", "error", "-c", ALONE, str(run / "onnx"), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    loaded = api.load(run, device="cpu")
    rule = json.loads((run / "onnx" / "model.json").read_text())["postprocess"]
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        expected = loaded.predict(path)
        with np.load(f"{path}.npz") as found:
            parity = compare_answers(expected, dict(found), rule)
        assert parity.holds(), parity
        answer, own = expected.answer(0.0), json.loads(line)
        assert own.keys() == answer.keys()
        if "objects" in answer:
            assert len(own["objects"]) == len(answer["objects"]) > 0
            assert own["objects"][0].keys() == answer["objects"][0].keys()
        else:
            assert own["labels" if "labels" in own else "pixels"]


def test_the_graph_takes_any_size_where_it_says_so(run: Path) -> None:
    client = load_client(run / "onnx" / "client.py").Client(run / "onnx")
    shape = client.about["graphs"]["model"]["shape"]
    free = isinstance(shape[2], str)
    assert free == (run.name in FREE)
    counts = []
    for height, width in ((64, 160), (128, 96)):
        if not free:
            height, width = shape[2:]
        counts.append(client.run("model", np.zeros((1, 3, height, width), np.float32))[0].shape)
    assert all(count[0] == 1 for count in counts)


def test_lines_of_json(run: Path, tmp_path: Path) -> None:
    paths = make_images(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    command = [sys.executable, run / "onnx" / "client.py", *paths, tmp_path / "broken.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["file"] for row in rows] == [str(path) for path in paths]
    assert [tuple(row["size"]) for row in rows] == list(OTHERS)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def nothing_left(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} == {"checkpoints", "run.json"}


def test_a_file_with_other_weights_fails_the_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx as package

    from tapetum.exporting import onnx

    right = onnx._write

    def damaged(model: Any, graph: Any, batch: Any, folder: Path) -> Any:
        result, path = right(model, graph, batch, folder), folder / f"{graph.name}.onnx"
        file = package.load(path)
        (weight,) = (w for w in file.graph.initializer if w.name.endswith("head.weight"))
        values = package.numpy_helper.to_array(weight) * np.float32(1.001)
        weight.CopyFrom(package.numpy_helper.from_array(values, weight.name))
        package.save(file, path)
        return result

    monkeypatch.setattr(onnx, "_write", damaged)
    folder = make_run("linear", tmp_path / "run")
    with pytest.raises(
        TapetumError, match="outputs of the exported model differ from the model: outputs"
    ):
        api.export(folder, sizes=SIZES)
    assert nothing_left(folder)


def test_a_wrong_decoder_fails_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tapetum.exporting import onnx

    right = onnx.assemble_client
    wrong = ("softmax(logits[0])", "sigmoid(logits[0])")
    monkeypatch.setattr(onnx, "assemble_client", lambda kind: right(kind).replace(*wrong))
    folder = make_run("linear", tmp_path / "run")
    with pytest.raises(TapetumError, match="outputs of the exported model differ from the model"):
        api.export(folder, sizes=SIZES)
    assert nothing_left(folder)


def test_what_the_exporter_cannot_do_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such operator\nand much more")

    monkeypatch.setattr("torch.onnx.export", refuse)
    folder = make_run("linear", tmp_path / "run")
    with pytest.raises(TapetumError, match=r"cannot write model\.onnx: no such operator \(hint"):
        api.export(folder, sizes=SIZES)
    assert nothing_left(folder)


def test_neighbours_are_refused(tmp_path: Path) -> None:
    from tapetum.exporting.graphs import graphs_of

    model = CATALOG["knn"].build(**CATALOG["knn"].tiny)
    with pytest.raises(UsageError, match="has no graphs to export"):
        graphs_of(model)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_one_line(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"{package} is not installed .*tapetum\[onnx\]"):
        api.export(tmp_path / "run", out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"out": "."}, "exists already"),
        ({"sizes": [(64, 64), (64, 64)]}, "two different sizes"),
        ({"sizes": [(64, 64), (8, 64)]}, "16 pixels or more"),
        ({"to": "tflite"}, "unknown format 'tflite'"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_loaded(
    changes: dict[str, Any], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=complaint):
        api.export("nowhere", **{"out": "out", **changes})


def test_classifiers_of_small_images_keep_their_size(tmp_path: Path) -> None:
    run = make_run("resnet10", tmp_path / "run", image_size=32)
    about = json.loads((api.export(run, out=tmp_path / "out") / "model.json").read_text())
    assert about["graphs"]["model"]["shape"][2:] == [32, 32]


@pytest.mark.slow
def test_a_detector_of_small_images_is_exported(tmp_path: Path) -> None:
    """The last map of its pyramid is a single cell."""
    run = make_run("retinanet", tmp_path / "run", min_size=64, max_size=128)
    lines: list[str] = []
    folder = api.export(run, out=tmp_path / "out", sizes=[(64, 64), (64, 96)], log=lines.append)
    about = json.loads((folder / "model.json").read_text())
    assert about["graphs"]["model"]["shape"][2:] == ["32 * height", "32 * width"]


def test_nothing_to_compare_is_said() -> None:
    assert "no objects were compared: their scores are all alike" in str(Parity())


def test_the_client_of_a_classifier_that_crops_crops(tmp_path: Path) -> None:
    """Proven by the export itself, on images of two proportions and a scene."""
    own = {"image_size": 48, "resize_size": 55, "crop_mode": "center"}
    run = make_run("resnet10", tmp_path / "run", **own)
    about = json.loads((api.export(run, out=tmp_path / "out") / "model.json").read_text())
    kept = {name: about["preprocess"][name] for name in ("kind", "resize_size", "size")}
    assert kept == {"kind": "center", "resize_size": 55, "size": 48}
    assert about["parity"]["output"] <= 1e-4
    assert about["parity"]["score"] <= 1e-3


CUSTOM = """
import torch
from tapetum import Model
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.structures import DEFAULT_POSTPROCESS, ExportGraph, Prediction


class Mean(Model):
    task = "classification"

    def __init__(self, num_classes=3, kind="labels"):
        super().__init__()
        self.head = torch.nn.Linear(3, num_classes)
        self.preprocessing = SquarePreprocessing(16)
        self.kind = kind

    def preprocess(self, images, targets=None):
        return self.preprocessing(images, targets, self.head.weight)

    def forward(self, pixels, sizes, targets=None, generator=None):
        return (self.head(pixels.mean(dim=(2, 3))),)

    def losses(self, output, targets):
        return {"sum": output[0].sum()}

    def postprocess(self, output, batch, options=DEFAULT_POSTPROCESS):
        scores = output[0].softmax(dim=1)
        return [Prediction(labels=row.argmax()[None], class_scores=row) for row in scores]

    def target_logits(self, images, targets):
        raise NotImplementedError

    def explain_layers(self):
        return {}

    def export_graphs(self):
        def heads(pixels):
            return self(pixels, torch.empty(0))

        dynamic = {0: ("batch", 1, 1)}
        return [ExportGraph("model", heads, "pixels", ("logits",), lambda b: b.pixels, dynamic)]

    def export_rule(self):
        labels = {"kind": self.kind, "multilabel": False, "sure": 0.5}
        return {"preprocess": self.preprocessing.export_rule(), "postprocess": labels}
"""


def custom_run(tmp_path: Path, **arguments: Any) -> Path:
    """A run with one checkpoint of a model in the user's own file."""
    (tmp_path / "mine.py").write_text(CUSTOM)
    name = f"{tmp_path / 'mine.py'}:Mean"
    named_by_user(name)
    model_info = ModelInfo(name, {"num_classes": 3, **arguments}, ("a", "b", "c"))
    parts = model_parts(model_function(name)().state_dict(), model_info)
    run = tmp_path / "run"
    write_record(run, model_info)
    write_bundle(run / "checkpoints" / "step-00000001", parts, {"step": 1, "metric": None})
    return run


def test_a_custom_model_that_says_how_is_exported(tmp_path: Path) -> None:
    about = json.loads((api.export(custom_run(tmp_path), sizes=SIZES) / "model.json").read_text())
    assert about["schema"] == "tapetum.onnx/2"
    assert about["parity"]["output"] <= 1e-4
    assert about["parity"]["score"] <= 1e-3
    assert about["parity"]["count"] == 3


def test_a_rule_that_no_client_reads_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no client reads outputs of the kind 'words'.*labels"):
        api.export(custom_run(tmp_path, kind="words"), sizes=SIZES)
    assert not (tmp_path / "run" / "onnx").exists()


def test_images_that_are_too_small_for_a_graph_are_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"sizes.*32 pixels after preprocessing.*64 or more"):
        api.export(
            make_run("unet", tmp_path / "run"), out=tmp_path / "o", sizes=((32, 48), (48, 32))
        )
    assert not (tmp_path / "o").exists()


def test_keypoints_elsewhere_are_counted_over_all_objects() -> None:
    """Thirteen of seventeen at another place, of each object."""
    count = 40
    one: dict[str, Any] = {
        "boxes": np.tile(np.array([0, 0, 30, 30], np.float32), (count, 1)),
        "labels": np.zeros(count, np.int64),
        "scores": np.linspace(0.9, 0.5, count, dtype=np.float32),
        "keypoints": np.zeros((count, 17, 3), np.float32),
    }
    other = {**one, "keypoints": one["keypoints"].copy()}
    other["keypoints"][:, :13, 0] = 9
    parity = _compare_objects(one, other, None)
    assert parity.points == pytest.approx(13 / 17)
    assert not parity.holds()


def test_what_counts_in_the_client_is_what_counts_for_predict(tmp_path: Path) -> None:
    """Thresholds of the run, by class; masks stay with their objects."""
    about = {"classes": ["a", "b"], "thresholds": [0.9, 0.2]}
    masks = np.zeros((3, 4, 4), bool)
    masks[1, 1, 1] = True
    found = {
        "boxes": np.zeros((3, 4), np.float32),
        "labels": np.array([0, 1, 0]),
        "scores": np.array([0.8, 0.5, 0.4], np.float32),
        "masks": masks,
    }
    (row,) = describe_masks(found, about, None)["objects"]
    assert (row["class"], row["score"]) == ("b", 0.5)
    assert row["mask"]["counts"] == run_lengths(masks[1])
    assert len(describe_masks(found, about, 0.6)["objects"]) == 1
