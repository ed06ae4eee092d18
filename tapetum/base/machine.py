"""This machine: versions, processor and GPUs, and what keeps PyTorch from using a GPU."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from tapetum.base.limits import DEFAULT_LIMITS
from tapetum.base.runtime import choose_runtime


def environment() -> dict[str, Any]:
    """Versions and machine, as a run records them.

    Returns:
        Values of JSON by name.
    """
    packages = ("numpy", "pillow", "scipy", "scikit-learn", "safetensors", "matplotlib")
    return {
        "tapetum": importlib.metadata.version("tapetum"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: importlib.metadata.version(name) for name in packages},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def environment_facts() -> dict[str, Any]:
    """Describe the environment of tapetum on this machine.

    Returns:
        Versions of packages, the machine, its devices and those that "auto" chooses, the limits
        for untrusted files, and "advice": one line for each known incompatibility.
    """
    facts = environment()
    facts["prediction runs on"] = str(choose_runtime())
    facts["training runs on"] = str(choose_runtime(training=True))
    facts["devices"] = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    facts["limits"] = asdict(DEFAULT_LIMITS)
    facts["advice"] = advice(look_around())
    return facts


@dataclass(frozen=True)
class Machine:
    """What decides whether PyTorch finds its GPU.

    cuda: the CUDA version that PyTorch is built for; None: not for CUDA. complaint: what PyTorch
    warned of when it was asked for GPUs. driver: is one of NVIDIA's installed? hidden: does
    CUDA_VISIBLE_DEVICES hide all GPUs? gpus: names with (major, minor) of their compute
    capability. architectures: what PyTorch is built for, as in "sm_80" and "compute_90".
    apple: a processor of Apple's. versions, floors: of packages by name, here and at least.
    """

    cuda: str | None = None
    complaint: str = ""
    driver: bool = False
    hidden: bool = False
    gpus: tuple[tuple[str, tuple[int, int]], ...] = ()
    architectures: tuple[str, ...] = ()
    apple: bool = False
    mps: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    floors: dict[str, str] = field(default_factory=dict)


def look_around() -> Machine:
    """Describe this machine.

    Returns:
        The facts that `advice` needs.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    count = torch.cuda.device_count() if available else 0
    names = (torch.cuda.get_device_name(i) for i in range(count))
    capabilities = (torch.cuda.get_device_capability(i) for i in range(count))
    floors = _floors()
    return Machine(
        cuda=torch.version.cuda,
        complaint="" if available else " ".join(str(warning.message) for warning in caught),
        driver=bool(shutil.which("nvidia-smi")) or Path("/proc/driver/nvidia/version").exists(),
        hidden=os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"),
        gpus=tuple(zip(names, capabilities, strict=True)),
        architectures=tuple(torch.cuda.get_arch_list()),
        apple=platform.system() == "Darwin" and platform.machine() == "arm64",
        mps=torch.backends.mps.is_available(),
        versions={name: importlib.metadata.version(name) for name in floors},
        floors=floors,
    )


def advice(machine: Machine) -> list[str]:
    """Combinations of versions, driver and options on a machine that are known to fail.

    Args:
        machine: see `look_around`.

    Returns:
        A line for each, with what to do about it.
    """
    return [*_about_cuda(machine), *_about_gpus(machine), *_about_versions(machine)]


def _about_cuda(machine: Machine) -> Iterator[str]:
    """Why there is no GPU although there might be."""
    if machine.gpus:
        return
    if machine.hidden and (machine.cuda or machine.driver):
        yield "CUDA_VISIBLE_DEVICES hides every GPU: unset it to use them"
    elif machine.cuda is None and machine.driver:
        yield (
            "an NVIDIA GPU, but a PyTorch without CUDA: install its CUDA build (pytorch.org says "
            "which)"
        )
    elif machine.cuda and (old := re.search(r"too old \(found version (\d+)\)", machine.complaint)):
        known = f"{int(old[1]) // 1000}.{int(old[1]) % 1000 // 10}"
        yield (
            f"the NVIDIA driver is too old: it knows CUDA {known}, PyTorch is built for "
            f"{machine.cuda}: update the driver, or install a PyTorch build for CUDA {known}"
        )
    elif machine.cuda and machine.complaint:
        yield f"PyTorch cannot use the GPU: {_first_sentence(machine.complaint)}"
    elif machine.cuda and machine.driver:
        yield (
            f"an NVIDIA driver and a PyTorch for CUDA {machine.cuda}, but no GPU: see nvidia-smi; "
            "in a container, pass it in (docker run --gpus all)"
        )
    elif machine.cuda:
        yield (
            f"PyTorch is built for CUDA {machine.cuda} and sees no GPU: install NVIDIA's driver, "
            "or, without a GPU, PyTorch's CPU build, which is smaller"
        )


def _about_gpus(machine: Machine) -> Iterator[str]:
    """What PyTorch cannot use of what there is."""
    for name, (major, minor) in machine.gpus:
        if not _runs(major, minor, machine.architectures):
            built = " ".join(machine.architectures)
            yield (
                f"{name} has compute capability {major}.{minor}, PyTorch is built for {built}: "
                "install another build of PyTorch, or use the CPU"
            )
    if machine.apple and not machine.mps:
        yield (
            "an Apple GPU that PyTorch cannot use: macOS 14 or newer, and a PyTorch built with MPS"
        )


def _about_versions(machine: Machine) -> Iterator[str]:
    for name, floor in machine.floors.items():
        version = machine.versions[name]
        if _numbers(version) < _numbers(floor):
            yield f"{name} {version} is older than {floor}: pip install '{name}>={floor}'"


def _runs(major: int, minor: int, architectures: tuple[str, ...]) -> bool:
    """Machine code ("sm") runs on GPUs of its own major version that are not older, intermediate
    code ("compute") on all that are not older; with a letter behind, on no other."""
    for kind, number, letter in (_architecture(name) for name in architectures):
        compiled_for = divmod(number, 10)
        newer = (major, minor) >= compiled_for and (kind == "compute" or major == compiled_for[0])
        if (major, minor) == compiled_for or (newer and not letter):
            return True
    return not architectures  # not a CUDA build: nothing is known


def _architecture(name: str) -> tuple[str, int, str]:
    match = re.fullmatch(r"(sm|compute)_(\d+)([a-z]?)", name)
    return (match[1], int(match[2]), match[3]) if match else ("", 0, "")


def _floors() -> dict[str, str]:
    """The oldest versions that the package asks for, by the name of what it needs."""
    requirements = importlib.metadata.requires("tapetum") or []
    found = (re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement) for requirement in requirements)
    return {match[1]: match[2] for match in found if match}


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers, without zeros at the end: (2, 13) of "2.13.0+cpu"."""
    match = re.match(r"\d+(\.\d+)*", version)
    numbers = list(map(int, match[0].split("."))) if match else []
    while numbers and numbers[-1] == 0:  # 2.6.0 is not newer than 2.6
        numbers.pop()
    return tuple(numbers)


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].split("\n")[0].strip()
