"""Device, precision, randomness and memory: where a computation runs, decided in one place."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import hashlib
import multiprocessing
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

import torch

from tapetum.base.errors import UsageError
from tapetum.base.ranks import launched, local_device

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MAX_FILES = 65536
ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)
_NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "alloc_failed")


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
    reason = f"the run was trained on {device} {precision}, which is not here"
    return runtime, f"{reason}: it goes on with {runtime}, whose rounding is another"


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


def generator(seed: int, *keys: int | str, device: str = "cpu") -> torch.Generator:
    """A random generator that is a pure function of its arguments.

    Each random choice is named, as in `generator(seed, "augment", epoch, index)`, so that no draw
    depends on workers, on order, or on what was drawn before.

    Args:
        seed: of the run.
        keys: the name of the choice.
        device: of the generator.

    Returns:
        The generator.
    """
    return torch.Generator(device).manual_seed(derive_seed(seed, *keys))


class ImageGenerators(Sequence[torch.Generator]):
    """A random generator for each image of a batch, made when it is first asked for.

    What is drawn for an image is a function of `seed`, its keys and the kind of device: not of its
    place in the batch, of the other images, or of the process.
    """

    def __init__(
        self, seed: int, keys: Sequence[tuple[int | str, ...]], device: torch.device | str = "cpu"
    ) -> None:
        """
        Args:
            seed: of the training.
            keys: what names each image and the purpose, as in ("step", epoch, index).
            device: where the numbers are drawn.
        """
        self._seed, self._keys, self._device = seed, keys, str(device)
        self._made: dict[int, torch.Generator] = {}

    @overload
    def __getitem__(self, index: int) -> torch.Generator: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[torch.Generator]: ...
    def __getitem__(self, index: int | slice) -> torch.Generator | Sequence[torch.Generator]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        keys = self._keys[index]  # an index that there is not is refused here
        if index not in self._made:
            self._made[index] = generator(self._seed, *keys, device=self._device)
        return self._made[index]

    def __len__(self) -> int:
        return len(self._keys)


def image_generators(seed: int, count: int) -> ImageGenerators:
    """Generators for images that are named by their index alone.

    Args:
        seed: of the run.
        count: of images.

    Returns:
        A generator for each image.
    """
    return ImageGenerators(seed, [(index,) for index in range(count)])


def derive_seed(seed: int, *keys: int | str) -> int:
    """A seed from a seed and keys, the same on all machines and Python versions.

    Args:
        seed: of the run.
        keys: the name of the choice.

    Returns:
        63 bits.
    """
    digest = hashlib.blake2b(repr((int(seed), *keys)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Bit-equal results for equal inputs, inside this context; the caller's setting comes back.

    Yields:
        None.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # On CUDA some backward kernels have no deterministic twin: say so, and go on.
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


@contextlib.contextmanager
def undisturbed(module: torch.nn.Module) -> Iterator[None]:
    """Inside, a module is in evaluation mode; afterwards the mode of each submodule is as it was.

    The global random state is restored too, so that predicting never changes a training.

    Args:
        module: the module.

    Yields:
        None.
    """
    modes = [(part, part.training) for part in module.modules()]
    state = torch.random.get_rng_state()
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        torch.random.set_rng_state(state)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device or the machine is out of memory.

    Linux often kills a process instead, which no program can catch.

    Args:
        error: what was raised.

    Returns:
        True if it does.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _NO_MEMORY)


def release_memory() -> None:
    """Give memory that is no longer used back to the system and the devices."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def tune_allocator() -> str:
    """Keep big blocks in the process instead of returning them to the system after each forward.

    glibc's defaults cost some 400,000 page faults per forward of a ResNet-50 on 16 images. Linux
    with glibc only; TAPETUM_ALLOCATOR=system switches it off. Called by the command line, never by
    an import.

    Returns:
        What was done, a phrase.
    """
    if os.environ.get("TAPETUM_ALLOCATOR") == "system":
        return "system (TAPETUM_ALLOCATOR=system)"
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return "system"
    mallopt = ctypes.CDLL("libc.so.6").mallopt
    mmap_threshold, trim_threshold = -3, -1
    done = mallopt(mmap_threshold, 1 << 30) and mallopt(trim_threshold, 2**31 - 1)
    return "tuned (large blocks kept)" if done else "system"
