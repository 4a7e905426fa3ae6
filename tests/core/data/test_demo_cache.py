"""The demo set on disk: made once, whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.data import Dataset, DemoSize, demo_cache, open_dataset, open_demo, read
from core.data.demo import DemoPatches
from core.data.demo_cache import DEMO_VERSION
from core.errors import StorageError

TINY = DemoSize(seed=1, slides=6, patches_per_slide=2)


def _generate(*, seed: int, slides: int, patches_per_slide: int, progress: Any = None) -> DemoPatches:
    """Stands for the generator, which takes seconds: another seed or size gives other patches."""
    count = slides * patches_per_slide
    labels = np.arange(count) % 2
    table = pd.DataFrame(
        {
            "id": [f"demo-{number}" for number in range(count)],
            "label": labels,
            "split": ["train", "valid", "test"][seed % 3],
            "slide": [f"slide-{number // patches_per_slide}" for number in range(count)],
        }
    )
    for share in (0.5, 1.0):
        if progress is not None:
            progress(share)
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    masks = np.zeros((count, 96, 96), bool)
    masks[labels == 1, 40:50, 40:50] = True
    return DemoPatches(patches=pixels, masks=masks, table=table)


@pytest.fixture(autouse=True)
def _quick_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_cache, "generate_demo", _generate)


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Stands for a process that is killed."""


def _folder(home: Path) -> Path:
    return home / "demo" / f"v{DEMO_VERSION}-seed1-6x2"


def test_the_second_opening_reads_what_the_first_one_made(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_demo(size=TINY)
    pixels = read(first.store, range(12))
    monkeypatch.setattr(demo_cache, "generate_demo", lambda **_: pytest.fail("the set was generated again"))

    second = open_demo(size=TINY)

    assert second.table.equals(first.table)
    assert second.fingerprint() == first.fingerprint()
    assert np.array_equal(read(second.store, range(12)), pixels)
    assert second.masks is not None
    assert np.array_equal(second.masks[:, 32:64, 32:64].any(axis=(1, 2)), second.labels(range(12)) == 1)
    assert (second.is_synthetic, second.knows_slides, second.source) == (True, True, "demo")


def test_another_size_is_another_set(fresh_home: Path) -> None:
    open_demo(size=TINY)

    other = open_demo(size=DemoSize(seed=1, slides=6, patches_per_slide=3))

    assert len(other) == 18
    assert len([path for path in (fresh_home / "demo").iterdir() if path.is_dir()]) == 2


def test_an_interrupted_generation_leaves_nothing_that_is_taken_for_whole(
    fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    real = demo_cache.atomic.write_text

    def killed(path: Path, text: str) -> None:
        written.extend(each.name for each in path.parent.iterdir())
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(demo_cache.atomic, "write_text", killed)
        with pytest.raises(Interrupted):
            open_demo(size=TINY)

    assert set(written) == {"patches.npy", "masks.npy"}
    assert demo_cache.atomic.write_text is real
    assert not [path for path in (fresh_home / "demo").iterdir() if path.is_dir()]
    assert len(open_demo(size=TINY)) == 12


def test_what_a_killed_process_left_is_not_opened(fresh_home: Path) -> None:
    half = _folder(fresh_home).with_name(f".{_folder(fresh_home).name}-0badcafe")
    half.mkdir(parents=True)
    np.save(half / "patches.npy", np.zeros((1, 96, 96, 3), np.uint8))

    assert len(open_demo(size=TINY)) == 12


def test_a_failing_progress_ends_the_generation_and_frees_the_lock(fresh_home: Path) -> None:
    def cancel(share: float) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        open_demo(size=TINY, progress=cancel)

    assert not _folder(fresh_home).exists()
    shares: list[float] = []
    open_demo(size=TINY, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NODESCOPE_HOME", str(tmp_path / "file"))

    with pytest.raises(StorageError, match=r"demo set could not be written to .*file/demo: .*set NODESCOPE_HOME"):
        open_demo(size=TINY)


PROGRAM = """
import sys, time
import numpy as np, pandas as pd
from core.data import demo_cache
from core.data.demo import DemoPatches
from core.data.demo_cache import DemoSize, open_demo
def slow(**options):
    print("generating", flush=True)
    time.sleep(0.5)
    pixels, masks = np.zeros((4, 96, 96, 3), np.uint8), np.zeros((4, 96, 96), bool)
    table = pd.DataFrame({"id": list("abcd"), "label": [0, 1, 0, 1], "split": "train", "slide": "s"})
    return DemoPatches(patches=pixels, masks=masks, table=table)
demo_cache.generate_demo = slow
print("ready", flush=True)
sys.stdin.readline()
print(open_demo(size=DemoSize(seed=1, slides=6, patches_per_slide=2)).fingerprint())
"""


def test_two_processes_at_once_make_one_set(fresh_home: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": dict(os.environ)}
    root = Path(__file__).resolve().parents[3]
    processes = [subprocess.Popen(command, cwd=root, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"  # both have their imports behind them and start together

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0].split() for process in processes]

    assert sorted(len(output) for output in outputs) == [1, 2]
    assert sum(output.count("generating") for output in outputs) == 1
    assert outputs[0][-1] == outputs[1][-1] == open_demo(size=TINY).fingerprint()


def test_demo_is_a_word_of_the_data_option(
    fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("core.data.open.open_demo", lambda *, progress: asked.append(progress) or small_demo)

    assert open_dataset(" demo ", progress=print) is small_demo

    assert asked == [print]
