"""What the numbers of each task say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tapetum.diagnosis import (
    DetectionNumbers,
    Finding,
    Setup,
    accuracy_findings,
    calibration_findings,
    confused_classes,
    detection_advice,
    detection_findings,
    few_examples,
    localization_advice,
    segmentation_advice,
)
from tapetum.diagnosis.detection import COST_ADVICE, error_advice

SETUP = Setup(image_size=320, epochs=10, arguments={"box_weight": 5.0, "dice_weight": 0.0})
KINDS = ("classification", "localization", "both", "duplicate", "background", "missed")
NUMBERS = DetectionNumbers(
    stats={"AP": 0.4, "AP50": 0.6, "AP75": 0.4},
    class_ap={"cat": 0.6, "dog": 0.2},
    objects=10,
    detected=7,
    false_positives=3,
    images=5,
    ap50=0.6,
    costs=dict.fromkeys(KINDS, 0.0),
    affected=dict.fromkeys(KINDS, "dog"),
)


def texts(findings: list[Finding]) -> str:
    return " ".join(finding.text for finding in findings)


@pytest.mark.parametrize(("has_nms", "option"), [(True, "nms_iou"), (False, "epochs")])
def test_duplicates_of_a_model_without_nms_need_training(has_nms: bool, option: str) -> None:
    numbers = replace(NUMBERS, has_nms=has_nms, costs=NUMBERS.costs | {"duplicate": 0.2})
    findings = detection_advice(numbers, SETUP, 9)
    (finding,) = (each for each in findings if "more than once" in each.text)
    assert finding.remedy is not None
    assert option in finding.remedy.options
    assert ("nms_iou" in error_advice("duplicate", numbers)) == has_nms


def test_severities_are_those_of_check() -> None:
    with pytest.raises(ValueError, match="severity"):
        Finding("x", "fatal")


def test_a_classifier_counts_its_right_answers_and_names_the_confusion() -> None:
    first, second = accuracy_findings(np.array([[8, 2], [0, 10]]), ("cat", "dog"))
    assert first.text == "18 of 20 images are classified correctly: 90.0%."
    assert second.text == "Most frequent confusion: cat predicted as dog, 2 of 10 times."
    assert len(accuracy_findings(np.eye(2, dtype=int), ("cat", "dog"))) == 1


def test_calibration_is_mentioned_where_it_is_bad() -> None:
    (finding,) = calibration_findings(0.2, 0.9, 0.7)
    assert finding.text == "The model is overconfident: mean confidence 0.90, accuracy 0.70."
    assert "underconfident" in calibration_findings(0.2, 0.5, 0.7)[0].text
    assert calibration_findings(0.05, 0.75, 0.7) == []


def test_a_rare_confusion_is_no_finding() -> None:
    assert confused_classes(np.array([[99, 1], [0, 9]]), ("cat", "dog"), "") == []
    (finding,) = confused_classes(np.array([[9, 1], [0, 9]]), ("cat", "dog"), "Look.")
    assert finding.text == "10% of the images of cat are predicted as dog."


def test_classes_with_few_examples_and_low_numbers_are_named() -> None:
    setup = replace(SETUP, classes=("cat", "dog", "owl"), class_counts=(100, 100, 9))
    (finding,) = few_examples(setup, {"cat": 0.9, "dog": 0.9, "owl": 0.5}, "AP", "objects")
    assert "owl (9, AP 0.50)" in finding.text
    assert finding.evidence == {"owl": 9.0}
    assert few_examples(setup, {"cat": 0.1, "dog": 0.1, "owl": 0.5}, "AP", "objects") == []


def test_a_localizer_says_which_of_box_and_class_is_worse() -> None:
    (box,) = localization_advice({"class_accuracy": 0.95, "both_right": 0.5}, SETUP)
    assert box.remedy.arguments == {"box_weight": "10"}
    (name,) = localization_advice({"class_accuracy": 0.6, "both_right": 0.55}, SETUP)
    assert name.remedy.options == {"image_size": 480}
    assert localization_advice({"class_accuracy": 0.95, "both_right": 0.9}, SETUP) == []


def test_a_rare_class_with_the_lowest_iou_asks_for_a_dice_loss() -> None:
    counts, iou = np.array([[90, 0], [5, 5]]), np.array([0.9, 0.5])
    first, second = segmentation_advice(counts, iou, ("road", "sign"), SETUP)
    assert first.remedy.arguments == {"dice_weight": "1"}
    assert second.text == "50% of the pixels of sign are predicted as road."
    with_dice = replace(SETUP, arguments={"dice_weight": 1.0})
    assert segmentation_advice(counts, iou, ("road", "sign"), with_dice)[0].remedy.verb == ""


def test_a_detector_is_summarised() -> None:
    costly = replace(NUMBERS, costs=NUMBERS.costs | {"missed": 0.2})
    text = texts(detection_findings(costly))
    assert "7 of 10 objects are detected, with 3 false positives on 5 images." in text
    assert "Best class: cat (AP 0.600); worst class: dog (AP 0.200)." in text
    assert "'missed'" in text
    assert "AP50 would be 0.800" in text
    assert "imprecise" not in text
    assert "imprecise" in texts(
        detection_findings(replace(NUMBERS, stats={"AP": 0.3, "AP50": 0.8, "AP75": 0.1}))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_costly_kind_of_error_has_a_remedy(kind: str) -> None:
    cheap = detection_advice(replace(NUMBERS, costs=NUMBERS.costs | {kind: 0.009}), SETUP, 3)
    assert cheap == []
    costly = replace(NUMBERS, costs=NUMBERS.costs | {kind: 0.1}, confusion=("cat", "dog", 4))
    (finding,) = detection_advice(costly, SETUP, 3)
    assert "0.100 of AP50" in finding.text
    assert finding.threshold == COST_ADVICE
    assert finding.remedy.text


def test_small_missed_objects_ask_for_larger_images() -> None:
    missed = replace(NUMBERS, costs=NUMBERS.costs | {"missed": 0.1})
    (finding,) = detection_advice(replace(missed, sides=(10.0, 40.0)), SETUP, 3)
    assert finding.remedy.options == {"image_size": 480}
    (finding,) = detection_advice(replace(missed, sides=(40.0, 40.0)), SETUP, 3)
    assert finding.remedy.options == {"epochs": 20}
    stats = {**NUMBERS.stats, "APsmall": 0.1, "APlarge": 0.5}
    (finding,) = detection_advice(replace(NUMBERS, stats=stats), SETUP, 3)
    assert "Small objects have AP 0.100" in finding.text
