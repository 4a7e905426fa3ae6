"""Several processes that train one network: the same as one with the same batch, and one run for all."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import ConfigError, TrainingError
from core.runs import Augmentation, TrainingConfig, create_run
from core.training.checkpoint import load_checkpoint
from core.training.distributed import REASON, ProcessGroup, _last_error, train_together
from core.training.execute import execute
from core.training.loader import BatchLoader
from core.training.patches import Patches
from core.training.step import _check_shares

ROOT = Path(__file__).resolve().parents[3]

STOPPED = """
import sys
from pathlib import Path
from core.runs import open_run
from core.training import trainer
from core.training.execute import execute
real = trainer.Trainer._after_step
def after_step(self):
    if self.state.step_in_epoch == 3 and self.train_step.group.is_main:
        self.run.request_stop()
    real(self)
trainer.Trainer._after_step = after_step
execute(open_run(Path(sys.argv[1])))
"""


BROKEN = """
import os, signal, sys
from pathlib import Path
from core.errors import NodescopeError
from core.runs import open_run
from core.training.execute import execute
from core.training.gradients import Gradients
real, way, place = Gradients._piecewise, sys.argv[2], int(sys.argv[3])
def piecewise(self, batch):
    if batch.step == 2 and self._share[0] == place:
        if way == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    return real(self, batch)
Gradients._piecewise = piecewise
try:
    execute(open_run(Path(sys.argv[1])))
except NodescopeError as error:
    sys.exit(f"error: {error}")
"""


def test_one_process_is_its_own_main_one() -> None:
    group = ProcessGroup("cpu")

    assert (group.size, group.is_main) == (1, True)
    assert group.from_main("word") == "word"
    assert group.begin(go=True)


def test_each_process_takes_its_share_of_what_all_have_drawn() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (12, 96, 96, 3), dtype=np.uint8)
    part = Patches(np.arange(12).astype(str), pixels, np.arange(12) % 2, None)
    config = TrainingConfig(augmentation=Augmentation(stain=0.2, brightness=0.1, rotation=20, blur=1.0, cutout=0.5))
    device, rows = torch.device("cpu"), random.permutation(12)[:8]

    whole = BatchLoader(part, config, device=device).batch(rows, 5)
    shares = [BatchLoader(part, config, device=device, share=(place, 2)).batch(rows, 5) for place in (0, 1)]

    for place, share in enumerate(shares):
        assert share.labels.tolist() == whole.labels[place::2].tolist()
        torch.testing.assert_close(share.images, whole.images[place::2], rtol=0, atol=1e-6)


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch of 9 patches cannot be shared evenly by 2 processes"):
        _check_shares(9, 2)


def _launch(*words: str | Path) -> subprocess.CompletedProcess[str]:
    # "--multi_gpu" is how accelerate starts processes on one computer; the run itself asks for the CPU.
    launcher = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    options = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *launcher, *options, *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_two_processes_give_the_loss_of_one_with_the_double_batch(
    kaggle_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(90)})
    config = TrainingConfig(
        data=(str(folder),), epochs=2, batch_size=16, ema=0.9, clip=1.0, balance="weights", learning_rate=1e-5,
        model_arguments={"dropout": 0.0}, augmentation=Augmentation(stain=0.1, cutout=0.5), device="cpu",
    )  # fmt: skip
    two, one = (create_run(config, tmp_path / name) for name in ("two", "one"))
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED)

    stopped = _launch(script, two.path)
    assert stopped.returncode == 0, stopped.stderr[-2000:]
    assert (two.status().state, two.status().step) == ("stopped", 3)
    assert two.status().device.endswith("2 processes")
    finished = _launch("-m", "core", "train", "--run-dir", two.path, "--resume")
    assert finished.returncode == 0, finished.stderr[-2000:]
    execute(one)

    assert two.status().state == "finished"
    assert finished.stdout.count("Epoch 2/2:") == 1
    assert two.log_tail().count("Epoch 2/2:") == 1
    np.testing.assert_allclose(two.metrics()["train_loss"], one.metrics()["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(two.metrics()["valid_loss"], one.metrics()["valid_loss"], rtol=1e-6)
    assert one.metrics()["valid_loss"].nunique() == 2
    ours, theirs = (load_checkpoint(run.checkpoint_path, torch.device("cpu"))["model"] for run in (two, one))
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=2e-5)


def _one_of_two(*, is_main: bool) -> ProcessGroup:
    """A group of two without the other one."""
    group = ProcessGroup("cpu")
    group.size, group.is_main = 2, is_main
    return group


def _fail(error: Exception) -> None:
    raise error


def test_the_first_reason_of_the_group_becomes_that_of_the_run(tmp_path: Path) -> None:
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1234")
    main, other = (_one_of_two(is_main=is_main) for is_main in (True, False))
    before = signal.getsignal(signal.SIGTERM)

    def fail_one_after_the_other() -> None:
        with pytest.raises(TrainingError), other.explained(tmp_path):
            _fail(TrainingError("Too little memory."))
        _fail(lost)

    with pytest.raises(TrainingError, match="Too little memory"), main.explained(tmp_path):
        fail_one_after_the_other()
    with pytest.raises(TrainingError, match="One of the 2 processes ended without a reason"), main.explained(tmp_path):
        _fail(lost)  # what was said before was forgotten
    with pytest.raises(TrainingError, match="the run says why"), other.explained(tmp_path):
        _fail(lost)
    with pytest.raises(TrainingError, match="without a reason"), main.explained(tmp_path):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_defect_of_one_of_the_group_surfaces(tmp_path: Path) -> None:
    main, other = (_one_of_two(is_main=is_main) for is_main in (True, False))

    with pytest.raises(RuntimeError, match="shapes do not fit"), main.explained(tmp_path):
        _fail(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"), other.explained(tmp_path):
        _fail(RuntimeError("shapes do not fit"))

    assert (tmp_path / REASON).read_text() == "RuntimeError: shapes do not fit"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "place", "words"),
    [
        ("memory", 0, "not enough memory for 8 patches at once in one of 2 processes. Resume the run in one process"),
        ("memory", 1, "not enough memory for 8 patches at once in one of 2 processes. Resume the run in one process"),
        ("killed", 1, "One of the 2 processes ended without a reason"),
    ],
)
def test_a_group_that_runs_out_of_memory_says_what_to_do_and_one_process_goes_on(
    kaggle_folder: Callable[..., Path], tmp_path: Path, way: str, place: int, words: str
) -> None:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(60)})
    run = create_run(TrainingConfig(data=(str(folder),), epochs=2, batch_size=16, device="cpu"), tmp_path / "run")
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)

    assert _launch(script, run.path, way, str(place)).returncode != 0

    assert run.status().state == "failed"
    assert words in run.status().message
    assert execute(run).state == "finished"


FAILING = "raise ValueError('no port is free')"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("ValueError: no port\ntorch.distributed.elastic.ChildFailedError: \n", ": ValueError: no port"),
        ("torch.OutOfMemoryError: out of memory.\nChildFailedError: x\n", ": torch.OutOfMemoryError: out of memory"),
        ("WARNING\n  warnings.warn(\n", ""),
    ],
)  # fmt: skip
def test_of_a_launchers_traceback_the_reason_is_kept(said: str, found: str) -> None:
    assert _last_error(said) == found


def test_a_launcher_that_fails_is_a_sentence_of_the_run(
    fresh_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_launcher.py").write_text(FAILING)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    monkeypatch.setattr("core.training.distributed.LAUNCHER", ("broken_launcher",))
    run = create_run(TrainingConfig(device="cpu"))

    with pytest.raises(TrainingError, match=r"The 2 processes could not be started: ValueError: no port is free\. "):
        train_together(run, 2, quiet=True)

    assert run.status().state == "failed"
    assert run.status().message.endswith("Train in one process, or look at launcher.txt in the run's folder; resuming "
                                         "tries again.")  # fmt: skip
    assert "Traceback" not in run.status().message
    assert "Traceback" in (run.path / "launcher.txt").read_text()


def test_more_processes_than_gpus_are_refused(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.distributed.resolve_device", lambda _name: torch.device("cuda"))
    with pytest.raises(ConfigError, match="--processes 4 needs 4 GPUs, and PyTorch sees 0 here"):
        train_together(create_run(TrainingConfig()), 4, quiet=True)
