"""A run whose folder somebody deletes by hand while it works: it ends, says why, and brings no folder back."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.data import Dataset
from core.errors import RunError
from core.runs import TrainingConfig, create_run, device_queue
from core.runs.run import Run
from core.runs.status import Status
from core.training import status_reporter, trainer
from core.training.execute import execute

CONFIG = TrainingConfig(epochs=2, batch_size=16, device="cpu")
GONE = r"The folder of the run mine is gone: .*config.json is missing. It was deleted or moved while it was in use"


@pytest.fixture(autouse=True)
def _opened(fresh_home: Path, monkeypatch: pytest.MonkeyPatch, coloured: Dataset) -> None:
    monkeypatch.setattr("core.training.execute.open_dataset", lambda *_, **__: coloured)
    monkeypatch.setattr(status_reporter, "STATUS_SECONDS", -1.0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(CONFIG, tmp_path / "runs" / "mine")


@pytest.fixture
def delete_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that has the folder deleted as soon as a run says that it has come to a stage."""

    def delete_there(stage: str) -> None:
        write = Run.write_status

        def written(self: Run, status: Status) -> None:
            write(self, status)
            if status.stage.startswith(stage):
                shutil.rmtree(self.path)

        monkeypatch.setattr(Run, "write_status", written)

    return delete_there


def _assert_gone(run: Run) -> None:
    assert not run.path.exists()


@pytest.mark.parametrize(
    "stage", ["Opening the data", "Preparing the network", "Training", "Validating", "Measuring on test patches"]
)
def test_it_ends_with_a_sentence_wherever_it_is(run: Run, delete_at: Callable[[str], None], stage: str) -> None:
    delete_at(stage)

    with pytest.raises(RunError, match=GONE):
        execute(run)

    _assert_gone(run)


def test_a_checkpoint_in_the_making_brings_nothing_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save = torch.save

    def saved(state: object, path: Path) -> None:
        save(state, path)
        shutil.rmtree(run.path)

    monkeypatch.setattr(torch, "save", saved)

    with pytest.raises(RunError, match=GONE):
        execute(run)

    _assert_gone(run)


def test_one_that_waits_in_the_queue_leaves_it(
    run: Run, delete_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_queue, "NOTIFY_SECONDS", 0.0)
    queue = device_queue.Queue.of(torch.device("cpu"))
    held = queue.take()
    assert held is not None
    delete_at("Next in line")

    with pytest.raises(RunError, match=GONE):
        execute(run)

    held.release()
    assert list(queue.tickets_path.iterdir()) == []
    _assert_gone(run)


def test_an_interruption_brings_nothing_back_either(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_self: trainer.Trainer) -> None:
        shutil.rmtree(run.path)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer.Trainer, "_after_step", interrupted)

    with pytest.raises(KeyboardInterrupt):
        execute(run)

    _assert_gone(run)


@pytest.mark.parametrize(
    "act", [Run.request_stop, lambda run: run.write_notes("why"), lambda run: run.record_process(1)]
)
def test_whoever_else_writes_is_told_too(run: Run, act: Callable[[Run], None]) -> None:
    shutil.rmtree(run.path)

    with pytest.raises(RunError, match=GONE):
        act(run)

    _assert_gone(run)
