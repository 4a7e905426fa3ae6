"""Commands with ``--workers``: what they write is what one process writes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.cluster import Where
from core.commands import main
from core.runs import TrainingConfig
from core.storage.home import runs_home
from core.studies.cross_validation import create_folds, work_on_folds
from core.studies.search import create_search, search_result, work_on_search

pytestmark = pytest.mark.slow
NET = ["--bundle", "nodescope-net", "--device", "cpu"]
LABELS = {f"{number:02}": number % 2 for number in range(48)}
Folder = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread(fresh_home: Path) -> None:
    torch.set_num_threads(1)  # as of a worker


def config(data: Path) -> TrainingConfig:
    return TrainingConfig(data=(str(data),), epochs=2, batch_size=8, device="cpu")


def test_shards_of_scoring(kaggle_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.scoring.shards.CHUNKS", 1)
    labels = {f"{number:03}": number % 2 for number in range(100)}
    folder = kaggle_folder(labels, test=tuple(f"t{number:03}" for number in range(70)))
    for words in (
        ["evaluate", "--data", str(folder), "--subset", "all", "--fresh", *NET],
        ["submit", "--data", str(folder), *NET],
    ):
        assert main([*words, "--out", str(tmp_path / "one.csv")]) == 0
        assert main([*words, "--out", str(tmp_path / "two.csv"), "--workers", "2"]) == 0
        assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_trials(kaggle_folder: Folder) -> None:
    folder = kaggle_folder(LABELS)
    for name, where in (("one", Where()), ("two", Where(workers=2))):
        study = create_search(config(folder), trials=3, together=2, over=["learning_rate"], name=name)
        assert work_on_search(study, where=where).state == "finished"
        found = [(each.values, each.auc, each.epochs, each.state) for each in search_result(study).trials]
        metrics = [(runs_home() / run / "metrics.csv").read_bytes() for run in study.run_names()]
        before = (found, metrics) if name == "one" else before  # noqa: F821 - of the first round
        assert (found, metrics) == before


def test_folds(kaggle_folder: Folder) -> None:
    folder, tables = kaggle_folder(LABELS), []
    for name, where in (("one", Where()), ("two", Where(workers=2))):
        study = create_folds(config(folder), folds=2, name=name)
        assert work_on_folds(study, where=where).state == "finished"
        tables.append((study.path / "predictions.csv").read_bytes())
    assert tables[0] == tables[1]
