from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from tapetum.base.runtime import Runtime
from tapetum.base.seeds import generator
from tapetum.models.classification import neighbors
from tapetum.models.classification.knn import KNNOutput, NearestNeighbors, knn
from tapetum.structures import FIT, Sample, Target


def images(count: int, seed: int, size: int = 6) -> list[Tensor]:
    random = generator(seed)
    shape = (3, size, size)
    return [torch.randint(0, 256, shape, generator=random).to(torch.uint8) for _ in range(count)]


def samples(images: list[Tensor], labels: list[int]) -> list[Sample]:
    return [
        Sample(image, Target(labels=torch.tensor([label])))
        for image, label in zip(images, labels, strict=True)
    ]


def fitted(count: int = 90, classes: int = 4, **more: Any) -> NearestNeighbors:
    model = knn(**{"num_classes": classes, "image_size": 6, **more})
    labels = torch.randint(0, classes, (count,), generator=generator(7)).tolist()
    model.fit(samples(images(count, 1), labels), generator(0))
    return model


def answers(model: NearestNeighbors, images: list[Tensor]) -> list[Any]:
    batch = model.preprocess(images)
    return model.postprocess(model(batch.pixels, batch.sizes), batch)


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("k", [1, 4, 5])
def test_it_is_that_of_scikit_learn(metric: str, k: int) -> None:
    model = fitted(metric=metric, k=k)
    assert model.phases == (FIT,)
    oracle = KNeighborsClassifier(k, metric={"l1": "manhattan", "l2": "euclidean"}[metric])
    oracle.fit(model.pixels.double().numpy() / 255, model.labels.numpy())
    inputs = images(40, 2)
    flat = torch.stack(inputs).flatten(1).double().numpy() / 255
    found = answers(model, inputs)
    expected = torch.from_numpy(oracle.predict_proba(flat)).float()
    torch.testing.assert_close(torch.stack([p.class_scores for p in found]), expected)
    clear = (expected == expected.amax(dim=1, keepdim=True)).sum(dim=1) == 1
    labels = torch.cat([p.labels for p in found])
    assert torch.equal(labels[clear], torch.from_numpy(oracle.predict(flat))[clear])
    batch = model.preprocess(inputs)
    distances = torch.from_numpy(oracle.kneighbors(flat)[0]).float()
    output = model(batch.pixels, batch.sizes)
    torch.testing.assert_close(output.distances, distances, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_pieces_make_no_difference(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(metric=metric)
    batch = model.preprocess(images(9, 3))
    whole = model(batch.pixels, batch.sizes)
    monkeypatch.setattr(neighbors, "VALUES", 7 * 3 * 6 * 6)  # seven images at a time
    pieces = model(batch.pixels, batch.sizes)
    for a, b in zip(whole, pieces, strict=True):
        assert torch.equal(a, b)


def test_nearly_equal_images_are_told_apart() -> None:
    """The expanded product alone would round these distances away, or below zero."""
    base = torch.full((3, 32, 32), 250, dtype=torch.uint8)
    images = [base.clone() for _ in range(5)]
    for i, image in enumerate(images):
        image[0, 0, :i] += 1
    model = knn(num_classes=5, k=5)
    model.fit(samples(images[::-1], [4, 3, 2, 1, 0]), generator(0))
    batch = model.preprocess([base])
    output = model(batch.pixels, batch.sizes)
    assert output.labels.tolist() == [[0, 1, 2, 3, 4]]
    expected = torch.arange(5).sqrt()[None] / 255
    torch.testing.assert_close(output.distances, expected, rtol=1e-4, atol=0)


def test_equal_votes_go_to_the_nearer_voters() -> None:
    model = knn(num_classes=3, k=4)
    output = KNNOutput(
        torch.tensor([[1.0, 4, 5, 9], [1.0, 5, 5, 5]]),
        torch.tensor([[2, 1, 1, 2], [0, 1, 2, 2]]),
        torch.zeros(2, 3, dtype=torch.int64),
    )
    found = model.postprocess(output, model.preprocess(images(2, 0)))
    assert [p.labels.item() for p in found] == [1, 2]  # 9 in sum beats 10; two votes beat one
    assert found[0].class_scores.tolist() == [0, 0.5, 0.5]


def test_score_is_minus_the_distance_to_the_nearest_of_the_class() -> None:
    for metric, order in (("l1", 1), ("l2", 2)):
        model = fitted(classes=5, metric=metric)
        model.fit(samples(images(30, 1), [i % 4 for i in range(30)]), generator(0))
        own = [p.double() / 255 for p in images(3, 5)]
        targets = [Target(labels=torch.tensor(row)) for row in ([3, 0], [1], [4])]
        model.double()
        scores = model.target_logits(own, targets)
        known = model.pixels.double() / 255
        for score, (i, label) in zip(scores, ((0, 3), (0, 0), (1, 1)), strict=False):
            far = torch.linalg.vector_norm(known - own[i].flatten(), order, dim=1)
            torch.testing.assert_close(-score, far[model.labels == label].min())
        farthest = torch.ones(108).double().norm(order)  # of class 4 there is nothing
        torch.testing.assert_close(-scores[3], farthest)
        assert model.target_logits(own[:1], [Target()]).shape == (0,)


def test_score_is_differentiable_even_on_a_remembered_image() -> None:
    model = fitted()
    inputs = [p.float() / 255 for p in (*images(1, 9), images(90, 1)[0])]
    inputs = [image.requires_grad_() for image in inputs]
    label = Target(labels=model.labels[:1])
    gradients = torch.autograd.grad(model.target_logits(inputs, [label, label]).sum(), inputs)
    assert (gradients[0] != 0).float().mean() > 0.9
    assert (gradients[1] == 0).all()


def test_it_comes_back_from_its_state() -> None:
    first, second = fitted(), knn(num_classes=4, image_size=6)
    with pytest.raises(ValueError, match="fitted first"):
        answers(second, images(1, 0))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for a, b in zip(answers(first, images(9, 4)), answers(second, images(9, 4)), strict=True):
        assert torch.equal(a.class_scores, b.class_scores)
    with pytest.raises(RuntimeError, match="size mismatch"):
        knn(num_classes=4, image_size=7).load_state_dict(first.state_dict())
    with pytest.raises(RuntimeError, match="90 images, but 89 labels"):
        second.load_state_dict({**first.state_dict(), "labels": first.labels[1:]})


def test_fewer_images_than_voters() -> None:
    model = fitted(count=3, k=5)
    batch = model.preprocess(images(2, 2))
    assert model(batch.pixels, batch.sizes).labels.shape == (2, 3)


def test_precision_is_that_of_the_model_whatever_autocast_says() -> None:
    model = fitted()
    batch = model.preprocess(images(40, 2))
    exact = model(batch.pixels, batch.sizes)
    with Runtime(torch.device("cpu"), "bf16").autocast():
        again = model(batch.pixels, batch.sizes)
    assert all(torch.equal(a, b) for a, b in zip(exact, again, strict=True))
    assert model.double()(*model.preprocess(images(2, 2))[:2]).distances.dtype == torch.float64


def test_fitting_again_forgets_and_unlabeled_images_are_passed_over() -> None:
    model = fitted()
    inputs = images(3, 1)
    both = Sample(inputs[1], Target(labels=torch.tensor([2, 3])))
    model.fit([Sample(inputs[0]), both], generator(0))
    assert model.labels.tolist() == [2, 3]
    assert torch.equal(model.pixels[1].view(3, 6, 6), inputs[1])
    with pytest.raises(ValueError, match="got none"):
        model.fit([Sample(inputs[0])], generator(0))
    with pytest.raises(ValueError, match="from 0 to 3"):
        model.fit(samples(inputs[:1], [4]), generator(0))


def test_arguments_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="metric: expected one of l1, l2"):
        knn(metric="cosine")
    with pytest.raises(ValueError, match="k: expected at least 1"):
        knn(k=0)
