"""Memory that runs out: told from other failures, and met with less at once."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.attribution.compute import attribute
from core.attribution.options import AttributionOptions
from core.bundle import Bundle, load_bundle
from core.errors import DeviceError
from core.memory import in_portions, is_out_of_memory
from core.prediction import Predictor
from core.prediction.features import early_features, layers_of
from core.prediction.predictor import filled_up
from core.prediction.region import read_region

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PATCHES = np.random.default_rng(0).integers(0, 256, (21, 96, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "words",
    [
        "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA",
        "HIP out of memory. Tried to allocate 2.00 GiB",
        "MPS backend out of memory (MPS allocated: 9 GB)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_every_way_to_say_that_memory_has_run_out_is_known(words: str) -> None:
    assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(ValueError(words))


def test_other_failures_are_no_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


def test_work_is_done_anew_with_half_of_it_at_once() -> None:
    tried: list[int] = []
    said: list[int] = []

    def work(size: int) -> str:
        tried.append(size)
        if size > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return "done"

    assert in_portions(work, 10, CPU, less=said.append) == "done"
    assert (tried, said) == ([10, 5, 2], [5, 2])


def test_no_memory_for_one_is_an_error() -> None:
    def work(_: int) -> None:
        raise MemoryError

    with pytest.raises(DeviceError, match="not enough memory for a single patch"):
        in_portions(work, 4, CPU, less=lambda _: None)


class Scarce(nn.Module):
    """A network that has memory for some pixels only."""

    def __init__(self, network: nn.Module, most: int):
        super().__init__()
        self.network, self.most = network, most

    def _checked(self, x: Tensor) -> Tensor:
        if x.shape[0] * x.shape[2] * x.shape[3] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return x

    def forward(self, x: Tensor) -> Any:
        return self.network(self._checked(x))

    def logit_map(self, x: Tensor) -> Any:
        return self.network.logit_map(self._checked(x))  # type: ignore[operator]


def _scarce(bundle: Bundle, most: int) -> Predictor:
    predictor = Predictor(bundle, device="cpu")
    predictor.module = Scarce(predictor.module, most)
    return predictor


def test_predictions_go_on_with_fewer_at_once_and_remember_it(tiny_bundle: Bundle) -> None:
    expected = Predictor(tiny_bundle, device="cpu").predict(PATCHES).logits
    predictor = _scarce(tiny_bundle, 5 * 96**2)

    np.testing.assert_allclose(predictor.predict(PATCHES).logits, expected, rtol=1e-5, atol=1e-6)
    assert predictor.batch == 4


def test_features_go_on_with_fewer_at_once(tiny_bundle: Bundle) -> None:
    whole = Predictor(tiny_bundle, device="cpu")
    layer = layers_of(whole.module).early
    predictor = _scarce(tiny_bundle, 9 * 96**2)

    found = early_features(predictor, PATCHES, layer=f"network.{layer}")

    np.testing.assert_allclose(found, early_features(whole, PATCHES, layer=layer), rtol=1e-4, atol=1e-5)
    assert predictor.batch == 8


def test_a_picture_is_read_in_smaller_blocks() -> None:
    bundle = load_bundle("nodescope-net")
    picture = np.random.default_rng(0).integers(0, 256, (160, 200, 3), dtype=np.uint8)
    expected = read_region(Predictor(bundle, device="cpu"), picture)

    found = read_region(_scarce(bundle, 150 * 150), picture)

    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)


def test_explanations_go_on_with_fewer_at_once(tiny_bundle: Bundle) -> None:
    options = AttributionOptions(steps=12, internal_batch=12)
    module = Predictor(tiny_bundle, device="cpu").module
    expected = attribute(module, PATCHES[0], method="integrated-gradients", options=options)

    found = attribute(Scarce(module, 5 * 96**2), PATCHES[0], method="integrated-gradients", options=options)

    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)


@pytest.mark.parametrize(
    ("count", "device", "size"), [(1, CPU, 256), (1, GPU, 32), (32, GPU, 32), (33, GPU, 64), (200, GPU, 256)]
)
def test_a_gpu_does_not_work_on_many_blank_patches_for_a_few(count: int, device: torch.device, size: int) -> None:
    patches = np.ones((count, 2, 2, 3), np.uint8)

    found = filled_up(patches, 256, device)

    assert (len(found), int(found.sum())) == (size, patches.sum())
