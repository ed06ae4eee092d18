"""Which objects a scene holds, where they lie, and which of them each pixel shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tapetum.data.scenes.clutter import Loose, cover, covered, draw_clutter
from tapetum.data.scenes.individuals import Artist, choose_texture
from tapetum.data.scenes.options import SceneOptions, Suited
from tapetum.data.scenes.shapes import Random
from tapetum.data.scenes.sketches import OBJECTS
from tapetum.data.scenes.sprites import Sprite, meet

Size = tuple[int, int]
Streams = Callable[[str], Random]
"""From a purpose to its random generator, so that no purpose moves another's draws."""

_TRIES = 12
"""Places tried for an object before it is left out."""
_BOARDS = 3
"""Sides tried for a board before it is left out; no object may be hidden too much."""
_FIGURE = len(OBJECTS)


@dataclass(frozen=True, eq=False)
class Piece:
    """An object or a person as it is put down.

    label: index into OBJECTS, len(OBJECTS) for a person.
    joints: (17, 3) of a person: x y in pixels of the sprite, and 1 unless another part of the
        person hides it.
    corner: (row, column) of the sprite's first pixel, maybe negative.
    """

    label: int
    sprite: Sprite
    joints: np.ndarray | None = None
    corner: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Layout:
    """N objects in the order in which they are put down.

    beneath, above: what lies below all objects and on them, and has no label.
    owner: (H, W) int16, the object that each pixel shows, -1 for what has no label.
    hidden: (H, W) bool, the pixels that show what lies above; None where nothing does.
    texture: the name of the background, None for any.
    """

    pieces: tuple[Piece, ...]
    beneath: tuple[Loose, ...]
    above: tuple[Loose, ...]
    owner: np.ndarray
    hidden: np.ndarray | None
    texture: str | None

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64, index into OBJECTS, len(OBJECTS) for people."""
        return np.array([piece.label for piece in self.pieces], dtype=np.int64)

    def boxes_and_areas(self, chosen: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(M, 4) float64 xyxy hull of each object's visible pixels, half open, and their number."""
        boxes, areas = np.zeros((len(chosen), 4)), np.zeros(len(chosen))
        for row, number in enumerate(chosen):
            piece = self.pieces[number]
            here, _ = meet(self.owner.shape, piece.sprite.alpha.shape, piece.corner)
            shown = self.owner[here] == number
            rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
            top, left = here[0].start, here[1].start
            boxes[row] = left + columns[0], top + rows[0], left + columns[-1], top + rows[-1]
            areas[row] = np.count_nonzero(shown)
        boxes[:, 2:] += 1
        return boxes, areas

    def keypoints(self, chosen: Sequence[int]) -> np.ndarray:
        """(M, 17, 3) float64 x y v of people: 2 visible, 1 hidden, all 0 outside the image."""
        found = [self._keypoints(number) for number in chosen]
        return np.stack(found) if found else np.zeros((0, 17, 3))

    def _keypoints(self, number: int) -> np.ndarray:
        piece = self.pieces[number]
        if piece.joints is None:
            return np.zeros((17, 3))
        points = piece.joints[:, :2] + piece.corner[::-1]  # (17, 2) x y in the image
        column, row = np.floor(points).astype(int).T
        height, width = self.owner.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        row, column = row * inside, column * inside
        owner = self.owner[row, column]
        # A limb may be thinner than a pixel: what is behind its joint then hides nothing.
        seen = (piece.joints[:, 2] > 0) & ((owner == number) | (owner == -1))
        if self.hidden is not None:
            seen &= ~self.hidden[row, column]
        return np.column_stack([points, 1 + seen]) * inside[:, None]


def lay_out(streams: Streams, size: Size, suited: Suited, glyphs: np.ndarray) -> Layout:
    """Draw objects and find places for them; glyphs (M, 8, 8) are the digits to choose from.

    Large objects lie below small ones.
    """
    options = suited.options
    texture = choose_texture(streams("context")) if options.context else None
    placed: list[Piece] = []
    for piece, random in _draw(streams, suited, glyphs, texture):
        corner = _find_place(random, piece, size, options, placed)
        if corner is not None:
            placed.append(replace(piece, corner=corner))
    owner = _owners(size, placed)
    needed = [_min_pixels(piece, options.min_visible) for piece in placed]
    kept = _shown(owner, placed) >= needed
    if not kept.all():
        # Nothing of what is left out is painted, so that no pixel shows an object without a label.
        placed = [piece for piece, keep in zip(placed, kept, strict=True) if keep]
        owner = _owners(size, placed)
    beneath = draw_clutter(streams("clutter"), size, options.clutter) if options.clutter else ()
    above = _cover(streams("boards"), placed, owner, options) if options.occlusion else ()
    hidden = covered(size, above) if above else None
    if hidden is not None:
        owner[hidden] = -1
    return Layout(tuple(placed), beneath, above, owner, hidden, texture)


def _draw(
    streams: Streams, suited: Suited, glyphs: np.ndarray, texture: str | None
) -> Iterator[tuple[Piece, Random]]:
    """Yield objects and people without a place, largest first, each with its random generator."""
    options, random = suited.options, streams("layout")
    count = random.integers(suited.count[0], suited.count[1] + 1)
    sizes = _sizes(random, suited.scale, int(count))
    order = [(side, False) for side in sizes]
    people = random
    if suited.figures[1]:
        people = streams("figures")
        number = people.integers(suited.figures[0], suited.figures[1] + 1)
        order += [(side, True) for side in _sizes(people, options.figure_scale, int(number))]
    artist = Artist(options, glyphs, texture, streams("knobs"))
    for side, person in sorted(order, reverse=True):
        if person:
            yield Piece(_FIGURE, *artist.person(people, side)), people
        else:
            yield Piece(*artist.obj(random, side)), random


def _sizes(random: Random, scale: tuple[float, float], count: int) -> list[float]:
    """Sizes in pixels, even in the logarithm."""
    low, high = np.log(scale)
    return np.exp(random.uniform(low, high, count)).tolist()


def _find_place(
    random: Random, piece: Piece, size: Size, options: SceneOptions, others: list[Piece]
) -> tuple[int, int] | None:
    """A (row, column) for the piece that leaves the others free enough, or None."""
    (low, high), (first, last) = (
        sorted((-options.cut * part, whole - (1 - options.cut) * part))
        for whole, part in zip(size, piece.sprite.alpha.shape, strict=True)
    )
    for down, along in random.random((_TRIES, 2)).tolist():
        corner = round(low + (high - low) * down), round(first + (last - first) * along)
        if all(_fits(piece, corner, other, options.overlap) for other in others):
            return corner
    return None


def _fits(piece: Piece, corner: tuple[int, int], other: Piece, overlap: float) -> bool:
    """Does no more than `overlap` of the smaller box lie in the other?"""
    (top, left), (top2, left2) = corner, other.corner
    (high, wide), (high2, wide2) = piece.sprite.alpha.shape, other.sprite.alpha.shape
    down = min(top + high, top2 + high2) - max(top, top2)
    along = min(left + wide, left2 + wide2) - max(left, left2)
    if down <= 0 or along <= 0:
        return True
    if _FIGURE in (piece.label, other.label):
        overlap = math.sqrt(overlap)  # the box of a person is half empty
    return down * along / min(high * wide, high2 * wide2) <= overlap


def _owners(size: Size, pieces: Sequence[Piece]) -> np.ndarray:
    """(H, W) int16: the uppermost object at each pixel, -1 where there is none."""
    owner = np.full(size, -1, dtype=np.int16)
    for number, piece in enumerate(pieces):
        here, there = meet(size, piece.sprite.alpha.shape, piece.corner)
        owner[here][piece.sprite.mask[there]] = number
    return owner


def _shown(owner: np.ndarray, pieces: Sequence[Piece]) -> np.ndarray:
    """(N,) how many pixels of each object can be seen."""
    counts = []
    for number, piece in enumerate(pieces):
        here, _ = meet(owner.shape, piece.sprite.alpha.shape, piece.corner)
        counts.append(np.count_nonzero(owner[here] == number))
    return np.array(counts)


def _min_pixels(piece: Piece, fraction: float) -> float:
    """How many pixels of an object have to be seen."""
    return max(1.0, fraction * np.count_nonzero(piece.sprite.mask))


def _cover(
    random: Random, pieces: Sequence[Piece], owner: np.ndarray, options: SceneOptions
) -> tuple[Loose, ...]:
    """A board on each object, where every object still shows enough of itself."""
    free, boards = owner.copy(), []
    needed = np.array([_min_pixels(piece, options.min_visible) for piece in pieces])
    for number in range(len(pieces)):
        fraction = options.occlusion * random.uniform(0.3, 0.75)
        for _ in range(_BOARDS):
            board = cover(random, owner == number, fraction)
            left = np.where(covered(owner.shape, [board]), -1, free)
            if (_shown(left, pieces) >= needed).all():
                boards.append(board)
                free = left
                break
    return tuple(boards)
