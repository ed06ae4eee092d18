"""Weights of one network into another: what fits is taken, the rest is said, nothing is run."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones import Backbone
from tapetum.base.errors import CheckpointError, UsageError
from tapetum.base.seeds import generator
from tapetum.layers.norm import FrozenBatchNorm
from tapetum.models import CATALOG
from tapetum.structures import Model
from tapetum.weights.published import model_of, published
from tapetum.weights.transfer import read_weights, transfer

GOLDEN = Path(__file__).parents[1] / "golden"
NARROW = {"backbone_width": 8, "num_classes": 3}


def random_state(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Weights unlike any that start a model; variances are positive."""
    return {
        name: torch.rand(value.shape, generator=generator(seed, name)) + 0.1
        if value.is_floating_point()
        else value
        for name, value in model.state_dict().items()
    }


def torchvision_state(model: Model) -> dict[str, Tensor]:
    """Random weights of a ResNet classifier by torchvision's names."""
    renames = model.references["torchvision"]
    return {str(renames.theirs(name)): value for name, value in random_state(model).items()}


# --- which weights find their places ------------------------------------------------------------

PUBLISHED_KEYS = {
    "resnet18": "resnet18",
    "resnet50.v1": "resnet50",
    "vit_b_16": "vit_b_16-published",
    "retinanet_resnet50_fpn": "retinanet_resnet50_fpn-published",
    "fasterrcnn_resnet50_fpn": "fasterrcnn_resnet50_fpn-published",
    "maskrcnn_resnet50_fpn": "maskrcnn_resnet50_fpn-published",
    "keypointrcnn_resnet50_fpn": "keypointrcnn_resnet50_fpn-published",
}


@pytest.mark.parametrize("name", PUBLISHED_KEYS)
def test_every_published_weight_finds_its_place(name: str) -> None:
    entry = published(name)
    assert entry is not None
    shapes = json.loads((GOLDEN / f"{PUBLISHED_KEYS[name]}.keys.json").read_text())
    tensors = {key: torch.tensor(0.5).expand(shape) for key, shape in shapes.items()}
    model = CATALOG[model_of(entry)].build(**entry.arguments)
    result = transfer(model, tensors, entry.file, entry.norm_epsilon)
    assert (result.missing, result.left_out, result.resized, result.unused) == ((), (), (), ())
    assert all(bool((p == 0.5).all()) for p in model.parameters())


def test_a_classifier_gives_the_logits_that_its_weights_are_for() -> None:
    source, target = CATALOG["resnet10"].build(**NARROW), CATALOG["resnet10"].build(**NARROW)
    source.load_state_dict(random_state(source))
    renames = source.references["torchvision"]
    theirs = {str(renames.theirs(n)): v for n, v in source.state_dict().items()}
    transfer(target, theirs, "x.pth")
    batch = source.preprocess([torch.rand(3, 40, 40, generator=generator(1))])
    logits = [m.eval()(batch.pixels, batch.sizes).logits for m in (source, target)]
    assert torch.equal(*logits)


@pytest.mark.parametrize(
    ("model", "arguments", "prefix"),
    [
        ("retinanet", {"fpn_channels": 8, "head_convs": 1}, "backbone."),
        ("mask_rcnn", {"fpn_channels": 8, "head_width": 8, "mask_width": 8}, "detector.backbone."),
        ("localizer", {}, "network.backbone."),
    ],
)
def test_the_body_of_a_classifier_starts_other_models(model, arguments, prefix) -> None:
    source = CATALOG["resnet10"].build(**NARROW)
    target = CATALOG[model].build(backbone="resnet10", backbone_width=8, **arguments)
    state = torchvision_state(source)
    result = transfer(target, state, "x.pth")
    own = target.state_dict()
    renames = source.references["torchvision"]
    for name in source.state_dict():
        if name.startswith("network.backbone.") and not name.endswith("tracked"):
            inner = prefix + name.removeprefix("network.backbone.")
            assert torch.equal(own[inner], state[str(renames.theirs(name))]), inner
            assert inner in result.reused
    assert set(result.unused) == {"fc.weight", "fc.bias"}
    assert all(not name.startswith(prefix) for name in result.missing)


def test_bodies_move_between_models_of_ours() -> None:
    source = CATALOG["localizer"].build(backbone="resnet10", **NARROW)
    target = CATALOG["unet"].build(
        encoder="resnet10", width=8, decoder_channels=[8] * 5, num_classes=2
    )
    state = random_state(source)
    result = transfer(target, state, "x.safetensors")
    inside = [name for name in result.reused if name.startswith("network.encoder.")]
    assert len(inside) == len([name for name in state if name.startswith("network.backbone.")])
    conv = "stage2.0.conv1.conv.weight"
    copied = target.state_dict()[f"network.encoder.{conv}"]
    assert torch.equal(copied, state[f"network.backbone.{conv}"])


def test_other_classes_leave_the_last_layer_fresh() -> None:
    source, target = (
        CATALOG["resnet10"].build(**NARROW),
        CATALOG["resnet10"].build(**{**NARROW, "num_classes": 5}),
    )
    fresh = target.network.head.weight.clone()
    result = transfer(target, torchvision_state(source), "x.pth")
    assert dict(result.left_out) == {
        "network.head.weight": "(3, 64) for (5, 64)",
        "network.head.bias": "(3,) for (5,)",
    }
    assert torch.equal(target.network.head.weight, fresh)
    words = "\n".join(result.lines())
    shapes = "network.head.weight (3, 64) for (5, 64), network.head.bias (3,) for (5,)"
    assert f"left out       2  {shapes}" in words


def test_weights_that_the_file_lacks_keep_their_random_values() -> None:
    model = CATALOG["resnet10"].build(**NARROW)
    state = {n: v for n, v in torchvision_state(model).items() if not n.startswith("fc.")}
    result = transfer(model, state, "x.pth")
    assert result.missing == ("network.head.weight", "network.head.bias")
    assert any(line.startswith("  random init    2  ") for line in result.lines())


def test_older_files_count_no_batches() -> None:
    model = CATALOG["resnet10"].build(**NARROW)
    state = {n: v for n, v in torchvision_state(model).items() if not n.endswith("tracked")}
    assert transfer(model, state, "x.pth").missing == ()


def test_other_channels_see_the_same_grey() -> None:
    class Body(Backbone):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(channels, 4, 3, bias=False)
            self.rest = nn.Conv2d(4, 4, 3)

        def forward(self, pixels: Tensor) -> dict[str, Tensor]:
            return {"last": self.rest(self.first(pixels))}

        def first_convolutions(self) -> tuple[str, ...]:
            return ("first.weight",)

    source, target = Body(3), Body(5)
    result = transfer(target, source.state_dict(), "x.pth")
    assert result.resized == (("first.weight", "(4, 3, 3, 3) for (4, 5, 3, 3)"),)
    gray = torch.rand(1, 1, 8, 8, generator=generator(2))
    answers = [m.first(gray.expand(1, n, 8, 8)) for m, n in ((source, 3), (target, 5))]
    torch.testing.assert_close(*answers)


def test_positions_grow_with_the_image() -> None:
    small = {"num_classes": 3, "patch": 4, "width": 16, "depth": 1, "heads": 2, "mlp": 16}
    source = CATALOG["vit_b_16"].build(image_size=16, **small)
    target = CATALOG["vit_b_16"].build(image_size=32, **small)
    state = source.state_dict()
    rows = torch.arange(4.0).repeat_interleave(4)[None, :, None].expand(1, 16, 16)
    state["network.backbone.positions"] = torch.cat((torch.full((1, 1, 16), 9.0), rows), dim=1)
    result = transfer(target, state, "x.safetensors")
    assert result.resized == (("network.backbone.positions", "(1, 17, 16) for (1, 65, 16)"),)
    grown = target.network.backbone.positions[0]
    assert (grown[0] == 9).all()
    grid = grown[1:, 0].reshape(8, 8)
    torch.testing.assert_close(grid, grid[:, :1].expand(8, 8))  # nothing changes along a row
    assert (grid[:, 0].diff() > 0).all()
    assert float(grid.detach().mean()) == pytest.approx(1.5, abs=1e-4)


def test_norms_that_divided_by_the_plain_deviation() -> None:
    """The detectors were trained with epsilon 0; the variance takes the difference."""

    model = CATALOG["resnet10"].build(**NARROW, norm="frozen")
    name, norm = next((n, m) for n, m in model.named_modules() if isinstance(m, FrozenBatchNorm))
    channels = len(norm.weight)
    state, x = random_state(model), torch.rand(2, channels, 5, 5, generator=generator(3))
    variances = torch.tensor([1e-6, 1e-4, 0.1, 3.0]).repeat(channels // 4)
    state[f"{name}.running_var"] = variances
    transfer(model, state, "x.pth", epsilon=0.0)
    statistics = [state[f"{name}.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
    expected = F.batch_norm(x, *statistics, training=False, eps=0.0)
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-5)


def test_weights_of_something_else() -> None:
    with pytest.raises(CheckpointError, match=r"x\.pth: none of its weights fits this model"):
        transfer(CATALOG["linear"].build(num_classes=3), {"a": torch.zeros(2)}, "x.pth")


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_files_of_weights(tmp_path: Path, wrapper: str | None) -> None:
    tensors = {"module.a.weight": torch.rand(2, 3), "module.a.bias": torch.rand(2)}
    content = tensors if wrapper is None else {wrapper: tensors, "epoch": 3}
    torch.save(content, tmp_path / "w.pth")
    save_file(tensors, tmp_path / "w.safetensors")
    found = read_weights(tmp_path / "w.pth")
    assert set(found) == {"a.weight", "a.bias"}  # without the prefix of parallel training
    assert torch.equal(found["a.bias"], tensors["module.a.bias"])
    assert set(read_weights(tmp_path / "w.safetensors")) == set(tensors)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self.path),))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"a": Bomb(tmp_path / "exploded")}, tmp_path / "w.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    for name in ("w.pth", "plain.pth"):
        with pytest.raises(CheckpointError, match="not a file of weights that is safe to read"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 and so on", b"\x80\x02garbage"])
def test_bytes_that_are_no_weights(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"w\.pth: not a file of weights"):
        read_weights(tmp_path / "w.pth")


def test_a_file_that_was_cut(tmp_path: Path) -> None:
    torch.save({"a": torch.rand(1000)}, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="not a file of weights"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {"state_dict": {"a": 1}}])
def test_files_without_weights(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        read_weights(tmp_path / "w.pth")


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    torch.save({"a": torch.tensor([1.0, float("nan")])}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth: a: holds values that are not finite"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.onnx", "w.pkl", "w.h5", "weights"])
def test_other_kinds_of_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=r"weights are read from \.safetensors, \.pth, \.pt"):
        read_weights(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("there", "here", "fits"), [("token", "average", True), ("average", "token", False)]
)
def test_positions_with_and_without_a_class_token(there: str, here: str, fits: bool) -> None:
    small = {"num_classes": 3, "patch": 4, "width": 16, "depth": 1, "heads": 2, "mlp": 16}
    source = CATALOG["vit_b_16"].build(image_size=16, pool=there, **small)
    target = CATALOG["vit_b_16"].build(image_size=32, pool=here, **small)
    result = transfer(target, source.state_dict(), "x.safetensors")
    assert ("network.backbone.positions" in [row[0] for row in result.resized]) == fits
