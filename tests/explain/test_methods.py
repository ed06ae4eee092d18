"""The one door: what it refuses, what it returns, and that it leaves everything as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tapetum.base.errors import UsageError
from tapetum.explain import METHODS, Method, explain, method_for
from tapetum.explain.methods import find_layer, to_unit
from tapetum.models import CATALOG
from tapetum.structures import Target


@pytest.fixture
def image():
    return torch.rand(3, 20, 26, generator=torch.Generator().manual_seed(7))


def fingerprint(model):
    return (
        [(name, part.training, len(part._forward_hooks)) for name, part in model.named_modules()],
        [(p.requires_grad, p.grad is None, p.detach().sum().item()) for p in model.parameters()],
        torch.random.get_rng_state().tolist(),
        torch.is_grad_enabled(),
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_map_in_the_frame_of_the_image(levels, obj, image, method):
    heat = explain(levels, image, obj(4, 4, 22, 18, label=1), method)
    assert heat.shape == (20, 26)
    assert heat.min() >= 0
    assert heat.max() in (0, 1)
    assert not heat.requires_grad
    assert torch.equal(heat, explain(levels, image, obj(4, 4, 22, 18, label=1), method))


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(levels, obj, image, method):
    levels.train().head.append(nn.Dropout(0.5))
    levels.head.eval()
    levels.down.weight.requires_grad_(False)
    before = fingerprint(levels)
    explain(levels, image, obj(4, 4, 22, 18), method)
    assert fingerprint(levels) == before


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was_after_an_error(levels, image, method):
    levels.train().head.append(nn.Dropout(0.5))
    before = fingerprint(levels)
    with pytest.raises(ValueError, match="target_logits: expected"):
        explain(levels, image, Target(), method)
    assert fingerprint(levels) == before


@pytest.mark.parametrize("method", METHODS)
def test_frozen_weights_and_no_grad_change_nothing(levels, obj, image, method):
    expected = explain(levels, image, obj(4, 4, 22, 18), method)
    levels.requires_grad_(False)
    with torch.inference_mode():
        boxes = obj(4, 4, 22, 18)  # an inference tensor, as predictions are
        assert torch.equal(explain(levels, image, boxes, method), expected)
    with torch.no_grad():
        assert torch.equal(explain(levels, image, obj(4, 4, 22, 18), method), expected)


def test_bytes_and_floats_are_the_same_image(levels, obj, image):
    bytes_ = (image * 255).round().to(torch.uint8)
    target = obj(4, 4, 22, 18, label=1)
    expected = explain(levels, bytes_.float() / 255, target, "saliency")
    assert torch.equal(explain(levels, bytes_, target, "saliency"), expected)


def test_autocast_of_the_caller_does_not_blur_the_map(levels, obj, image):
    expected = explain(levels, image, obj(4, 4, 22, 18), "saliency")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(explain(levels, image, obj(4, 4, 22, 18), "saliency"), expected)


def test_dropout_is_off_while_explaining(levels, obj, image):
    target = obj(4, 4, 22, 18, label=1)
    first = explain(levels, image, target, "saliency")
    levels.train().head.append(nn.Dropout(0.5))
    assert torch.equal(explain(levels, image, target, "saliency"), first)


def test_by_default_it_takes_what_the_model_can_answer(levels, obj, image, monkeypatch):
    box, label = obj(1, 1, 5, 5), Target(labels=torch.tensor([0]))
    assert [method_for(target, levels) for target in (box, label)] == ["hires-cam", "grad-cam"]
    monkeypatch.setattr(levels, "explain_layers", dict)
    assert method_for(box, levels) == "saliency"
    assert torch.equal(explain(levels, image, box), explain(levels, image, box, "saliency"))
    levels.differentiable = False
    assert method_for(box, levels) == "occlusion"
    assert torch.equal(explain(levels, image, box), explain(levels, image, box, "occlusion"))


def test_what_the_model_lacks_is_said_in_one_line_with_what_can_be_had(
    levels, obj, image, monkeypatch
):
    monkeypatch.setattr(levels, "explain_layers", dict)
    with pytest.raises(UsageError, match=r"grad-cam needs a layer to explain.*saliency, input"):
        explain(levels, image, obj(1, 1, 5, 5), "grad-cam")
    with pytest.raises(UsageError, match="saliency explains the pixels and takes no layer"):
        explain(levels, image, obj(1, 1, 5, 5), layer="head")
    levels.differentiable = False
    with pytest.raises(UsageError, match="needs a score that can be differentiated") as caught:
        explain(levels, image, obj(1, 1, 5, 5), "saliency")
    assert str(caught.value).endswith("(hint: auto or one of occlusion)")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("needs", "given"),
    [
        (set(), set()),
        ({"gradient"}, set()),
        ({"gradient", "layer"}, {"layer"}),
        ({"forwards", "noise"}, {"batch_size", "generator"}),
    ],
)
def test_one_more_method_is_one_entry(levels, obj, image, monkeypatch, needs, given):
    seen = {}

    def new(model, image, target, **extras):
        seen.update(extras, graph=torch.is_grad_enabled())
        return image[0]

    monkeypatch.setitem(METHODS, "new", Method(new, frozenset(needs), "Somebody 2030"))
    heat = explain(levels, image, obj(1, 1, 5, 5), "new")
    torch.testing.assert_close(heat, image[0] / image[0].max())
    assert seen.pop("graph") == ("gradient" in needs)
    assert seen.keys() == given


def test_every_method_names_its_paper_and_what_it_needs():
    for method in METHODS.values():
        assert method.paper[-4:].isdigit()
        assert method.needs <= {"gradient", "layer", "noise", "forwards"}


def test_unknown_names_are_refused_with_those_there_are(levels, obj, image):
    with pytest.raises(UsageError, match=r"unknown method 'lime'.*grad-cam.*saliency"):
        explain(levels, image, obj(1, 1, 5, 5), "lime")
    with pytest.raises(UsageError, match=r"unknown layer 'neck'.*head, coarse"):
        explain(levels, image, obj(1, 1, 5, 5), "grad-cam", "neck")
    with pytest.raises(UsageError, match=r"layer: unknown.*did you mean coarse\? one of head"):
        explain(levels, image, obj(1, 1, 5, 5), "grad-cam", "coars")
    with pytest.raises(UsageError, match="saliency explains the pixels and takes no layer"):
        explain(levels, image, obj(1, 1, 5, 5), "saliency", "head")
    with pytest.raises(ValueError, match=r"image: expected \(3, H, W\)"):
        explain(levels, image[None], obj(1, 1, 5, 5))


def test_the_first_layer_is_the_default(levels):
    assert find_layer(levels, None)[0] is levels.head
    assert find_layer(levels, "coarse")[0] is levels.down


def test_a_map_without_heat_stays_zero():
    assert to_unit(torch.zeros(2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert to_unit(torch.tensor([[0.5, 2.0]])).tolist() == [[0.25, 1]]


def test_a_layer_by_torchvisions_name_is_told_ours():
    tiny = CATALOG["resnet10"].build(**CATALOG["resnet10"].tiny)
    with pytest.raises(UsageError, match=r"ResNet's layer3 is c4; one of c5, c4, c3, c2"):
        find_layer(tiny, "layer3")
