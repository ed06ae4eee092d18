"""Device, precision and randomness."""

import pytest
import torch
from torch import nn

from tapetum.base.errors import UsageError
from tapetum.base.runtime import (
    choose_runtime,
    derive_seed,
    deterministic,
    generator,
    has_bf16,
    undisturbed,
)


def test_auto_precision_is_fp32_except_in_training():
    assert choose_runtime("cpu").precision == "fp32"
    expected = "bf16" if has_bf16(torch.device("cpu")) else "fp32"
    assert choose_runtime("cpu", training=True).precision == expected


@pytest.mark.parametrize(
    ("device", "precision"),
    [("cpu", "fp16"), ("cpu", "int8"), ("gpu", "fp32"), ("cuda:97", "fp32"), ("meta", "fp32")],
)
def test_what_cannot_be_is_a_usage_error(device, precision):
    with pytest.raises(UsageError):
        choose_runtime(device, precision)


def test_fp16_is_refused_for_training():
    with pytest.raises(UsageError, match="prediction only"):
        choose_runtime("cpu", "fp16", training=True)


def test_autocast_computes_in_the_stated_precision():
    layer = nn.Linear(4, 4)
    with choose_runtime("cpu", "bf16").autocast():
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    with choose_runtime("cpu", "fp32").autocast():
        assert layer(torch.ones(1, 4)).dtype == torch.float32


def test_a_draw_is_a_function_of_its_keys_alone():
    first = torch.rand(3, generator=generator(1, "augment", 2, 3))
    torch.rand(5)
    assert torch.equal(first, torch.rand(3, generator=generator(1, "augment", 2, 3)))
    seeds = {derive_seed(s, k, e) for s in range(5) for k in "ab" for e in range(50)}
    assert len(seeds) == 500
    # The same for ever: a stored run resumed by a later release must draw what it drew before.
    assert derive_seed(0, "order", 0) == 2094333682667709378


def test_deterministic_gives_the_setting_back():
    assert not torch.are_deterministic_algorithms_enabled()
    with deterministic():
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_undisturbed_restores_mode_and_random_state_also_after_an_error():
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    model[0].eval()
    state = torch.random.get_rng_state()
    with pytest.raises(RuntimeError), undisturbed(model):
        assert not model[1].training
        torch.rand(3)
        raise RuntimeError
    assert (model.training, model[0].training, model[1].training) == (True, False, True)
    assert torch.equal(state, torch.random.get_rng_state())
