"""What `tapetum env` advises, of machines that are not here."""

from __future__ import annotations

import pytest

from tapetum.api.about import models
from tapetum.base.machine import Machine, advice, environment_facts, look_around
from tapetum.models import CATALOG
from tapetum.models.latency import latencies
from tapetum.tasks import TASKS

TOO_OLD = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). "
    "Please update your GPU driver by downloading and installing a new version."
)
BUILT = ("sm_75", "sm_80", "sm_86", "sm_90a")
FLOORS = {"torch": "2.6", "numpy": "1.26", "pillow": "10.4"}
FINE = {"torch": "2.13.0+cpu", "numpy": "2.0.0rc1", "pillow": "10.4.0"}


def gpu(major: int, minor: int, architectures: tuple[str, ...] = BUILT) -> Machine:
    gpus = (("Some GPU", (major, minor)),)
    return Machine(cuda="12.6", driver=True, gpus=gpus, architectures=architectures)


@pytest.mark.parametrize(
    "machine",
    [
        Machine(),
        Machine(hidden=True),
        Machine(apple=True, mps=True),
        Machine(versions=FINE, floors=FLOORS),
        Machine(versions={"torch": "2.6"}, floors={"torch": "2.6.0"}),
        gpu(8, 0),
        gpu(8, 9),
        gpu(9, 0),
        gpu(12, 0, ("sm_90", "compute_90")),
        Machine(driver=True, gpus=(("ROCm", (9, 4)),)),
    ],
)
def test_what_fits_together_needs_no_advice(machine: Machine) -> None:
    assert advice(machine) == []


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (Machine(cuda="12.6"), ("built for CUDA 12.6 and sees no GPU", "CPU build")),
        (Machine(cuda="12.6", driver=True), ("no GPU", "--gpus all")),
        (Machine(driver=True), ("PyTorch without CUDA", "install its CUDA build")),
        (Machine(cuda="12.6", driver=True, hidden=True), ("CUDA_VISIBLE_DEVICES", "unset")),
        (
            Machine(cuda="12.6", driver=True, complaint=TOO_OLD),
            ("too old", "knows CUDA 11.4", "built for 12.6", "update the driver"),
        ),
        (
            Machine(cuda="12.6", driver=True, complaint="CUDA unknown error - see. More."),
            ("cannot use the GPU: CUDA unknown error - see",),
        ),
        (gpu(7, 0), ("compute capability 7.0", "sm_75 sm_80", "use the CPU")),
        (gpu(12, 0), ("compute capability 12.0",)),
        (gpu(9, 1), ("compute capability 9.1",)),
        (gpu(8, 0, ("sm_86",)), ("compute capability 8.0",)),
        (Machine(apple=True), ("Apple GPU", "MPS")),
    ],
)
def test_one_line_says_what_is_wrong_and_what_to_do(machine: Machine, words: tuple) -> None:
    (line,) = advice(machine)
    assert "\n" not in line
    assert [word for word in words if word not in line] == []


def test_each_package_that_is_too_old_has_its_line() -> None:
    versions = {"torch": "2.5.1+cu121", "numpy": "1.26", "pillow": "9.5.0"}
    assert advice(Machine(versions=versions, floors=FLOORS)) == [
        "torch 2.5.1+cu121 is older than 2.6: pip install 'torch>=2.6'",
        "pillow 9.5.0 is older than 10.4: pip install 'pillow>=10.4'",
    ]


def test_the_floors_are_those_of_the_package_and_this_machine_keeps_them() -> None:
    machine = look_around()
    assert {"torch", "numpy", "pillow", "scikit-learn"} <= machine.floors.keys()
    assert "pytest" not in machine.floors
    assert not [line for line in advice(machine) if "is older than" in line]
    assert environment_facts()["advice"] == advice(machine)


def test_every_model_says_how_fast_it_is_and_each_task_which_to_begin_with():
    entries = models()
    assert {entry["name"] for entry in entries} == set(CATALOG) == set(latencies())
    firsts = [entry["task"] for entry in entries if entry["default"]]
    assert sorted(firsts) == sorted(TASKS)
    for entry in entries:
        assert entry["latency"]["predict_ms"] > 0
        assert (entry["latency"]["train_ms"] is None) == (entry["name"] == "knn")
