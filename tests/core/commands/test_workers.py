"""Commands with ``--workers``: what they write is what one process writes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.commands import main

pytestmark = pytest.mark.slow
NET = ["--bundle", "nodescope-net", "--device", "cpu"]
Folder = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread(fresh_home: Path) -> None:
    torch.set_num_threads(1)  # as of a worker


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
