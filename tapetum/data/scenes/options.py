"""Options of scenes: sizes and counts, one for each challenge of vision, named presets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from tapetum.base.errors import UsageError
from tapetum.structures.tasks import TASKS

Count = tuple[int, int]
Range = tuple[float, float]


@dataclass(frozen=True)
class SceneOptions:
    """What scenes are like. The defaults suit a detector that learns for two minutes.

    count: fewest and most objects, as tried; a scene may end with fewer. None: (3, 8), or what
        the task needs (`suited`).
    scale: smallest and largest side of an object in pixels; even in the logarithm. None: (16, 96),
        or what the task needs.
    figures: fewest and most people. None: (1, 3) where keypoints are needed, else none.
    figure_scale: smallest and largest height of a standing person in pixels.
    overlap: the fraction of an object's box, at most, that the box of another may take; beside a
        person, whose box is half empty, the square root of that.
    cut: the fraction of an object's height or width, at most, that the image's border may cut off.
    min_visible: an object that shows less than this fraction of its pixels is left out altogether.
    rotation: degrees, at most, either way; half of that for people.
    light: shadows, volume and uneven, colored light; 0 is flat, 1 is harsh.
    texture: contrast of the background; 0 is one color.
    noise: standard deviation of the film grain, in levels of 255.

    The challenges, from 0 to 1. Each changes nothing else of a scene.
    viewpoint: objects are seen from the side: tilted by 20 to 65 degrees at 1.
    illumination: scenes are up to three times darker and twice lighter, colder and warmer, and
        half of one lies in a hard shadow, at 1.
    clutter: up to 30 textured shapes that have no label lie below the objects at 1.
    occlusion: boards cover 30 to 75 percent of each object at 1, less where `min_visible` says so.
    deformation: objects bend and ripple, as far as nothing folds at 1.
    intraclass: at 0 all objects of a class are the same individual, at 0.5 each has other
        colors and proportions, at 1 any color, and some are twice as wide as high or reverse.
    context: -1 to 1. At 0 the background is independent of the objects on it; at 1 they lie on one
        that is usual for their class, at -1 never on one of those; between, as often as it says.
    """

    count: Count | None = None
    scale: Range | None = None
    figures: Count | None = None
    figure_scale: Range = (48.0, 160.0)
    overlap: float = 0.35
    cut: float = 0.15
    min_visible: float = 0.25
    rotation: float = 20.0
    light: float = 0.4
    texture: float = 1.0
    noise: float = 3.0
    viewpoint: float = 0.0
    illumination: float = 0.0
    clutter: float = 0.0
    occlusion: float = 0.0
    deformation: float = 0.0
    intraclass: float = 0.5
    context: float = 0.0

    def __post_init__(self) -> None:
        for name in ("count", "figures"):
            value = getattr(self, name)
            if value is not None and not 0 <= value[0] <= value[1] < 1000:
                raise ValueError(f"{name}: expected 0 <= fewest <= most < 1000, got {value}")
        for name in ("scale", "figure_scale"):
            value = getattr(self, name)
            if value is not None and not 0 < value[0] <= value[1]:
                raise ValueError(f"{name}: expected 0 < smallest <= largest, got {value}")
        for name in ("overlap", "cut", "min_visible", "light", "texture", *_KNOBS):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected 0 ... 1, got {getattr(self, name)}")
        if not -1 <= self.context <= 1:
            raise ValueError(f"context: expected -1 ... 1, got {self.context}")
        if not (0 <= self.rotation < math.inf and 0 <= self.noise < math.inf):
            raise ValueError(
                f"rotation, noise: expected 0 or more, got {self.rotation}, {self.noise}"
            )

    def suited(self, task: str, size: tuple[int, int]) -> Suited:
        """These options with everything that is None chosen for a task and an image's size.

        A task of one object has exactly one large object, whatever `count` and `figures` are;
        keypoint detection has one to three people among a few objects.

        Raises:
            ValueError: a task that is not one of `tapetum.structures.TASKS`.
        """
        if task not in TASKS:
            raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
        count, scale, figures = (3, 8), (16.0, 96.0), (0, 0)
        if TASKS[task].types[0] == "keypoints":
            count, figures = (0, 4), (1, 3)
        if TASKS[task].one_object:
            scale = (0.28 * min(size), 0.75 * min(size))
            return Suited(self, (1, 1), self.scale or scale, (0, 0))
        return Suited(self, self.count or count, self.scale or scale, self.figures or figures)


@dataclass(frozen=True)
class Suited:
    """Options in which nothing is left open: see `SceneOptions`."""

    options: SceneOptions
    count: Count
    scale: Range
    figures: Count


_KNOBS = (
    "viewpoint", "illumination", "clutter", "occlusion", "deformation", "intraclass",
)  # fmt: skip

MIXED = SceneOptions(count=(2, 5), figures=(1, 2))
"""Scenes with objects and people, on which no task is without objects."""

MAX_SCENES = 1_000_000
"""The largest number of scenes of a split."""


def challenge(name: str, level: float = 1.0) -> SceneOptions:
    """The default options with one challenge turned to `level`, 0 to 1.

    "scale" is the spread of sizes: 0 has all objects 39 pixels large, 0.6 is as usual, at 1 they
    are 9 to 176. All others are the field of that name; "context" goes down to -1.
    """
    if name != "scale":
        changed: dict[str, Any] = {name: level}
        return SceneOptions(**changed)
    if not 0 <= level <= 1:
        raise ValueError(f"scale: expected 0 ... 1, got {level}")
    return SceneOptions(scale=(39.2 * math.exp(-1.5 * level), 39.2 * math.exp(1.5 * level)))


CHALLENGES: dict[str, SceneOptions] = {
    name: challenge(name) for name in (*_KNOBS, "context", "scale")
}
"""Each challenge at its full level, by name; an object detector should cope with them all."""


def scene_count(text: str) -> tuple[int | None, str]:
    """Split off the number of scenes from a list of options.

    Args:
        text: as "count=4,occlusion".

    Returns:
        How many scenes each split has, None where it is not stated; the other options, for
        `scene_options`.

    Raises:
        UsageError: a count that is not an integer from 1 to MAX_SCENES.
    """
    count, others = None, []
    for item in text.split(","):
        name, _, number = (part.strip() for part in item.partition("="))
        if name != "count":
            others.append(item)
            continue
        count = int(number) if number.isdecimal() else 0
        if not 1 <= count <= MAX_SCENES:
            hint = f"1 to {MAX_SCENES:,}, as in scenes:count=4"
            raise UsageError(f"count: {number!r} is no number of scenes", hint=hint)
    return count, ",".join(others)


def scene_options(text: str) -> SceneOptions:
    """Parse options of scenes.

    A challenge without a number is at 1; several can be combined.

    Args:
        text: as "occlusion", "occlusion=0.8", "clutter=0.3,viewpoint", "mixed" or "".

    Returns:
        The options.

    Raises:
        UsageError: an unknown challenge, or a level that is not in its range.
    """
    options = SceneOptions()
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, level = item.partition("=")
        if name == "mixed" and not level:
            options = replace(options, count=MIXED.count, figures=MIXED.figures)
            continue
        if name not in CHALLENGES:
            known = ", ".join(["mixed", *CHALLENGES])
            hint = f"one of {known}; or count=N scenes"
            raise UsageError(f"scenes have no challenge {name!r}", hint=hint)
        try:
            turned = challenge(name, float(level) if "=" in item else 1.0)
        except ValueError as error:
            reach = "-1 to 1" if name == "context" else "0 to 1"
            raise UsageError(
                f"{name}: {level!r} is no level", hint=f"a number from {reach}, as in {name}=0.5"
            ) from error
        options = replace(options, **{name: getattr(turned, name)})
    return options
