"""One's own model by "FILE.py:FUNCTION": found, run once, refused in one line, recorded, loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from tapetum import api
from tapetum.base.bundle import write_bundle
from tapetum.base.custom_code import custom_function
from tapetum.base.errors import CheckpointError, TapetumError, UsageError
from tapetum.inference.custom_code import DIGEST, custom_code_facts, named_by_user
from tapetum.inference.predictor import load
from tapetum.models import task_of
from tapetum.models.catalog import (
    arguments_of,
    defaults_of,
    fitting_arguments,
    lasting_name,
    model_function,
)
from tapetum.runs.model_info import ModelInfo
from tapetum.weights.checkpoint import model_parts
from tapetum.weights.sources import source_of
from tests.runs.records import write_record

MODEL = """
import helper
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.linear import linear

helper.RUNS.append(__name__)


class Mine(ImageClassifier):
    def __init__(self, network, preprocessing):
        super().__init__(network, preprocessing)


def build(num_classes: int = 2, image_size: int = 8, backbone: str = "resnet18") -> ImageClassifier:
    return linear(num_classes=num_classes, image_size=image_size)


def unsaid(num_classes=2):
    return build(num_classes)


TWO = 2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("RUNS = []\n")
    path = tmp_path / "my_model.py"
    path.write_text(MODEL)
    named_by_user(f"{path}:build", f"{path}:Mine", f"{path}:unsaid")
    yield path
    sys.modules.pop("helper", None)


def test_a_function_in_a_file_is_a_model(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = list(sys.path)
    model = model_function(f"{file}:build")(num_classes=5)
    assert model.network.head.out_features == 5
    assert sys.path == before
    monkeypatch.chdir(file.parent)
    assert model_function("my_model.py:build") is model_function(f"{file}:build")
    runs = sys.modules["helper"].RUNS
    assert runs == [model_function("my_model.py:build").__module__]
    assert not list(file.parent.rglob("my_model*.pyc"))


def test_a_file_that_changed_is_run_again(file: Path) -> None:
    first = model_function(f"{file}:build")
    file.write_text(MODEL.replace("num_classes: int = 2", "num_classes: int = 7"))
    named_by_user(f"{file}:build")
    assert model_function(f"{file}:build")().network.head.out_features == 7
    assert first().network.head.out_features == 2


def test_the_task_is_that_of_the_class(file: Path) -> None:
    assert task_of(f"{file}:build") == "classification"
    assert task_of(f"{file}:Mine") == "classification"
    with pytest.raises(UsageError, match="says of no task") as caught:
        task_of(f"{file}:unsaid")
    assert "-> Class" in str(caught.value)
    assert task_of("unet") == "semantic_segmentation"


def test_arguments_are_those_of_its_signature(file: Path) -> None:
    words = f"{file}:build"
    assert fitting_arguments(words, {}, {"num_classes": 4, "anchor_sizes": []}) == {
        "num_classes": 4
    }
    defaults = {"num_classes": 2, "image_size": 8, "backbone": "resnet18"}
    assert arguments_of(words) == defaults_of(words) == defaults
    assert defaults_of(f"{file}:Mine") == {}  # none of its arguments has one
    with pytest.raises(UsageError, match=r"'widht' .hint: it takes num_classes, image_size"):
        fitting_arguments(words, {"widht": 3}, {})


def test_names_last_and_weights_are_only_those_asked_for(file: Path) -> None:
    assert lasting_name("retinanet") == "retinanet"
    relative = Path(file.name + ":build")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(file.parent)
        assert lasting_name(str(relative)) == f"{file}:build"
    assert source_of("auto", f"{file}:build", {"backbone": "resnet18"}) is None
    assert source_of("auto", "retinanet", {"backbone": "resnet18"}) is not None


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        ("", "nothing.py:build", "nothing.py: no such file"),
        ("a = 1\n", "m.py:build", "m.py: has no function 'build' (hint: it has a)"),
        ("from os import system\n", "m.py:system", "has no function 'system' (hint: it has none)"),
        ("build = 3\n", "m.py:build", "m.py: build: is no function"),
        ("def build(:\n", "m.py:build", "m.py: line 1: not Python: invalid syntax"),
        (
            "import nowhere_at_all\ndef build(): ...\n",
            "m.py:build",
            "m.py: line 1: ModuleNotFoundError: No module named 'nowhere_at_all'",
        ),
        ("def build(): ...\n\nraise SystemExit\n", "m.py:build", "m.py: line 3: SystemExit"),
        ("def build(): ...\n", "m.py:build", "m.py: build: says of no task"),
        ("", "unheard_of", "unknown model 'unheard_of'"),
        ("", "m.py:no-name", "unknown model"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, words: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(text)
    wanted = words if ".py" not in words else str(tmp_path / words)
    with pytest.raises(UsageError) as caught:
        named_by_user(wanted)
        task_of(wanted)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def build(): ...\n\n1 / 0\n")
    named_by_user(f"{tmp_path / 'm.py'}:build")
    modules, places = set(sys.modules), list(sys.path)
    with pytest.raises(UsageError, match="line 3: ZeroDivisionError: division by zero"):
        task_of(f"{tmp_path / 'm.py'}:build")
    assert not [name for name in set(sys.modules) - modules if name.startswith("tapetum_own")]
    assert sys.path == places


def saved(run: Path, model: str, facts: dict[str, str] | None = None) -> Path:
    """A run with one checkpoint of a linear classifier, as a training leaves it."""
    network = model_function(model)(num_classes=3, image_size=8)
    environment = custom_code_facts(model) if facts is None else facts
    model_info = ModelInfo(
        lasting_name(model),
        {"num_classes": 3, "image_size": 8},
        ("a", "b", "c"),
        facts={"environment": environment},
    )
    write_record(run, model_info)
    folder = run / "checkpoints" / "step-00000001"
    write_bundle(folder, model_parts(network.state_dict(), model_info), {"step": 1, "metric": 0.5})
    return run


def test_a_run_of_it_loads_and_tells_of_changes(file: Path, tmp_path: Path) -> None:
    run = saved(tmp_path / "run", f"{file}:build")
    told: list[str] = []
    predictor = load(run, log=told.append)
    image = torch.rand(3, 20, 30)
    assert predictor.task.name == "classification"
    assert set(predictor.predict(image).labels.tolist()) <= {0, 1, 2}
    assert told == []
    file.write_text(MODEL + "# another line\n")
    with pytest.raises(CheckpointError, match="not run, because it has changed since"):
        load(run)
    again = load(run, model=f"{file}:build", log=told.append)
    assert told == [f"{file} has changed since the run was trained"]
    torch.testing.assert_close(
        again.predict(image).class_scores, predictor.predict(image).class_scores
    )


def test_a_run_without_its_file_is_one_line(file: Path, tmp_path: Path) -> None:
    run = saved(tmp_path / "run", f"{file}:build")
    file.unlink()
    with pytest.raises(CheckpointError, match="no such file") as caught:
        load(run)
    assert str(file) in str(caught.value)


def test_a_run_goes_with_its_file_elsewhere_if_that_is_named(file: Path, tmp_path: Path) -> None:
    run = saved(tmp_path / "run", f"{file}:build")
    (tmp_path / "moved").mkdir()
    moved = file.rename(tmp_path / "moved" / "m.py")
    (tmp_path / "helper.py").rename(tmp_path / "moved" / "helper.py")
    predictor = load(run, model=f"{moved}:build")
    assert predictor.model_info.model == f"{moved}:build"
    assert predictor.task.name == "classification"


def test_a_model_that_is_loaded_answers_though_its_file_changes(file: Path, tmp_path: Path) -> None:
    predictor = load(saved(tmp_path / "run", f"{file}:build"))
    file.write_text("raise SystemExit")
    assert len(predictor.predict(torch.rand(3, 20, 30)).labels) == 1


def test_only_a_run_of_ones_own_model_has_it_named_again(file: Path, tmp_path: Path) -> None:
    run = saved(tmp_path / "run", "linear")
    for words in (f"{file}:build", "linear"):
        with pytest.raises(UsageError, match=": linear"):
            load(run, model=words)
    with pytest.raises(UsageError, match=": retinanet"):
        load("retinanet", model=f"{file}:build")


def test_a_function_that_makes_no_model_is_not_called(tmp_path: Path) -> None:
    """A run must not be able to call what lies about on a disk with arguments of its choice."""
    (tmp_path / "tool.py").write_text("def wipe(folder):\n    raise SystemExit('it was called')\n")
    run = tmp_path / "run"
    saved(run, "linear")
    shown = run / "checkpoints" / "step-00000002"
    model_info = ModelInfo(f"{tmp_path / 'tool.py'}:wipe", {"folder": "/"}, ("a",))
    write_bundle(shown, model_parts({}, model_info), {"step": 2, "metric": 0.9})
    write_record(run, model_info)
    with pytest.raises(CheckpointError, match="you have not named it yourself"):
        load(run)
    with pytest.raises(TapetumError, match="says of no task that it makes a model"):
        load(run, model=f"{tmp_path / 'tool.py'}:wipe")


def test_the_digest_is_recorded(file: Path) -> None:
    own = custom_function(f"{file}:build")
    assert own is not None
    assert custom_code_facts(f"{file}:build") == {DIGEST: own.digest()}
    assert len(own.digest()) == 64
    assert custom_code_facts("retinanet") == {}


def test_weights_that_could_not_be_saved_are_refused_at_once(tmp_path: Path) -> None:
    """Not after hours, and not when they are to be read again."""
    (tmp_path / "odd.py").write_text(
        "import torch\nfrom tapetum.models.classification.classifier import ImageClassifier\n"
        "from tapetum.models.classification.linear import linear\n"
        "def named(num_classes: int = 2) -> ImageClassifier:\n"
        "    model = linear(num_classes=num_classes, image_size=8)\n"
        "    model.parts = torch.nn.ModuleDict({'stop sign': torch.nn.Linear(2, 2)})\n"
        "    return model\n"
        "def endless(num_classes: int = 2) -> ImageClassifier:\n"
        "    model = linear(num_classes=num_classes, image_size=8)\n"
        "    model.register_buffer('mask', torch.full((2,), -float('inf')))\n"
        "    return model\n"
    )
    for name, words in (("named", "stop sign.*not a name"), ("endless", "mask: .*not finite")):
        with pytest.raises(CheckpointError, match=words):
            api.train(f"{tmp_path / 'odd.py'}:{name}", "scenes", out=tmp_path / "run", max_steps=1)
        assert not (tmp_path / "run").exists()


def test_a_model_that_inherits_nothing_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "duck.py"
    path.write_text("import torch\n\nclass Duck(torch.nn.Linear):\n    task = 'classification'\n")
    named_by_user(f"{path}:Duck")
    with pytest.raises(UsageError, match=r"duck.py:Duck: builds a Duck.*inherit tapetum\.Model"):
        api.train(
            f"{path}:Duck",
            "scenes:count=4",
            out=tmp_path / "run",
            arguments={"in_features": 3, "out_features": 2},
            observers=(),
        )
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_model_that_inherits_nothing_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "duck.py"
    path.write_text("import torch\n\nclass Duck(torch.nn.Linear):\n    task = 'classification'\n")
    arguments = {"in_features": 3, "out_features": 2}
    model_info = ModelInfo(f"{path}:Duck", arguments, ("a", "b"))
    state = torch.nn.Linear(3, 2).state_dict()
    write_record(tmp_path / "run", model_info)
    checkpoint = tmp_path / "run" / "checkpoints" / "step-00000002"
    write_bundle(checkpoint, model_parts(state, model_info), {"step": 2, "metric": 0.9})
    with pytest.raises(UsageError, match=r"duck.py:Duck: builds a Duck.*inherit tapetum\.Model"):
        load(tmp_path / "run", model=f"{path}:Duck")
