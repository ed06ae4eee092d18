"""Every misuse is one line on stderr and a stated exit code; a traceback needs --debug."""

import pytest

from tests.cli.tools import TINY, tapetum

USAGE = 2
WRONG = {
    "unknown model": ("train", "yolo99", "scenes"),
    "fewer workers than none": ("evaluate", "run", "--workers", -1),
    "no data": ("train", "retinanet"),
    "no such data": ("train", "retinanet", "nowhere"),
    "resume with a model": ("train", "retinanet", "scenes", "--resume", "x"),
    "resume with another length": ("train", "--resume", "x", "--epochs", "80"),
    "negative rate": ("train", "retinanet", "scenes", "--lr", "-1"),
    "unknown optimizer": ("train", "retinanet", "scenes", "--optimizer", "lion"),
    "unknown backbone": ("train", "retinanet", "scenes", "--backbone", "vgg"),
    "unknown augmentation": ("train", "retinanet", "scenes", "--augment", "cutout"),
    "unknown device": ("train", "retinanet", "scenes", "--device", "tpu"),
    "unknown argument": ("train", "retinanet", "scenes", "--set", "layers=3"),
    "two lengths": ("train", "retinanet", "scenes", "--minutes", "1", "--epochs", "2"),
    "no such weights": ("train", "retinanet", "scenes", "--weights", "nowhere.pth"),
    "no images": ("predict", "nowhere"),
    "an argument of another type": ("train", "retinanet", "scenes", "--set", "fpn_channels=abc"),
    "nowhere to save": ("predict", "nowhere", "x.jpg", "--save", "coco"),
    "no pair": ("train", "retinanet", "scenes", "--set", "layers"),
    "fp16 on a processor": (
        *("train", "retinanet", "scenes", "--device", "cpu", "--precision", "fp16"),
    ),
    "truth alone": ("evaluate", "--ground-truth", "x.json"),
    "nothing to evaluate": ("evaluate",),
    "no detections counted": (
        "evaluate",
        "--ground-truth",
        "x",
        "--predictions",
        "y",
        "--max-dets",
        "0",
    ),
    "no such dataset": ("check", "nowhere"),
    "no such method": ("explain", "nowhere", "x.jpg", "--method", "lime"),
    "a layer for pixels": (
        *("explain", "nowhere", "x.jpg", "--method", "saliency", "--layer", "body"),
    ),
}


@pytest.mark.parametrize("words", WRONG.values(), ids=WRONG.keys())
def test_wrong_usage_is_one_line(words, tmp_path):
    place = ("--out", tmp_path / "run") if words[0] == "train" and "--resume" not in words else ()
    result = tapetum(*words, *place)
    assert result.returncode == USAGE, result.stderr
    assert result.stderr.startswith("tapetum: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_debug_shows_the_traceback(tmp_path):
    result = tapetum("report", tmp_path / "none", "--debug")
    assert "Traceback" in result.stderr


def test_an_existing_run_is_refused_not_overwritten(run):
    before = (run / "run.json").read_bytes()
    result = tapetum("train", "retinanet", "scenes", "--out", run, *TINY)
    assert result.returncode == USAGE
    assert "exists already" in result.stderr
    assert (run / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ("train", "vit_b_16", "scenes", "--backbone", "resnet50"),
            "vit_b_16 has no backbone to choose",
        ),
        (
            ("evaluate", "run", "--iou-type", "segm"),
            "--iou-type is for --ground-truth and --predictions",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(words, complaint):
    result = tapetum(*words)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1
