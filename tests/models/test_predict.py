from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tapetum.base.runtime import Runtime
from tapetum.models.predict import predict
from tapetum.models.preprocessing import Preprocessing
from tapetum.structures import Batch, Objects, Prediction


class Output(NamedTuple):
    mean: Tensor  # (B,)


class Mean(nn.Module):
    """Says how bright an image is, and remembers how it was asked."""

    differentiable = True

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.calls: list[tuple[int, ...]] = []

    def preprocess(self, images: Sequence[Tensor], targets: Any = None) -> Batch:
        preprocess = Preprocessing(min_size=32, max_size=64, mean=(0, 0, 0), std=(1, 1, 1))
        return preprocess(images, targets, self.scale)

    def forward(self, pixels: Tensor, sizes: Tensor) -> Output:
        assert not self.training
        assert torch.is_inference_mode_enabled()
        self.calls.append(tuple(pixels.shape))
        torch.rand(1)
        return Output((pixels * self.scale).sum((1, 2, 3)) / sizes.prod(1))

    def postprocess(self, output: Output, batch: Batch, options: Any = None) -> list[Prediction]:
        boxes = batch.originals.float()[:, [0, 0, 1, 1]]
        return [
            Prediction(class_scores=m[None], objects=Objects(b[None], torch.tensor([0]), m[None]))
            for m, b in zip(output.mean, boxes, strict=True)
        ]

    def target_logits(self, images: Any, targets: Any) -> Tensor:
        raise NotImplementedError

    def explain_layers(self) -> dict:
        return {}


SIZES = [(32, 40), (64, 80), (32, 64), (40, 32), (33, 41), (16, 20)]


def images() -> list[Tensor]:
    return [torch.full((3, *size), i / 10) for i, size in enumerate(SIZES)]


def test_answers_come_in_order_and_equal_images_share_a_forward() -> None:
    model = Mean()
    found = predict(model, images(), batch_size=2)
    assert [round(p.class_scores.item(), 3) for p in found] == [0, 0.3, 0.6, 0.9, 1.2, 1.5]
    assert [p.objects.boxes[0, [0, 2]].tolist() for p in found] == [list(s) for s in SIZES]
    # All but the fourth are 32 x 64 once padded: two, two and one of them.
    assert sorted(model.calls) == [(1, 3, 32, 64), (1, 3, 64, 32), (2, 3, 32, 64), (2, 3, 32, 64)]


def test_images_of_many_sizes_do_not_pile_up() -> None:
    answered: list[int] = []  # how many forwards had been made when each image was prepared

    class Wide(Mean):
        def preprocess(self, images: Sequence[Tensor], targets: Any = None) -> Batch:
            answered.append(len(self.calls))
            return Preprocessing(min_size=32, max_size=999)(images, targets, self.scale)

    images = [torch.rand(3, 32, 32 * (1 + i)) for i in range(12)]
    assert len(predict(Wide(), images, batch_size=2)) == 12
    assert answered == [0] * 8 + [1, 2, 3, 4]
    answered.clear()
    predict(Wide(), images, batch_size=1)
    assert answered == list(range(12))  # with a batch of one nobody waits


def test_nothing_in_nothing_out() -> None:
    assert predict(Mean(), []) == []


def test_mode_and_random_state_come_back_even_after_an_error() -> None:
    model = Mean().train()
    state = torch.random.get_rng_state()
    with pytest.raises(ValueError, match="image"):
        predict(model, [torch.rand(3, 8, 8), torch.rand(4, 8, 8)], batch_size=1)
    assert model.training
    model.calls.clear()
    torch.random.set_rng_state(state)
    predict(model, images()[:1])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_answers_are_ordinary_tensors() -> None:
    (found,) = predict(Mean(), images()[:1])
    assert not found.class_scores.is_inference()
    assert not found.objects.boxes.is_inference()
    assert not found.objects.labels.is_inference()


def test_precision_of_the_runtime_is_used() -> None:
    class Product(Mean):
        def forward(self, pixels: Tensor, sizes: Tensor) -> Output:
            product = pixels.flatten(1) @ pixels.flatten(1).T
            assert product.dtype == torch.bfloat16
            return Output(product.diagonal().float())

    predict(Product(), images()[:1], runtime=Runtime(torch.device("cpu"), "bf16"))


def test_errors_say_what_was_expected() -> None:
    with pytest.raises(ValueError, match="expected on cuda, got on cpu"):
        predict(Mean(), images(), runtime=Runtime(torch.device("cuda")))
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        predict(Mean(), images(), batch_size=0)


def test_a_model_without_weights_lies_on_no_device() -> None:
    """There is nothing to check, and it answers under whatever runtime is asked for."""

    class Bare(Mean):
        def __init__(self) -> None:
            super().__init__()
            del self.scale

        def preprocess(self, images: Sequence[Tensor], targets: Any = None) -> Batch:
            return Preprocessing(min_size=32, max_size=64)(images, targets, torch.zeros(()))

        def forward(self, pixels: Tensor, sizes: Tensor) -> Output:
            return Output(pixels.sum((1, 2, 3)))

    for runtime in (None, Runtime(torch.device("cpu")), Runtime(torch.device("meta"))):
        assert len(predict(Bare(), images(), runtime=runtime)) == len(SIZES)


@pytest.mark.parametrize("wrong", [lambda found: found[1:], lambda found: [*found, found[0]]])
def test_a_prediction_for_each_image_and_no_more(wrong: Any) -> None:
    class Odd(Mean):
        def postprocess(
            self, output: Output, batch: Batch, options: Any = None
        ) -> list[Prediction]:
            return wrong(super().postprocess(output, batch))

    with pytest.raises(ValueError, match="postprocess: expected"):
        predict(Odd(), images())


def test_what_a_model_returns_stays_its_own() -> None:
    class Keeping(Mean):
        def postprocess(
            self, output: Output, batch: Batch, options: Any = None
        ) -> list[Prediction]:
            self.last = super().postprocess(output, batch)
            return self.last

    model = Keeping()
    predict(model, images()[:1])
    assert len(model.last) == 1
