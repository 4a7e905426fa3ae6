"""Cross-validation: each patch once, figures that can be computed by hand, and going on as if nothing had happened."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from core.bundle import load_bundle
from core.data import Dataset, assign
from core.data.decisions import Decision, decide, read_decisions
from core.data.splits import choose_rule
from core.errors import ConfigError, RunError, TrainingError
from core.job import JobStatus
from core.runs import Augmentation, TrainingConfig, list_runs
from core.runs.run import Run
from core.storage.home import HOME_VARIABLE, runs_home
from core.studies.cross_validation import (
    COLUMNS,
    create_folds,
    finished_folds,
    fold_config,
    folds_result,
    out_of_fold,
    work_on_folds,
)
from core.studies.progress import progress_of
from core.studies.study import Study, list_studies, open_study
from core.training import trainer

CONFIG = TrainingConfig(epochs=1, batch_size=16, augmentation=Augmentation(stain=0.1), device="cpu")
SLIDES = 12
Opened = Callable[[pytest.MonkeyPatch, Dataset], None]


@pytest.fixture(scope="module")
def dataset(make_coloured: Callable[..., Dataset]) -> Dataset:
    """A hundred patches of twelve slides; two more have no label."""
    return make_coloured(100, slides=SLIDES, unlabelled=2)


@pytest.fixture(autouse=True)
def _opened(fresh_home: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, opened_as: Opened) -> None:
    opened_as(monkeypatch, dataset)


@pytest.fixture(scope="module")
def finished_home(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset, opened_as: Opened) -> Path:
    """A home with the finished study "whole"."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        opened_as(patch, dataset)
        assert work_on_folds(create_folds(CONFIG, folds=3, name="whole")).state == "finished"
    return home


@pytest.fixture
def whole(finished_home: Path, _opened: None, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv(HOME_VARIABLE, str(finished_home))
    return open_study("whole")


def test_every_labelled_patch_is_tested_once_by_a_run_that_never_saw_it(whole: Study, dataset: Dataset) -> None:
    table = out_of_fold(whole)

    assert tuple(table.columns) == COLUMNS
    assert sorted(table["id"]) == sorted(dataset.table.loc[dataset.table["label"].notna(), "id"])
    assert set(table["fold"]) == {1, 2, 3}
    for fold, rows in table.groupby("fold"):
        run = Run(runs_home() / f"whole-fold-{fold}")
        parts = pd.read_csv(run.path / "split.csv").set_index("id")["part"]
        assert set(parts[rows["id"]]) == {"test"}
        assert (parts == "test").sum() == len(rows)
        card = load_bundle(run.bundle_path).card
        assert card.calibration.apply(rows["logit"].to_numpy()) == pytest.approx(rows["probability"].to_numpy())


def test_whole_slides_stay_together_where_they_are_known(whole: Study, dataset: Dataset) -> None:
    slides = dataset.table.set_index("id")["slide"]
    folds = out_of_fold(whole).assign(slide=lambda table: table["id"].map(slides)).groupby("slide")["fold"].nunique()

    assert whole.settings() == {"folds": 3, "by": "slide"}
    assert set(folds) == {1}


def test_the_result_has_the_folds_their_mean_and_the_pooled_figures(whole: Study) -> None:
    result = folds_result(whole)
    table = out_of_fold(whole)

    assert result is not None
    assert [fold.number for fold in result.folds] == [1, 2, 3]
    assert [fold.n for fold in result.folds] == [int((table["fold"] == number).sum()) for number in (1, 2, 3)]
    accuracies = [fold.evaluation.metrics["accuracy"].value for fold in result.folds if fold.evaluation]
    assert result.mean["accuracy"].value == pytest.approx(np.mean(accuracies))
    assert not any(each.has_interval for each in result.mean.values())  # three folds are too few for one
    assert (result.pooled.n, result.pooled.resampled, result.pooled.slides) == (100, "slide", SLIDES)
    assert result.pooled.threshold == pytest.approx(np.mean([fold.threshold for fold in result.folds]))
    right = (table["probability"] >= result.pooled.threshold) == table["label"]
    assert result.pooled.metrics["accuracy"].value == pytest.approx(right.mean())
    assert result.left_out == 0
    assert type(result).from_json(json.loads((whole.path / "results.json").read_text())) == result


def test_a_stop_after_the_last_fold_has_nothing_left_to_stop(whole: Study) -> None:
    (whole.path / "predictions.csv").unlink()
    asked: list[str] = []

    def ask(line: str) -> None:
        if line.startswith("  whole-fold-3") and not asked:
            asked.append(line)
            whole.request_stop()

    assert work_on_folds(whole, notify=ask).state == "finished"

    assert asked
    assert whole.status().state == "finished"
    assert len(out_of_fold(whole)) == 100


def test_a_study_that_was_stopped_within_a_fold_gives_the_same_table_bit_for_bit(
    whole: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = create_folds(CONFIG, folds=3, name="torn")
    steps = 0
    after_step = trainer.Trainer._after_step

    def stopping(self: trainer.Trainer) -> None:
        nonlocal steps
        steps += 1
        if steps == 4:  # within the second fold
            study.request_stop()
        after_step(self)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_after_step", stopping)
        assert work_on_folds(study).state == "cancelled"
    assert [run.status().state for run in study.runs()] == ["finished", "stopped"]
    assert progress_of(study).done == 1
    assert len(finished_folds(study)) == 1
    first = (study.runs()[0].path / "bundle.safetensors").stat().st_mtime_ns
    study.withdraw_stop()

    assert work_on_folds(study).state == "finished"

    assert (study.path / "predictions.csv").read_bytes() == (whole.path / "predictions.csv").read_bytes()
    assert (study.runs()[0].path / "bundle.safetensors").stat().st_mtime_ns == first


def test_remains_of_a_run_that_was_never_made_are_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    study = create_folds(CONFIG, folds=3, name="mine")
    half = runs_home() / "mine-fold-1"
    half.mkdir(parents=True)
    (half / "status.json").write_text("{}")
    (half / ".config.json.1-abc.tmp").write_text("{")
    monkeypatch.setattr("core.training.execute.execute", lambda run, **_: run.status())

    assert work_on_folds(study).state == "cancelled"
    assert Run(half).config() == fold_config(study.config(), folds=3, by="slide", number=1)
    assert (Run(half).config().folds, Run(half).config().fold, Run(half).config().split) == (3, 0, "slide")


def test_a_failed_run_fails_the_study_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    study = create_folds(CONFIG, folds=3, name="mine")
    monkeypatch.setattr(trainer.Trainer, "_step", lambda *_: torch.tensor(torch.nan))

    with pytest.raises(TrainingError, match="loss became nan"):
        work_on_folds(study)
    assert study.status().state == "failed"
    assert "loss became nan" in study.status().message
    assert [run.name for run in list_runs()] == ["mine-fold-1"]


def test_a_fold_whose_folder_is_deleted_while_it_works_fails_the_study_and_is_to_be_trained_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = create_folds(CONFIG, folds=3, name="mine")
    monkeypatch.setattr(trainer.Trainer, "_after_step", lambda self: shutil.rmtree(self.run.path, ignore_errors=True))

    with pytest.raises(RunError, match="The folder of the run mine-fold-1 is gone"):
        work_on_folds(study)

    assert study.status().state == "failed"
    assert study.status().message.startswith("The folder of the run mine-fold-1 is gone")
    assert study.missing() == ("mine-fold-1", "mine-fold-2", "mine-fold-3")
    assert (list_runs(), list(runs_home().iterdir())) == ([], [])


def test_a_study_never_overwrites_anything() -> None:
    create_folds(CONFIG, folds=3, name="mine")
    with pytest.raises(RunError, match="is there already"):
        create_folds(CONFIG, folds=3, name="mine")
    (runs_home() / "other-fold-2").mkdir(parents=True)
    with pytest.raises(RunError, match="other-fold-2 is there already"):
        create_folds(CONFIG, folds=3, name="other")
    with pytest.raises(RunError, match="letters"):
        create_folds(CONFIG, folds=3, name="../mine")


@pytest.mark.parametrize(
    ("folds", "by", "words"),
    [(1, None, "folds must be 2 to 20, got 1"), (3, "moon", "moon"), (13, "slide", "few")],
)
def test_folds_that_cannot_be_are_refused(folds: int, by: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        create_folds(CONFIG, folds=folds, by=by)  # type: ignore[arg-type]
    assert list_studies() == []


def test_studies_are_listed_and_opened_by_name_and_can_all_be_measured(dataset: Dataset) -> None:
    first = create_folds(CONFIG, folds=3, name="first")
    assert list_studies() == [first]
    assert open_study("first") == first
    seed = first.config().split_seed
    assert (first.kind, first.config(), first.status()) == (
        "folds", CONFIG.with_changes(split_seed=seed, decisions=str(first.path / "decisions.csv")), JobStatus("none")
    )  # fmt: skip
    for fold in range(3):
        parts = assign(dataset, choose_rule(dataset, "slide", seed=seed, folds=3, fold=fold))
        both = dataset.table.assign(part=parts).groupby("part")["label"].nunique()
        assert both[["train", "valid", "test"]].tolist() == [2, 2, 2]
    with pytest.raises(RunError, match=r"no study 'second' .*first"):
        open_study("second")
    with pytest.raises(RunError, match="not finished; resume it"):
        out_of_fold(first)


def test_all_folds_obey_what_was_decided_when_the_study_was_made() -> None:
    decide("demo", {"patch-3": Decision("exclude")})
    study = create_folds(CONFIG, folds=3, name="mine")
    decide("demo", {"patch-4": Decision("exclude")})

    assert list(read_decisions(Path(study.config().decisions))) == ["patch-3"]
    assert fold_config(study.config(), folds=3, by="slide", number=2).decisions == study.config().decisions
    given = create_folds(CONFIG.with_changes(decisions="none"), folds=3, name="other")
    assert given.config().decisions == "none"


def test_each_fold_leaves_one_centre_out(
    fresh_home: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, opened_as: Opened
) -> None:
    codes = pd.factorize(dataset.table["slide"])[0] % 3
    centres = [f"c{code}" for code in codes]
    opened_as(monkeypatch, replace(dataset, table=dataset.table.assign(centre=pd.array(centres, dtype="string"))))
    study = create_folds(CONFIG, by="centre", name="centres")
    assert study.settings() == {"folds": 3, "by": "centre"}
    assert work_on_folds(study).state == "finished"
    table = out_of_fold(study).set_index("id")
    expected = pd.Series(centres, index=dataset.table["id"])[table.index].str[1:].astype(int) + 1
    assert table["fold"].to_list() == expected.to_list()
    result = folds_result(study)
    assert result is not None
    assert (result.pooled.resampled, result.pooled.slides) == ("slide", SLIDES)
    with pytest.raises(ConfigError, match="has 3 known centres, too few for 4 folds by centre"):
        create_folds(CONFIG, folds=4, by="centre")
