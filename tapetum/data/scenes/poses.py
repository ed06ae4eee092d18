"""Poses of a person who faces the viewer: angles of the joints, and where that puts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tapetum.data.scenes.shapes import Random

KEYPOINTS: tuple[str, ...] = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
"""COCO's seventeen. Left is the left of the person, at the viewer's right."""

SKELETON: tuple[tuple[int, int], ...] = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
"""Pairs of KEYPOINTS that a line joins, as in COCO."""

_ARM, _ELBOW = (-15.0, 172.0), (-140.0, 125.0)
_LEG, _KNEE = (-8.0, 62.0), (-85.0, 15.0)


Corners = list[tuple[float, float]] | np.ndarray


@dataclass(frozen=True)
class Limb:
    """An arm or a leg. Degrees from hanging down, positive away from the body.

    out: of the upper part. bend: of the lower part against the upper one.
    reach: how long both look; less than 1 points to the viewer or away.
    """

    out: float = 5.0
    bend: float = 0.0
    reach: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Pose:
    """Arms and legs, left and right; lean of the trunk and tilt of the head in degrees."""

    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    lean: float = 0.0
    nod: float = 0.0


@dataclass(frozen=True)
class Build:
    """Lengths of a body whose height is about 2, and the widths of its limbs."""

    trunk: float = 0.58
    neck: float = 0.11
    head: tuple[float, float] = (0.17, 0.21)
    shoulder: float = 0.22
    hip: float = 0.115
    arm: tuple[float, float] = (0.33, 0.31)
    leg: tuple[float, float] = (0.46, 0.44)
    thick: tuple[float, float] = field(default=(0.13, 0.17))


def draw_build(random: Random) -> Build:
    """Another body: taller or shorter in each part, slim or strong."""
    trunk, neck, wide, high, shoulder, hip = random.uniform(0.9, 1.1, 6)
    arm, leg = random.uniform(0.92, 1.08, 2)
    strong = random.uniform(0.8, 1.3)
    return Build(
        trunk=0.58 * trunk,
        neck=0.11 * neck,
        head=(0.17 * wide, 0.21 * high),
        shoulder=0.21 * shoulder * strong**0.4,
        hip=0.115 * hip * strong**0.4,
        arm=(0.33 * arm, 0.31 * arm),
        leg=(0.46 * leg, 0.44 * leg),
        thick=(0.125 * strong, 0.165 * strong),
    )


def standing(random: Random) -> Pose:
    """Upright, now and then with a hand on the hip."""
    arms = [_hanging(random), _hanging(random)]
    if random.random() < 0.35:
        arms[random.integers(2)] = Limb(random.uniform(38, 55), random.uniform(-120, -95))
    return Pose(_pair(arms), (_straight(random), _straight(random)), *_sway(random))


def walking(random: Random) -> Pose:
    """Towards the viewer: one leg and the other arm forward, the other leg behind."""
    ahead = Limb(random.uniform(-4, 8), random.uniform(-4, 4), _reach(random, 0.85, 1.0))
    behind = Limb(random.uniform(0, 10), random.uniform(-14, 0), _reach(random, 0.6, 0.9))
    swung = Limb(random.uniform(8, 26), random.uniform(-70, -15), _reach(random, 0.7, 0.9))
    arms, legs = [swung, _hanging(random)], [behind, ahead]
    if random.random() < 0.5:
        arms, legs = arms[::-1], legs[::-1]
    return Pose(_pair(arms), _pair(legs), *_sway(random))


def waving(random: Random) -> Pose:
    """One arm up."""
    wave = Limb(random.uniform(85, 140), random.uniform(5, 85))
    arms = [wave, _hanging(random)][:: random.choice([-1, 1])]
    return Pose(_pair(arms), (_straight(random), _straight(random)), *_sway(random))


def jumping(random: Random) -> Pose:
    """In the air: arms up, legs apart or drawn in."""
    arms = [Limb(random.uniform(70, 165), random.uniform(-25, 45)) for _ in range(2)]
    legs = [Limb(random.uniform(15, 55), random.uniform(-75, -5)) for _ in range(2)]
    return Pose(_pair(arms), _pair(legs), *_sway(random))


def sitting(random: Random) -> Pose:
    """On something low: the thighs point to the viewer."""
    high = random.uniform(0.35, 0.6)
    legs = [
        Limb(random.uniform(10, 40), random.uniform(-45, -8), (high, random.uniform(0.85, 1)))
        for _ in range(2)
    ]
    arms = [
        Limb(random.uniform(5, 25), random.uniform(-55, -15), _reach(random, 0.8, 1.0))
        for _ in range(2)
    ]
    return Pose(_pair(arms), _pair(legs), *_sway(random))


POSES: dict[str, Callable[[Random], Pose]] = {
    "standing": standing, "walking": walking, "waving": waving, "jumping": jumping,
    "sitting": sitting,
}  # fmt: skip


def joints(pose: Pose, build: Build) -> np.ndarray:
    """(17, 2) where KEYPOINTS are, x y with the middle of the hips at the origin, y down."""
    found = np.zeros((17, 2))
    for side, (arm, leg) in enumerate(zip(pose.arms, pose.legs, strict=True)):
        sign = 1 - 2 * side  # left first: at the viewer's right
        hip, shoulder = np.array([sign * build.hip, 0.0]), (sign * build.shoulder, -build.trunk)
        found[[11 + side, 13 + side, 15 + side]] = _chain(
            hip, _limited(leg, _LEG, _KNEE), build.leg, sign, 0.0
        )
        found[[5 + side, 7 + side, 9 + side]] = _chain(
            _around(np.array(shoulder), pose.lean),
            _limited(arm, _ARM, _ELBOW), build.arm, sign, pose.lean,
        )  # fmt: skip
    found[:5] = face(pose, build)([(0, 0.05), (0.38, -0.16), (-0.38, -0.16), (0.93, 0), (-0.93, 0)])
    return found


def face(pose: Pose, build: Build) -> Callable[[Corners], np.ndarray]:
    """A map from the square of the head, -1 to 1 with the nose near its middle, to the body."""
    neck = _around(np.array([0.0, -build.trunk - build.neck]), pose.lean)

    def place(points: Corners) -> np.ndarray:
        inside = np.asarray(points, dtype=float) * build.head + (0, -0.85 * build.head[1])
        return _around(inside, pose.lean + pose.nod) + neck

    return place


def _chain(
    start: np.ndarray, limb: Limb, lengths: tuple[float, float], sign: int, lean: float
) -> list[np.ndarray]:
    """The three joints of an arm or a leg."""
    points, angle = [start], 0.0
    for turn, length, reach in zip((limb.out, limb.bend), lengths, limb.reach, strict=True):
        angle += np.deg2rad(turn)
        step = length * reach * np.array([sign * np.sin(angle), np.cos(angle)])
        points.append(points[-1] + _around(step, lean))
    return points


def _limited(limb: Limb, out: tuple[float, float], bend: tuple[float, float]) -> Limb:
    """No joint turns further than a person's."""
    return Limb(float(np.clip(limb.out, *out)), float(np.clip(limb.bend, *bend)), limb.reach)


def _around(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points rotated about the origin, positive to the viewer's right at the top."""
    angle = np.deg2rad(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _hanging(random: Random) -> Limb:
    return Limb(random.uniform(4, 24), random.uniform(-18, 8))


def _straight(random: Random) -> Limb:
    return Limb(random.uniform(-1, 12), random.uniform(-6, 2))


def _reach(random: Random, low: float, high: float) -> tuple[float, float]:
    upper, lower = random.uniform(low, high, 2).tolist()
    return upper, lower


def _sway(random: Random) -> tuple[float, float]:
    return float(random.uniform(-7, 7)), float(random.uniform(-12, 12))


def _pair(limbs: list[Limb]) -> tuple[Limb, Limb]:
    return limbs[0], limbs[1]
