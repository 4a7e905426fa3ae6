"""What the tests of several commands need."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.storage.home import runs_home
from core.studies.study import Study

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def kill_in() -> Callable[[Study, str], None]:
    """Work on a study in a process of its own and kill that once the run of a name has a checkpoint."""

    def work_and_kill(study: Study, run: str) -> None:
        command = [sys.executable, "-m", "core", "studies", "work", "--job", str(study.path)]
        same_threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}  # others would round otherwise
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=same_threads)
        checkpoint = runs_home() / run / "checkpoint.pt"
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert study.status().state == "lost"

    return work_and_kill
