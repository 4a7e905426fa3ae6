"""The Train page: a run in each of its states, all runs, and the trash."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data import Dataset
from core.runs import GRACE_SECONDS, PRESETS, Run, Status, TrainingConfig, create_run
from core.storage.home import runs_home
from core.studies import Trashed, delete, list_trash
from pages._ui.train import tracked_patches, trash


def words(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def open_train(app: AppTest) -> AppTest:
    app.run()
    return app.switch_page("pages/train.py").run()


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def run_in(state: str, **values) -> Run:
    run = create_run(TrainingConfig(epochs=4), runs_home() / f"a-{state}-run")
    run.write_status(Status(state=state, epochs=4, steps=40, **{"updated": 1.0, **values}))
    return run


def test_an_empty_page_says_what_to_press(app: AppTest, quiet_demo: Path) -> None:
    open_train(app)
    assert not app.exception
    assert "Press **Start training**" in app.info[0].value
    assert labels(app) == ["Start training", "Estimate", "Find a learning rate"]


@pytest.mark.parametrize(
    ("state", "expected", "buttons"),
    [
        ("stopped", "Stopped", ["Resume"]),
        ("failed", "Failed", ["Resume"]),
        ("running", "Lost", ["Resume"]),
        ("starting", "Lost", ["Resume"]),
    ],
)
def test_each_state_has_its_words_and_buttons(
    app: AppTest, quiet_demo: Path, state: str, expected: str, buttons: list[str]
) -> None:
    run_in(state, step=10, epoch=1, message="why it is so")
    open_train(app)
    assert not app.exception
    assert f"{expected}]" in words(app)
    assert labels(app) == buttons


def test_a_failure_shows_its_sentence(app: AppTest, quiet_demo: Path) -> None:
    run_in("failed", message="The loss became nan in step 3 of epoch 1.")
    open_train(app)
    assert app.error[0].value == "The loss became nan in step 3 of epoch 1."


def test_a_live_run_can_be_stopped_from_the_page(app: AppTest, quiet_demo: Path) -> None:
    run = run_in("running", step=10, epoch=2, seconds_left=300.0, patches_per_second=512.0)
    run.record_process(os.getpid())
    open_train(app)
    assert "Running]" in words(app)
    assert app.get("progress")[0].proto.text.endswith("about 5 min left")
    next(each for each in app.button if each.label == "Stop").click().run()
    assert run.stop_requested()
    assert "Stopping after this step]" in words(app)
    assert "left" not in app.get("progress")[0].proto.text  # it will not take that long any more


ROWS = [
    {"epoch": epoch, "train_loss": 0.5, "valid_loss": 0.4, "valid_auc": auc, "valid_accuracy": 0.8,
     "learning_rate": 1e-3}
    for epoch, auc in ((1, 0.7), (2, 0.9), (3, 0.8))
]  # fmt: skip


@pytest.fixture
def two_runs(quiet_demo: Path) -> tuple[Run, Run]:
    first, second = run_in("stopped"), create_run(TrainingConfig(epochs=4, seed=7), runs_home() / "b-other-run")
    second.write_status(Status(state="failed"))
    for run in (first, second):
        run.write_metrics(ROWS)
    second.write_notes("more seeds")
    return first, second


def pick(app: AppTest, option: str) -> None:
    menu = app.menu_button[0]
    menu.click_index(next(n for n, label in enumerate(menu.options) if label.endswith(option))).run()


def test_a_queued_run_says_for_whom_it_waits_and_can_be_stopped(app: AppTest, quiet_demo: Path) -> None:
    run = run_in("queued", stage="Number 2 in the queue for the CPU, where first is at work")
    run.record_process(os.getpid())
    open_train(app)
    assert "Queued]" in words(app)
    assert "Number 2 in the queue for the CPU, where first is at work" in words(app)
    assert labels(app) == ["Stop"]
    assert app.menu_button[0].options == [
        ":material/content_copy: Duplicate with changes"
    ]  # no deleting while it waits


def test_all_runs_stand_in_a_table_that_can_be_filtered(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    app.query_params["runs_view"] = "All runs"
    open_train(app)
    assert not app.exception
    table = app.dataframe[0].value
    assert table["run"].tolist() == ["b-other-run", "a-stopped-run"]
    assert table["best valid AUC"].tolist() == [0.9, 0.9]
    assert table["best epoch"].tolist() == [2, 2]
    app.text_input(key="filter").set_value("SEEDS failed").run()
    assert app.dataframe[0].value["run"].tolist() == ["b-other-run"]
    assert "1 of 2 runs" in words(app)
    assert not app.exception


def test_a_row_of_the_table_leads_to_its_run(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    app.query_params["runs_view"] = "All runs"
    open_train(app)
    app.session_state["all-runs"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert not app.exception
    assert (app.session_state["run"], app.session_state["runs_view"]) == ("a-stopped-run", "One run")
    app.segmented_control(key="runs_view").set_value("All runs").run()
    assert app.dataframe[0].value["run"].tolist() == ["b-other-run", "a-stopped-run"]  # and stays there


def test_compared_runs_show_only_the_settings_in_which_they_differ(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    app.query_params["runs_view"] = "All runs"
    app.query_params["compared"] = ["b-other-run", "a-stopped-run"]
    open_train(app)
    found = app.dataframe[1].value
    assert found[""].tolist() == ["best valid AUC", "in epoch", "accuracy there", "Seed"]  # none has been tested yet
    assert found["b-other-run"].tolist() == ["0.9000", "2", "80.0%", "7"]
    assert found["a-stopped-run"].tolist() == ["0.9000", "2", "80.0%", "0"]


def test_nothing_is_compared_unasked_and_a_choice_stays(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    create_run(TrainingConfig(epochs=4), runs_home() / "c-newest-run").write_status(Status(state="stopped"))
    two_runs[0].write_notes("seeds")
    app.query_params["runs_view"] = "All runs"
    open_train(app)
    assert len(app.dataframe) == 1
    assert app.multiselect(key="compared").value == []
    assert "Choose two or more runs to see their curves in one figure" in words(app)
    app.text_input(key="filter").set_value("more seeds").run()
    assert "Compare the" not in str(labels(app))  # one alone is not compared
    app.text_input(key="filter").set_value("seeds").run()
    press(app, "Compare the 2 in the table")
    assert app.dataframe[1].value.columns.tolist() == ["", "b-other-run", "a-stopped-run"]
    create_run(TrainingConfig(), runs_home() / "d-still-newer-run").write_status(Status(state="stopped"))
    app.segmented_control(key="runs_view").set_value("One run").run()
    app.segmented_control(key="runs_view").set_value("All runs").run()
    assert app.multiselect(key="compared").value == ["b-other-run", "a-stopped-run"]
    delete(two_runs[1])
    app.run()
    assert not app.exception
    assert app.multiselect(key="compared").value == ["a-stopped-run"]
    assert "Choose another run to see in what the two differ" in words(app)


@pytest.mark.parametrize(
    ("split", "kind", "is_apart"),
    [
        ({"kind": "hashed", "by": "slide"}, "kaggle", True),
        ({"kind": "hashed", "by": "patch"}, "kaggle", False),
        ({"kind": "official", "by": "patch"}, "demo", True),
        ({"kind": "stratified", "by": "patch"}, "demo", False),
    ],
)
def test_the_curves_say_whether_test_patches_are_of_other_slides(
    app: AppTest, two_runs: tuple[Run, Run], split: dict[str, str], kind: str, is_apart: bool
) -> None:
    (two_runs[1].path / "data.json").write_text(json.dumps([{"kind": kind, "split": split}]))
    open_train(app)
    assert "Validation chose this epoch" in words(app)
    assert (" and from other slides: their figures can be higher or lower" in words(app)) is is_apart
    assert "are others: their figures can be higher or lower" in words(app) or is_apart


def test_damaged_words_about_the_data_are_said(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    (two_runs[1].path / "data.json").write_text("{")
    open_train(app)
    assert "data.json is damaged" in app.error[0].value
    assert not app.exception


def test_notes_are_kept_in_the_run_directory(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    open_train(app)
    assert app.text_area[0].value == "more seeds"
    app.text_area[0].set_value("enough seeds").run()
    assert (two_runs[1].path / "notes.txt").read_text() == "enough seeds"


def test_deleting_asks_and_moves_to_the_trash(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    open_train(app)
    pick(app, "Delete …")
    assert "Move **b-other-run** to the trash, with its model and log?" in words(app)
    assert "the trash is at the end of *All runs*" in words(app)
    assert two_runs[1].path.is_dir()  # not before the yes
    next(each for each in app.button if each.label == "Move to trash").click().run()
    assert not app.exception
    assert not two_runs[1].path.exists()
    assert (runs_home().parent / "trash" / "b-other-run" / "notes.txt").read_text() == "more seeds"
    assert "Stopped]" in words(app)  # the other one is shown
    assert [each.value for each in app.toast] == ["b-other-run is in the trash, at the end of All runs"]


def test_the_last_run_can_be_taken_back_too(app: AppTest, quiet_demo: Path) -> None:
    delete(run_in("stopped"))
    app.query_params["runs_view"] = "All runs"
    open_train(app)
    assert "No run yet" in words(app)
    assert [each.label for each in app.expander] == ["Trash: 1 deleted run, 0 MB"]
    app.button(key="restore-a-stopped-run").click().run()
    assert app.dataframe[0].value["run"].tolist() == ["a-stopped-run"]


def test_the_trash_counts_studies_and_runs_apart(tmp_path: Path) -> None:
    run, study, other = (
        Trashed(tmp_path / name, 0.0, 0, is_study=is_study, runs=runs)
        for name, is_study, runs in (("a", False, 1), ("b", True, 2), ("c", True, 1))
    )
    assert trash.contents([run]) == "1 deleted run"
    assert trash.contents([study]) == "1 deleted study with 2 runs"
    assert trash.contents([other]) == "1 deleted study with 1 run"
    assert trash.contents([run, study, run, other]) == "2 deleted studies with 3 runs and 2 deleted runs"


def new_run(app: AppTest) -> AppTest:
    app.query_params["runs_view"] = "New run"
    return open_train(app)


def press(app: AppTest, label: str) -> AppTest:
    return next(each for each in app.button if each.label == label).click().run()


def test_a_preset_as_reported_says_so_before_and_after_it_has_run(app: AppTest, quiet_demo: Path) -> None:
    run = create_run(PRESETS["keras-reported"].config, runs_home() / "as-it-was")
    run.write_status(Status(state="stopped"))
    run.write_metrics(ROWS)
    open_train(app)
    assert app.warning[0].value.startswith("As reported, flawed: validated on its own training patches")
    app.segmented_control(key="runs_view").set_value("All runs").run()
    assert app.dataframe[0].value["flaw"][0].startswith("As reported, flawed: validated on")
    app.segmented_control(key="runs_view").set_value("New run").run()
    assert not app.warning
    app.selectbox(key="preset").set_value("notebook-reported").run()
    assert app.warning[0].value.startswith("As reported, flawed: dropout stays on in validation")
    assert not app.exception


def test_a_stopping_run_can_be_killed_only_after_its_grace(
    app: AppTest, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_in("running", step=10, epoch=2)
    run.record_process(os.getpid())
    run.request_stop()
    open_train(app)
    assert labels(app) == []
    past = run.path.stat().st_mtime - GRACE_SECONDS - 1
    os.utime(run.path / "stop", (past, past))
    killed: list[Run] = []
    monkeypatch.setattr("pages._ui.train.run.kill", killed.append)
    app.run()
    assert labels(app) == ["End it now"]
    press(app, "End it now")
    assert killed == [run]


def test_the_trash_gives_back_and_is_emptied_after_a_yes(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    for run in two_runs:
        delete(run)
    create_run(TrainingConfig(), runs_home() / "stays").write_status(Status(state="stopped"))
    app.query_params["runs_view"] = "All runs"
    open_train(app)
    app.button(key="restore-a-stopped-run").click().run()
    assert two_runs[0].path.is_dir()
    press(app, "Empty the trash …")
    assert [each.name for each in list_trash()] == ["b-other-run"]
    press(app, "Keep them")
    press(app, "Empty the trash …")
    press(app, "Delete for good")
    assert list_trash() == []
    assert two_runs[0].path.is_dir()
    assert not app.exception


def test_what_the_browser_draws_of_the_watched_patches() -> None:
    table = pd.DataFrame(
        {"epoch": [1, 1, 2, 2], "id": ["b", "a", "b", "a"], "label": [0, 1, 0, 1], "probability": [0.6, 0.3, 0.2, 0.9]}
    )

    drawn = tracked_patches.payload(table, ["one", "two"], run="mine", epochs=5)

    assert drawn["patches"] == [{"id": "b", "label": 0, "source": "one"}, {"id": "a", "label": 1, "source": "two"}]
    assert drawn["epochs"] == [1, 2]
    assert drawn["probabilities"] == [[0.6, 0.3], [0.2, 0.9]]
    assert (drawn["run"], drawn["of"]) == ("mine", 5)


def test_the_watched_patches_of_a_run_are_on_its_page(app: AppTest, quiet_demo: Path, small_demo: Dataset) -> None:
    run = run_in("stopped", step=10, epoch=1)
    run.write_metrics(ROWS)
    names = small_demo.table["id"].astype(str)[:2]
    run.write_patches([{"epoch": 1, "id": each, "label": 0, "probability": 0.5} for each in (*names, "gone")])
    open_train(app)
    assert not app.exception
    assert "**Validation patches as it learns**" in words(app)
    sources = tracked_patches._sources(("demo",), (*names, "gone"))
    assert [each.partition(",")[0] for each in sources] == ["data:image/jpeg;base64"] * 2 + [""]
