"""Write classifiers.json and *.keys.json from torchvision's ResNet and ViT, heads included.

Run by hand, `python make_classifiers.py`, in an environment with torchvision (0.29.2 made these
files). Numbers of the ViT are those of its first three blocks: all are alike, and the keys, which
have all twelve, say which is which.
"""

from __future__ import annotations

import torch
import torchvision
from drawing import draw_image, draw_weights, sample, write
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import get_model
from torchvision.models.vision_transformer import VisionTransformer
from torchvision.transforms.v2.functional import normalize, resize

SIZES = {"classifiers.a": (150, 190), "classifiers.b": (190, 97)}
LABELS = [417, 3]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VIT = {"image_size": 224, "patch_size": 16, "num_heads": 12, "hidden_dim": 768, "mlp_dim": 3072}
ADJUST = {"fc.bias": (3.0, 0.0), "head.weight": (3.0, 0.0), "pos_embedding": (20.0, 0.0)}


def main() -> None:
    images = [draw_image(name, *size) for name, size in SIZES.items()]
    golden: dict = {
        "made with": f"torchvision {torchvision.__version__}",
        "sizes": SIZES,
        "labels": LABELS,
        "adjust": ADJUST,
        "prepared": {
            str(size): sample(f"prepared.{size}", preprocess(images, size)) for size in (64, 224)
        },
    }
    pixels = preprocess(images, 224)
    for name in ("resnet18", "resnet50"):
        golden[name] = answers(name, get_model(name, weights=None), pixels)
    three = VisionTransformer(**VIT, num_layers=3)
    golden["vit_b_16"] = answers("vit_b_16", three, pixels)
    shapes = shapes_of(get_model("vit_b_16", weights=None))
    write("vit_b_16.keys.json", shapes)
    older = {old_name(key): shape for key, shape in shapes.items()}
    get_model("vit_b_16", weights=None).load_state_dict(
        {key: torch.zeros(shape) for key, shape in older.items()}
    )
    write("vit_b_16-published.keys.json", older)
    write("classifiers.json", golden)


def preprocess(images: list[Tensor], size: int) -> Tensor:
    squares = [resize(image, [size, size], antialias=True) for image in images]
    return normalize(torch.stack(squares), MEAN, STD)


def answers(name: str, model: torch.nn.Module, pixels: Tensor) -> dict:
    model = model.double().eval()
    model.load_state_dict(draw_weights(shapes_of(model), ADJUST))
    with torch.no_grad():
        logits = model(pixels)
    assert logits.std() > 0.3, "logits that hardly differ tell nothing"
    assert (logits[0] - logits[1]).abs().mean() > 0.02, "nor do pictures that are all the same"
    labels = torch.tensor(LABELS)
    return {
        "logits": sample(f"{name}.logits", logits, 400),
        "loss": F.cross_entropy(logits, labels).item(),
        "smoothed": F.cross_entropy(logits, labels, label_smoothing=0.1).item(),
        "top": logits.argmax(dim=1).tolist(),
    }


def shapes_of(model: torch.nn.Module) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in model.state_dict().items()}


def old_name(key: str) -> str:
    """Published files are older than today's MLP, whose layers count the activations."""
    return key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2.")


if __name__ == "__main__":
    main()
