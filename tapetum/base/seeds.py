"""Randomness: generators that depend on a seed and names alone, and deterministic contexts."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import overload

import torch


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
