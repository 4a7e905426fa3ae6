"""A run obeys the decisions about patches that were in force when it first started."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.commands import main
from core.data import Decision, decide, open_dataset
from core.data.decisions import read_decisions
from core.runs import TrainingConfig, create_run
from core.training.execute import _training_data, execute

OUT, OTHER = Decision("exclude", reason="blurred"), Decision("relabel", 1)


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    return kaggle_folder({f"p{number:03}": number % 2 for number in range(120)})


def _config(folder: Path, **changes: str) -> TrainingConfig:
    return TrainingConfig(data=(str(folder),), epochs=1, batch_size=32, device="cpu", **changes)  # type: ignore[arg-type]


def test_a_run_keeps_a_copy_and_its_card_counts(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(str(folder), {"p000": OUT, "p002": OTHER, "p004": Decision("fine")})
    run = create_run(_config(folder), tmp_path / "run")
    execute(run)
    decided = {"excluded": 1, "relabelled": 1}
    assert json.loads((run.path / "data.json").read_text())[0]["decisions"] == decided
    assert read_decisions(run.path / "decisions-0.csv") == {
        "p000": OUT, "p002": OTHER, "p004": Decision("fine"),
    }  # fmt: skip
    assert "p000" not in (run.path / "split.csv").read_text()
    assert main(["info", "--bundle", str(run.bundle_path)]) == 0
    assert "by decision 1 excluded and 1 relabelled" in capsys.readouterr().out


def test_later_decisions_leave_a_run_that_goes_on_as_it_was(folder: Path, tmp_path: Path) -> None:
    decide(str(folder), {"p000": OUT})
    run = create_run(_config(folder), tmp_path / "run")
    first = _training_data(run, run.stored_status())
    decide(str(folder), {"p001": OUT, "p002": OTHER})
    again = _training_data(run, run.stored_status())
    assert again.sources[0].dataset.fingerprint() == first.sources[0].dataset.fingerprint()
    assert open_dataset(folder).fingerprint() != first.sources[0].dataset.fingerprint()


def test_another_file_or_none_is_obeyed_instead(folder: Path, tmp_path: Path) -> None:
    decide(str(folder), {"p000": OUT})
    mine = tmp_path / "mine.csv"
    mine.write_text("id,decision\np001,exclude\np003,exclude\n")
    counts = []
    for number, decisions in enumerate(("", "none", str(mine))):
        run = create_run(_config(folder, decisions=decisions), tmp_path / f"run-{number}")
        counts.append(len(_training_data(run, run.stored_status()).sources[0].dataset))
    assert counts == [119, 120, 118]
    assert _config(folder, decisions=str(mine)).provenance()["decisions"] == "mine.csv"


def test_a_mistyped_file_leaves_no_run_behind(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    words = ["train", "--data", str(folder), "--run-dir", str(run), "--decisions", str(tmp_path / "gone.csv")]
    assert main(words) == 2
    assert "gone.csv with decisions" in capsys.readouterr().err
    assert not run.exists()
