"""What pieces do in these tests: modules of their own, because processes of a pool have to find them."""

import os
import signal
import sys
import time
from pathlib import Path

from core.errors import DataError
from core.job import Cancelled
from core.progress import Progress


def write_blocks(*, folder: Path, blocks: int = 4, seconds: float = 0.0, progress: Progress) -> int:
    """Write blocks that are not there yet, and count in ``log.txt`` which were written by whom."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(blocks):
        path = folder / f"{number}.bin"
        if not path.exists():
            time.sleep(seconds)
            with (folder / "log.txt").open("a") as log:
                log.write(f"{number} {os.getpid()}\n")
            path.with_suffix(".tmp").write_bytes(bytes([number]) * 10)
            path.with_suffix(".tmp").replace(path)
        progress((number + 1) / blocks)
    return blocks


def die_at_first(*, folder: Path, times: int, progress: Progress) -> int:
    """Be killed so many times, at the second block."""
    folder.mkdir(parents=True, exist_ok=True)
    deaths = len(list(folder.glob("death-*")))
    if deaths < times:
        write_blocks(folder=folder, blocks=1, progress=progress)
        (folder / f"death-{deaths}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return write_blocks(folder=folder, progress=progress)


def forget_and_wait(*, folder: Path, progress: Progress) -> None:
    """Forget the first request to stop, as a slide does that is just beginning, and end at the second."""
    (folder / "begun").touch()
    for request in ("forgotten", "stopped"):
        while not (folder / "stop").exists():
            time.sleep(0.01)
        (folder / "stop").rename(folder / request)
    raise Cancelled


def refuse(*, folder: Path, progress: Progress) -> None:
    """Fail with a sentence."""
    progress(0.5)
    raise DataError(f"{folder.name} is no slide. Give another file.")


def look_around(*, progress: Progress) -> tuple[bool, int, str | None, str | None]:
    """Return whether PyTorch is there already, its threads, those of others, and whether it is called a worker."""
    was_there = "torch" in sys.modules
    import torch

    return was_there, torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), os.environ.get("NODESCOPE_WORKER")


def look_for_gpus(*, progress: Progress) -> str:
    """Return which GPUs a worker sees."""
    return os.environ["CUDA_VISIBLE_DEVICES"]
