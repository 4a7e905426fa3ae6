"""A run goes on with its data in another folder, and with no other data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.commands import main
from core.errors import RunError
from core.runs import Run
from core.runs.moved_data import missing_data, move_data


@pytest.fixture
def stopped(kaggle_folder: Callable[..., Path], stopped_run: Callable[[Path, Path], Run], tmp_path: Path) -> Run:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(60)})
    run = stopped_run(folder, tmp_path / "run")
    folder.rename(tmp_path / "elsewhere")
    return run


def test_a_run_finds_its_data_in_another_folder(stopped: Run, tmp_path: Path) -> None:
    made = (stopped.path / "config.json").stat().st_mtime_ns
    assert len(missing_data(stopped)) == 1

    assert (
        main(["train", "--run-dir", str(stopped.path), "--resume", "--quiet", "--data", str(tmp_path / "elsewhere")])
        == 0
    )

    assert stopped.status().state == "finished"
    assert missing_data(stopped) == []
    assert stopped.config().data == (str((tmp_path / "elsewhere").resolve()),)
    assert (stopped.path / "config.json").stat().st_mtime_ns == made  # lists of runs are sorted by it


def test_other_data_is_refused_and_nothing_changes(
    stopped: Run, tmp_path: Path, kaggle_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = stopped.config()
    other = kaggle_folder({f"{number:03}": 1 - number % 2 for number in range(60)})

    with pytest.raises(RunError, match="60 patches, 30 tumour and 30 normal, whose ids or labels differ"):
        move_data(stopped, [str(other)])
    with pytest.raises(RunError, match=r"1 data set .*, got 2 new places"):
        move_data(stopped, [str(other), str(other)])
    assert main(["train", "--run-dir", str(stopped.path), "--resume", "--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert stopped.config() == before


def test_nobody_moves_the_data_of_a_run_that_is_worked_on(stopped: Run, tmp_path: Path) -> None:
    with stopped.lock(), pytest.raises(RunError, match="Another process works on the run"):
        move_data(stopped, [str(tmp_path / "elsewhere")])
