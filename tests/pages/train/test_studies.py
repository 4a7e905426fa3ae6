"""The Train page's studies: started, followed, stopped, resumed."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from core.data import Dataset
from core.errors import ConfigError
from core.evaluation import corrected_mean, evaluate
from core.job import JobStatus
from core.runs import Status, TrainingConfig, create_run
from core.storage.home import runs_home
from core.studies import cross_validation
from core.studies.cross_validation import create_folds
from core.studies.cross_validation_result import Fold, FoldsResult
from core.studies.search import create_search
from core.studies.search_result import SearchResult, SearchTrial
from core.studies.study import Study, list_studies
from pages._ui import cache, layout, state
from pages._ui.train import study_form
from tests.pages.driver import Page


@pytest.fixture(autouse=True)
def _quiet_demo(fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cache, cross_validation):
        monkeypatch.setattr(module, "open_dataset", lambda *_, **__: small_demo)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("core.cluster.local.cores", lambda: 4)
    names: list[str] = []
    monkeypatch.setattr(Study, "launch", lambda self, _command: names.append(self.name))
    return names


def folds(state: str = "none") -> Study:
    study = create_folds(TrainingConfig(epochs=4), folds=2, by="patch", name="mine")
    if state != "none":
        study.write(JobStatus(state))
    return study


def finish(study: Study) -> None:
    """Write what a finished cross-validation leaves: 40 patches, in two folds."""
    random = np.random.default_rng(0)
    label = np.arange(40) % 2
    table = pd.DataFrame(
        {"id": [f"p{number}" for number in range(40)], "label": label, "fold": 1 + np.arange(40) // 20}
    )
    table["logit"] = label * 2 - 1 + random.normal(0, 1, 40)
    table["probability"] = 1 / (1 + np.exp(-table["logit"]))
    table.to_csv(study.path / "predictions.csv", index=False)
    found = [
        Fold(number, f"mine-fold-{number}", 20, 10, 0.5, evaluate(rows["label"], rows["probability"], resamples=20))
        for number, rows in table.groupby("fold")
    ]
    pooled = evaluate(table["label"], table["probability"], resamples=20)
    mean = {
        name: corrected_mean([fold.evaluation.metrics[name].value for fold in found], test_to_train=0.5)
        for name in pooled.metrics
    }
    result = FoldsResult(tuple(found), mean, pooled, 0)
    (study.path / "results.json").write_text(json.dumps(result.to_json()))
    study.write(JobStatus("finished", 1.0))


def test_without_a_study_the_page_says_what_they_are_for(app: Page) -> None:
    app.open("train", runs_view="Studies")
    assert "No study yet. A **cross-validation** tests every patch" in app.words()
    assert {"Start cross-validation", "Start search"} <= set(app.labels())


def test_a_cross_validation_is_started_with_one_click(app: Page, launched: list[str]) -> None:
    app.open("train", runs_view="Studies")
    app.click("Start cross-validation")
    (study,) = list_studies()
    assert launched == [study.name]
    assert (study.kind, study.settings(), study.config().preset) == ("folds", {"folds": 5, "by": "slide"}, "quick")
    assert "Not started · cross-validation]" in app.words()


def test_a_search_takes_what_the_form_says(app: Page, launched: list[str]) -> None:
    app.open("train", runs_view="Studies")
    app.set("search-over", ["learning_rate", "clip"])
    app.set("search-trials", 6)
    app.set("search-epochs-quick", 3)
    app.click("Start search")
    (study,) = list_studies()
    settings = study.settings()
    assert [axis["name"] for axis in settings["over"]] == ["learning_rate", "clip"]
    assert (settings["trials"], settings["pruner"], study.config().epochs) == (6, "median", 3)
    assert launched == [study.name]


@pytest.mark.parametrize(("typed", "workers"), [(1, []), (3, ["--workers", "3"])])
def test_runs_at_the_same_time_are_asked_for_once(
    app: Page, launched: list[str], monkeypatch: pytest.MonkeyPatch, typed: int, workers: list[str]
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(Study, "launch", lambda _, command: commands.append(command))
    app.open("train", runs_view="Studies")
    app.set("runs_at_once", typed)
    app.click("Start search")
    app.click("Start")
    assert commands == [["studies", "work", *workers]] * 2
    assert list_studies()[0].settings()["together"] == typed


def test_more_runs_at_the_same_time_than_cores_are_refused(
    app: Page, launched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = create_search(TrainingConfig(epochs=4), trials=2, name="mine")
    app.open("train", runs_view="Studies")
    app.set("runs_at_once", 5)
    assert "Runs at the same time must be 1 to 4, got 5\\." in app.words()
    starting = ("Start", "Start cross-validation", "Start search", "Start learning curve", "Try 10 more")
    assert [app.one("button", label).disabled for label in starting] == [True] * 5
    with monkeypatch.context() as patched:
        patched.setattr(st, "session_state", {state.RUNS_AT_ONCE: 5})  # as of a click that comes with what is typed
        with pytest.raises(ConfigError, match="must be 1 to 4, got 5"):
            study_form.resume(study)
    assert launched == []
    monkeypatch.setattr("core.cluster.local.cores", lambda: 1)
    assert "Runs at the same time" not in app.run().words()


@pytest.mark.parametrize(("device", "is_said"), [("cuda:1", True), ("cuda", False), ("mps", False)])
def test_a_named_gpu_says_why_runs_are_trained_one_after_the_other(
    app: Page, monkeypatch: pytest.MonkeyPatch, device: str, is_said: bool
) -> None:
    monkeypatch.setattr(layout, "device", lambda: device)
    app.open("train", runs_view="Studies")
    assert "Runs at the same time" not in app.labels("number_input")
    assert (f"Runs are worked on one after the other on {device}" in app.words()) is is_said


@pytest.mark.parametrize(
    ("key", "value", "said", "button"),
    [("folds-epochs-quick", 0, "Epochs of each run must be 1 to 10,000, got 0", "Start cross-validation"),
     ("folds-count", 1, "Folds must be 2 to", "Start cross-validation"),
     ("search-trials", 0, "Trials must be 1 to 999, got 0", "Start search"),
     ("search-over", [], "Choose a setting to vary", "Start search"),
     ("curve-seeds", 0, "Seeds must be 1 to", "Start learning curve")],
)  # fmt: skip
def test_a_wrong_field_stops_its_own_button_alone(
    app: Page, launched: list[str], key: str, value: object, said: str, button: str
) -> None:
    app.open("train", runs_view="Studies")
    app.set(key, value)
    assert said in app.words().replace("\\", "")
    starts = {each.label: each.disabled for each in app.button if each.label.startswith("Start")}
    assert starts == {each: each == button for each in starts}
    assert len(starts) == 3


def test_what_cannot_be_started_says_why(app: Page, launched: list[str]) -> None:
    app.open("train", runs_view="Studies")
    app.set("folds-count", 20)
    app.click("Start cross-validation")
    assert "has 12 known slides, too few for 20 folds" in app.error[0].value
    assert (list_studies(), launched) == ([], [])


def test_a_study_at_work_shows_how_far_it_is_and_can_be_stopped(app: Page) -> None:
    study = folds("running")
    study.record_process(os.getpid())
    run = create_run(study.config(), runs_home() / "mine-fold-1")
    run.write_status(
        Status(state="running", epoch=2, epochs=4, step=10, steps=40, seconds=60.0, seconds_left=180.0, updated=1.0)
    )
    run.record_process(os.getpid())
    app.open("train", runs_view="Studies")
    assert "Running · cross-validation]" in app.words()
    # a quarter of the first of two runs; the rest of it takes 3 minutes, the other one 4
    bar = app.get("progress")[0].proto
    assert (bar.value, bar.text) == (12, "0 of 2 runs · mine-fold-1: epoch 2 of 4 · about 7 min left")
    two = create_run(study.config(), runs_home() / "mine-fold-2")
    two.write_status(replace(run.status(), epoch=1, seconds_left=200.0))
    two.record_process(os.getpid())
    app.run()
    text = app.get("progress")[0].proto.text
    assert text == "0 of 2 runs · 2 at the same time · mine-fold-2: epoch 1 of 4 · about 3 min left"
    app.click("Stop study")
    assert study.stop_requested()
    assert (run.stop_requested(), two.stop_requested()) == (True, True)
    assert "Stopping after this step" in app.words()


@pytest.mark.parametrize(
    ("state", "expected"),
    [("cancelled", "Stopped · "), ("failed", "Failed · "), ("running", "Lost · ")],
)
def test_a_study_that_ended_early_can_be_resumed(app: Page, launched: list[str], state: str, expected: str) -> None:
    study = folds(state)
    app.open("train", runs_view="Studies")
    assert expected in app.words()
    app.click("Resume study")
    assert launched == [study.name]


def test_deleting_a_study_says_what_goes_and_it_comes_back_from_the_trash(app: Page) -> None:
    study = folds("cancelled")
    for name in study.run_names():
        create_run(study.config(), runs_home() / name).write_status(Status(state="stopped"))
    app.open("train", runs_view="Studies")
    app.click("Delete …")
    assert "Move **mine** to the trash, with its 2 runs, their models and logs?" in app.words()
    assert study.path.is_dir()  # not before the yes
    app.click("Cancel")
    app.click("Delete …")
    app.click("Move to trash")
    assert (list_studies(), list(runs_home().iterdir())) == ([], [])
    assert "No study yet" in app.words()
    assert "mine · study with 2 runs · deleted" in app.words()
    assert app.expander[-1].label == "Trash: 1 deleted study with 2 runs, <1 MB"
    app.button(key="restore-mine").click().run()
    assert not app.exception
    assert [run.name for run in study.runs()] == ["mine-fold-1", "mine-fold-2"]
    assert "Stopped · cross-validation]" in app.words()


def test_a_study_at_work_cannot_be_deleted(app: Page) -> None:
    study = folds("running")
    study.record_process(os.getpid())
    app.open("train", runs_view="Studies")
    assert "Delete …" not in app.labels()


def test_a_finished_study_of_which_a_run_was_deleted_trains_it_again(app: Page, launched: list[str]) -> None:
    study = folds()
    finish(study)
    create_run(study.config(), runs_home() / "mine-fold-1").write_status(Status(state="stopped"))
    app.open("train", runs_view="Studies")
    assert (
        "Deleted since: mine-fold-2. The metrics of the study are kept. *Resume study* trains them again" in app.words()
    )
    app.click("Resume study")
    assert launched == ["mine"]
    create_run(study.config(), runs_home() / "mine-fold-2").write_status(Status(state="stopped"))
    app.run()
    assert "Deleted since" not in app.words()
    assert "Resume study" not in app.labels()


def test_folds_are_seen_learning_before_there_is_a_result(app: Page) -> None:
    study = folds("cancelled")
    run = create_run(study.config(), runs_home() / "mine-fold-1")
    run.write_status(Status(state="stopped", stage="Measuring the result"))
    row = {"train_loss": 0.5, "valid_loss": 0.4, "valid_auc": 0.8, "valid_accuracy": 0.8, "learning_rate": 1e-3}
    run.write_metrics([{"epoch": 1, **row}])
    app.open("train", runs_view="Studies")
    assert len(app.get("plotly_chart")) == 1


@pytest.mark.parametrize("name", ["status.json", "study.json", "results.json"])
def test_a_damaged_study_says_so_and_hides_no_other(app: Page, name: str) -> None:
    study = folds("cancelled")
    create_folds(TrainingConfig(epochs=4), folds=2, by="patch", name="other")
    (study.path / name).write_text("{")
    app.query_params["study"] = "mine"
    app.open("train", runs_view="Studies")
    assert f"{name} " in app.error[0].value
    assert "damaged" in app.error[0].value
    app.set("study", "other")
    assert "Not started · cross-validation]" in app.words()


def test_a_search_goes_on_to_more_trials(app: Page, launched: list[str]) -> None:
    study = create_search(TrainingConfig(epochs=4), trials=3, over=("clip",), name="find")
    study.write(JobStatus("finished", 1.0))
    app.open("train", runs_view="Studies")
    app.set("more-find", 20)
    app.click("Try 20 more")
    assert (study.settings()["trials"], study.run_names()[-1], launched) == (23, "find-trial-023", ["find"])


def test_a_finished_cross_validation_shows_its_folds_and_their_mean(app: Page) -> None:
    study = folds()
    finish(study)
    app.open("train", runs_view="Studies")
    result = json.loads((study.path / "results.json").read_text())
    assert app.metric[0].value == f"{result['pooled']['figures']['auc']['value']:.3f}"
    assert f"Mean over 2 folds: AUC {result['mean']['auc']['value']:.3f}, " in app.words()
    table = app.dataframe[0].value
    assert table["fold"].tolist() == ["1", "2", "all"]
    assert table["patches"].tolist() == [20, 20, 40]
    assert table["run"].tolist() == ["mine-fold-1", "mine-fold-2", ""]
    assert len(app.get("plotly_chart")) == 2


def test_a_search_draws_nothing_before_a_trial_has_ended(app: Page) -> None:
    study = create_search(TrainingConfig(epochs=4), trials=3, over=("clip",), name="find")
    trial = SearchTrial(1, "find-trial-001", "running", {"clip": 0.0}, 0.7, 1)
    (study.path / "results.json").write_text(json.dumps(SearchResult((trial,)).to_json()))
    study.write(JobStatus("running", 0.1))
    study.record_process(os.getpid())
    app.open("train", runs_view="Studies")
    assert "The charts appear when the first trial has ended." in app.words()
    assert app.get("plotly_chart") == []


def test_a_search_shows_its_best_trial_and_leads_to_its_run(app: Page) -> None:
    config = TrainingConfig(epochs=4)
    study = create_search(config, trials=3, over=("learning_rate", "batch_size"), name="find")
    values = [{"learning_rate": 1e-3 * number, "batch_size": 16 * number} for number in (1, 2, 4)]
    trials = [
        SearchTrial(1, "find-trial-001", "finished", values[0], 0.8, 4),
        SearchTrial(2, "find-trial-002", "finished", values[1], 0.9, 4),
        SearchTrial(3, "find-trial-003", "pruned", values[2], 0.95, 1),
    ]
    settled = tuple(trial.run for trial in trials)
    result = SearchResult(tuple(trials), {"learning_rate": 0.7, "batch_size": 0.3}, settled)
    (study.path / "results.json").write_text(json.dumps(result.to_json()))
    study.write(JobStatus("finished", 1.0))
    for trial in trials:
        create_run(config, runs_home() / trial.run).write_status(Status(state="stopped"))
    app.open("train", runs_view="Studies")
    assert "**Best trial: 2**, validation AUC 0.900" in app.words()
    assert "learning rate **0.002** · batch size **32**" in app.words()
    assert app.dataframe[0].value["state"].tolist() == ["finished", "finished", "pruned"]
    assert len(app.get("plotly_chart")) == 3
    app.click("Show its run")
    assert app.session_state["run"] == "find-trial-002"
    assert app.session_state["runs_view"] == "One run"
    assert "find-trial-002" in app.words()
