"""A custom model that does something wrong: one line that names its file, or what it gave."""

import pytest

from tapetum.cli.main import main

OWN = """
import torch
from tapetum.models.classification.linear import linear
from tapetum.models.classification.classifier import ImageClassifier


class Faulty(ImageClassifier):
    def __init__(self, fault):
        plain = linear(num_classes=8, image_size=16)
        super().__init__(plain.network, plain.preprocessing)
        self.fault = fault

    def losses(self, output, targets):
        loss = super().losses(output, targets)
        if self.fault == "raises":
            raise KeyError("no such thing")
        return {
            "empty": {},
            "number": {"a": 1.0},
            "vector": {"a": torch.ones(2, requires_grad=True)},
            "detached": {name: value.detach() for name, value in loss.items()},
        }.get(self.fault, loss)

    def get_extra_state(self):
        return {"more": "than tensors"} if self.fault == "state" else torch.zeros(0)

    def set_extra_state(self, state):
        pass


def build(num_classes: int = 8, image_size: int = 16, fault: str = "none") -> ImageClassifier:
    if fault == "constructor":
        raise KeyError(fault)
    return Faulty(fault)
"""
LINES = {
    "raises": "own.py: line 16: KeyError: 'no such thing'",
    "empty": "losses: expected a dict of scalar tensors, got {}",
    "number": "losses: a: expected a scalar tensor, got float",
    "vector": "losses: a: expected a scalar tensor, got (2,)",
    "detached": "losses: none depends on a parameter that learns",
    "state": "_extra_state: a dict in the model's state; only tensors are saved",
    "constructor": "own.py: line 33: KeyError: 'constructor'",
}


@pytest.mark.parametrize("fault", LINES)
def test_one_line_says_what_is_wrong(fault, tmp_path, capsys):
    assert train(tmp_path, fault) in (1, 2)
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("tapetum: ")
    assert LINES[fault] in line
    assert "internal error" not in line


def train(folder, fault):
    (folder / "own.py").write_text(OWN)
    words = ["train", f"{folder}/own.py:build", "scenes:count=4", "--set", f"fault={fault}"]
    return main([*words, "--max-steps", "1", "--device", "cpu", "--out", str(folder / "run")])
