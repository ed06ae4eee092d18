from __future__ import annotations

import pytest
import torch

from tapetum.structures import Objects, Prediction, Target


def objects() -> Objects:
    return Objects(
        boxes=torch.tensor([[0.0, 1, 2, 3]]),
        labels=torch.tensor([4]),
        masks=torch.ones(1, 5, 5, dtype=torch.bool),
        ids=("a",),
    )


def test_map_reaches_every_tensor_and_leaves_the_rest() -> None:
    prediction = Prediction(
        labels=torch.tensor([1]),
        objects=objects(),
        proposals=objects(),
        label_weights=torch.tensor([1.0]),
        class_scores=torch.tensor([0.25, 0.75]),
    )
    seen: list[torch.Tensor] = []
    copy = prediction.map(lambda values: seen.append(values) or values.clone())  # type: ignore[func-returns-value]
    assert type(copy) is Prediction
    assert len(seen) == 3 + 2 * 3
    assert copy.objects is not None
    assert copy.objects is not prediction.objects
    assert copy.objects.ids == ("a",)
    assert copy.semantic is None
    assert torch.equal(copy.require("class_scores"), prediction.require("class_scores"))


def test_a_moved_prediction_keeps_its_proposals() -> None:
    moved = Prediction(proposals=objects()).to("meta")
    assert moved.require("proposals").boxes.is_meta


def test_what_is_required_and_absent_is_named() -> None:
    with pytest.raises(ValueError, match="semantic: expected a value, got None"):
        Target().require("semantic")
    with pytest.raises(ValueError, match="class_scores: expected a value, got None"):
        Prediction().require("class_scores")
    with pytest.raises(ValueError, match="keypoints: expected a tensor, got None"):
        objects().require("keypoints")
    assert objects().require("masks").shape == (1, 5, 5)


@pytest.mark.parametrize("weights", [torch.ones(1), torch.ones(2, dtype=torch.int64)])
def test_label_weights_are_floats_one_a_label(weights: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"label_weights: expected \(2,\) float"):
        Target(labels=torch.tensor([0, 1]), label_weights=weights)
