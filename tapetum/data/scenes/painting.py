"""From a layout to an image."""

from __future__ import annotations

import numpy as np

from tapetum.data.scenes.clutter import Loose
from tapetum.data.scenes.layout import Layout, Piece, Streams
from tapetum.data.scenes.options import SceneOptions
from tapetum.data.scenes.shapes import Random
from tapetum.data.scenes.sprites import put_down
from tapetum.data.scenes.textures import Size, background, exposure, grid, illumination, noise


def paint_layout(layout: Layout, options: SceneOptions, streams: Streams) -> np.ndarray:
    """The image (3, H, W) uint8 of a layout."""
    size = layout.owner.shape[0], layout.owner.shape[1]
    random = streams("surface")
    angle = random.uniform(-2.6, -0.5)  # from above, left or right
    light = float(np.cos(angle)), float(np.sin(angle))
    canvas = background(random, size, options.texture, layout.texture)
    everything: list[Piece | Loose] = [*layout.beneath, *layout.pieces, *layout.above]
    for piece in everything:
        put_down(canvas, piece.sprite, piece.corner, light, options.light)
    canvas *= illumination(random, size, light, options.light)
    canvas *= exposure(random, options.light)
    if options.illumination:
        canvas *= _hard_light(streams("illumination"), size, options.illumination)
    for channel in canvas:
        channel += np.float32(options.noise) * noise(random, size, "grain") + np.float32(0.5)
    return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)


def _hard_light(random: Random, size: Size, level: float) -> np.ndarray:
    """Factors (3, H, W): dark or light, cold or warm, and a shadow with an edge."""
    gain, warm = random.uniform(-1.1, 0.7) * level, random.uniform(-0.3, 0.3) * level
    tint = np.exp([gain + warm, gain, gain - warm]).astype(np.float32)[:, None, None]
    y, x = grid(size)
    angle, soft = random.uniform(0, 2 * np.pi), random.uniform(2, 8)
    middle = np.array(size) * random.uniform(0.35, 0.65, 2)
    far = (x - middle[1]) * np.cos(angle) + (y - middle[0]) * np.sin(angle)  # (H, W) in pixels
    dark = np.exp(-level * random.uniform(0.3, 1.1))
    return tint * (1 - (1 - dark) / (1 + np.exp(np.clip(-far / soft, -30, 30)))).astype(np.float32)
