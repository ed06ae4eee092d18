"""How an object is turned, bent and seen from the side: a map of the plane and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tapetum.data.scenes.shapes import Patch, Points, Random, turned

_DISTANCE = 3.0
"""Of the camera from the middle of an object whose side is 2."""


@dataclass(frozen=True, eq=False)
class Warp:
    """From the square of an object, -1 to 1, to the square in which it is drawn.

    angle: radians; the rotation comes last.
    bow: (2,) how far the ends of the object bend sideways, along x and along y.
    waves: (2, 3) two ripples: amplitude, frequency and phase of x along y, and of y along x.
    view: (3, 3) homography of the tilted plane, or None.
    stretch: how many times wider than high it becomes, its area unchanged.
    """

    angle: float = 0.0
    bow: np.ndarray | None = None
    waves: np.ndarray | None = None
    view: np.ndarray | None = None
    stretch: float = 1.0

    @property
    def bends(self) -> bool:
        """Do straight lines become curves?"""
        return self.waves is not None

    @property
    def simple(self) -> bool:
        """Is it a rotation only?"""
        return self.waves is None and self.view is None and self.stretch == 1

    def __call__(self, points: Points) -> Points:
        """Where points (N, 2) of the object are drawn."""
        points = self._stretched(points, self.stretch)
        points = points + self._moved(points)
        if self.view is not None:
            points = _project(points, self.view)
        return turned(points, self.angle)

    def inverse(self, points: Points) -> Points:
        """Which points (N, 2) of the object are drawn here."""
        points = turned(points, -self.angle)
        if self.view is not None:
            points = _project(points, np.linalg.inv(self.view))
        found = points
        for _ in range(6 if self.bends else 0):  # Newton's method
            ahead = found + self._moved(found) - points
            slope = self._slope(found)
            found = found - (ahead - slope * ahead[:, ::-1]) / (1 - slope.prod(1, keepdims=True))
        return self._stretched(found, 1 / self.stretch)

    def _stretched(self, points: Points, factor: float) -> Points:
        if factor == 1:
            return points
        return points * (np.sqrt(factor), 1 / np.sqrt(factor))

    def _moved(self, points: Points) -> Points | float:
        """(N, 2) how far bending moves each point."""
        if self.bow is None or self.waves is None:
            return 0.0
        across = np.clip(points[:, ::-1], -1.3, 1.3)  # y moves x, and x moves y
        amplitude, frequency, phase = self.waves.T
        ripple = amplitude * np.sin(frequency * across + phase)
        return self.bow * (across**2 - 0.4) + ripple

    def _slope(self, points: Points) -> Points:
        """(N, 2) how fast x moves along y, and y along x. Nothing folds while their product is
        less than 1."""
        assert self.bow is not None
        assert self.waves is not None
        across = points[:, ::-1]
        amplitude, frequency, phase = self.waves.T
        ripple = amplitude * frequency * np.cos(frequency * across + phase)
        return (2 * self.bow * across + ripple) * (np.abs(across) < 1.3)


def draw_warp(random: Random, angle: float, viewpoint: float, deformation: float) -> Warp:
    """A warp as the options ask for it; both draw always, so that turning one keeps the other."""
    tilt, axis = np.deg2rad(random.uniform(20, 65)) * viewpoint, random.uniform(0, 2 * np.pi)
    # Much one way and little the other: slopes of 1.45 and 0.5 at most on the object's square.
    much = np.array([1.0, 0.3])[:: random.choice([-1, 1])]
    bow = deformation * much * random.uniform(0.25, 0.5, 2) * random.choice([-1, 1], 2)
    amplitude = deformation * much * random.uniform(0.08, 0.18, 2)
    waves = np.stack([amplitude, random.uniform(1.8, 2.5, 2), random.uniform(0, 6.3, 2)], 1)
    bent = deformation > 0
    view = tilted(tilt, axis) if viewpoint > 0 else None
    return Warp(angle, bow if bent else None, waves if bent else None, view)


def tilted(tilt: float, axis: float) -> np.ndarray:
    """(3, 3) homography: a plane tilted by `tilt` about a line through its middle, from afar.

    Scaled so that the unit square stays inside itself.
    """
    across = np.array([-np.sin(axis), np.cos(axis)])
    plane = np.eye(2) + (np.cos(tilt) - 1) * np.outer(across, across)
    view = np.eye(3)
    view[:2, :2], view[2, :2] = plane, np.sin(tilt) * across / _DISTANCE
    corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    view[:2] /= np.abs(_project(corners, view)).max()
    return view


def dense(patches: list[Patch], pieces: int = 5) -> list[Patch]:
    """The same polygons with their few long edges cut into pieces, so that they can bend."""
    fraction = np.arange(pieces)[:, None] / pieces
    found = []
    for patch in patches:
        points = patch.points
        if len(points) < 24:
            along = np.roll(points, -1, 0) - points
            points = (points[:, None] + along[:, None] * fraction).reshape(-1, 2)
        found.append(Patch(points, patch.color))
    return found


def _project(points: Points, view: np.ndarray) -> Points:
    """Points (N, 2) through a homography."""
    mapped = points @ view[:, :2].T + view[:, 2]
    return mapped[:, :2] / mapped[:, 2:]
