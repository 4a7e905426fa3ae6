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

from core.data import find_pack, is_stale, make_pack, open_dataset, pack_folder
from core.data.quality import make_check
from core.job import Job, JobStatus
from pages._ui.browse import grid
from pages._ui.browse import quality as browse_tools
from tests.pages.driver import Page

SECONDS = 120


def until(app: Page, is_so: Callable[[], bool]) -> None:
    """Look at the page again and again until something is so."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, app.words()
        time.sleep(0.2)
        app.run()
        assert not app.exception


@pytest.fixture
def quality(app: Page, kaggle_folder: Callable[..., Path], fresh_home: Path) -> tuple[Page, Path]:
    """The Quality view of a folder of five patches."""
    folder = kaggle_folder({f"p{number}": number % 2 for number in range(5)})
    app.open(data=str(folder), browse_view="Quality")
    return app, folder


def at_work(folder: Path, name: str, status: JobStatus) -> Job:
    """Make a job look as if this process worked on it."""
    job = Job(pack_folder(str(folder)) / f"{name}.job")
    job.record_process(os.getpid())
    job.write(status)
    return job


def test_packing_is_started_cancelled_and_brought_to_its_end(quality: tuple[Page, Path]) -> None:
    app, folder = quality
    assert "A pack, one large file, is read many times faster" in app.words()
    app.click("Pack")
    app.click("Cancel")
    until(app, lambda: "Pack" in app.labels())
    assert "The last attempt was cancelled. Start it again: it continues from there." in app.words()
    assert find_pack(open_dataset(folder)) is None
    app.click("Pack")
    until(app, lambda: "Cancel" not in app.labels())
    assert "Patches are read from the pack, one fast file." in app.words()
    assert find_pack(open_dataset(folder)) is not None


@pytest.mark.slow
def test_packing_that_was_killed_is_shown_and_goes_on(
    app: Page, kaggle_folder: Callable[..., Path], fresh_home: Path
) -> None:
    folder = kaggle_folder({"p0000": 0})
    names = [f"p{number:04d}" for number in range(4096)]
    for name in names[1:]:
        os.link(folder / "train" / "p0000.tif", folder / "train" / f"{name}.tif")
    (folder / "train_labels.csv").write_text("\n".join(["id,label", *(f"{name},0" for name in names)]))
    app.open(data=str(folder), browse_view="Quality")
    app.click("Pack")
    until(app, lambda: any(path.stat().st_size for path in pack_folder(str(folder)).glob("journal-*")))
    process = Job(pack_folder(str(folder)) / "pack.job").process()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    until(app, lambda: "Pack" in app.labels())
    assert "The last attempt was killed at" in app.words()
    assert find_pack(open_dataset(folder)) is None
    psutil.wait_procs([process], timeout=10)
    app.click("Pack")
    until(app, lambda: "Cancel" not in app.labels())
    assert "Patches are read from the pack" in app.words()
    pack = find_pack(open_dataset(folder))
    assert pack is not None
    assert (pack.count, pack.unreadable) == (4096, {})


def test_a_check_is_started_from_the_page_and_its_findings_are_shown(quality: tuple[Page, Path]) -> None:
    app, folder = quality
    (folder / "train" / "p3.tif").write_bytes(b"no image")
    app.click("Check")
    until(app, lambda: "Cancel" not in app.labels())
    assert app.button(key="flag-unreadable").label == "1 unreadable"
    assert "hash of patches, seed 0: 10% validation, 16% test" in app.words()
    assert "not packed · checked: 1 patches flagged" in app.expander[0].label


def test_what_was_done_to_pictures_is_listed_by_kind(quality: tuple[Page, Path]) -> None:
    app, folder = quality
    for name in ("p1", "p2"):
        tif = folder / "train" / f"{name}.tif"
        Image.open(tif).convert("L").save(tif.with_suffix(".png"))
        tif.unlink()
    app.click("Check")
    until(app, lambda: "Cancel" not in app.labels())
    assert ":material/info: 2 patches: The picture is greyscale: the colours of the stain are missing" in app.words()


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("pack", "cancelled", "cancelled. Start it again: it continues from there."),
        ("check", "cancelled", "cancelled. Start it again: it starts from the beginning."),
        ("check", "lost", "killed at 40%. Start it again: it starts from the beginning."),
        ("check", "failed", "The last attempt failed. There is no folder x."),
    ],
)
def test_how_the_last_attempt_ended_is_said(quality: tuple[Page, Path], name: str, state: str, said: str) -> None:
    app, folder = quality
    message = "There is no folder x." if state == "failed" else ""
    at_work(folder, name, JobStatus("running" if state == "lost" else state, 0.4, message))
    if state == "lost":
        (pack_folder(str(folder)) / f"{name}.job" / "process.json").unlink()
    app.run()
    assert said in app.words()
    assert app.labels().count("Pack") + app.labels().count("Check") == 2


def test_progress_tells_rate_and_time_left(quality: tuple[Page, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    app, folder = quality
    told: list[str] = []
    monkeypatch.setattr(browse_tools.st, "progress", lambda _share, text: told.append(text))
    job = at_work(folder, "check", JobStatus("running", 0.4, seconds_left=3.0))
    app.run()
    assert told == ["Checking: 2 of 5 patches, 1 per second, about 3 s left"]
    job.write(JobStatus("starting"))
    app.run()
    assert told[-1] == "Starting …"
    app.click("Cancel")
    assert job.stop_requested()
    assert "Cancelling after the current patches" in app.words()


def test_reload_looks_at_files_that_were_rewritten_in_place(quality: tuple[Page, Path]) -> None:
    app, folder = quality
    make_check(str(folder))
    app.run()
    assert "checked: 0 patches flagged" in app.expander[0].label
    (folder / "train" / "p3.tif").write_bytes(b"no image")
    app.run()
    assert "checked: 0 patches flagged" in app.expander[0].label
    app.set("browse_view", "Patches")
    app.click("Reload")
    app.set("browse_view", "Quality")
    assert "not checked" in app.expander[0].label


def test_reload_looks_past_the_pack_at_files_that_were_rewritten_in_place(
    quality: tuple[Page, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, folder = quality
    make_pack(open_dataset(str(folder), raw=True))
    shown: list[np.ndarray] = []

    monkeypatch.setattr(grid, "encoded", lambda pixels: pixels)
    monkeypatch.setattr(grid, "gallery", lambda pixels, *_arguments, **_options: shown.append(pixels))
    app.set("browse_view", "Patches")
    before = np.concatenate(shown)
    Image.new("RGB", (96, 96), (7, 8, 9)).save(folder / "train" / "p3.tif")

    shown.clear()
    app.run()
    assert np.array_equal(np.concatenate(shown), before)  # a glance at the folder does not notice

    shown.clear()
    app.click("Reload")
    assert (np.concatenate(shown) == (7, 8, 9)).all(axis=(1, 2, 3)).sum() == 1
    assert is_stale(open_dataset(str(folder), raw=True))
