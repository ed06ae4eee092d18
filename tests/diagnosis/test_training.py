"""What the log of a training says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tapetum.diagnosis import Setup, training_findings
from tapetum.diagnosis.training import OVERFITTING, STILL_RISING, WAITING

SETUP = Setup(image_size=320, epochs=10, workers=0, augment="none")


def log(*values: float, wait: float = 0.0) -> list[dict[str, Any]]:
    steps = [{"event": "step", "seconds": 1.0, "data_wait": wait}] * 2
    return steps + [{"event": "evaluation", "AP": value} for value in values]


def test_a_metric_that_still_rises_asks_for_a_longer_training() -> None:
    (finding,) = training_findings(log(0.1, 0.2, 0.3), "AP", SETUP)
    assert finding.text == "AP was still rising at the end, from 0.200 to 0.300."
    assert (finding.evidence, finding.threshold) == ({"before": 0.2, "last": 0.3}, STILL_RISING)
    assert finding.remedy.options == {"epochs": 20}
    for flat in (log(0.1, 0.3), log(0.1, 0.3, 0.305), log()):
        assert training_findings(flat, "AP", SETUP) == []


def test_classes_without_training_images_come_first() -> None:
    setup = replace(SETUP, untrained=["dog"])
    first, _ = training_findings(log(0.1, 0.2, 0.3), "AP", setup)
    assert first.text == "No training image has the class dog."
    assert (first.severity, first.remedy.text) == ("warning", "Add images of it to the training.")
    (finding,) = training_findings(log(), "AP", replace(SETUP, untrained=list("abcdefg")))
    assert finding.text == "No training image has the classes a, b, c, d, e and 2 more."


def test_a_metric_that_falls_is_overfitting() -> None:
    (finding,) = training_findings(log(0.5, 0.6, 0.5), "AP", SETUP)
    assert "overfits" in finding.text
    assert (finding.severity, finding.threshold) == ("warning", OVERFITTING)
    assert finding.remedy.options == {"augment": "default"}
    strong = Setup(image_size=320, epochs=10, augment="default")
    (finding,) = training_findings(log(0.5, 0.6, 0.5), "AP", strong)
    assert (finding.remedy.verb, finding.remedy.options) == ("", {})


def test_waiting_for_images_asks_for_workers() -> None:
    (finding,) = training_findings(log(wait=0.4), "AP", SETUP)
    assert finding.text == "40% of the training time was spent waiting for images."
    assert (finding.remedy.options, finding.threshold) == ({"workers": 2}, WAITING)
    assert training_findings(log(wait=0.2), "AP", SETUP) == []


def test_few_passes_over_the_images_ask_for_a_longer_training_first() -> None:
    history = [{"event": "step", "step": 20, "epoch": 0.16, "seconds": 1.0, "data_wait": 0.5}]
    (first, _) = training_findings(history, "AP", Setup(image_size=64, epochs=20, max_steps=20))
    assert first.text == "The training was short: 0.16 passes over the training images."
    assert first.remedy is not None
    assert first.remedy.options == {"max_steps": 1250}
    history[0]["epoch"] = 2.0
    (other,) = training_findings(history, "AP", Setup(image_size=64, epochs=20, max_steps=20))
    assert "waiting for images" in other.text
