"""Steps of training on a GPU."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from core.runs import Augmentation, TrainingConfig
from core.training.loader import BatchLoader
from core.training.memory import fits_on_device
from core.training.patches import Patches
from core.training.step import TrainStep

pytestmark = pytest.mark.gpu

NETWORKS = ("notebook-cnn", "efficientnet-lite0", "nodescope-net")
GPU = torch.device("cuda", 0)
ALL = Augmentation(stain=0.2, brightness=0.1, rotation=20, blur=1.0, cutout=0.5, zoom=0.2, jpeg=0.5)
CONFIG = TrainingConfig(batch_size=32, device="cuda", ema=0.9, clip=1.0, augmentation=ALL, compile="off")


def _part(count: int = 96) -> Patches:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    return Patches(np.arange(count).astype(str), pixels, np.arange(count) % 2, None)


def _rows(count: int, size: int = 32) -> list[np.ndarray]:
    return [(np.arange(size) + step) % 96 for step in range(count)]


def _learn(config: TrainingConfig, steps: int = 2) -> tuple[TrainStep, list[float]]:
    train_step = TrainStep(config, _part())
    train_step.prepare(frozen=False)
    batches = train_step.loader.batches(_rows(steps, config.batch_size), first=0)
    return train_step, [float(train_step.learn(batch)) for batch in batches]


@pytest.mark.parametrize("model", NETWORKS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_network_learns_and_predicts(model: str, precision: str) -> None:
    train_step, losses = _learn(CONFIG.with_changes(model=model, precision=precision))

    assert all(0 < loss < 5 for loss in losses)
    with torch.inference_mode():
        logits = train_step.network.eval()(torch.rand(4, 3, 96, 96, device=GPU))
    assert bool(logits.isfinite().all())


@pytest.mark.parametrize("model", NETWORKS)
def test_every_network_learns_compiled_what_it_learns_as_it_is(model: str) -> None:
    config = CONFIG.with_changes(model=model, precision="fp32", augmentation=Augmentation())
    train_step, losses = _learn(config.with_changes(compile="auto"), steps=5)
    _, expected = _learn(config, steps=5)

    assert train_step.compilation == "compiled with CUDA graphs"
    assert losses == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("model", NETWORKS)
def test_steps_can_be_repeated_to_the_last_bit(model: str) -> None:
    one, other = (_learn(CONFIG.with_changes(model=model), steps=4)[0].state()["average"] for _ in range(2))

    assert [name for name, value in one.items() if not torch.equal(value, other[name])] == []


@pytest.mark.parametrize("model", NETWORKS)
def test_no_step_waits_for_the_gpu(model: str) -> None:
    train_step = TrainStep(CONFIG.with_changes(model=model), _part())
    train_step.prepare(frozen=False)
    batches = train_step.loader.batches(_rows(8), first=0)
    for _ in range(3):  # what is made once may wait
        train_step.learn(next(batches))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(4):
            train_step.learn(next(batches))
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_patches_that_stay_and_patches_that_are_sent_give_the_same_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    staying = BatchLoader(_part(), CONFIG, device=GPU)
    monkeypatch.setattr("core.training.loader.fits_on_device", lambda *_: False)
    sent = BatchLoader(_part(), CONFIG, device=GPU)
    on_cpu = BatchLoader(_part(), CONFIG, device=torch.device("cpu"))

    assert (staying.resident, sent.resident) == (True, False)
    assert fits_on_device(1000, GPU)
    for one, two, three in zip(*(each.batches(_rows(4), first=0) for each in (staying, sent, on_cpu)), strict=True):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.labels.cpu(), three.labels)
        # Pixels at the edge of a square or of the mirrored border may fall to the other side.
        assert float(((one.images.cpu() - three.images).abs() > 1e-3).float().mean()) < 1e-3


@pytest.fixture
def little_memory() -> Iterator[None]:
    """A process that may have a gigabyte and a half of the GPU's memory."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 1.5 * 2**30 / total), GPU)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0, GPU)


def test_a_batch_that_does_not_fit_is_learnt_in_pieces(little_memory: None) -> None:
    part = _part(1024)
    train_step = TrainStep(
        CONFIG.with_changes(model="efficientnet-lite0", batch_size=1024, precision="fp32", augmentation=Augmentation()),
        part,
    )
    train_step.prepare(frozen=False)

    loss = float(train_step.learn(train_step.loader.batch(np.arange(1024), 0)))

    assert train_step.gradients.pieces > 1
    assert 0 < loss < 5
