"""Device, precision and randomness."""

import pytest
import torch
from torch import nn

from tapetum.base.errors import UsageError
from tapetum.base.memory import is_out_of_memory
from tapetum.base.runtime import Runtime, choose_runtime, has_bf16, recorded_runtime
from tapetum.base.seeds import derive_seed, deterministic, generator, undisturbed


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


def pretend_gpu(monkeypatch, capability):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)


@pytest.mark.parametrize(
    ("capability", "expected"), [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16")]
)
def test_auto_precision_of_training_on_gpus(monkeypatch, capability, expected):
    pretend_gpu(monkeypatch, capability)
    runtime = choose_runtime(training=True)
    assert (runtime.device.type, runtime.precision) == ("cuda", expected)
    assert choose_runtime("cuda", "fp16", training=True).precision == "fp16"
    assert choose_runtime().precision == "fp32"


def test_training_in_fp16_is_for_cuda(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_runtime("mps", "fp16").precision == "fp16"
    assert choose_runtime("mps", training=True).precision == "fp32"
    with pytest.raises(UsageError, match="needs a CUDA GPU"):
        choose_runtime("mps", "fp16", training=True)
    with pytest.raises(UsageError, match="needs a GPU"):
        choose_runtime("cpu", "fp16", training=True)


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_run_of_a_server_goes_on_here_and_says_so(precision):
    runtime, words = recorded_runtime("cuda", precision)
    kept = "fp32" if precision == "fp32" else "auto"
    assert runtime == choose_runtime("auto", kept, training=True)
    here = "which is not available here: the training continues on"
    assert f"trained on cuda {precision}, {here} {runtime}" in words


def test_a_run_goes_on_where_it_was(monkeypatch):
    assert recorded_runtime("cpu", "bf16") == (Runtime(torch.device("cpu"), "bf16"), None)
    pretend_gpu(monkeypatch, (7, 5))
    assert recorded_runtime("cuda", "fp16") == (Runtime(torch.device("cuda"), "fp16"), None)
    assert recorded_runtime("cuda:1", "fp16")[0] == Runtime(torch.device("cuda"), "fp16")


def test_each_of_several_processes_goes_on_with_its_own_gpu(monkeypatch):
    pretend_gpu(monkeypatch, (7, 5))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert recorded_runtime("cuda:0", "fp16")[0].device == torch.device("cuda", 0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in (0, 1):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        expected = Runtime(torch.device("cuda", rank), "fp16")
        assert recorded_runtime("cuda:0", "fp16") == (expected, None)


def test_running_out_of_memory_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert is_out_of_memory(caught.value)
    for text in (
        "CUDA out of memory. Tried to",
        "MPS backend out of memory",
        "[..] not enough memory:",
    ):
        assert is_out_of_memory(RuntimeError(text))
    assert is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))
    assert is_out_of_memory(torch.OutOfMemoryError("whatever it says"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("The size of tensor a (3) must match"))
    assert not is_out_of_memory(ValueError("out of memory"))


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


def test_fp32_on_a_gpu_keeps_its_digits(monkeypatch):
    """cuDNN's default drops thirteen bits of them."""
    for default in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", default)
        with Runtime(torch.device("cuda")).autocast():
            assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.allow_tf32 == default
