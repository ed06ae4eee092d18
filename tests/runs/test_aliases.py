"""Old names of stored runs of detectors; tests/api/test_stored.py opens whole runs."""

from __future__ import annotations

import pytest

from tapetum.models import arguments_of
from tapetum.runs.aliases import ARGUMENTS, current_arguments, current_rows, current_state

RCNN = ("faster_rcnn", "mask_rcnn", "keypoint_rcnn")


@pytest.mark.parametrize("model", ["retinanet", *RCNN])
def test_today_the_model_takes_what_old_arguments_are_called(model: str) -> None:
    assert current_arguments(dict.fromkeys(ARGUMENTS[model], 1), model).keys() <= (
        arguments_of(model).keys()
    )


def test_one_old_number_of_proposals_is_the_number_before_and_after_the_suppression() -> None:
    old = {"classes": 8, "proposals": 20, "training_proposals": 40, "norm": "group"}
    assert current_arguments(old, "faster_rcnn") == {
        "num_classes": 8,
        "rpn_pre_nms_top_n_test": 20,
        "rpn_post_nms_top_n_test": 20,
        "rpn_pre_nms_top_n_train": 40,
        "rpn_post_nms_top_n_train": 40,
        "norm": "group",
    }


def test_losses_have_the_names_of_their_own_model() -> None:
    rows = [{"step": 1, "losses": {"classification": 1.0, "boxes": 2.0}}, {"event": "best"}]
    names = {
        "retinanet": ["classification", "bbox_regression"],
        "faster_rcnn": ["loss_classifier", "loss_box_reg"],
        "somebodys.py:model": ["classification", "boxes"],
    }
    for model, expected in names.items():
        assert list(current_rows(rows, model)[0]["losses"]) == expected


@pytest.mark.parametrize(("model", "head"), [("mask_rcnn", "mask"), ("keypoint_rcnn", "keypoint")])
def test_the_head_on_regions_is_called_for_what_it_predicts(model: str, head: str) -> None:
    old = {"detector.region_head.dense1.weight": 1, "head.up.weight-exp_avg": 2}
    new = {"detector.box_head.dense1.weight": 1, f"{head}_head.up.weight-exp_avg": 2}
    assert current_state(old, model) == current_state(new, model) == new
