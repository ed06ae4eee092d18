"""The table of old names: what it makes of them, and that today's names pass unchanged."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tapetum.models.catalog import CATALOG, arguments_of
from tapetum.runs import aliases
from tapetum.runs.aliases import (
    ARGUMENTS,
    WEIGHTS,
    current_arguments,
    current_record,
    current_rows,
    current_state,
)


def test_keys_of_a_record_have_todays_names() -> None:
    old = {
        "model": "knn",
        "unlabelled": "skip",
        "counts": {"pictures": {"train": 4}, "objects": {}},
    }
    old |= {"wishes": {"unlabelled": "skip", "settings": {"lr": 0.1}, "arguments": {"k": 3}}}
    new = current_record(old)
    assert new == {
        "model": "knn",
        "unlabeled": "skip",
        "counts": {"images": {"train": 4}, "objects": {}},
        "options": {"unlabeled": "skip", "settings": {"lr": 0.1}, "arguments": {"k": 3}},
    }
    assert current_record(new) == new
    assert "unlabelled" in old  # which was left as it is


def test_arguments_of_a_model_have_todays_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARGUMENTS, "knn", {"neighbours": "k"})
    old = {"model": "knn", "arguments": {"neighbours": 3}}
    old["wishes"] = {"arguments": {"neighbours": 3}}
    new = current_record(old)
    assert new["arguments"] == new["options"]["arguments"] == {"k": 3}
    other = {"model": "/x/mine.py:build", "arguments": {"neighbours": 3}}
    assert current_record(other) == other


@pytest.mark.parametrize(("old", "new"), [("one", "none"), ("mirror", "hflip"), ("turns", "d4")])
@pytest.mark.parametrize("name", ["views", "test_time_augmentation"])
def test_values_of_an_argument_are_those_of_today(name: str, old: str, new: str) -> None:
    assert current_arguments({name: old}, "unet") == {"test_time_augmentation": new}
    assert current_arguments({name: new}, "unet") == {"test_time_augmentation": new}
    CATALOG["unet"].build(**CATALOG["unet"].tiny, **current_arguments({name: old}, "unet"))
    assert current_arguments({"views": True}, "airbench") == {"test_time_augmentation": True}


def test_losses_have_todays_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(aliases.LOSSES, "knn", {"old": "new"})
    rows: list[dict[str, Any]] = [{"event": "step", "losses": {"old": 1.0, "other": 2.0}}]
    assert current_rows(rows, "knn") == [{"event": "step", "losses": {"new": 1.0, "other": 2.0}}]
    assert current_rows(rows, "/x/mine.py:build") == rows
    assert current_rows([{"event": "evaluation", "AP": 0.5}], "knn") == [
        {"event": "evaluation", "AP": 0.5}
    ]


def test_weights_have_todays_names_with_the_key_of_the_optimizer() -> None:
    old = {"detector.region_head.dense1.weight": 1, "detector.proposal_head.conv.bias-exp_avg": 2}
    assert list(current_state(old, "mask_rcnn").values()) == [1, 2]
    names = list(current_state(old, "mask_rcnn"))
    assert names[0].endswith("box_head.dense1.weight")
    assert names[1].endswith("rpn_head.conv.bias-exp_avg")
    assert current_state(old, "/x/mine.py:build") == old


@pytest.mark.parametrize("name", CATALOG)
def test_names_of_today_pass_unchanged(name: str) -> None:
    with torch.device("meta"):
        state = CATALOG[name].build(**CATALOG[name].tiny).state_dict()
    assert list(current_state(state, name)) == list(state)
    arguments = arguments_of(name)
    renamed = ARGUMENTS.get(name, {})
    assert not renamed.keys() & arguments.keys()
    assert current_arguments(dict.fromkeys(renamed), name).keys() <= arguments.keys()


def test_tables_name_models_of_the_catalog() -> None:
    assert ARGUMENTS.keys() | WEIGHTS.keys() <= CATALOG.keys()


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
