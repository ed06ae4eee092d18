"""Every model is explained by every method that it can answer, and by default."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

from tapetum.base.errors import UsageError
from tapetum.explain import AUTO, METHODS, explain
from tapetum.models import CATALOG
from tapetum.testing import Subject


@functools.cache
def asked(name: str) -> tuple[Any, Any, Any]:
    """A tiny model, an image and the first object in it."""
    subject = Subject.of(name, CATALOG[name].tiny)
    image = torch.nn.functional.avg_pool2d(subject.images[0], 2)
    height, width = image.shape[-2:]
    target = subject.target((height, width), (0.1 * width, 0.1 * height, 40, 36, 1))
    return subject.build(), image, target


def able(model: Any, method: str) -> bool:
    needs = METHODS[method].needs
    return (model.differentiable or "gradient" not in needs) and (
        bool(model.explain_layers()) or "layer" not in needs
    )


@pytest.mark.parametrize("method", [AUTO, *METHODS])
@pytest.mark.parametrize("name", sorted(CATALOG))
def test_it_answers_or_says_in_one_line_what_it_lacks(name: str, method: str) -> None:
    model, image, target = asked(name)
    if method != AUTO and not able(model, method):
        with pytest.raises(UsageError, match=f"{method} needs .*hint: auto or one of .*occlusion"):
            explain(model, image, target, method)
        return
    heat = explain(model, image, target, method)
    assert heat.shape == image.shape[-2:]
    assert heat.isfinite().all()
    assert heat.min() >= 0
    assert heat.max() in (0, 1)
