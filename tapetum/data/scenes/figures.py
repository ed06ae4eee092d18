"""People: drawn from joints, dressed, and honest about which joints can be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tapetum.data.scenes.poses import POSES, Build, Pose, draw_build, face, joints
from tapetum.data.scenes.shapes import RGB, Patch, Points, Random, paint, pick, shade
from tapetum.data.scenes.sprites import FINER, Sprite, draw_patches, fill_patches
from tapetum.data.scenes.warps import Warp

FIGURE = "figure"
"""The name of the class."""

_SKINS = (
    (255, 219, 188), (241, 194, 155), (224, 172, 120), (198, 134, 86), (141, 85, 54), (92, 58, 40),
)  # fmt: skip
_HAIRS = ((40, 30, 28), (78, 52, 34), (140, 92, 52), (214, 174, 96), (166, 70, 40), (150, 148, 148))
_TROUSERS = ((58, 78, 122), (60, 62, 70), (150, 128, 96), (104, 74, 60), (74, 96, 80))

_HEAD, _TRUNK, _ARMS, _LEGS = 1, 2, (3, 4), (5, 6)
_SHOWN_BY = (
    *[{_HEAD}] * 5, {_TRUNK, 3}, {_TRUNK, 4}, {3}, {4}, {3}, {4}, {_TRUNK, 5}, {_TRUNK, 6}, {5},
    {6}, {5}, {6},
)  # fmt: skip
"""For each keypoint the parts of the body on which it lies."""


@dataclass(frozen=True, eq=False)
class Figure:
    """A person about 2 high, in the square from -1 to 1.

    patches: polygons to paint, the last one on top. parts: to which part each belongs.
    joints: (17, 2) x y of KEYPOINTS.
    """

    patches: tuple[Patch, ...]
    parts: tuple[int, ...]
    joints: np.ndarray


@dataclass(frozen=True)
class _Clothes:
    skin: RGB
    hair: RGB
    shirt: RGB
    trousers: RGB
    shoes: RGB
    long_sleeves: bool
    stripes: RGB | None
    skirt: bool
    long_hair: bool


def figure(random: Random, appearance: Random, pose: str | None = None) -> Figure:
    """A random person: `appearance` draws body and clothes, `random` the pose, if none is named.

    pose: one of `POSES`.
    """
    names = list(POSES)
    build, clothes = draw_build(appearance), _dress(appearance)
    posture = POSES[pose or names[random.integers(len(names))]](random)
    places = joints(posture, build)
    behind = random.random(2) < 0.25  # an arm behind the trunk
    legs = [_leg(places, side, build, clothes) for side in (0, 1)]
    arms = [_arm(places, side, build, clothes) for side in (0, 1)]
    layers = [(_ARMS[side], arms[side]) for side in (0, 1) if behind[side]]
    layers += [(_LEGS[side], legs[side]) for side in (0, 1)]
    layers += [
        (_TRUNK, _trunk(places, posture, build, clothes)),
        (_HEAD, _head(posture, build, clothes)),
    ]
    layers += [(_ARMS[side], arms[side]) for side in (0, 1) if not behind[side]]
    if clothes.long_hair:
        layers.insert(0, (_HEAD, [_long_hair(posture, build, clothes)]))
    shift = np.array([0.0, 0.02])
    patches = [Patch(patch.points + shift, patch.color) for _, part in layers for patch in part]
    parts = [part for part, patches_of_it in layers for _ in patches_of_it]
    return Figure(tuple(patches), tuple(parts), places + shift)


def draw_figure(person: Figure, height: float, warp: Warp) -> tuple[Sprite, np.ndarray]:
    """The sprite, and (17, 3) its keypoints in the sprite's pixels.

    The third number is 1 where the keypoint can be seen and 0 where another part of the same body
    lies over it: of all parts there, the one painted last must be one on which the joint lies.
    """
    sprite = draw_patches(person.patches, height, warp)
    top, low = fill_patches(person.patches, person.parts, height, warp, "L")
    points = warp(person.joints) * (height / 2) - low  # (17, 2) in pixels
    column, row = np.clip((points * FINER).astype(int).T, 0, np.array([top.size]).T - 1)
    seen = [
        part == 0 or part in parts
        for part, parts in zip(np.asarray(top)[row, column].tolist(), _SHOWN_BY, strict=True)
    ]
    return sprite, np.column_stack([points, seen])


def _dress(random: Random) -> _Clothes:
    skin = shade(pick(random, *_SKINS), random.uniform(0.94, 1.03))
    shirt = paint(random)
    return _Clothes(
        skin=skin,
        hair=shade(pick(random, *_HAIRS), random.uniform(0.85, 1.1)),
        shirt=shirt,
        trousers=shade(pick(random, *_TROUSERS, paint(random)), random.uniform(0.8, 1.15)),
        shoes=pick(random, (38, 36, 40), (236, 234, 230), (140, 52, 44), (96, 66, 44)),
        long_sleeves=bool(random.random() < 0.5),
        stripes=shade(shirt, 1.6) if random.random() < 0.3 else None,
        skirt=bool(random.random() < 0.25),
        long_hair=bool(random.random() < 0.4),
    )


def _leg(places: np.ndarray, side: int, build: Build, clothes: _Clothes) -> list[Patch]:
    hip, knee, ankle = places[[11 + side, 13 + side, 15 + side]]
    wide, thin = build.thick[1], 0.72 * build.thick[1]
    sign = 1 - 2 * side
    cloth = clothes.skin if clothes.skirt else clothes.trousers
    # One leg a little darker than the other, so that two that cross stay two.
    cloth = shade(cloth, 1.0 if side == 0 else 0.9)
    toe = ankle + np.array([sign * 0.05, 0.055])
    heel = ankle + np.array([0.0, 0.03])
    return [
        Patch(_limb(heel, toe, 0.7 * wide, 0.6 * wide), clothes.shoes),
        Patch(_limb(hip, knee, wide, 0.85 * wide), cloth),
        Patch(_limb(knee, ankle, 0.85 * wide, thin), shade(cloth, 0.96)),
    ]


def _arm(places: np.ndarray, side: int, build: Build, clothes: _Clothes) -> list[Patch]:
    shoulder, elbow, wrist = places[[5 + side, 7 + side, 9 + side]]
    wide, thin = build.thick[0], 0.74 * build.thick[0]
    shirt = shade(clothes.shirt, 0.92 if side == 0 else 0.84)
    lower = shirt if clothes.long_sleeves else clothes.skin
    hand = wrist + (wrist - elbow) / max(float(np.hypot(*(wrist - elbow))), 1e-6) * 0.05
    upper = [Patch(_limb(shoulder, elbow, wide, 0.86 * wide), shirt)]
    if not clothes.long_sleeves:
        half = (shoulder + elbow) / 2
        upper = [
            Patch(_limb(half, elbow, 0.85 * wide, 0.8 * wide), clothes.skin),
            Patch(_limb(shoulder, half, wide, 1.05 * wide), shirt),
        ]
    return [
        Patch(_limb(wrist, hand, 0.9 * thin, 1.05 * thin), clothes.skin),
        *upper,
        Patch(_limb(elbow, wrist, 0.8 * wide, thin), lower),
    ]


def _trunk(places: np.ndarray, pose: Pose, build: Build, clothes: _Clothes) -> list[Patch]:
    """Neck, shirt, and the seat of the trousers or a skirt."""
    shoulders, hips = places[[5, 6]], places[[11, 12]]
    thick, half = build.thick[0], build.thick[1] / 2
    middle = shoulders.mean(0)
    chin, throat = face(pose, build)([(0, 0.7)])[0], middle - np.array([0.0, 0.01])
    out = np.array([[1.0, 0], [-1.0, 0]])
    waist = 0.45 * shoulders + 0.55 * hips + out * 0.01
    hem = hips + out * half
    edge = [*(shoulders + out * 0.2 * thick), waist[1], hem[1] + (0, 0.06), hem[0] + (0, 0.06)]
    seat = [
        *(hips + out * half + (0, -0.06)), hem[1] + (-0.01, half), hem[0] + (0.01, half),
    ]  # fmt: skip
    if clothes.skirt:
        seat[2:] = [hem[1] + (-0.11, 0.33), hem[0] + (0.11, 0.33)]
    shirt = [
        Patch(_limb(throat, chin, 0.62 * thick, 0.55 * thick), shade(clothes.skin, 0.88)),
        Patch(np.array(seat), clothes.trousers),
        Patch(np.array([*edge, waist[0]]), clothes.shirt),
        Patch(_limb(shoulders[0], shoulders[1], thick, thick), clothes.shirt),
    ]
    if clothes.stripes is not None:
        for fraction in (0.2, 0.45, 0.7):
            ends = (1 - fraction) * shoulders + fraction * hips
            bars = 0.04 * (middle - hips.mean(0)) / build.trunk
            shirt.append(Patch(np.array([*ends, *(ends + 1.6 * bars)[::-1]]), clothes.stripes))
    return shirt


def _head(pose: Pose, build: Build, clothes: _Clothes) -> list[Patch]:
    place = face(pose, build)
    skin, white, dark = clothes.skin, (250, 250, 248), (30, 26, 30)
    crown = [(np.cos(a), np.sin(a)) for a in np.linspace(np.pi * 0.98, np.pi * 2.02, 14)]
    fringe = [(0.7, -0.42), (0.2, -0.55), (-0.3, -0.42), (-0.75, -0.38)]
    patches = [
        (_oval(0.93, 0.0, 0.16, 0.22), shade(skin, 0.9)),
        (_oval(-0.93, 0.0, 0.16, 0.22), shade(skin, 0.9)),
        (_oval(0.0, 0.0, 0.92, 1.0), skin),
        (np.array([*crown, *fringe]) * (0.98, 1.06), clothes.hair),
    ]
    for x in (0.38, -0.38):
        patches += [(_oval(x, -0.16, 0.2, 0.17), white), (_oval(x, -0.14, 0.1, 0.14), dark)]
    mouth = [(-0.3, 0.45), (0.3, 0.45), (0.16, 0.62), (-0.16, 0.62)]
    patches += [
        (_oval(0.0, 0.1, 0.12, 0.17), shade(skin, 0.8)),
        (np.array(mouth), (176, 70, 68)),
    ]
    return [Patch(place(points), color) for points, color in patches]


def _long_hair(pose: Pose, build: Build, clothes: _Clothes) -> Patch:
    """Behind everything, down to the shoulders."""
    around = [(np.cos(a) * 1.12, np.sin(a) * 1.08) for a in np.linspace(np.pi, 2 * np.pi, 12)]
    points = np.array([*around, (1.15, 1.0), (0.7, 1.35), (-0.7, 1.35), (-1.15, 1.0)])
    return Patch(face(pose, build)(points), shade(clothes.hair, 0.82))


def _limb(start: np.ndarray, end: np.ndarray, wide: float, thin: float) -> Points:
    """A tapered bar with round ends from a joint to the next."""
    along = end - start
    angle = float(np.arctan2(along[1], along[0]))
    half = np.linspace(np.pi / 2, 3 * np.pi / 2, 7) + angle
    first = start + np.stack([np.cos(half), np.sin(half)], 1) * wide / 2
    last = end - np.stack([np.cos(half), np.sin(half)], 1) * thin / 2
    return np.concatenate([first, last])


def _oval(x: float, y: float, across: float, down: float) -> Points:
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], 1)
