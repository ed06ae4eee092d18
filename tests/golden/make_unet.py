"""Write unet.json and unet_resnet*.keys.json from segmentation_models_pytorch's U-Net.

Run by hand, `python make_unet.py`, in an environment with that package (version 0.5.1.dev0, commit
5006616357631a48c7c8e11977cf5abb00803590 of its repository, made these files). It asserts that the
numbers can tell right from wrong: several classes win pixels, and none by a hair.
"""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from drawing import draw_image, draw_weights, sample, write
from torch import Tensor

ENCODERS = ("resnet18", "resnet34")
CLASSES = 11
SIZES = {"unet.a": (64, 96), "unet.b": (57, 70)}
# Features that are alike everywhere would make one class win everywhere.
ADJUST = {
    "decoder.blocks.4.conv1.1.weight": (4.0, 0.0),
    "decoder.blocks.4.conv2.1.weight": (6.0, 0.0),
    "decoder.blocks.4.conv2.1.bias": (2.0, -0.5),
    "segmentation_head.0.weight": (2.0, 0.0),
}
# Whole multiples of 32, what the encoder needs: zeros at the right and the bottom.
PADDED = (64, 96)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LOGITS = torch.tensor(
    [[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 0.0], [0.0, 0.0, 1.5], [1.0, 1.0, -1.0]]
)
LABELS = torch.tensor([0, 2, 2, 255, 0])


def main() -> None:
    pixels = torch.stack([prepared(name, *size) for name, size in SIZES.items()])
    golden: dict = {
        "made with": f"segmentation_models_pytorch {smp.__version__}",
        "classes": CLASSES,
        "sizes": SIZES,
        "adjust": ADJUST,
        "logits": {},
        "counts": {},
        "dice": dice(),
    }
    for encoder in ENCODERS:
        model = smp.Unet(encoder, encoder_weights=None, classes=CLASSES).double().eval()
        shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
        model.load_state_dict(draw_weights(shapes, ADJUST))
        with torch.no_grad():
            logits = model(pixels)
        check(logits)
        write(f"unet_{encoder}.keys.json", shapes)
        golden["logits"][encoder] = sample(f"unet.{encoder}", logits)
        golden["counts"][encoder] = [
            torch.bincount(one[:, :h, :w].argmax(0).flatten(), minlength=CLASSES).tolist()
            for one, (h, w) in zip(logits, SIZES.values(), strict=True)
        ]
    write("unet.json", golden)


def prepared(name: str, height: int, width: int) -> Tensor:
    """A drawn image, normalised and padded."""
    mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (MEAN, STD))
    canvas = torch.zeros(3, *PADDED, dtype=torch.float64)
    canvas[:, :height, :width] = (draw_image(name, height, width) - mean) / std
    return canvas


def dice() -> dict:
    """The Dice loss of a few logits.

    The reference has half as much of everything in its fraction, `smooth` excepted, and its mean is
    over all classes, those that do not occur with 0.
    """
    loss = smp.losses.DiceLoss("multiclass", smooth=0.5, ignore_index=255)
    value = loss(LOGITS.T[None].double(), LABELS[None])
    classes = LOGITS.shape[1]
    present = len(set(LABELS.tolist()) - {255})
    return {
        "logits": LOGITS.tolist(),
        "labels": LABELS.tolist(),
        "smooth": 1.0,
        "loss": value.item() * classes / present,
    }


def check(logits: Tensor) -> None:
    counts = torch.bincount(logits.argmax(1).flatten(), minlength=CLASSES)
    best = logits.topk(2, dim=1).values
    margin = (best[:, 0] - best[:, 1]).min().item()
    print(f"pixels of each class {counts.tolist()}, nearest tie {margin:.1e}")
    assert (counts > 20).sum() >= 3, "too few classes"
    assert margin > 1e-6, "a tie"


if __name__ == "__main__":
    main()
