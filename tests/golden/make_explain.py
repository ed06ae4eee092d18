"""Writes explain.json: maps of a small classifier by captum, in float64.

Run it where torch and captum are installed: `python tests/golden/make_explain.py`.
Weights and image are stored with the maps, so that the test needs neither captum nor this file.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from captum.attr import (
    InputXGradient,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    Saliency,
)
from torch import Tensor, nn

OUT = Path(__file__).with_name("explain.json")
LABEL = 0


def main() -> None:
    model = build()
    image = torch.rand(3, 10, 14, dtype=torch.float64, generator=seeded(1))
    maps = attribute(model, image[None])
    value = {
        "label": LABEL,
        "picture": image.tolist(),
        "weights": {name: weight.tolist() for name, weight in model.state_dict().items()},
        "logits": model(image[None])[0].tolist(),
        "maps": {name: heat.tolist() for name, heat in maps.items()},
    }
    OUT.write_text(json.dumps(value) + "\n")


def build() -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=1, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(5 * 5 * 7, 3),
    ).double()
    with torch.no_grad():
        for i, weight in enumerate(model.parameters()):
            fan_in = weight[0].numel() if weight.ndim > 1 else 4
            drawn = torch.randn(weight.shape, dtype=torch.float64, generator=seeded(10 + i))
            weight.copy_(drawn / fan_in**0.5)
    return model


def attribute(model: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    cam = LayerGradCam(model, model[3]).attribute(x, target=LABEL, relu_attributions=True)
    deep = IntegratedGradients(model).attribute(
        x, baselines=0.0, target=LABEL, n_steps=32, method="riemann_middle"
    )
    product = InputXGradient(model).attribute(x.clone().requires_grad_(), target=LABEL)
    found = {
        "saliency": Saliency(model).attribute(x.clone().requires_grad_(), target=LABEL).amax(1),
        "input-x-gradient": product.sum(1).abs(),
        "integrated-gradients": deep.sum(1).abs(),
        "grad-cam": LayerAttribution.interpolate(cam, (10, 14), interpolate_mode="bilinear")[:, 0],
    }
    assert all(heat.max() > 1e-3 for heat in found.values())
    return {name: heat[0].detach() for name, heat in found.items()}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


if __name__ == "__main__":
    main()
