"""Studies by several processes, of which one is killed and all are stopped: the bytes of one process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
TRAINING = ["--preset", "quick", "--epochs", "6", "--device", "cpu", "--name", "s"]
KINDS = {
    "cross-validate": ["--folds", "4", "--split", "stratified"],
    "learning-curve": ["--sizes", "20", "40", "--seeds", "2"],
    "search": ["--trials", "4", "--together", "4", "--over", "learning_rate"],
}


def start(home: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "NODESCOPE_HOME": str(home), "OMP_NUM_THREADS": "1"}  # threads as of a worker
    return subprocess.Popen(
        [sys.executable, "-m", "core", *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def owners(home: Path) -> Iterator[int]:
    """Yield the processes of runs that have finished an epoch."""
    for path in home.glob("runs/*/metrics.csv"):
        claim = json.loads((home / "studies/s/claims" / path.parent.name / "000001.json").read_text())
        if path.read_text().count("\n") > 1 and not claim["released"]:
            yield claim["pid"]


def written(home: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        if path.name in ("metrics.csv", "predictions.csv", "split.csv", "results.json") or path.parent.name == "trials":
            found[name] = path.read_bytes()
        elif path.suffix == ".safetensors":
            found[name] = {key: weight.tobytes() for key, weight in load_file(path).items()}
    return found


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_killed_and_stopped_ends_as_in_one_process(
    kind: str, kaggle_folder: Callable[..., Path], tmp_path: Path
) -> None:
    data = kaggle_folder({f"{number:03}": number % 2 for number in range(160)})
    words = [kind, "--data", str(data), *TRAINING, *KINDS[kind]]
    one, two = tmp_path / "one", tmp_path / "two"
    assert start(one, *words).wait(300) == 0
    expected = written(one)
    assert sum(name.endswith("metrics.csv") for name in expected) == 4

    process = start(two, *words, "--workers", "2")
    pids: list[int] = []
    wait(lambda: bool(pids.extend(owners(two)) or pids))
    os.kill(pids[0], signal.SIGKILL)
    wait(lambda: any(two.glob("studies/s/claims/*/000002.json")))  # another process has the piece of the killed one
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    assert start(two, kind, "--resume", "s", "--workers", "2").wait(300) == 0
    assert written(two) == expected
