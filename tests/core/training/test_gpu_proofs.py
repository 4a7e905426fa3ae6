"""What a GPU asks of the training, proven without one: on the meta device and with the checks of CUDA's own kernels.

The meta device stands for a GPU: its tensors have no numbers, so that whoever reads one fails, and what goes there has
to be sent as it would to a GPU.
"""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._C import DispatchKey, DispatchKeySet
from torch.utils._python_dispatch import TorchDispatchMode

import models
from core.runs import TrainingConfig, create_run
from core.training import execute as execute_module
from core.training import step as step_module
from core.training.distributed import ProcessGroup
from core.training.execute import execute
from core.training.loader import BatchLoader
from core.training.losses import UNREAD, Losses
from core.training.memory import sent_together
from core.training.step import TrainStep
from core.training.trainer import Trainer
from tests.core.training.pretended import CONFIG, CPU, META, part


class _Checks(TorchDispatchMode):
    """Shows each call of the norm's backward pass to CUDA's kernel, and notes the first thing it objects to."""

    def __init__(self) -> None:
        super().__init__()
        self.objections: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.native_batch_norm_backward.default:
            with pytest.raises(RuntimeError) as error:
                func.redispatch(DispatchKeySet(DispatchKey.CUDA), *args)
            self.objections.append(str(error.value))
        return func(*args, **(kwargs or {}))


@pytest.mark.skipif(torch.version.cuda is None, reason="this build of PyTorch has no CUDA kernels to ask")
def test_cudas_kernel_takes_what_the_symmetric_norm_gives_it() -> None:
    network = models.build("nodescope-net").to(memory_format=torch.channels_last).train()
    images = torch.rand(2, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    with _Checks() as checks:
        network(images).sum().backward()

    assert len(checks.objections) == 7
    # All that is left is that these tensors lie on the CPU.
    assert all("expected a CUDA device but found cpu" in each for each in checks.objections), checks.objections[0]


class _Traffic(TorchDispatchMode):
    """Counts what is sent to the device, and refuses float64 there, which a Mac's GPU does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[int, ...]] = []
        self.fetched = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        if "_to_copy" in name and args[0].device == CPU and (kwargs or {}).get("device") == META:
            self.sent.append(tuple(args[0].shape))
        if "aten.copy_" in name and args[0].device == META and args[1].device == CPU:
            self.sent.append(tuple(args[1].shape))
        self.fetched += "_local_scalar_dense" in name and args[0].device == META
        found = func(*args, **(kwargs or {}))
        for each in found if isinstance(found, tuple | list) else (found,):
            if isinstance(each, Tensor) and each.device == META:
                assert each.dtype != torch.float64, name
        return found


@pytest.fixture
def on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.distributed.resolve_device", lambda _: META)

    def unfused(network: nn.Module, _: TrainingConfig) -> torch.optim.Optimizer:
        made = torch.optim.AdamW(network.parameters(), foreach=True, capturable=False)  # a fused one does not know meta
        for group in made.param_groups:
            group["peak"] = group["lr"]
        return made

    monkeypatch.setattr(step_module, "make_optimiser", unfused)


@pytest.mark.parametrize(
    "model", ["notebook-cnn", pytest.param("efficientnet-lite0", marks=pytest.mark.slow), "nodescope-net"]
)
@pytest.mark.parametrize("resident", [True, False])
def test_a_step_reads_nothing_from_a_gpu_and_sends_what_was_drawn_at_once(
    on_meta: None, monkeypatch: pytest.MonkeyPatch, model: str, resident: bool
) -> None:
    monkeypatch.setattr("core.training.loader.fits_on_device", lambda *_: resident)
    train_step = TrainStep(CONFIG.with_changes(model=model), part())
    train_step.prepare(frozen=False)
    rows = [np.arange(8) + step for step in range(5)]
    batches = train_step.loader.batches(rows, first=0)
    train_step.learn(next(batches))  # constants are sent with the first one
    train_step.learn(next(batches))
    with _Traffic() as traffic:  # a mode is the thread's own, and the last batch is made here
        train_step.learn(next(batches))
        train_step.learn(train_step.loader.batch(rows[4], 4))

    pixels = [] if resident else [(8, 96, 96, 3)]
    # Eight kinds of numbers and the rows: 8 × (8 + 4 + 8 + 4 + 8 + 4 + 4 + 16 + 1) bytes.
    assert traffic.sent == [(8 * 57,), *pixels]
    assert traffic.fetched == 0


def test_an_epoch_waits_for_a_gpu_only_where_losses_are_read(
    on_meta: None, monkeypatch: pytest.MonkeyPatch, kaggle_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(140)})
    run = create_run(TrainingConfig(data=(str(folder),), epochs=1, batch_size=2, device="cpu"), tmp_path / "run")
    trainer = Trainer(run, execute_module._gathered(run))
    read: list[int] = []

    def fetch(self: Losses, losses: list[float], _epoch: int) -> list[dict[str, float]]:
        if self._unread:
            read.append(len(self._unread))
            losses += [0.0] * len(self._unread)
            self._unread = []
        return []

    monkeypatch.setattr(Losses, "fetch", fetch)
    with _Traffic() as traffic:
        trainer._train_epoch()  # whoever read a number of the device would fail

    assert trainer.steps_per_epoch > 2 * UNREAD
    assert read[0] == read[1] == UNREAD
    assert traffic.fetched == 0


def test_what_is_sent_together_arrives_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.memory.sent", lambda packed, _: packed)
    tensors = [
        torch.arange(5), torch.tensor([True, False, True]), torch.rand(3, 2), torch.rand(2, 3).T, torch.zeros(0, 2),
        torch.tensor(2.5),
    ]  # fmt: skip
    there = sent_together(tensors, META)

    for one, other in zip(tensors, there, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert torch.equal(one, other)


def test_memory_that_runs_out_while_a_batch_is_made_ahead_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = list(BatchLoader(part(), CONFIG, device=CPU, ahead=False).batches(_rows(3), first=0))
    said: list[str] = []
    loader = BatchLoader(part(), CONFIG, device=CPU, ahead=True, notify=said.append)
    real, main = BatchLoader._batch, threading.current_thread()

    def scarce(self: BatchLoader, rows: np.ndarray, step: int, size: int) -> Any:
        # Beside the network's work there is never enough; alone there is for four patches at once.
        if threading.current_thread() is not main or size > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, rows, step, size)

    monkeypatch.setattr(BatchLoader, "_batch", scarce)
    found = list(loader.batches(_rows(3), first=0))

    assert loader.at_once == 4
    assert said == ["Out of memory while a batch was prepared: 4 patches at once from now on."]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.images, other.images, rtol=0, atol=1e-6)
        assert torch.equal(one.labels, other.labels)


def _rows(count: int) -> list[np.ndarray]:
    return [np.arange(8) + step for step in range(count)]


def test_a_feed_in_portions_is_resumed_in_portions() -> None:
    train_step, other = (TrainStep(CONFIG, part()) for _ in range(2))
    train_step.loader.at_once = 2

    other.restore(train_step.state())

    assert other.loader.at_once == 2


@pytest.fixture
def data(kaggle_folder: Callable[..., Path]) -> str:
    return str(kaggle_folder({f"{number:03}": number % 2 for number in range(60)}))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list["weakref.ref[Any]"]:
    """What training steps were made, and what they hold of a GPU's memory."""
    found: list[weakref.ref[Any]] = []
    real = TrainStep.__init__

    def init(self: TrainStep, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        found.extend(weakref.ref(each) for each in (self, self.network, self.optimiser, self.loader, self.gradients))

    monkeypatch.setattr(TrainStep, "__init__", init)
    return found


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing that stands in a circle is freed."""
    TrainStep(CONFIG, part())  # PyTorch loads its compiler with the first optimiser, and keeps who asked for it
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_what_has_learnt_is_gone_before_the_result_is_measured(
    data: str, tmp_path: Path, made: list["weakref.ref[Any]"], uncollected: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute_module, "give_back", lambda _: None)  # it would collect circles
    alive: list[Any] = []
    monkeypatch.setattr(
        execute_module, "finish", lambda _run, _outcome, **_: alive.extend(each() for each in made if each())
    )
    run = create_run(TrainingConfig(data=(data,), epochs=1, batch_size=16, device="cpu"), tmp_path / "run")

    execute(run)

    assert made
    assert alive == []


def test_a_run_that_was_stopped_holds_no_memory(
    data: str, tmp_path: Path, made: list["weakref.ref[Any]"], uncollected: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(TrainingConfig(data=(data,), epochs=2, batch_size=16, device="cpu"), tmp_path / "run")
    monkeypatch.setattr(type(run), "stop_requested", lambda _: bool(made))

    assert execute(run).state == "stopped"
    assert made
    assert [each() for each in made if each()] == []


def test_what_a_gpu_looks_like_is_not_kept_from_one_training_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr("core.training.distributed.resolve_device", {"cuda": gpu, "cpu": CPU}.__getitem__)

    assert [ProcessGroup(name).device for name in ("cuda", "cpu", "cuda")] == [gpu, CPU, gpu]
    TrainStep(CONFIG, part())
    assert not torch.distributed.is_initialized()
