"""Device and precision: where a computation runs, decided in one place."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

from tapetum.base.errors import UsageError
from tapetum.base.ranks import launched, local_device

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MAX_FILES = 65536
ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)


@dataclass(frozen=True)
class Runtime:
    """A device and the precision of matrix products on it (weights stay float32)."""

    device: torch.device
    precision: str = "fp32"

    def autocast(self) -> contextlib.AbstractContextManager:
        """The context in which forward runs; float32 arithmetic where precision is "fp32"."""
        if self.precision == "fp32":
            return _full_digits() if self.device.type == "cuda" else contextlib.nullcontext()
        return torch.autocast(self.device.type, _DTYPES[self.precision])

    def receive(self, tensor: torch.Tensor) -> torch.Tensor:
        """`tensor` on the device. To a GPU it is copied from pinned memory, without waiting."""
        if self.device.type != "cuda" or tensor.device.type != "cpu":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def __str__(self) -> str:
        return f"{self.device} {self.precision}"


@contextlib.contextmanager
def _full_digits() -> Iterator[None]:
    """Inside, convolutions on a GPU keep float32's digits (cuDNN's default is TF32, with ten bits).

    Matrix products do so by PyTorch's default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def choose_runtime(
    device: str = "auto", precision: str = "auto", *, training: bool = False
) -> Runtime:
    """Resolve names of device and precision, "auto" included, to those of this machine.

    "auto" precision means for training: bf16 where the processor computes in it, fp16 on CUDA GPUs
    that do not (before compute capability 8), else fp32. "auto" for prediction and evaluation is
    fp32; the validations of a training are as the training, but for fp16.

    Args:
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "fp32", "bf16" or "fp16".
        training: whether it is for a training.

    Returns:
        Device and precision.

    Raises:
        UsageError: an unknown name, or a device that this machine does not have.
    """
    where = choose_device(device)
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", hint="one of " + ", ".join(PRECISIONS))
    if precision == "fp16" and where.type == "cpu":
        raise UsageError("fp16 needs a GPU", hint="use bf16 or fp32 on a processor")
    if precision == "fp16" and training and where.type != "cuda":
        raise UsageError("training in fp16 needs a CUDA GPU", hint="train in fp32")
    if precision == "auto":
        precision = training_precision(where) if training else "fp32"
    return Runtime(where, precision)


def training_precision(device: torch.device) -> str:
    """What "auto" precision means in training.

    Args:
        device: to train on.

    Returns:
        "bf16", "fp16" or "fp32".
    """
    if has_bf16(device):
        return "bf16"
    return "fp16" if device.type == "cuda" else "fp32"


def recorded_runtime(device: str, precision: str) -> tuple[Runtime, str | None]:
    """Where a run that was trained elsewhere is continued.

    On the same device and precision where this machine has them, else on what "auto" chooses; fp32
    stays fp32. Of several processes each takes its own GPU, whichever one the run recorded.

    Args:
        device: of the run.
        precision: of the run.

    Returns:
        Device and precision, and a line about what changes, None if nothing does.
    """
    if launched().world_size > 1 and device.startswith("cuda:"):
        device = "cuda"
    try:
        return choose_runtime(device, precision, training=True), None
    except UsageError:
        kept = "fp32" if precision == "fp32" else "auto"
        runtime = choose_runtime("auto", kept, training=True)
    reason = f"the run was trained on {device} {precision}, which is not available here"
    return runtime, f"{reason}: the training continues on {runtime}, which rounds differently"


def choose_device(name: str = "auto") -> torch.device:
    """A device by name.

    Args:
        name: "auto", which is CUDA, else Apple's MPS, else the CPU; or a name of PyTorch.

    Returns:
        The device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return local_device(torch.device("cuda"))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        hint = "auto, cpu, cuda, cuda:1, mps"
        raise UsageError(f"unknown device {name!r}", hint=hint) from error
    absent = (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()) or (
        device.type == "mps" and not torch.backends.mps.is_available()
    )
    if absent or device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"this machine has no device {name!r}", hint="tapetum env lists them")
    return local_device(device)


def placed(
    module: ModuleT, device: torch.device, memory_format: torch.memory_format = torch.channels_last
) -> ModuleT:
    """Move the weights of a module.

    Args:
        module: is changed.
        device: where they go.
        memory_format: of weights with four dimensions.

    Returns:
        The module itself.
    """
    # torch's type stubs know no memory_format of nn.Module.to
    return module.to(device, memory_format=memory_format)  # type: ignore[call-overload]


def has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 matrices in hardware; emulation is slower than fp32.

    Args:
        device: the device.

    Returns:
        True if it does.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu":
        return False
    return _cpu_flag("avx512_bf16") or _cpu_flag("amx_bf16")


def _cpu_flag(name: str) -> bool:
    probe = {
        "avx512_bf16": "_is_avx512_bf16_supported",
        "amx_bf16": "_is_amx_tile_supported",
    }[name]
    function = getattr(torch.cpu, probe, None)
    return bool(function and function())


def worker_start() -> str:
    """How worker processes start, on Linux by "fork" whatever Python's default is.

    Returns:
        "fork", which shares the memory of this process; else "spawn" or "forkserver".
    """
    chosen = multiprocessing.get_start_method(allow_none=True)
    return chosen or ("fork" if sys.platform == "linux" else "spawn")


def allow_many_files() -> None:
    """Raise this process's limit of open files as far as the system lets it: workers hand each
    tensor over as a file, and the usual 1024 are a few batches."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has further limits
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
