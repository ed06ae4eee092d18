"""EXIF orientation: how pixels, points and boxes turn when an image is turned upright.

The tag has eight values (EXIF 2.32, tag 0x0112): the stored image must be transposed or not,
then mirrored left to right or not, then top to bottom or not.
"""

from __future__ import annotations

import numpy as np

UPRIGHT = 1
# orientation: (transpose, then mirror left-right, then mirror top-bottom)
_STEPS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The size of the upright image.

    Args:
        size: (height, width) in pixels of the stored image.
        orientation: EXIF's number, 1 to 8.

    Returns:
        (height, width) in pixels.
    """
    return (size[1], size[0]) if _STEPS[orientation][0] else size


def turn_array(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a stored image or mask upright.

    Args:
        array: (H, W, ...), as stored.
        orientation: EXIF's number, 1 to 8.

    Returns:
        A view of the array, never a copy: (W, H, ...) where the orientation swaps the axes.
    """
    transpose, left_right, top_bottom = _STEPS[orientation]
    if transpose:
        array = array.swapaxes(0, 1)  # (H, W, ...) -> (W, H, ...)
    return array[:: -1 if top_bottom else 1, :: -1 if left_right else 1]


def turn_points(points: np.ndarray, orientation: int, size: tuple[int, int]) -> np.ndarray:
    """Move points from the stored image to the upright one.

    Args:
        points: (N, 2) x y, absolute pixels, in the stored image.
        orientation: EXIF's number, 1 to 8.
        size: (height, width) in pixels of the stored image.

    Returns:
        (N, 2) x y in the upright image.
    """
    transpose, left_right, top_bottom = _STEPS[orientation]
    height, width = turned_size(size, orientation)
    x, y = points[:, 0], points[:, 1]
    if transpose:
        x, y = y, x
    return np.stack((width - x if left_right else x, height - y if top_bottom else y), axis=1)


def turn_boxes(xywh: np.ndarray, orientation: int, size: tuple[int, int]) -> np.ndarray:
    """Move boxes from the stored image to the upright one.

    Args:
        xywh: (N, 4) x y width height, absolute pixels, in the stored image.
        orientation: EXIF's number, 1 to 8.
        size: (height, width) in pixels of the stored image.

    Returns:
        (N, 4) x y width height in the upright image.
    """
    if orientation == UPRIGHT:
        return xywh
    first = turn_points(xywh[:, :2], orientation, size)
    second = turn_points(xywh[:, :2] + xywh[:, 2:], orientation, size)
    sides = xywh[:, [3, 2]] if _STEPS[orientation][0] else xywh[:, 2:]
    return np.concatenate((np.minimum(first, second), sides), axis=1)
