"""What stands in a scene: each object as colored polygons, painted one over the other.

An object lives in a square from -1 to 1, x to the right and y down, and fills most of it. Every
function takes a random generator and returns another individual of its kind: other colors, other
proportions. Rotation, size, light and shadow come later (sprites).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapetum.data.scenes.shapes import (
    RGB,
    WHITE,
    Patch,
    Points,
    Random,
    band,
    box,
    contrasting,
    ellipse,
    paint,
    pick,
    rounded,
    shade,
    turned,
)


def ball(random: Random) -> list[Patch]:
    """A beach ball: colored gores between two poles, white ones in between."""
    gores, start = 2 * random.integers(3, 6), random.uniform(0, 2 * np.pi)
    tilt, turn = random.uniform(0.2, 0.9), random.uniform(0, 2 * np.pi)
    colors = [paint(random) for _ in range(random.integers(1, 4))]
    patches = [Patch(ellipse(0, 0, 0.97, 0.97), WHITE)]
    edges = start + 2 * np.pi * np.arange(gores + 1) / gores
    for i in range(0, gores, 2):
        gore = turned(_gore(edges[i], edges[i + 1], tilt), turn)
        patches.append(Patch(0.97 * gore, colors[i // 2 % len(colors)]))
    pole = turned(ellipse(0, np.sin(tilt), 0.15, 0.15 * np.cos(tilt) + 0.02), turn)
    return [*patches, Patch(0.97 * pole, WHITE)]


def car(random: Random) -> list[Patch]:
    """A car from the side."""
    color, facing = paint(random), random.choice([-1.0, 1.0])
    roof, back, front = random.uniform(-0.66, -0.5), *random.uniform([-0.8, 0.05], [-0.4, 0.35])
    hood, radius = random.uniform(-0.16, -0.04), random.uniform(0.2, 0.25)
    lower = [(-0.98, 0.4), (-0.98, hood), (0.55, hood - 0.06), (0.98, hood + 0.12), (0.98, 0.4)]
    cabin = [(back - 0.15, 0.05), (back, roof), (front, roof), (front + 0.36, 0.05)]
    glass = shade(pick(random, (168, 205, 224), (120, 150, 168)), random.uniform(0.9, 1.1))
    middle = (back + front) / 2
    rear = [
        (back, hood),
        (back + 0.1, roof + 0.1),
        (middle - 0.04, roof + 0.1),
        (middle - 0.04, hood),
    ]
    wind = [
        (middle + 0.04, hood),
        (middle + 0.04, roof + 0.1),
        (front, roof + 0.1),
        (front + 0.2, hood),
    ]
    patches = [
        Patch(rounded(cabin), shade(color, 0.88)),
        Patch(rounded(lower), color),
        Patch(box(-0.97, 0.24, 0.97, 0.36), shade(color, 0.72)),
        Patch(rounded(rear, 1), glass),
        Patch(rounded(wind, 1), glass),
        Patch(box(middle - 0.05, hood + 0.1, middle + 0.12, hood + 0.14), shade(color, 0.6)),
        Patch(ellipse(0.88, hood + 0.2, 0.08, 0.07), (255, 240, 180)),
        Patch(ellipse(-0.93, hood + 0.18, 0.045, 0.08), (200, 40, 40)),
    ]
    for x in (-0.55, 0.56):
        patches.append(Patch(ellipse(x, 0.4, radius, radius), (38, 38, 42)))
        patches.append(Patch(ellipse(x, 0.4, radius / 2, radius / 2), (196, 198, 202)))
    return [Patch(patch.points * (facing, 1), patch.color) for patch in patches]


def cat(random: Random) -> list[Patch]:
    """A cat's face."""
    furs = ((226, 146, 68), (138, 134, 132), (66, 62, 64), (238, 228, 212), (150, 104, 70))
    fur = shade(pick(random, *furs), random.uniform(0.9, 1.08))
    iris = pick(random, (190, 214, 70), (242, 190, 60), (110, 190, 220))
    wide, ear = random.uniform(0.82, 0.96), random.uniform(0.78, 0.96)
    eye, pupil, pink = random.uniform(0.15, 0.2), random.uniform(0.05, 0.11), (226, 142, 140)
    light = shade(fur, 1.45)
    patches = []
    for side in (-1, 1):
        tip = [(side * wide * 0.93, 0.1), (side * 0.76, -ear), (side * 0.1, -0.42)]
        inner = [(side * wide * 0.8, -0.12), (side * 0.72, -ear + 0.2), (side * 0.3, -0.4)]
        patches += [Patch(rounded(tip, 1), fur), Patch(rounded(inner, 1), pink)]
    patches.append(Patch(ellipse(0, 0.18, wide, 0.72), fur))
    if random.random() < 0.6:
        for x in (-0.2, 0.0, 0.2):
            patches.append(Patch(band([(x, -0.46), (x * 0.8, -0.2)], 0.08), shade(fur, 0.7)))
    for side in (-1, 1):
        x = side * 0.38
        patches += [
            Patch(ellipse(x, 0.08, eye, eye * 1.05), iris),
            Patch(ellipse(x, 0.08, pupil, eye * 0.95), (24, 22, 26)),
            Patch(ellipse(x - 0.05, 0.02, 0.045, 0.045), (255, 255, 255)),
            Patch(ellipse(side * 0.15, 0.52, 0.21, 0.16), light),
        ]
        for rise in (-0.05, 0.06):
            whisker = band([(side * 0.28, 0.5 + rise / 2), (side * 0.78, 0.46 + 2 * rise)], 0.03)
            patches.append(Patch(whisker, shade(fur, 1.7)))
    nose = [(-0.11, 0.34), (0.11, 0.34), (0, 0.47)]
    return [*patches, Patch(np.array(nose), shade(pink, 0.82))]


def cup(random: Random) -> list[Patch]:
    """A mug with a handle one can see through."""
    glaze, side = paint(random), random.choice([-1.0, 1.0])
    top, foot, low = *random.uniform([0.54, 0.36], [0.66, 0.56]), random.uniform(0.66, 0.85)
    arc = np.linspace(-1.35, 1.5, 20)
    reach, height = random.uniform(0.3, 0.4), random.uniform(0.34, 0.46)
    handle = np.stack([top - 0.14 + reach * np.cos(arc), 0.02 + height * np.sin(arc)], 1)
    wall = [(-top, -0.6), (top, -0.6), (foot + 0.03, low - 0.08), (foot - 0.1, low)]
    wall += [(0.1 - foot, low), (-0.03 - foot, low - 0.08)]
    drink = pick(random, (84, 52, 34), (122, 74, 40), (150, 160, 90))
    upper, lower = random.uniform(-0.25, 0.0), random.uniform(0.15, 0.4)
    ratio = (upper + 0.6) / (low + 0.6), (lower + 0.6) / (low + 0.6)
    ends = [top + (foot - top) * fraction - 0.005 for fraction in ratio]
    stripe = [(-ends[0], upper), (ends[0], upper), (ends[1], lower), (-ends[1], lower)]
    patches = [
        Patch(band(handle, random.uniform(0.13, 0.19)), shade(glaze, 0.82)),
        Patch(np.array(wall), glaze),
        Patch(np.array(stripe), contrasting(random, glaze)),
        Patch(ellipse(0, -0.6, top, 0.17), shade(glaze, 1.3)),
        Patch(ellipse(0, -0.58, top - 0.09, 0.115), drink),
    ]
    return [Patch((patch.points - (0.12, 0)) * (side, 1), patch.color) for patch in patches]


def fish(random: Random) -> list[Patch]:
    """A fish from the side, with or without stripes."""
    scales, facing = paint(random), random.choice([-1.0, 1.0])
    long, high = random.uniform([0.66, 0.36], [0.74, 0.54])
    fin, other = shade(scales, 0.75), contrasting(random, scales)
    tail = [(0.4, 0), (0.98, -random.uniform(0.4, 0.6)), (0.8, 0), (0.98, random.uniform(0.4, 0.6))]
    back = [(-0.45, -high * 0.7), (-0.1, -high - 0.3), (0.3, -high - 0.16), (0.25, -high * 0.5)]
    belly = [(-0.2, high * 0.8), (0.0, high + 0.24), (0.2, high * 0.75)]
    patches = [Patch(rounded(part, 1), fin) for part in (tail, back, belly)]
    patches.append(Patch(ellipse(-0.22, 0, long, high), scales))
    if random.random() < 0.65:
        for x in random.uniform([-0.42, 0.05], [-0.3, 0.2]):
            patches.append(Patch(_ring(x, x + random.uniform(0.12, 0.2), -0.22, long, high), other))
    gill = [(-0.15, -0.02), (0.12, -0.16), (0.16, 0.2)]
    patches += [
        Patch(rounded(gill, 1), fin),
        Patch(ellipse(-0.62, -0.1, 0.12, 0.12), (250, 250, 246)),
        Patch(ellipse(-0.64, -0.1, 0.065, 0.07), (22, 22, 28)),
        Patch(band([(-0.88, 0.1), (-0.74, 0.14)], 0.04), shade(scales, 0.5)),
    ]
    return [Patch(patch.points * (facing, 1), patch.color) for patch in patches]


def flower(random: Random) -> list[Patch]:
    """A blossom from above: petals around a disc."""
    count, petal = int(random.integers(5, 10)), paint(random)
    wide, near = random.uniform(1.0, 1.35) * np.pi / count * 0.5, random.uniform(0.52, 0.58)
    heart = pick(random, (250, 200, 50), (116, 72, 40), (250, 240, 160))
    if random.random() < 0.25:
        petal = WHITE
    patches = []
    for angle in 2 * np.pi * np.arange(count) / count:
        leaf = ellipse(near, 0, 0.97 - near, wide * 0.9)
        vein = ellipse(near - 0.12, 0, (0.97 - near) * 0.6, wide * 0.35)
        patches.append(Patch(turned(leaf, angle), petal))
        patches.append(Patch(turned(vein, angle), shade(petal, 0.85)))
    size = random.uniform(0.24, 0.34)
    dots = [Patch(ellipse(0, 0, size, size), heart)]
    return patches + dots + [Patch(ellipse(0, 0, size * 0.6, size * 0.6), shade(heart, 0.82))]


def house(random: Random) -> list[Patch]:
    """A house from the front."""
    walls = shade(pick(random, (238, 222, 192), (222, 180, 150), (206, 216, 222), (240, 238, 230)))
    walls = shade(walls, random.uniform(0.88, 1.05))
    roof, door = shade(paint(random), 0.9), shade(paint(random), 0.75)
    half, top = random.uniform(0.6, 0.76), random.uniform(-0.2, 0.0)
    glass, frame = pick(random, (255, 226, 130), (130, 180, 214)), (250, 250, 246)
    side = random.choice([-1.0, 1.0])
    gable = [(-half - 0.2, top + 0.06), (0, -0.95), (half + 0.2, top + 0.06)]
    patches = [
        Patch(box(0.36, -0.86, 0.56, top), (150, 92, 78)),
        Patch(box(-half, top - 0.02, half, 0.92), walls),
        Patch(box(-half, 0.8, half, 0.92), shade(walls, 0.75)),
        Patch(np.array(gable), roof),
        Patch(np.array(gable) * (0.9, 0.2) + (0, top * 0.8 + 0.048), shade(roof, 0.8)),
        Patch(box(0.1, 0.3, 0.1 + half * 0.5, 0.92), door),
        Patch(ellipse(0.1 + half * 0.4, 0.62, 0.04, 0.04), (240, 220, 120)),
        Patch(box(-half * 0.8, 0.2, -0.04, 0.62), frame),
        Patch(ellipse(0, top * 0.5 - 0.35, 0.12, 0.12), frame),
        Patch(ellipse(0, top * 0.5 - 0.35, 0.08, 0.08), glass),
    ]
    middle = (-half * 0.8 - 0.04) / 2
    for left, right in ((-half * 0.8 + 0.05, middle - 0.025), (middle + 0.025, -0.09)):
        patches += [
            Patch(box(left, 0.25, right, 0.385), glass),
            Patch(box(left, 0.435, right, 0.57), glass),
        ]
    return [Patch(patch.points * (side, 1), patch.color) for patch in patches]


DRAWN: dict[str, Callable[[Random], list[Patch]]] = {
    "ball": ball, "car": car, "cat": cat, "cup": cup, "fish": fish, "flower": flower,
    "house": house,
}  # fmt: skip
"""The objects made of patches, by the name of their class."""

OBJECTS: tuple[str, ...] = tuple(sorted([*DRAWN, "digit"]))
"""All classes; a digit is handwritten (sprites) and painted with two inks."""


_EIGHT, _TWELVE = np.linspace(0, 1, 8), np.linspace(0, 1, 12)


def inks(random: Random) -> tuple[RGB, RGB]:
    """Colors of a digit's stroke and of the outline that keeps it legible on any ground."""
    if random.random() < 0.35:
        return WHITE, shade(paint(random), 0.45)
    return shade(paint(random), random.uniform(0.55, 0.9)), WHITE


def _ring(left: float, right: float, x: float, across: float, down: float) -> Points:
    """The part of an ellipse about (x, 0) between two verticals."""
    along = np.linspace(left, right, 6)
    half = down * np.sqrt(1 - ((along - x) / across) ** 2) * 0.99
    return np.concatenate([np.stack([along, -half], 1), np.stack([along, half], 1)[::-1]])


def _gore(first: float, last: float, tilt: float) -> Points:
    """A sphere's surface between two meridians, seen from the front, its pole tilted towards us."""
    rim = first + (last - first) * _EIGHT
    horizon = _horizon(rim, tilt)
    down = np.concatenate([horizon[0] * _TWELVE, horizon, horizon[-1] * _TWELVE[::-1]])
    longitude = np.concatenate([np.full(12, first), rim, np.full(12, last)])
    return _on_sphere(down, longitude, tilt)


def _horizon(longitude: Any, tilt: float) -> Any:
    """The angle from the pole at which a meridian goes out of sight."""
    return np.arctan2(np.cos(tilt), np.sin(longitude) * np.sin(tilt))


def _on_sphere(down: np.ndarray, longitude: Any, tilt: float) -> Points:
    """Points (N, 2) of the unit sphere in sight, by angle from the pole and longitude."""
    x, y, z = np.sin(down) * np.cos(longitude), np.sin(down) * np.sin(longitude), np.cos(down)
    return np.stack([x, y * np.cos(tilt) + z * np.sin(tilt)], 1)
