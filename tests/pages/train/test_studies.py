"""The Train page's studies: started, watched, stopped, gone on with."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data import Dataset
from core.evaluation import corrected_mean, evaluate
from core.job import JobStatus
from core.runs import Status, TrainingConfig, create_run
from core.storage.home import runs_home
from core.studies.cross_validation import create_folds
from core.studies.cross_validation_result import Fold, FoldsResult
from core.studies.search import create_search
from core.studies.search_result import SearchResult, SearchTrial
from core.studies.study import Study, list_studies


def words(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def press(app: AppTest, label: str) -> AppTest:
    return next(each for each in app.button if each.label == label).click().run()


def open_studies(app: AppTest) -> AppTest:
    app.query_params["runs_view"] = "Studies"
    app.run()
    return app.switch_page("pages/train.py").run()


@pytest.fixture(autouse=True)
def _quiet_demo(fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("pages._ui.cache", "core.studies.cross_validation"):
        monkeypatch.setattr(f"{place}.open_dataset", lambda *_, **__: small_demo)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
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


def test_without_a_study_the_page_says_what_they_are_for(app: AppTest) -> None:
    open_studies(app)
    assert not app.exception
    assert "No study yet. A **cross-validation** tests every patch" in words(app)
    assert {"Start cross-validation", "Start search"} <= set(labels(app))


def test_a_cross_validation_is_started_with_one_press(app: AppTest, launched: list[str]) -> None:
    open_studies(app)
    press(app, "Start cross-validation")
    assert not app.exception
    (study,) = list_studies()
    assert launched == [study.name]
    assert (study.kind, study.settings(), study.config().preset) == ("folds", {"folds": 5, "by": "slide"}, "quick")
    assert "Not started · cross-validation]" in words(app)


def test_a_search_takes_what_the_form_says(app: AppTest, launched: list[str]) -> None:
    open_studies(app)
    app.multiselect(key="search-over").set_value(["learning_rate", "clip"]).run()
    app.number_input(key="search-trials").set_value(6).run()
    app.number_input(key="search-epochs-quick").set_value(3).run()
    press(app, "Start search")
    (study,) = list_studies()
    settings = study.settings()
    assert [axis["name"] for axis in settings["over"]] == ["learning_rate", "clip"]
    assert (settings["trials"], settings["pruner"], study.config().epochs) == (6, "median", 3)
    assert launched == [study.name]


def test_what_cannot_be_started_says_why(app: AppTest, launched: list[str]) -> None:
    open_studies(app)
    app.number_input(key="folds-count").set_value(20).run()
    press(app, "Start cross-validation")
    assert "has 12 known slides, too few for 20 folds" in app.error[0].value
    assert (list_studies(), launched) == ([], [])


def test_a_study_at_work_shows_how_far_it_is_and_can_be_stopped(app: AppTest) -> None:
    study = folds("running")
    study.record_process(os.getpid())
    run = create_run(study.config(), runs_home() / "mine-fold-1")
    run.write_status(
        Status(state="running", epoch=2, epochs=4, step=10, steps=40, seconds=60.0, seconds_left=180.0, updated=1.0)
    )
    run.record_process(os.getpid())
    open_studies(app)
    assert "Running · cross-validation]" in words(app)
    # a quarter of the first of two runs; the rest of it takes 3 minutes, the other one 4
    bar = app.get("progress")[0].proto
    assert (bar.value, bar.text) == (12, "0 of 2 runs · mine-fold-1: epoch 2 of 4 · about 7 min left")
    press(app, "Stop study")
    assert study.stop_requested()
    assert run.stop_requested()
    assert "Stopping after this step" in words(app)


@pytest.mark.parametrize(
    ("state", "expected"),
    [("cancelled", "Stopped · "), ("failed", "Failed · "), ("running", "Lost · ")],
)
def test_a_study_that_ended_early_can_be_resumed(app: AppTest, launched: list[str], state: str, expected: str) -> None:
    study = folds(state)
    open_studies(app)
    assert expected in words(app)
    press(app, "Resume study")
    assert launched == [study.name]


def test_deleting_a_study_says_what_goes_and_it_comes_back_from_the_trash(app: AppTest) -> None:
    study = folds("cancelled")
    for name in study.run_names():
        create_run(study.config(), runs_home() / name).write_status(Status(state="stopped"))
    open_studies(app)
    press(app, "Delete …")
    assert "Move **mine** to the trash, with its 2 runs, their models and logs?" in words(app)
    assert study.path.is_dir()  # not before the yes
    press(app, "Keep it")
    press(app, "Delete …")
    press(app, "Move to trash")
    assert not app.exception
    assert (list_studies(), list(runs_home().iterdir())) == ([], [])
    assert "No study yet" in words(app)
    assert "mine · study with 2 runs · deleted" in words(app)
    assert app.expander[-1].label == "Trash: 1 deleted study with 2 runs, 0 MB"
    app.button(key="restore-mine").click().run()
    assert not app.exception
    assert [run.name for run in study.runs()] == ["mine-fold-1", "mine-fold-2"]
    assert "Stopped · cross-validation]" in words(app)


def test_a_study_at_work_cannot_be_deleted(app: AppTest) -> None:
    study = folds("running")
    study.record_process(os.getpid())
    open_studies(app)
    assert "Delete …" not in labels(app)


def test_a_finished_study_of_which_a_run_was_deleted_trains_it_again(app: AppTest, launched: list[str]) -> None:
    study = folds()
    finish(study)
    create_run(study.config(), runs_home() / "mine-fold-1").write_status(Status(state="stopped"))
    open_studies(app)
    assert "Deleted since: mine-fold-2. The figures of the study stay. *Resume study* trains them again" in words(app)
    press(app, "Resume study")
    assert launched == ["mine"]
    create_run(study.config(), runs_home() / "mine-fold-2").write_status(Status(state="stopped"))
    app.run()
    assert "Deleted since" not in words(app)
    assert "Resume study" not in labels(app)


def test_folds_are_seen_learning_before_there_is_a_result(app: AppTest) -> None:
    study = folds("cancelled")
    run = create_run(study.config(), runs_home() / "mine-fold-1")
    run.write_status(Status(state="stopped", stage="Measuring the result"))
    row = {"train_loss": 0.5, "valid_loss": 0.4, "valid_auc": 0.8, "valid_accuracy": 0.8, "learning_rate": 1e-3}
    run.write_metrics([{"epoch": 1, **row}])
    open_studies(app)
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1


@pytest.mark.parametrize("name", ["status.json", "study.json", "results.json"])
def test_a_damaged_study_says_so_and_hides_no_other(app: AppTest, name: str) -> None:
    study = folds("cancelled")
    create_folds(TrainingConfig(epochs=4), folds=2, by="patch", name="other")
    (study.path / name).write_text("{")
    app.query_params["study"] = "mine"
    open_studies(app)
    assert not app.exception
    assert f"{name} " in app.error[0].value
    assert "damaged" in app.error[0].value
    app.selectbox(key="study").set_value("other").run()
    assert "Not started · cross-validation]" in words(app)


def test_a_search_goes_on_to_more_trials(app: AppTest, launched: list[str]) -> None:
    study = create_search(TrainingConfig(epochs=4), trials=3, over=("clip",), name="find")
    study.write(JobStatus("finished", 1.0))
    open_studies(app)
    app.number_input(key="more-find").set_value(20).run()
    press(app, "Try 20 more")
    assert not app.exception
    assert (study.settings()["trials"], study.run_names()[-1], launched) == (23, "find-trial-023", ["find"])


def test_a_finished_cross_validation_shows_its_folds_and_their_mean(app: AppTest) -> None:
    study = folds()
    finish(study)
    open_studies(app)
    assert not app.exception
    result = json.loads((study.path / "results.json").read_text())
    assert app.metric[0].value == f"{result['mean']['auc']['value']:.3f}"
    table = app.dataframe[0].value
    assert table["fold"].tolist() == ["1", "2", "all"]
    assert table["patches"].tolist() == [20, 20, 40]
    assert table["run"].tolist() == ["mine-fold-1", "mine-fold-2", ""]
    assert len(app.get("plotly_chart")) == 2


def test_a_search_draws_nothing_before_a_trial_has_ended(app: AppTest) -> None:
    study = create_search(TrainingConfig(epochs=4), trials=3, over=("clip",), name="find")
    trial = SearchTrial(1, "find-trial-001", "running", {"clip": 0.0}, 0.7, 1)
    (study.path / "results.json").write_text(json.dumps(SearchResult((trial,), None, ()).to_json()))
    study.write(JobStatus("running", 0.1))
    study.record_process(os.getpid())
    open_studies(app)
    assert not app.exception
    assert "The charts appear when the first trial has come to its end." in words(app)
    assert app.get("plotly_chart") == []


def test_a_search_shows_its_best_trial_and_leads_to_its_run(app: AppTest) -> None:
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
    open_studies(app)
    assert not app.exception
    assert "**Best trial: 2**, validation AUC 0.9000" in words(app)
    assert "learning rate **0.002** · batch size **32**" in words(app)
    assert app.dataframe[0].value["state"].tolist() == ["finished", "finished", "pruned"]
    assert len(app.get("plotly_chart")) == 3
    press(app, "Show its run")
    assert app.session_state["run"] == "find-trial-002"
    assert app.session_state["runs_view"] == "One run"
    assert "find-trial-002" in words(app)
