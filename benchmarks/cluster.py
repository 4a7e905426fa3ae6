"""How much faster are two workers than one, for a cohort of slides and for a study of eight trials?

Both are done with one worker and with two, in turns, each as a command of its own with a home of its own, and the
results are compared byte for byte. Beside the time by the clock stands the processor time of all processes: where other
work goes on (the load is printed), the clock says little, and the ratio of processor times says what a worker costs.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --count 40 --only slides
    python benchmarks/cluster.py --slides FOLDER --bundle nodescope --step 32 --workers 1 2 4
"""

import argparse
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from slides import written

ROOT = Path(__file__).resolve().parents[1]
SAME = {"slides": ("map.npz", "areas.geojson", "foci.csv"), "trials": ("metrics.csv", "predictions.csv", "split.csv")}
TRIALS = (
    "search", "--name", "s", "--data", "demo", "--preset", "quick", "--device", "cpu", "--patches", "600", "--epochs",
    "2", "--trials", "8", "--together", "4", "--pruner", "none", "--over", "learning_rate",
)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slides", type=Path)
    parser.add_argument("--count", type=int, default=8, help="of slides that are made where none are given")
    parser.add_argument("--bundle", default="nodescope-net")
    parser.add_argument("--step", default="32")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=list(SAME))
    arguments = parser.parse_args()
    _adopt()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        os.environ["NODESCOPE_HOME"] = str(folder / "home")
        source = arguments.slides or _copies(folder / "source", arguments.count)
        words = ["--step", arguments.step, "--bundle", arguments.bundle, "--device", "cpu"]
        kinds: dict[str, Callable[[Path], list[str]]] = {
            "slides": lambda out: ["slide", str(source), "--out", str(out / "results"), *words],
            "trials": lambda _out: list(TRIALS),
        }
        _run(["train", "--data", "demo", "--epochs", "1", "--patches", "64", "--device", "cpu"], folder / "home")
        for kind in [arguments.only] if arguments.only else list(kinds):
            _compare(kind, kinds[kind], folder, arguments.workers, arguments.rounds)


def _compare(kind: str, command: Callable[[Path], list[str]], folder: Path, counts: list[int], rounds: int) -> None:
    best: dict[int, tuple[float, float]] = {}
    files: dict[str, bytes] = {}
    for round_ in range(rounds):
        for workers in counts:
            home = folder / f"{kind}-{round_}-{workers}"
            shutil.copytree(folder / "home", home)  # with the demo set, which is not to be measured
            clock, processor = _run([*command(home), "--workers", str(workers)], home)
            print(
                f"{kind}, {workers} worker(s): {clock:.1f} s by the clock, {processor:.1f} s of processor, load "
                f"{os.getloadavg()[0]:.1f}", flush=True,
            )  # fmt: skip
            now = best.get(workers, (clock, processor))
            best[workers] = (min(clock, now[0]), min(processor, now[1]))
            found = {
                f"{path.parent.name}/{path.name}": path.read_bytes()
                for path in home.rglob("*") if path.name in SAME[kind] and ("s-trial" in str(path) or kind == "slides")
            }  # fmt: skip
            if not found or (files and found != files):
                sys.exit(f"{kind}: the results of {workers} worker(s) are others than those of {counts[0]}")
            files = found
    one = best[counts[0]]
    for workers, (clock, processor) in best.items():
        print(
            f"{kind}, {workers} worker(s): {one[0] / clock:.2f} times as fast by the clock, {processor / one[1]:.2f} "
            f"times the processor time; {len(files)} files, the same bytes"
        )


def _run(words: list[str], home: Path) -> tuple[float, float]:
    """Run a command and return the seconds that it took, by the clock and of the processor with all its children."""
    environment = {**os.environ, "NODESCOPE_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "core", *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True
    )
    clock = time.monotonic() - started
    with suppress(ChildProcessError):  # what the command left behind belongs to it, such as the server of its workers
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return clock, used


def _adopt() -> None:
    """Have processes whose parent has ended count as children of this one, so that their time is measured."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, see prctl(2)


def _copies(folder: Path, count: int) -> Path:
    """Return a folder with so many slides, all the same."""
    folder.mkdir()
    first = written(folder / "slide-1.tif")
    for number in range(2, count + 1):
        shutil.copyfile(first, folder / f"slide-{number}.tif")
    return folder


if __name__ == "__main__":
    main()
