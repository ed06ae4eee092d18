"""What the Python interface takes as an image."""

from __future__ import annotations

import pytest
import torch

from tapetum.base.errors import ImageError
from tapetum.inference.predictor import as_image


@pytest.mark.parametrize("value", [255.0, -1.0, float("nan"), float("inf")])
def test_a_tensor_of_floats_outside_0_to_1_is_refused(value: float) -> None:
    image = torch.full((3, 9, 9), 0.5)
    image[1, 2, 3] = value
    with pytest.raises(ImageError, match=r"expected floats in \[0, 1\], got .* \(hint: divide by"):
        as_image(image)


def test_floats_and_bytes_pass_as_they_are() -> None:
    for image in (torch.rand(3, 4, 5), torch.full((3, 4, 5), 255, dtype=torch.uint8)):
        assert as_image(image) is image
