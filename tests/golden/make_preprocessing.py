"""Write preprocessing.json: what torchvision makes of images for its published classifiers.

Run by hand, `python make_preprocessing.py`, in an environment with torchvision (0.28.0 made this
file; compiled operators are not needed). "files" are the weights with their protocol; "prepared"
are pixels by resize_size and image: in float64 through the functions, in bytes and by Pillow
through the preset itself.
"""

from __future__ import annotations

import torch
import torchvision
from drawing import draw_photo, sample, write
from PIL import Image
from torch import Tensor
from torchvision.models import get_model_weights
from torchvision.transforms import functional as F
from torchvision.transforms._presets import ImageClassification

CLASSIFIERS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vit_b_16")
SIZES = {
    "wide": (375, 500),
    "tall": (500, 333),
    "small": (97, 150),
    "one way larger": (240, 263),
    "half a pixel": (256, 261),
    "square": (300, 300),
}


def main() -> None:
    golden: dict = {
        "made with": f"torchvision {torchvision.__version__}",
        "sizes": SIZES,
        "files": protocols(),
        "prepared": {
            str(resize_size): {
                name: prepared(f"preprocessing.{name}", size, resize_size)
                for name, size in SIZES.items()
            }
            for resize_size in (232, 256)
        },
    }
    write("preprocessing.json", golden)


def protocols() -> dict[str, list]:
    """What each file is to be measured with: resize, crop, interpolation, antialias, mean, std."""
    found = {}
    for name in CLASSIFIERS:
        for weights in get_model_weights(name):
            preset = weights.transforms()
            found[weights.url.rpartition("/")[2]] = [
                *(*preset.resize_size, *preset.crop_size, preset.interpolation.value),
                *(preset.antialias, preset.mean, preset.std),
            ]
    return found


def prepared(name: str, size: tuple[int, int], resize_size: int) -> dict:
    image = draw_photo(name, *size)
    pixels = (255 * image).round().to(torch.uint8)
    preset = ImageClassification(crop_size=224, resize_size=resize_size)
    drawn = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    return {
        "float": sample(name, in_float64(preset, image), 100),
        "bytes": sample(name, preset(pixels), 100),
        "pillow": sample(name, preset(drawn), 100),
    }


def in_float64(preset: ImageClassification, image: Tensor) -> Tensor:
    """The preset's steps, but for its conversion to float32."""
    resized = F.resize(image, preset.resize_size, antialias=preset.antialias)
    return F.normalize(F.center_crop(resized, preset.crop_size), preset.mean, preset.std)


if __name__ == "__main__":
    main()
