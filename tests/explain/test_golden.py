"""Maps equal to captum's, stored by tests/golden/make_explain.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tapetum.explain import METHODS, explain
from tapetum.explain.methods import find_layer
from tests.explain.targets import of_class

GOLDEN = Path(__file__).parents[1] / "golden" / "explain.json"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text())


@pytest.fixture
def model(golden: dict[str, Any], classifier: Any) -> nn.Module:
    # In-place ReLUs here, ordinary ones in the reference: the captured map must be the same.
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=1, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 5, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(175, 3),
    ).double()
    weights = {name: torch.tensor(w, dtype=torch.float64) for name, w in golden["weights"].items()}
    body.load_state_dict(weights)
    return classifier(body, layer=3)


@pytest.fixture
def image(golden: dict[str, Any]) -> torch.Tensor:
    return torch.tensor(golden["picture"], dtype=torch.float64)


def test_the_model_is_the_reference_one(golden, model, image):
    logits = torch.tensor(golden["logits"], dtype=torch.float64)
    torch.testing.assert_close(model.body(image[None])[0], logits, atol=1e-12, rtol=0)


@pytest.mark.parametrize("method", ["saliency", "input-x-gradient", "integrated-gradients"])
def test_pixel_methods_equal_captum(golden, model, image, method):
    expected = torch.tensor(golden["maps"][method], dtype=torch.float64)
    actual = METHODS[method].function(model, image, of_class(golden["label"]))
    torch.testing.assert_close(actual, expected, atol=1e-9, rtol=1e-9)


def test_grad_cam_equals_captum(golden, model, image):
    expected = torch.tensor(golden["maps"]["grad-cam"], dtype=torch.float64)
    target, layer = of_class(golden["label"]), find_layer(model, None)
    actual = METHODS["grad-cam"].function(model, image, target, layer)
    torch.testing.assert_close(actual, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("method", ["saliency", "grad-cam"])
def test_explain_scales_the_hottest_pixel_to_one(golden, model, image, method):
    expected = torch.tensor(golden["maps"][method], dtype=torch.float64)
    actual = explain(model, image, of_class(golden["label"]), method)
    torch.testing.assert_close(actual, expected / expected.max(), atol=1e-9, rtol=1e-9)
