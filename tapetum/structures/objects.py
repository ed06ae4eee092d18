"""Objects: the objects in one image, drawn by a person or found by a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Objects:
    """N objects in one image. N = 0 is normal everywhere.

    boxes: (N, 4) float, x1 y1 x2 y2 in absolute pixels, half open: pixel i covers [i, i + 1).
    labels: (N,) int64, index into the class names.
    scores: (N,) float, for what a model found.
    masks: (N, H, W) bool, in the frame of the image.
    keypoints: (N, K, 3) float, x y v. Where a person drew them v is 0 (absent), 1 (hidden) or 2
        (visible); where a model found them it is a score, positive for what it is sure of.
    crowd, difficult: (N,) bool, regions that COCO / VOC evaluation ignores.
    area: (N,) float, as the file states it (a mask's area in COCO).
    ids: the file's own ids, one per object.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor | None = None
    masks: Tensor | None = None
    keypoints: Tensor | None = None
    crowd: Tensor | None = None
    difficult: Tensor | None = None
    area: Tensor | None = None
    ids: tuple[int | str, ...] | None = None

    def __post_init__(self) -> None:
        _expect("boxes", self.boxes, ("N", 4), "floating")
        count = len(self.boxes)
        _expect("labels", self.labels, (count,), "int64")
        _expect("scores", self.scores, (count,), "floating")
        _expect("masks", self.masks, (count, "H", "W"), "bool")
        _expect("keypoints", self.keypoints, (count, "K", 3), "floating")
        _expect("crowd", self.crowd, (count,), "bool")
        _expect("difficult", self.difficult, (count,), "bool")
        _expect("area", self.area, (count,), "floating")
        if self.ids is not None and len(self.ids) != count:
            raise ValueError(f"ids: expected {count} entries, got {len(self.ids)}")

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, keep: Tensor | slice | Sequence[int]) -> Objects:
        """Keep some of the objects: a slice, a boolean mask (N,) or indices (M,), in that order."""
        if not isinstance(keep, slice):
            keep = torch.as_tensor(keep, device=self.boxes.device)
            if keep.numel() == 0 and keep.dtype != torch.bool:
                keep = keep.long()
        chosen = {name: value[keep] for name, value in self._tensors().items()}
        ids = None
        if self.ids is not None:
            indices = torch.arange(len(self), device=self.boxes.device)[keep].tolist()
            ids = tuple(self.ids[i] for i in indices)
        return Objects(**chosen, ids=ids)

    def map(self, function: Callable[[Tensor], Tensor]) -> Objects:
        """The same objects with `function` of every tensor."""
        return Objects(**{n: function(v) for n, v in self._tensors().items()}, ids=self.ids)

    def to(self, device: torch.device | str) -> Objects:
        """The same objects with every tensor on `device`."""
        return self.map(lambda values: values.to(device))

    def require(
        self,
        name: Literal["scores", "masks", "keypoints", "crowd", "difficult", "area"],
    ) -> Tensor:
        """The field of that name, where it must not be None.

        Args:
            name: of the field.

        Returns:
            Its tensor.

        Raises:
            ValueError: it is None.
        """
        value: Tensor | None = getattr(self, name)
        if value is None:
            raise ValueError(f"{name}: expected a tensor, got None")
        return value

    def with_(self, **changes: Any) -> Objects:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    @staticmethod
    def empty(device: torch.device | str = "cpu", *, scored: bool = False) -> Objects:
        """No objects at all; `scored` gives it a scores field, as predictions have."""
        return Objects(
            boxes=torch.zeros(0, 4, device=device),
            labels=torch.zeros(0, dtype=torch.int64, device=device),
            scores=torch.zeros(0, device=device) if scored else None,
        )

    @staticmethod
    def cat(parts: Sequence[Objects]) -> Objects:
        """All objects of several in one. A field must be present in all of them or in none."""
        if not parts:
            return Objects.empty()
        named = [sorted(part._tensors()) for part in parts]
        if any(names != named[0] for names in named):
            raise ValueError(f"cat: all parts need the same fields, got {named}")
        joined = {name: torch.cat([part._tensors()[name] for part in parts]) for name in named[0]}
        whole = all(part.ids is not None for part in parts)
        ids = tuple(i for part in parts for i in part.ids or ()) if whole else None
        return Objects(**joined, ids=ids)

    def _tensors(self) -> dict[str, Tensor]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: v for name, v in values.items() if isinstance(v, Tensor)}


def _expect(name: str, value: Tensor | None, shape: tuple[int | str, ...], kind: str) -> None:
    """Raise ValueError unless `value` has `shape` (letters are free) and a dtype of `kind`."""
    if value is None:
        return
    fits = value.ndim == len(shape) and all(
        isinstance(want, str) or want == have for want, have in zip(shape, value.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {shape}, got {tuple(value.shape)}")
    right = value.is_floating_point() if kind == "floating" else str(value.dtype) == f"torch.{kind}"
    if not right:
        raise ValueError(f"{name}: expected dtype {kind}, got {value.dtype}")
