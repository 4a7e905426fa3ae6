"""The app without a browser."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from core.data import Dataset
from core.job import Job, JobStatus
from core.runs import Run, Status, TrainingConfig, create_run
from core.storage.home import runs_home
from pages._ui import cache
from tests.pages.driver import ROWS, Page, run_in

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put pytest back as the program: Streamlit leaves its script there, which processes of later tests would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Page:
    """The app from its entry point, with empty caches; `app.run()` shows Browse."""
    monkeypatch.chdir(ROOT)
    st.cache_data.clear()
    st.cache_resource.clear()
    return Page()


@pytest.fixture
def predict(app: Page) -> Page:
    """The Predict page."""
    app.run()
    app.switch_page("pages/predict.py").run()
    assert not app.exception
    return app


@pytest.fixture
def quiet_demo(fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and the small demo set on every page."""
    monkeypatch.setattr(cache, "open_dataset", lambda *_, **__: small_demo)
    return fresh_home


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    """A Kaggle folder: three tumour and two normal patches, one label without a file, one file that is broken."""
    (tmp_path / "train").mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(tmp_path / "train" / f"p{number}.tif")
    (tmp_path / "train" / "p1.tif").write_bytes(b"no image")
    rows = ["p0,1", "p1,1", "p2,1", "p3,0", "p4,0", "gone,0"]
    (tmp_path / "train_labels.csv").write_text("\n".join(["id,label", *rows]))
    return tmp_path


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are launched as jobs: none runs, each is half done and stays so."""
    commands: list[list[str]] = []

    def launch(self: Job, command: list[str]) -> None:
        commands.append(list(command))
        self.record_process(os.getpid())
        self.write(JobStatus("running", 0.5, seconds_left=2.0))

    monkeypatch.setattr(Job, "launch", launch)
    return commands


@pytest.fixture
def two_runs(quiet_demo: Path) -> tuple[Run, Run]:
    """A stopped run and a failed one with another seed, of three epochs each."""
    first, second = run_in("stopped"), create_run(TrainingConfig(epochs=4, seed=7), runs_home() / "b-other-run")
    second.write_status(Status(state="failed"))
    for run in (first, second):
        run.write_metrics(ROWS)
    second.write_notes("more seeds")
    return first, second
