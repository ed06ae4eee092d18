"""One more explanation method: its function, and an entry of METHODS with what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import tapetum
from tapetum.data.images.reader import read_image
from tapetum.explain import METHODS, Method
from tapetum.structures import Model, Target
from tests.extending.tools import look


def ablation(model: Model, image: Tensor, target: Target, batch_size: int) -> Tensor:
    """(H, W): how much the logit changes when a quarter of the image is black."""
    height, width = image.shape[1:]
    copies, places = [image], []
    for y in (0, height // 2):
        for x in (0, width // 2):
            places.append((slice(y, y + height // 2), slice(x, x + width // 2)))
            copies.append(image.clone())
            copies[-1][(slice(None), *places[-1])] = 0
    logits = torch.cat(
        [
            model.target_logits(part, [target] * len(part))
            for part in (copies[i : i + batch_size] for i in range(0, len(copies), batch_size))
        ]
    )
    heat = torch.zeros(height, width)
    for place, logit in zip(places, logits[1:], strict=True):
        heat[place] = (logits[0] - logit).abs()
    return heat


ENTRY = Method(ablation, frozenset({"forwards"}), "Zeiler and Fergus 2014, in four parts")


def test_an_explanation_is_an_entry_of_methods(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Path, run: Path
) -> None:
    monkeypatch.setitem(METHODS, "ablation", ENTRY)
    (tmp_path / "run").symlink_to(run)
    look(tmp_path / "run", photo, method="ablation")
    predictor = tapetum.load(run, device="cpu")
    image = read_image(photo).pixels
    heat = predictor.explain(image, Target(labels=torch.tensor([0])), method="ablation")
    assert heat.shape == (64, 80)
    assert heat.max() == 1
