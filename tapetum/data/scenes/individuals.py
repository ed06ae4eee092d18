"""Which individual of a class is drawn: class, appearance and warp, as the options ask."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tapetum.data.scenes.figures import draw_figure, figure
from tapetum.data.scenes.options import SceneOptions
from tapetum.data.scenes.shapes import RGB, Patch, Random
from tapetum.data.scenes.sketches import DRAWN, OBJECTS, inks
from tapetum.data.scenes.sprites import Sprite, draw_digit, draw_patches
from tapetum.data.scenes.textures import TEXTURES
from tapetum.data.scenes.warps import Warp, draw_warp

USUAL: dict[str, tuple[str, ...]] = {
    "clouds": ("ball", "fish"), "plaster": ("cat", "digit"), "stripes": ("digit", "fish"),
    "fabric": ("cat", "digit"), "checks": ("cup", "flower"), "wood": ("cat", "cup"),
    "bricks": ("car", "house"), "grass": ("flower", "house"), "sand": ("ball", "car"),
}  # fmt: skip
"""The objects that are usual on each background."""

_STRETCH = np.log(2.0)


@dataclass(frozen=True, eq=False)
class Artist:
    """Draws objects and people, each another one.

    glyphs: (M, 8, 8) handwritten digits to choose from. texture: the background, where context
    counts. knobs: the generator of what the challenges change; all else is drawn from
    another one, so that a challenge changes nothing else of a scene.
    """

    options: SceneOptions
    glyphs: np.ndarray
    texture: str | None
    knobs: Random

    def obj(self, random: Random, size: float) -> tuple[int, Sprite]:
        """A label and a sprite with a side of about `size` pixels."""
        label = self._label(int(random.integers(len(OBJECTS))))
        name, warp = OBJECTS[label], self._warp(random, self.options.rotation)
        glyphs, turn = self.glyphs, self._hue()
        if self._is_standard():
            random, glyphs = np.random.default_rng(label), glyphs[:1]
        if name in DRAWN:
            return label, draw_patches(_dyed(DRAWN[name](random), turn), size, warp)
        glyph = glyphs[random.integers(len(glyphs))]
        stroke, outline = inks(random)
        return label, draw_digit(glyph, (_turn_hue(stroke, turn), outline), size, warp)

    def person(self, random: Random, height: float) -> tuple[Sprite, np.ndarray]:
        """A sprite of a person who stands `height` pixels high, and the keypoints (17, 3)."""
        warp, turn = self._warp(random, self.options.rotation / 2), self._hue()
        appearance = np.random.default_rng(len(OBJECTS)) if self._is_standard() else random
        person = figure(random, appearance)
        dyed = tuple(_dyed(list(person.patches), turn))
        return draw_figure(replace(person, patches=dyed), height, warp)

    def _label(self, label: int) -> int:
        """The label, or one that the background suggests or forbids."""
        context = self.options.context
        if self.texture is None or self.knobs.random() >= abs(context):
            return label
        usual = USUAL[self.texture]
        pool = [i for i, name in enumerate(OBJECTS) if (name in usual) == (context > 0)]
        return pool[self.knobs.integers(len(pool))]

    def _warp(self, random: Random, rotation: float) -> Warp:
        options, angle = self.options, float(np.deg2rad(random.uniform(-rotation, rotation)))
        warp = Warp(angle)
        if options.viewpoint or options.deformation:
            warp = draw_warp(self.knobs, angle, options.viewpoint, options.deformation)
        if options.intraclass > 0.5:
            wild = 2 * options.intraclass - 1
            return replace(warp, stretch=float(np.exp(self.knobs.uniform(-1, 1) * wild * _STRETCH)))
        return warp

    def _hue(self) -> float:
        """By how many radians colors turn."""
        wild = 2 * self.options.intraclass - 1
        return float(self.knobs.uniform(-np.pi, np.pi) * wild) if wild > 0 else 0.0

    def _is_standard(self) -> bool:
        """Is it the one individual that stands for its class?"""
        return self.options.intraclass < 0.5 and self.knobs.random() >= 2 * self.options.intraclass


def choose_texture(random: Random) -> str:
    """The background of a scene in which context counts."""
    return list(TEXTURES)[random.integers(len(TEXTURES))]


def _dyed(patches: list[Patch], turn: float) -> list[Patch]:
    """The same polygons with their hues turned."""
    if not turn:
        return patches
    return [Patch(patch.points, _turn_hue(patch.color, turn)) for patch in patches]


def _turn_hue(color: RGB, turn: float) -> RGB:
    """A color turned about the grey axis by `turn` radians: grey stays, red becomes green."""
    if not turn:
        return color
    axis, rgb = np.ones(3) / np.sqrt(3), np.array(color)
    along = axis * (axis @ rgb)
    turned = along + np.cos(turn) * (rgb - along) + np.sin(turn) * np.cross(axis, rgb)
    red, green, blue = np.clip(turned, 0, 255).tolist()
    return red, green, blue
