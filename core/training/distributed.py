"""The processes that ``accelerate launch`` started together to train one network; nearly always there is only one.

Each works on its share of every batch and changes its copy of the network alike. Only the main one takes the lock and
the claim on the device, reads and writes the run, and decides; the others follow.
"""

import gc
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from core.device import gpu_count, resolve_device
from core.errors import ConfigError, NodescopeError, StorageError, TrainingError
from core.job import ROOT
from core.runs.run import Run
from core.storage import atomic

T = TypeVar("T")

REASON = ".group-failed.txt"
"""The file in a run's folder in which another than the main process says why it failed."""

_BROKEN = ("connection closed", "connection reset", "broken pipe", "gloo", "nccl", "socket")

PATIENCE = timedelta(days=30)
"""How long the others wait for the main process, which may itself wait in the device queue or read data for hours. A
process that has died is noticed at once, whatever this says."""

POLL_SECONDS = 0.0005
"""How often it is checked whether a GPU has come to the end of what it was given."""

LAST_WORK = 0.5
"""Seconds that the threads of a group have to let go of their last tensors."""


LAUNCHER = (
    "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend",
    "no", "--main_process_port", "0",
)  # fmt: skip
"""The module that starts the processes, and what it would ask for otherwise; the run itself decides on its precision.
"--multi_gpu" is how accelerate calls several processes of one computer, on a CPU too."""

LAUNCHER_LOG = "launcher.txt"
"""The file in a run's folder that takes what the launcher says: pages of tracebacks where a process fails."""


def train_together(run: Run, processes: int, *, quiet: bool) -> int:
    """Have a run trained by several processes, by ``accelerate launch``, and return the exit status.

    Args:
        run: what is trained.
        processes: how many, a GPU each unless the run is on the CPU.
        quiet: write to the run's log only.

    Raises:
        ConfigError: there are fewer GPUs.
        TrainingError: the launcher failed before the run could say why; the run's status has the sentence too.
    """
    if resolve_device(run.config().device).type == "cuda" and processes > gpu_count():
        raise ConfigError(f"--processes {processes} needs {processes} GPUs, and PyTorch sees {gpu_count()} here.")
    run.write_status(run.stored_status().now(state="starting", stage=f"Starting {processes} processes", message=""))
    run.record_process(os.getpid())
    words = ["-m", "core", "train", "--run-dir", str(run.path), "--resume", *(["--quiet"] if quiet else [])]
    with run.place(LAUNCHER_LOG).open("wb") as log:
        command = [sys.executable, "-m", *LAUNCHER, "--num_processes", str(processes), *words]
        code = subprocess.run(command, cwd=ROOT, stderr=log, check=False).returncode
    if code and run.stored_status().is_active:
        reason = _last_error((run.path / LAUNCHER_LOG).read_text("utf-8", errors="replace"))
        message = (
            f"The {processes} processes could not be started{reason}. Train in one process, or look at {LAUNCHER_LOG} "
            "in the run's folder; resuming tries again."
        )
        run.write_status(run.stored_status().now(state="failed", stage="", message=message))
        raise TrainingError(message)
    return 1 if code else 0


def _last_error(text: str) -> str:
    """Return the last error of a traceback that is not the launcher's own, behind a colon; "" if there is none."""
    found = [line.strip() for line in text.splitlines() if _ERROR.match(line.strip())]
    return f": {found[-1].rstrip('.')[:200]}" if found else ""


_ERROR = re.compile(r"(?!.*(ChildFailed|CalledProcess))[\w.]*(Error|Exception|error):? \S")


class ProcessGroup:
    """This process among those that were launched together.

    Attributes:
        size: how many they are.
        place: the number of this one, from 0.
        is_main: whether this is the one that reads and writes the run.

    Args:
        device: a name of :func:`core.device.resolve_device`; with several processes each has a GPU of its own.

    Raises:
        ConfigError: several processes are to share one GPU.
    """

    def __init__(self, device: str):
        self._name = device
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.place = int(os.environ["RANK"]) if self.size > 1 else 0
        self.is_main = self.place == 0
        self._begun = self.size == 1
        if self.size > 1 and not dist.is_initialized():
            # What is not a tensor goes from CPU to CPU: no GPU stops for it, and gloo tells at once who has died.
            backend = "cpu:gloo,cuda:nccl" if self.device.type == "cuda" else "gloo"
            dist.init_process_group(backend, timeout=PATIENCE)

    @cached_property
    def device(self) -> torch.device:
        """Where this process works. Only where it is wanted: to look at a GPU takes some of its memory."""
        if self.size == 1:
            return resolve_device(self._name)
        if ":" in self._name:
            raise ConfigError(
                f"{self.size} processes cannot share {self._name}: each takes a GPU of its own. Leave the device at "
                "'cuda', and choose GPUs with CUDA_VISIBLE_DEVICES."
            )
        own = f"cuda:{os.environ.get('LOCAL_RANK', self.place)}"
        device = resolve_device(own if torch.cuda.is_available() and self._name != "cpu" else self._name)
        if device.type == "cuda":
            torch.cuda.set_device(device)  # NCCL goes by the current one
        return device

    @property
    def gpus_here(self) -> int:
        """How many GPUs of this computer the group works on, if it works on GPUs."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", self.size))

    def from_main(self, value: T) -> T:
        """Return the value that the main process gave; all of the group call this at the same point."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def all_agree(self, yes: bool) -> bool:
        """Whether all of the group said yes; all call this at the same point."""
        if self.size == 1:
            return yes
        said = torch.tensor([int(yes)])
        dist.all_reduce(said, op=dist.ReduceOp.MIN)
        return bool(said.item())

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over the group of a tensor on the device."""
        if self.size == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.size

    def together(self, network: nn.Module, *, some_frozen: bool) -> nn.Module:
        """Return what gives a network the mean gradients of the group.

        Args:
            network: on the device.
            some_frozen: whether at times only a part of it learns, which all have to know beforehand.
        """
        if self.size == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices, find_unused_parameters=some_frozen)

    def await_device(self) -> None:
        """Wait until the GPU is done, such that a signal is heard meanwhile; a GPU alone is waited for by who reads it.

        NCCL waits for a process that has died until somebody ends this one, too.
        """
        if self.size == 1 or self.device.type != "cuda":
            return
        done = torch.cuda.current_stream(self.device).record_event()
        while not done.query():
            time.sleep(POLL_SECONDS)

    def begin(self, go: bool) -> bool:
        """Let the others begin to train (or end, if not `go`); in those, wait for that. Only the first call counts."""
        if self._begun:
            return go
        self._begun = True
        return self.from_main(go)

    @contextmanager
    def explained(self, folder: Path) -> Iterator[None]:
        """Turn the failure of any process of the group into one sentence of the main one.

        What the others see when one fails is a broken connection, or the launcher's signal that ends them. So who
        fails first leaves its reason in `folder`, for the main process to find.

        Raises:
            TrainingError: another process failed, or ended without a reason.
        """
        if self.size == 1:
            yield
            return
        reason = folder / REASON
        if self.is_main:
            reason.unlink(missing_ok=True)  # of an earlier attempt
        before = signal.signal(signal.SIGTERM, _raise)
        try:
            yield
        except (_Ended, RuntimeError, MemoryError) as error:
            if not isinstance(error, _Ended) and not _is_broken(error):
                self._leave(reason, f"{type(error).__name__}: {error}")
                raise
            raise TrainingError(self._reason(reason)) from error
        except NodescopeError as error:
            self._leave(reason, str(error))
            raise
        finally:
            signal.signal(signal.SIGTERM, before)

    def _leave(self, reason: Path, text: str) -> None:
        if not self.is_main and reason.parent.is_dir():
            with suppress(StorageError):  # then the main process says that it does not know why
                atomic.write_text(reason, text)

    def _reason(self, reason: Path) -> str:
        if not self.is_main:
            return "Another process of this training has ended; the run says why."
        if reason.is_file():
            return reason.read_text("utf-8")
        return (
            f"One of the {self.size} processes ended without a reason, as happens when the computer has no memory "
            "left. Resume the run in fewer processes, or start one with a smaller batch; the last checkpoint is kept."
        )

    def end(self) -> None:
        """Leave the group, so that none of its threads is at work when this process ends: that would abort it."""
        if self.size > 1:
            # The wrapped network stands in a reference cycle and would keep what the threads work with until the end.
            gc.collect()
            dist.destroy_process_group()
            # gloo's threads cannot be joined. One that drops its last tensor while Python shuts down needs Python and
            # aborts the process (pytorch#179291), so they get the processor once more before.
            time.sleep(LAST_WORK)


# A BaseException, because whatever catches an Exception on the way (as step.compiled does) must let it pass.
class _Ended(BaseException):
    """The launcher ends this process, because another one of the group is gone."""


def _raise(_signal: int, _frame: FrameType | None) -> None:
    raise _Ended


def _is_broken(error: BaseException) -> bool:
    """Whether an error says that another process is gone; PyTorch says so only in the text of an error."""
    return any(text in str(error).lower() for text in _BROKEN)
