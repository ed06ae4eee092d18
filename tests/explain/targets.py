"""Targets that the tests explain."""

from __future__ import annotations

import torch

from tapetum.structures import Target


def of_class(label: int) -> Target:
    """A class of the whole image."""
    return Target(labels=torch.tensor([label]))
