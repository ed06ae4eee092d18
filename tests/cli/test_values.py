"""Values that cannot be, and options that say the same: one line each, before anything is made."""

import pytest

from tapetum.cli.main import main

TRAIN = ("train", "resnet10", "scenes:count=4", "--weights", "none", "--max-steps", "1")
DETECT = ("train", "retinanet", *TRAIN[2:])
LINES = {
    "an infinite rate": ((*TRAIN, "--lr", "inf"), "--lr: must be finite, got inf"),
    "ages": (
        ("train", "resnet10", "scenes:count=4", "--minutes", "1e30"),
        "--minutes: must be above 0 and at most 1,000,000",
    ),
    "a huge image": (
        (*TRAIN, "--image-size", "1000000"),
        "--image-size: must be 8 to 16,384 pixels, got 1,000,000",
    ),
    "another number of classes": (
        (*TRAIN, "--set", "num_classes=5"),
        "--set: num_classes=5, but the data has 8 classes",
    ),
    "two backbones": (
        (*DETECT, "--backbone", "resnet10", "--set", "backbone=resnet18"),
        "--backbone and the argument backbone both say the backbone",
    ),
    "two sizes": (
        (*TRAIN, "--image-size", "64", "--set", "image_size=96"),
        "--image-size and the argument image_size both say the size",
    ),
    "anchors of no size": (
        (*DETECT, "--set", "anchor_sizes=[0,0,0,0,0]"),
        "retinanet: anchors: expected sizes and ratios above 0, got 0.0",
    ),
    "no channels": ((*TRAIN, "--set", "backbone_width=0"), "resnet10: "),
    "means of two channels": ((*TRAIN, "--set", "image_mean=[1,2]"), "resnet10: image_mean"),
    "no deviation": ((*TRAIN, "--set", "image_std=[0,0,0]"), "resnet10: image_std"),
    "an empty word": (("train", "resnet10", ""), "one of the words is empty"),
}


@pytest.mark.parametrize("case", LINES)
def test_one_line_says_why(case, tmp_path, capsys):
    words, line = LINES[case]
    assert main([*words, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 2
    *_, said = capsys.readouterr().err.splitlines()
    assert said.startswith(f"tapetum: {line}"), said
    assert "internal error" not in said
    assert not (tmp_path / "run").exists()
