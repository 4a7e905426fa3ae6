"""Whole runs on a GPU: exactly resumed, one after the other, and with little memory to the end."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.runs import Run, TrainingConfig, create_run
from core.training.execute import execute

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(kaggle_folder: Callable[..., Path]) -> TrainingConfig:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(120)})
    return TrainingConfig(data=(str(folder),), epochs=2, batch_size=16, device="cuda", ema=0.9)


@pytest.mark.parametrize("compile", ["off", "auto"])
@pytest.mark.parametrize("model", ["notebook-cnn", "efficientnet-lite0", "nodescope-net"])
def test_a_resumed_run_ends_as_one_that_was_never_stopped(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, compile: str
) -> None:
    config = config.with_changes(model=model, compile=compile)
    whole, parted = (create_run(config, tmp_path / name) for name in ("whole", "parted"))
    asked: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(Run, "stop_requested", lambda _: bool(asked.append(1)) or len(asked) > 4)
        assert execute(parted).state == "stopped"
    assert 0 < parted.status().step < parted.status().steps

    assert [execute(each).state for each in (whole, parted)] == ["finished", "finished"]

    ours, theirs = (torch.load(run.checkpoint_path, weights_only=True)["model"] for run in (whole, parted))
    assert [name for name, value in ours.items() if not torch.equal(value, theirs[name])] == []
    assert (whole.path / "predictions.csv").read_bytes() == (parted.path / "predictions.csv").read_bytes()


def test_a_run_with_little_memory_is_measured_to_its_end(config: TrainingConfig, tmp_path: Path) -> None:
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 0.7 * 2**30 / total))
    try:
        run = create_run(config.with_changes(model="efficientnet-lite0", batch_size=64), tmp_path / "run")
        assert execute(run).state == "finished"
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_one_process_trains_on_the_gpu_and_then_on_the_cpu(config: TrainingConfig, tmp_path: Path) -> None:
    for device in ("cuda", "cpu", "cuda"):
        run = create_run(config.with_changes(epochs=1, device=device), tmp_path / f"{device}-{time.monotonic_ns()}")
        execute(run)
        assert run.status().device.startswith("CPU") == (device == "cpu")


def test_two_processes_take_turns_on_one_gpu(config: TrainingConfig, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    command = [sys.executable, "-m", "core", "train", "--data", config.data[0], "--device", "cuda", "--epochs", "20",
               "--batch-size", "16", "--quiet", "--run-dir"]  # fmt: skip
    processes = [subprocess.Popen([*command, str(folder)], cwd=ROOT) for folder in folders]
    seen = set()
    while any(process.poll() is None for process in processes):
        states = [Run(folder).stored_status().state for folder in folders if (folder / "status.json").is_file()]
        assert states.count("running") < 2
        seen |= set(states)
        time.sleep(0.05)

    assert [process.returncode for process in processes] == [0, 0]
    assert "queued" in seen
    assert [Run(folder).status().state for folder in folders] == ["finished", "finished"]
