"""What is checked: a model function, with images and the targets of its task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.base.custom_code import custom_function
from tapetum.base.errors import TapetumError, UsageError
from tapetum.base.seeds import generator
from tapetum.data.records.annotation_types import learns_from
from tapetum.models.catalog import CATALOG, arguments_of, model_function
from tapetum.models.custom import as_model, declared_task
from tapetum.structures import DESCEND, IGNORE_INDEX, Model, Objects, Prediction, Sample, Target
from tapetum.tasks import TASKS

BOXED = tuple(name for name, task in TASKS.items() if task.has_objects)
"""Tasks whose predictions are objects."""
ANYWHERE = tuple(name for name, task in TASKS.items() if task.has_thresholds)
"""Tasks that find any number of objects, anywhere in an image."""
KEYPOINTS = 3
"""Keypoints of each object in the targets."""
Row = tuple[float, float, float, float, int]
"""x1, y1, x2, y2, class"""


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    """An image (3, height, width) of noise, always the same one."""
    return torch.rand(3, height, width, generator=generator(seed, height, width))


SIZES = ((96, 128), (96, 128), (120, 90))
IMAGES = tuple(noise(*size, seed) for seed, size in enumerate(SIZES, start=1))
ROWS: tuple[tuple[Row, ...], ...] = (
    ((10, 10, 60, 50, 0), (70, 30, 120, 90, 1)),
    (),
    ((5, 20, 80, 110, 2),),
)
"""The objects in them; in other images they lie at the same fractions of height and width."""
ODD_SIZES = ((32, 500), (500, 33), (37, 91), (251, 127), (32, 32))


@dataclass(frozen=True)
class Subject:
    """A model function with the arguments that it is called with, and its number of classes.

    images: three of them, float. variants: arguments over which forward must mean the same.
    """

    function: Callable[..., nn.Module]
    arguments: Mapping[str, Any]
    task: str
    num_classes: int
    fitted: bool
    images: tuple[Tensor, ...] = IMAGES
    variants: tuple[Mapping[str, Any], ...] = ({},)

    @classmethod
    def of(
        cls,
        make: Callable[..., nn.Module] | str,
        arguments: Mapping[str, Any] | None = None,
        num_classes: int = 3,
        images: Sequence[Tensor] | None = None,
        variants: Sequence[Mapping[str, Any]] = ({},),
    ) -> Subject:
        """Prepare a model function for the checks.

        Args:
            make: a function, "FILE.py:FUNCTION", or a name in CATALOG.
            arguments: its keywords; by default `num_classes` (1 for keypoints) and `keypoints`
                where it has these.
            num_classes: the number of classes.
            images: (3, H, W), in place of noise.
            variants: arguments over which forward must mean the same.

        Returns:
            The subject.

        Raises:
            UsageError: no such model, or it cannot be built.
        """
        if isinstance(make, str) and (code := custom_function(make)) is not None:
            code.name()
        function = model_function(make) if isinstance(make, str) else make
        task = declared_task(function)
        one_class = task is not None and learns_from(task) == "keypoints"
        num_classes = 1 if one_class else num_classes
        follows = {"num_classes": num_classes, "keypoints": KEYPOINTS}
        known = arguments_with_defaults(function)
        keywords = {k: v for k, v in follows.items() if k in known} | dict(arguments or {})
        try:
            model = unspread(function, keywords, name=name_of(make))
        except TapetumError:
            raise
        except Exception as error:
            why = f"cannot be built with {keywords}: {type(error).__name__}: {error}"
            raise UsageError(why, file=name_of(make)) from error
        return cls(
            function,
            keywords,
            task or model.task,
            int(keywords.get("num_classes") or num_classes),
            DESCEND not in model.phases,
            IMAGES if images is None else three(images),
            tuple(variants),
        )

    def build(self, seed: int = 0, **changes: Any) -> Model:
        """A model in evaluation mode whose scores are spread out: untrained heads give nearly
        the same scores everywhere, so that rounding would decide the order of detections. Fitted,
        if it is fitted."""
        model = unspread(self.function, {**self.arguments, **changes}, seed, spread=True)
        if self.fitted:
            samples = [
                Sample(one, self.target((one.shape[1], one.shape[2]), (0, 0, 90, 90, label)))
                for label, one in enumerate(self.images)
            ]
            model.fit(samples, generator(seed))
        return model.eval()

    def target(self, size: tuple[int, int], *rows: Row, crowd: bool = False) -> Target:
        """The target of an image of `size` with objects at `rows`, as the task has it: the class of
        an image is that of the first object; pixels without object are 255."""
        rows = tuple((*row[:4], row[4] % self.num_classes) for row in rows)
        if self.annotation == "labels":
            return Target(labels=torch.tensor([row[4] for row in rows[:1]], dtype=torch.int64))
        if self.annotation == "semantic":
            semantic = torch.full(size, IGNORE_INDEX, dtype=torch.uint8)
            for x1, y1, x2, y2, label in rows:
                semantic[int(y1) : int(y2), int(x1) : int(x2)] = label
            return Target(semantic=semantic)
        objects = boxes(rows, crowd)
        if self.annotation == "masks":
            objects = objects.with_(masks=filled(objects.boxes, size))
        if self.annotation == "keypoints":
            objects = objects.with_(keypoints=corners(objects.boxes))
        return Target(objects=objects)

    def targets(self) -> list[Target]:
        """The targets of `images`."""
        found = []
        for image, old, rows in zip(self.images, SIZES, ROWS, strict=True):
            size = (image.shape[1], image.shape[2])
            y, x = size[0] / old[0], size[1] / old[1]
            moved = ((x1 * x, y1 * y, x2 * x, y2 * y, label) for x1, y1, x2, y2, label in rows)
            found.append(self.target(size, *moved))
        return found

    @property
    def annotation(self) -> str:
        """What its targets carry: "labels", "boxes", "masks", "keypoints" or "semantic"."""
        return learns_from(self.task) if self.task in TASKS else "boxes"

    @property
    def owners(self) -> list[int]:
        """The image of each score that `targets` gets."""
        return [0, 0, 2] if self.task in BOXED else [0, 2]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the first image."""
        return self.images[0].shape[1], self.images[0].shape[2]


def name_of(make: Callable[..., nn.Module] | str) -> str:
    """What to call a model function in messages."""
    return make if isinstance(make, str) else getattr(make, "__qualname__", type(make).__name__)


def unspread(
    function: Callable[..., nn.Module],
    arguments: Mapping[str, Any],
    seed: int = 0,
    *,
    spread: bool = False,
    name: str = "",
) -> Model[Any]:
    """A model that is a function of the seed alone; the random state is as before.

    Raises:
        UsageError: the function builds no `tapetum.Model`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = as_model(function(**arguments), name or name_of(function))
        for parameter in model.parameters() if spread else ():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="linear")
    return model


def three(images: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Three float images, some of them twice where fewer are given."""
    floats = [p.float() / 255 if p.dtype == torch.uint8 else p for p in images]
    if not floats:
        raise ValueError("images: expected at least one, got none")
    return tuple(floats[i % len(floats)] for i in range(3))


def boxes(rows: Sequence[Row], crowd: bool = False) -> Objects:
    return Objects(
        boxes=torch.tensor([row[:4] for row in rows], dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor([row[4] for row in rows], dtype=torch.int64),
        crowd=torch.full((len(rows),), crowd),
    )


def filled(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H, W) bool: each box without its upper left quarter, so that masks are not just boxes."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.round().long().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
        mask[y1 : (y1 + y2) // 2, x1 : (x1 + x2) // 2] = False
    return masks


def arguments_with_defaults(function: Callable[..., nn.Module]) -> dict[str, Any]:
    """The arguments of a model function with their defaults, REQUIRED for those without."""
    for name, entry in CATALOG.items():
        if entry.build is function:
            return arguments_of(name)
    return {p.name: p.default for p in inspect.signature(function).parameters.values()}


def corners(boxes: Tensor) -> Tensor:
    """(N, KEYPOINTS, 3): three points in each box; the second is hidden."""
    x1, y1, x2, y2 = boxes.unbind(1)
    middle = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2], 1)
    places = torch.stack([boxes[:, :2] + 3, middle, boxes[:, 2:] - 3], 1)
    seen = torch.tensor([2.0, 1.0, 2.0]).expand(len(boxes), KEYPOINTS)
    return torch.cat([places, seen[:, :, None]], 2)


def answered(prediction: Prediction) -> int:
    """The number of objects in a prediction."""
    if prediction.objects is not None:
        return len(prediction.objects)
    if prediction.semantic is not None:
        return len(prediction.semantic.unique())
    return 0 if prediction.class_scores is None else len(prediction.class_scores)


def as_target(prediction: Prediction) -> Target:
    """A prediction taken as the target."""
    objects = prediction.objects
    if objects is not None:
        objects = objects.with_(scores=None)
    return Target(prediction.labels, objects, prediction.semantic)


def without(one: Target) -> Target:
    """The same target with nothing in it."""
    objects = one.objects
    return replace(
        one,
        labels=None if one.labels is None else one.labels[:0],
        objects=None if objects is None else objects[:0],
        semantic=None if one.semantic is None else torch.full_like(one.semantic, IGNORE_INDEX),
    )
