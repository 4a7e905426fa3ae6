"""The buttons of Browse that work in the background: real processes on small folders, and what the page says."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data import find_pack, is_stale, make_pack, open_dataset, pack_folder
from core.data.quality import make_check
from core.display import mosaic
from core.job import Job, JobStatus
from pages._ui.browse import grid
from pages._ui.browse import quality as browse_tools

SECONDS = 120


def words(app: AppTest) -> str:
    kinds = (app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def until(app: AppTest, is_so: Callable[[], bool]) -> None:
    """Look at the page again and again until something is so."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, words(app)
        time.sleep(0.2)
        app.run()
        assert not app.exception


@pytest.fixture
def quality(app: AppTest, kaggle_folder: Callable[..., Path], fresh_home: Path) -> tuple[AppTest, Path]:
    """The Quality view of a folder of five patches."""
    folder = kaggle_folder({f"p{number}": number % 2 for number in range(5)})
    app.query_params["data"] = str(folder)
    app.query_params["browse_view"] = "Quality"
    app.run()
    assert not app.exception
    return app, folder


def at_work(folder: Path, name: str, status: JobStatus) -> Job:
    """Make a job look as if this process worked on it."""
    job = Job(pack_folder(str(folder)) / f"{name}.job")
    job.record_process(os.getpid())
    job.write(status)
    return job


def test_packing_is_started_cancelled_and_brought_to_its_end(quality: tuple[AppTest, Path]) -> None:
    app, folder = quality
    assert "A pack reads many times faster" in words(app)
    button(app, "Pack").click().run()
    button(app, "Cancel").click().run()
    until(app, lambda: "Pack" in labels(app))
    assert "The last attempt was cancelled. Start it again: it goes on from there." in words(app)
    assert find_pack(open_dataset(folder)) is None
    button(app, "Pack").click().run()
    until(app, lambda: "Cancel" not in labels(app))
    assert "Patches come from the pack, one fast file." in words(app)
    assert find_pack(open_dataset(folder)) is not None


@pytest.mark.slow
def test_packing_that_was_killed_is_said_and_goes_on(
    app: AppTest, kaggle_folder: Callable[..., Path], fresh_home: Path
) -> None:
    folder = kaggle_folder({"p0000": 0})
    names = [f"p{number:04d}" for number in range(4096)]
    for name in names[1:]:
        os.link(folder / "train" / "p0000.tif", folder / "train" / f"{name}.tif")
    (folder / "train_labels.csv").write_text("\n".join(["id,label", *(f"{name},0" for name in names)]))
    app.query_params.update({"data": str(folder), "browse_view": "Quality"})
    app.run()
    button(app, "Pack").click().run()
    until(app, lambda: any(path.stat().st_size for path in pack_folder(str(folder)).glob("journal-*")))
    process = Job(pack_folder(str(folder)) / "pack.job").process()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    until(app, lambda: "Pack" in labels(app))
    assert "The last attempt was killed at" in words(app)
    assert find_pack(open_dataset(folder)) is None
    psutil.wait_procs([process], timeout=10)
    button(app, "Pack").click().run()
    until(app, lambda: "Cancel" not in labels(app))
    assert "Patches come from the pack" in words(app)
    pack = find_pack(open_dataset(folder))
    assert pack is not None
    assert (pack.count, pack.unreadable) == (4096, {})


def test_a_check_is_started_from_the_page_and_its_findings_are_shown(quality: tuple[AppTest, Path]) -> None:
    app, folder = quality
    (folder / "train" / "p3.tif").write_bytes(b"no image")
    button(app, "Check").click().run()
    until(app, lambda: "Cancel" not in labels(app))
    assert app.button(key="flag-unreadable").label == "1"
    assert "hash of patches, seed 0: 10% validation, 16% test" in words(app)
    assert "not packed · checked: 1 patches flagged" in app.expander[0].label


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("pack", "cancelled", "cancelled. Start it again: it goes on from there."),
        ("check", "cancelled", "cancelled. Start it again: it begins anew."),
        ("check", "lost", "killed at 40%. Start it again: it begins anew."),
        ("check", "failed", "The last attempt failed. There is no folder x."),
    ],
)
def test_how_the_last_attempt_ended_is_said(quality: tuple[AppTest, Path], name: str, state: str, said: str) -> None:
    app, folder = quality
    message = "There is no folder x." if state == "failed" else ""
    at_work(folder, name, JobStatus("running" if state == "lost" else state, 0.4, message))
    if state == "lost":
        (pack_folder(str(folder)) / f"{name}.job" / "process.json").unlink()
    app.run()
    assert said in words(app)
    assert labels(app).count("Pack") + labels(app).count("Check") == 2


def test_progress_tells_rate_and_time_left(quality: tuple[AppTest, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    app, folder = quality
    told: list[str] = []
    monkeypatch.setattr(browse_tools.st, "progress", lambda _share, text: told.append(text))
    job = at_work(folder, "check", JobStatus("running", 0.4, seconds_left=3.0))
    app.run()
    assert told == ["Checking: 2 of 5 patches, 1 a second, about 3 s left"]
    job.write(JobStatus("starting"))
    app.run()
    assert told[-1] == "Starting its process …"
    button(app, "Cancel").click().run()
    assert job.stop_requested()
    assert "Cancelling after the patches in work" in words(app)


def test_reload_looks_at_files_that_were_rewritten_in_place(quality: tuple[AppTest, Path]) -> None:
    app, folder = quality
    make_check(str(folder))
    app.run()
    assert "checked: 0 patches flagged" in app.expander[0].label
    (folder / "train" / "p3.tif").write_bytes(b"no image")
    app.run()
    assert "checked: 0 patches flagged" in app.expander[0].label
    app.segmented_control(key="browse_view").set_value("Patches").run()
    button(app, "Reload").click().run()
    app.segmented_control(key="browse_view").set_value("Quality").run()
    assert not app.exception
    assert "not checked" in app.expander[0].label


def test_reload_looks_past_the_pack_at_files_that_were_rewritten_in_place(
    quality: tuple[AppTest, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, folder = quality
    make_pack(open_dataset(str(folder), raw=True))
    shown: list[np.ndarray] = []

    def draw(pixels: np.ndarray, *arguments, **options):
        shown.append(pixels)
        return mosaic(pixels, *arguments, **options)

    monkeypatch.setattr(grid, "mosaic", draw)
    app.segmented_control(key="browse_view").set_value("Patches").run()
    before = np.concatenate(shown)
    Image.new("RGB", (96, 96), (7, 8, 9)).save(folder / "train" / "p3.tif")

    shown.clear()
    app.run()
    assert np.array_equal(np.concatenate(shown), before)  # a glance at the folder does not notice

    shown.clear()
    button(app, "Reload").click().run()
    assert not app.exception
    assert (np.concatenate(shown) == (7, 8, 9)).all(axis=(1, 2, 3)).sum() == 1
    assert is_stale(open_dataset(str(folder), raw=True))
