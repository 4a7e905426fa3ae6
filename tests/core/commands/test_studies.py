"""``python -m core cross-validate``, ``search`` and ``studies``."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.commands import main
from core.job import JobStatus
from core.runs import TrainingConfig
from core.storage.home import home, runs_home
from core.studies.cross_validation import create_folds, out_of_fold, work_on_folds
from core.studies.study import Study, open_study

OPTIONS = ["--epochs", "1", "--batch-size", "8", "--device", "cpu"]


@pytest.fixture
def folder(fresh_home: Path, kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"patch{number}": number % 2 for number in range(40)}, test=("x", "y"))


def test_folds_print_each_fold_the_mean_and_the_pooled_figures(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cross-validate", "--data", str(folder), "--folds", "2", "--name", "mine", *OPTIONS]) == 0
    printed = capsys.readouterr().out
    assert "Fold 2 of 2: mine-fold-2" in printed
    assert "2 folds of patches at random, both classes shared out evenly" in printed
    starts = [line.split()[0] for line in printed.splitlines() if line]
    assert starts[-6:] == ["fold", "1", "2", "mean", "pooled", "Mean"]
    assert len(out_of_fold(open_study("mine"))) == 40

    assert main(["studies", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"study": "mine", "kind": "folds", "state": "finished", "done": 2, "runs": 2}
    ]
    assert main(["studies", "show", "mine"]) == 0
    assert "pooled" in capsys.readouterr().out
    assert main(["predict", str(folder / "test"), "--study", "mine", "--device", "cpu"]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["id", "x", "y"]

    # An earlier version stopped a study whose last run had ended, before its metrics were put together.
    study = open_study("mine")
    study.write(JobStatus("cancelled", 1.0))
    results = json.loads((study.path / "results.json").read_text())
    (study.path / "results.json").write_text(json.dumps({"folds": results["folds"]}))
    assert main(["studies", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["mine", "folds", "finished", "2", "of", "2"]
    assert main(["studies", "show", "mine"]) == 0
    assert "python -m core studies resume mine puts them together" in capsys.readouterr().out


def test_a_search_prints_its_trials_and_goes_on_to_more(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.execute.finish", lambda *_, **__: None)
    words = ["--over", "learning_rate=1e-3:2e-3,clip", "--pruner", "none", "--name", "find", *OPTIONS]
    assert main(["search", "--data", str(folder), "--trials", "1", *words]) == 0
    assert "Best: trial 1" in capsys.readouterr().out
    assert main(["search", "--resume", "find", "--trials", "2"]) == 0
    printed = capsys.readouterr().out
    assert "Trial 2 of 2: learning_rate 0.00" in printed
    assert sorted(path.name for path in runs_home().iterdir()) == ["find-trial-001", "find-trial-002"]
    assert main(["studies", "show", "find", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [trial["state"] for trial in shown["results"]["trials"]] == ["finished", "finished"]
    assert shown["settings"]["over"][0]["low"] == 1e-3


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["studies", "show", "mine"], "There is no study 'mine'"),
        (["studies", "stop", "../mine"], "There is no study"),
        (["cross-validate", "--data", "/no/such"], "There is no folder"),
        (["cross-validate", "--data", "demo", "--folds", "1"], "folds must be 2 to 20, got 1"),
        (["search", "--data", "demo", "--over", "moon"], "no search over 'moon'"),
        (["predict", "x", "--study", "mine", "--bundle", "b"], "leave out --bundle"),
        (["search", "--workers", "0"], "0 is not in the range 1<=x<=256"),
        (["search", "--workers", "2", "--ray", "local"], "give one of them"),
        (["search", "--workers", "2", "--cpus", "0"], "0 is not in the range x>=1"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(
    fresh_home: Path, words: list[str], found: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(words) == 2
    assert found in capsys.readouterr().err
    assert not (home() / "studies").exists()


def _study(folder: Path) -> Study:
    config = TrainingConfig(data=(str(folder),), epochs=2, batch_size=8, device="cpu")
    return create_folds(config, folds=2, by="patch", name="mine")


def test_a_study_goes_on_with_the_settings_it_was_made_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _study(folder)
    assert main(["cross-validate", "--resume", "mine", "--epochs", "3"]) == 2
    assert "leave out --epochs" in capsys.readouterr().err
    assert main(["cross-validate", "--resume", "mine", "--folds", "3", "--split", "slide"]) == 2
    assert "leave out --folds, --split, or start a new study" in capsys.readouterr().err
    assert main(["search", "--resume", "mine", "--over", "clip", "--search-seed", "0"]) == 2
    assert "leave out --over, --search-seed, or start a new study" in capsys.readouterr().err
    assert main(["search", "--resume", "mine"]) == 2
    assert "python -m core cross-validate --resume mine" in capsys.readouterr().err


def test_a_study_that_works_is_asked_to_stop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = _study(folder)
    assert main(["studies", "stop", "mine"]) == 2
    assert "Nothing works on the study mine" in capsys.readouterr().err
    study.write(JobStatus("running"))
    study.record_process(os.getpid())
    assert main(["studies", "stop", "mine"]) == 0
    assert capsys.readouterr().out == "mine is stopping\n"
    assert study.stop_requested()
    assert main(["studies", "resume", "mine"]) == 2
    assert "being worked on already" in capsys.readouterr().err


@pytest.mark.slow
def test_a_study_that_was_killed_goes_on_to_the_same_table(
    folder: Path, tmp_path: Path, kill_in: Callable[[Study, str], None]
) -> None:
    torn = _study(folder)
    whole = create_folds(torn.config(), folds=2, by="patch", name="whole")
    kill_in(torn, "mine-fold-2")
    assert [run.status().state for run in torn.runs()] == ["finished", "lost"]

    assert work_on_folds(torn).state == "finished"
    assert work_on_folds(whole).state == "finished"

    assert (torn.path / "predictions.csv").read_bytes() == (whole.path / "predictions.csv").read_bytes()
    first, second = (json.loads((each.path / "results.json").read_text()) for each in (torn, whole))
    assert first["mean"] == second["mean"]
