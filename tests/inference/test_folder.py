"""Many files at once: the answers of one by one, in order, whoever decodes them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum import api
from tapetum.base.runtime import Runtime
from tapetum.inference import folder
from tapetum.inference.folder import predict_in_batches, suitable_workers
from tapetum.inference.predictor import Predictor
from tapetum.models.catalog import CATALOG
from tapetum.runs.model_info import ModelInfo
from tapetum.testing.subject import unspread


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Seven images of two sizes, the third of which is none."""
    place, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    paths = [place / f"{number}.png" for number in range(7)]
    for number, path in enumerate(paths):
        size = (40, 60, 3) if number % 2 else (48, 32, 3)
        Image.fromarray(random.integers(0, 256, size, np.uint8)).save(path)
    paths[2].write_bytes(b"no image")
    return paths


def predictor(name: str) -> Predictor:
    """With heads that are spread out, so that scores reach every threshold."""
    entry = CATALOG[name]
    model: Any = unspread(entry.build, entry.tiny, spread=True).eval()
    info = ModelInfo(name, {}, ("a", "b", "c"))
    return Predictor(model, info, Path(), Runtime(torch.device("cpu"), "fp32"))


@pytest.mark.parametrize("workers", [0, 1])
def test_answers_are_those_of_one_by_one_in_order(
    files: list[Path], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MAX_IMAGES", 3)
    classifier = predictor("resnet18")
    alone = [next(iter(predict_in_batches(classifier, [file]))) for file in files]
    together = list(predict_in_batches(classifier, files, workers=workers))
    assert [entry.file for entry in together] == files
    for one, other in zip(alone, together, strict=True):
        assert str(one.error) == str(other.error)
        if one.prediction is None or other.prediction is None:
            assert one.file == files[2]
            continue
        assert torch.equal(one.image, other.image)
        # Other batch sizes round otherwise: a few units in the last place of a float32.
        first, second = one.prediction.class_scores, other.prediction.class_scores
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def test_images_of_equal_prepared_size_share_a_forward(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, seen = predictor("resnet18"), []
    classifier.model.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    answers = api.predict_files(classifier, files)
    assert seen == [6]
    assert [Path(answer["file"]) for answer in answers["images"]] == files[:2] + files[3:]
    assert [Path(entry["file"]) for entry in answers["failed"]] == [files[2]]


def test_what_waits_is_limited_by_its_pixels(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, seen = predictor("resnet18"), []
    classifier.model.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    monkeypatch.setattr(folder, "MAX_PIXELS", 3000)
    list(predict_in_batches(classifier, files))
    assert seen == [2, 2, 2]


def test_an_iterator_that_is_left_early_leaves_no_processes(files: list[Path]) -> None:
    entries = predict_in_batches(predictor("resnet18"), files, workers=1)
    next(entries)
    entries.close()
    assert torch.multiprocessing.active_children() == []


def test_a_few_images_start_no_process() -> None:
    assert suitable_workers(folder.WORTH_WORKERS - 1) == 0
    assert suitable_workers(1_000_000) <= folder.MAX_WORKERS


def test_two_threads_predict_with_one_model(files: list[Path]) -> None:
    detector, good = predictor("retinanet"), files[3:]

    def answered(nms_iou: float | None) -> str:
        return json.dumps(api.predict_files(detector, good, threshold=0.0, nms_iou=nms_iou))

    options = [None, 0.1, 0.9] * 4
    alone = {value: answered(value) for value in set(options)}
    assert len(set(alone.values())) == 3
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(answered, options)) == [alone[value] for value in options]
