"""What scenes stand on, and in which light: procedural backgrounds, illumination, noise."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from PIL import Image

from tapetum.data.scenes.shapes import RGB, Random, shade

Size = tuple[int, int]
Field = np.ndarray
"""(H, W) float32."""

_BANK = 512
"""Side of the noise fields, which repeat seamlessly."""

_PAIRS: dict[str, tuple[tuple[RGB, RGB], ...]] = {
    "wood": (((112, 78, 52), (176, 132, 92)), ((146, 112, 80), (206, 174, 134)),
             ((92, 76, 66), (146, 124, 108))),
    "bricks": (((196, 186, 172), (152, 86, 68)), ((206, 200, 190), (170, 122, 92)),
               ((120, 118, 116), (176, 172, 166))),
    "grass": (((66, 92, 50), (132, 158, 84)), ((86, 102, 58), (160, 168, 100))),
    "sand": (((186, 164, 128), (226, 208, 174)), ((140, 140, 140), (190, 190, 186))),
}  # fmt: skip
_CLOTHS: tuple[tuple[RGB, RGB], ...] = (
    ((120, 136, 150), (176, 190, 200)), ((166, 146, 138), (216, 200, 190)),
    ((116, 132, 116), (176, 190, 168)), ((86, 90, 112), (136, 142, 166)),
    ((176, 160, 120), (222, 210, 176)), ((150, 120, 130), (204, 180, 186)),
    ((84, 106, 112), (140, 166, 170)), ((190, 190, 186), (230, 230, 226)),
)  # fmt: skip


def background(
    random: Random, size: Size, strength: float, texture: str | None = None
) -> np.ndarray:
    """A surface (3, H, W) float32 in 0 ... 255; `strength` 0 is one plain color.

    texture: one of TEXTURES, or any.
    """
    name = list(TEXTURES)[random.integers(len(TEXTURES))]
    name = texture or name
    pairs = _PAIRS.get(name, _CLOTHS)
    tone = random.uniform(0.85, 1.12)
    dark, light = (np.array(shade(color, tone)) for color in pairs[random.integers(len(pairs))])
    pattern = np.clip(TEXTURES[name](random, size), -0.2, 1.2)  # (H, W) in about 0 ... 1
    pattern = 0.5 + (pattern - 0.5) * np.float32(strength)
    reach = (light - dark).astype(np.float32)[:, None, None]
    return dark.astype(np.float32)[:, None, None] + reach * pattern


def clouds(random: Random, size: Size) -> Field:
    """Soft patches."""
    return 0.5 + 0.22 * noise(random, size, "smooth")


def plaster(random: Random, size: Size) -> Field:
    """A wall that runs from one tone to another."""
    y, x = grid(size)
    angle = random.uniform(0, 2 * np.pi)
    slope = x / size[1] * np.float32(np.cos(angle)) + y / size[0] * np.float32(np.sin(angle))
    return 0.5 + 0.6 * (slope - slope.mean()) + 0.06 * noise(random, size, "rough")


def stripes(random: Random, size: Size) -> Field:
    """Broad stripes in any direction."""
    wave = np.sin(_across(random, size) * np.float32(2 * np.pi / random.uniform(14, 60)))
    return 0.5 + np.clip(wave * 2, -0.45, 0.45) + 0.08 * noise(random, size, "rough")


def fabric(random: Random, size: Size) -> Field:
    """A coarse weave."""
    y, x = grid(size)
    fine = np.float32(2 * np.pi / random.uniform(3.5, 6))
    weave = np.sin(x * fine) * np.sin(y * fine)
    return 0.5 + 0.25 * weave + 0.1 * noise(random, size, "rough")


def checks(random: Random, size: Size) -> Field:
    """A tablecloth: two sets of stripes that cross."""
    y, x = grid(size)
    period, shift = random.uniform(24, 56), random.uniform(0, 56)
    down, along = ((part + shift) % period < period / 2 for part in (y, x))
    both = down.astype(np.float32) + along
    return 0.2 + 0.3 * both + 0.07 * noise(random, size, "rough")


def wood(random: Random, size: Size) -> Field:
    """Boards with their grain."""
    y, _ = grid(size)
    grain = noise(random, size, "smooth", stretch=(7, 1))
    wide, shift = random.uniform(28, 70), random.uniform(0, 70)
    board = ((y + shift) // wide).astype(np.int64)
    tones = random.uniform(-0.18, 0.18, int(board.max()) + 1).astype(np.float32)
    seam = (y + shift) % wide < 1.5
    return 0.55 + 0.16 * grain + tones[board] - np.float32(0.6) * seam


def bricks(random: Random, size: Size) -> Field:
    """A brick wall: 0 is mortar."""
    y, x = grid(size)
    high = random.uniform(12, 24)
    wide, shift, mortar = high * random.uniform(2, 2.6), random.uniform(0, 40), high * 0.13
    row = (y + shift) // high
    along = x + shift + row % 2 * (wide / 2)
    column = np.floor(along / wide)
    tones = random.uniform(0.66, 1.05, (int(row.max()) + 1, int(column.max()) + 1))
    stone = tones.astype(np.float32)[row.astype(np.int64), column.astype(np.int64)]
    joint = ((y + shift) % high < mortar) | (along - column * wide < mortar)
    return np.where(joint, np.float32(0.1), stone) + 0.07 * noise(random, size, "rough")


def grass(random: Random, size: Size) -> Field:
    """A lawn: upright blades and worn patches."""
    blades = noise(random, size, "rough", stretch=(1, 3))
    return 0.5 + 0.2 * blades + 0.14 * noise(random, size, "smooth")


def sand(random: Random, size: Size) -> Field:
    """Grains, and the waves that wind leaves."""
    waves = np.sin(
        _across(random, size) * np.float32(2 * np.pi / random.uniform(18, 40))
        + 1.5 * noise(random, size, "smooth")
    )
    return 0.5 + 0.14 * waves + 0.14 * noise(random, size, "grain")


TEXTURES: dict[str, Callable[[Random, Size], Field]] = {
    "clouds": clouds, "plaster": plaster, "stripes": stripes, "fabric": fabric, "checks": checks,
    "wood": wood, "bricks": bricks, "grass": grass, "sand": sand,
}  # fmt: skip
"""Backgrounds by name: functions to a pattern (H, W), about 0 (dark) to 1 (light)."""


def illumination(random: Random, size: Size, light: tuple[float, float], strength: float) -> Field:
    """Light on the scene (H, W), mean about 1: brighter towards (x, y), uneven besides."""
    y, x = np.linspace(-1, 1, 4)[:, None], np.linspace(-1, 1, 5)[None]
    coarse = random.normal(0, 0.5, (4, 5)) + x * light[0] + y * light[1]
    field = np.exp(0.4 * strength * np.clip(coarse, -2, 2)).astype(np.float32)
    return _enlarger(size[0], 4) @ field @ _enlarger(size[1], 5).T


@functools.cache
def _enlarger(large: int, small: int) -> np.ndarray:
    """(large, small) float32: bicubic interpolation along one axis as a matrix."""
    units = Image.fromarray(np.eye(small, dtype=np.float32))
    return np.asarray(units.resize((small, large), Image.Resampling.BICUBIC, (0, 0, small, small)))


def exposure(random: Random, strength: float) -> np.ndarray:
    """Gains (3, 1, 1) of red, green and blue: how long, and how warm the light is."""
    gain, warm = random.uniform(-0.4, 0.4) * strength, random.uniform(-0.25, 0.25) * strength
    return np.exp(np.array([gain + warm, gain, gain - warm], dtype=np.float32))[:, None, None]


def noise(random: Random, size: Size, kind: str, stretch: tuple[int, int] = (1, 1)) -> Field:
    """A random piece (H, W) of a noise field of mean 0 and variance 1: smooth, rough or grain.

    stretch: how many times faster it changes downwards and sideways.
    """
    top, left = random.integers(_BANK, size=2).tolist()
    bottom, right = top + stretch[0] * size[0], left + stretch[1] * size[1]
    bank = _bank(kind)
    if bottom <= 2 * _BANK and right <= 2 * _BANK:
        return bank[top : bottom : stretch[0], left : right : stretch[1]]
    rows, columns = np.arange(top, bottom, stretch[0]), np.arange(left, right, stretch[1])
    return bank.take(rows % _BANK, 0).take(columns % _BANK, 1)


def grid(size: Size) -> tuple[Field, Field]:
    """Coordinates of the pixels: y (H, 1) and x (1, W)."""
    rows, columns = (np.arange(side, dtype=np.float32) for side in size)
    return rows[:, None], columns[None]


def _across(random: Random, size: Size) -> Field:
    """(H, W) distance along a random direction, in pixels."""
    y, x = grid(size)
    angle = random.uniform(0, np.pi)
    return x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) + random.uniform(0, 99)


@functools.cache
def _bank(kind: str) -> Field:
    """Seamless noise of amplitude f^-steep, four times side by side: (1024, 1024)."""
    steep = {"smooth": 1.9, "rough": 0.8, "grain": 0.0}[kind]
    random = np.random.default_rng(list(kind.encode()))
    white = np.fft.rfft2(random.standard_normal((_BANK, _BANK)))
    down, along = np.fft.fftfreq(_BANK)[:, None], np.fft.rfftfreq(_BANK)[None]
    frequency = np.maximum(np.hypot(down, along), 2 / _BANK)
    field = np.fft.irfft2(white * frequency**-steep, s=(_BANK, _BANK))
    return np.tile(((field - field.mean()) / field.std()).astype(np.float32), (2, 2))
