"""Write resnet.json and resnet*.keys.json from torchvision's ResNet.

Run by hand, `python make_resnet.py`, in an environment with torchvision (0.29.2 made these files).
"""

from __future__ import annotations

import torch
import torchvision
from drawing import draw_image, draw_weights, sample, write
from torchvision.models.feature_extraction import create_feature_extractor

NAMES = ("resnet18", "resnet50")
LAYERS = {"layer1": "c2", "layer2": "c3", "layer3": "c4", "layer4": "c5"}


def main() -> None:
    golden: dict = {"made with": f"torchvision {torchvision.__version__}"}
    for name in NAMES:
        model = torchvision.models.get_model(name, weights=None).double().eval()
        shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
        model.load_state_dict(draw_weights(shapes, {}))
        pixels = torch.stack([draw_image(f"resnet.{i}", 96, 128) for i in range(2)]) * 4 - 2
        with torch.no_grad():
            maps = create_feature_extractor(model, LAYERS)(pixels)
        golden[name] = {key: sample(f"{name}.{key}", value) for key, value in maps.items()}
        write(f"{name}.keys.json", shapes)
    write("resnet.json", golden)


if __name__ == "__main__":
    main()
