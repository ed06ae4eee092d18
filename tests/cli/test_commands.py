"""The commands on a tiny run: what they write, print and return."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from tests.cli.tools import TINY, tapetum

KEYS = [
    *("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge"),
    *("AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"),
]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name, size in (("a.jpg", (40, 60)), ("b.png", (100, 30))):
        Image.fromarray(draw.integers(0, 255, (*size, 3), dtype=np.uint8)).save(folder / name)
    return folder


def test_train_leaves_a_whole_run(run):
    assert {p.name for p in run.iterdir()} == {
        *("run.json", "metrics.jsonl", "checkpoints", "report.html", "evaluation.json"),
        *("thresholds.json", "data.jpg"),
    }
    record = json.loads((run / "run.json").read_text())
    assert record["settings"]["max_steps"] == 3
    assert record["arguments"]["fpn_channels"] == 16


def test_evaluate_prints_coco_numbers_and_its_saved_detections_give_them_again(run, tmp_path):
    saved = tmp_path / "found.json"
    result = tapetum("evaluate", run, "--split", "val", "--save", saved, "--json")
    assert result.returncode == 0, result.stderr
    stats = json.loads(result.stdout)
    assert list(stats) == KEYS
    from tapetum.data.formats.coco import coco_dict
    from tapetum.data.scenes import Scenes

    val = Scenes("val")
    images = [val.record(i) for i in range(len(val))]
    ground_truth = tmp_path / "truth.json"
    ground_truth.write_text(json.dumps(coco_dict(images, val.classes)))
    again = tapetum("evaluate", "--ground-truth", ground_truth, "--predictions", saved, "--json")
    assert json.loads(again.stdout) == stats
    other = tapetum(
        "evaluate",
        "--ground-truth",
        ground_truth,
        "--predictions",
        saved,
        "--max-dets",
        5,
        "--json",
    )
    assert "AR5" in json.loads(other.stdout)


def test_predict_answers_the_good_and_names_the_bad(run, photos, tmp_path):
    (photos / "c.jpg").write_bytes((photos / "a.jpg").read_bytes()[:300])
    out = tmp_path / "out"
    result = tapetum("predict", run, photos, "--json", "--threshold", "0", "--out", out)
    assert result.returncode == 1
    answers = json.loads(result.stdout)
    assert answers["schema"] == "tapetum.predictions/1"
    assert [entry["file"].rsplit("/", 1)[1] for entry in answers["images"]] == ["a.jpg", "b.png"]
    assert [entry["size"] for entry in answers["images"]] == [[40, 60], [100, 30]]
    assert len(answers["failed"]) == 1
    assert "c.jpg" in answers["failed"][0]["error"]
    bad = [line for line in result.stderr.splitlines() if "c.jpg" in line]
    assert len(bad) == 1
    assert {p.name for p in out.iterdir()} == {"a.jpg", "b.png", ".tapetum.json"}
    for entry in answers["images"]:
        height, width = entry["size"]
        for obj in entry["objects"]:
            x1, y1, x2, y2 = obj["box"]
            assert 0 <= x1 <= x2 <= width
            assert 0 <= y1 <= y2 <= height


def test_predict_never_writes_over_the_images_that_it_reads(run, photos):
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    for images in ([photos], [photos / "a.jpg", photos / "b.png"]):
        result = tapetum("predict", run, *images, "--out", photos)
        assert result.returncode == 2
        assert result.stderr.count("\n") == 1
        assert "is read" in result.stderr
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before


def test_predict_alone_is_a_line_an_image(run, photos):
    result = tapetum("predict", run, photos / "a.jpg", photos / "b.png")
    assert result.returncode == 0, result.stderr
    assert [line.split(":")[0].rsplit("/", 1)[1] for line in result.stdout.splitlines()] == [
        "a.jpg",
        "b.png",
    ]


def test_explain_writes_an_image_and_refuses_what_is_not_there(run, photos, tmp_path):
    out = tmp_path / "why.png"
    result = tapetum("explain", run, photos / "a.jpg", "--out", out)
    if result.returncode == 0:
        assert Image.open(out).size[0] >= 60
    else:
        assert "the model predicts no objects in this image" in result.stderr
    result = tapetum("explain", run, photos / "a.jpg", "--target", 9999)
    assert result.returncode == 2
    assert "no object 9999" in result.stderr or "predicts no objects in this image" in result.stderr


def test_report_is_written_again(run):
    (run / "report.html").unlink()
    result = tapetum("report", run)
    assert result.returncode == 0, result.stderr
    page = (run / "report.html").read_text()
    assert "retinanet on scenes" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_models_data_and_env_as_json(run):
    models = json.loads(tapetum("models", "--json").stdout)
    known = {entry["name"]: entry for entry in models}
    assert {"retinanet", "faster_rcnn"} <= set(known)
    (weights,) = known["retinanet"]["published"]
    assert weights["name"] == "retinanet_resnet50_fpn"
    assert weights["training data"] == "COCO train2017"
    assert weights["weights licence"] == "not stated"
    assert known["knn"]["published"] == []
    assert json.loads(tapetum("data", "--json").stdout)[0]["name"] == "scenes"
    assert json.loads(tapetum("env", "--json").stdout)["torch"]


def test_resume_of_a_finished_run_changes_nothing_but_the_report(run):
    def weights():
        files = sorted((run / "checkpoints").rglob("*.safetensors"))
        return {f.parent.name + f.name: hashlib.sha256(f.read_bytes()).digest() for f in files}

    before = weights()
    result = tapetum("train", "--resume", run)
    assert result.returncode == 0, result.stderr
    assert weights() == before


def test_check_on_planted_faults_and_strict(tmp_path, photos):
    boxes = [[1, 1, 20, 20], [50, 10, 30, 5], [5, 5, 0, 3]]
    ground_truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 40}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1, "bbox": box, "iscrowd": 0,
             "area": box[2] * box[3]}
            for i, box in enumerate(boxes, start=1)
        ],
        "categories": [{"id": 1, "name": "object"}],
    }  # fmt: skip
    (photos / "instances.json").write_text(json.dumps(ground_truth))
    before = {p.name: p.read_bytes() for p in photos.iterdir()}
    result = tapetum("check", photos, "--json")
    assert result.returncode == 0, result.stderr
    codes = {finding["code"] for finding in json.loads(result.stdout)}
    assert {"box-zero-size", "box-partly-outside"} <= codes
    assert tapetum("check", photos, "--strict").returncode == 3
    assert {p.name: p.read_bytes() for p in photos.iterdir()} == before


def test_convert_there_and_back(tmp_path, photos):
    ground_truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 40}],
        "annotations": [
            {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1.5, 2.25, 20, 10.5],
             "iscrowd": 0, "area": 210.0}
        ],
        "categories": [{"id": 3, "name": "object"}],
    }  # fmt: skip
    (photos / "instances.json").write_text(json.dumps(ground_truth))
    yolo, coco = tmp_path / "yolo", tmp_path / "coco"
    assert tapetum("convert", photos, yolo, "--to", "yolo").returncode == 0
    result = tapetum("convert", yolo, coco, "--to", "coco")
    assert result.returncode == 0, result.stderr
    (file,) = (coco / "annotations").iterdir()
    back = json.loads(file.read_text())
    assert back["annotations"][0]["bbox"] == pytest.approx([1.5, 2.25, 20, 10.5], abs=1e-9)
    assert tapetum("convert", photos, yolo, "--to", "yolo").returncode == 2


def test_ctrl_c_saves_and_says_so(tmp_path):
    import os
    import signal
    import subprocess
    import sys
    import time

    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        folder = tmp_path / str(code)
        words = ("train", "retinanet", "scenes", "--out", str(folder), "--epochs", "500", *TINY)
        process = subprocess.Popen(
            [sys.executable, "-m", "tapetum", *words],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        while not (folder / "metrics.jsonl").exists() or not (folder / "metrics.jsonl").read_text():
            time.sleep(0.05)
            assert process.poll() is None
        process.send_signal(number)
        _, words = process.communicate(timeout=60)
        assert process.returncode == code
        assert b"Traceback" not in words
        assert list((folder / "checkpoints").glob("step-*"))
