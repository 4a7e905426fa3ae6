"""The Train page: a run in each of its states, all runs, and the trash."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from core.data import Dataset
from core.runs import GRACE_SECONDS, PRESETS, Run, Status, TrainingConfig, create_run
from core.storage.home import runs_home
from core.studies.search import create_search
from core.studies.trash import Trashed, delete, list_trash
from pages._ui.train import run as run_page
from pages._ui.train import tracked_patches, trash
from tests.pages.driver import ROWS, Page, run_in


def test_an_empty_page_says_what_to_click(app: Page, quiet_demo: Path) -> None:
    app.open("train")
    assert "Click **Start training**" in app.info[0].value
    assert app.labels() == ["Start training", "Estimate", "Find a learning rate"]


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
    app: Page, quiet_demo: Path, state: str, expected: str, buttons: list[str]
) -> None:
    run_in(state, step=10, epoch=1, message="why it is so")
    app.open("train")
    assert f"{expected}]" in app.words()
    assert app.labels() == buttons


def test_a_failure_shows_its_sentence(app: Page, quiet_demo: Path) -> None:
    run_in("failed", message="The loss became nan in step 3 of epoch 1.")
    app.open("train")
    assert app.error[0].value == "The loss became nan in step 3 of epoch 1."


def test_a_live_run_can_be_stopped_from_the_page(app: Page, quiet_demo: Path) -> None:
    run = run_in("running", step=10, epoch=2, seconds_left=300.0, patches_per_second=512.0)
    run.record_process(os.getpid())
    app.open("train")
    assert "Running]" in app.words()
    assert app.get("progress")[0].proto.text.endswith("about 5 min left")
    app.click("Stop")
    assert run.stop_requested()
    assert "Stopping after this step]" in app.words()
    assert "left" not in app.get("progress")[0].proto.text  # it will not take that long any more


def test_a_queued_run_says_for_whom_it_waits_and_can_be_stopped(app: Page, quiet_demo: Path) -> None:
    run = run_in("queued", stage="Number 2 in the queue for the CPU, where first is at work")
    run.record_process(os.getpid())
    app.open("train")
    assert "Queued]" in app.words()
    assert "Number 2 in the queue for the CPU, where first is at work" in app.words()
    assert app.labels() == ["Stop"]
    assert app.menu_button[0].options == [
        ":material/content_copy: Duplicate with changes"
    ]  # no deleting while it waits


@pytest.mark.parametrize("name", ["config.json", "status.json", "metrics.csv"])
def test_a_damaged_run_says_so_and_goes_to_the_trash(app: Page, two_runs: tuple[Run, Run], name: str) -> None:
    (two_runs[1].path / name).write_text("{")
    app.open("train", runs_view="All runs")
    assert app.dataframe[0].value["state"].tolist() == ["Damaged", "Stopped"]
    assert f"{name} of the run b-other-run is damaged" in app.words()
    app.set("runs_view", "One run")
    assert f"{name} of the run b-other-run is damaged" in app.error[0].value
    if name != "metrics.csv":
        assert "Damaged]" in app.words()
        assert app.labels()[-1] == "Move to trash …"
        assert ("Resume" in app.labels()) is (name == "status.json")  # a new one is made, and the rest is whole
    app.set("runs_view", "All runs")
    assert "1 damaged run" in app.labels("expander")
    app.click("Move to trash")
    assert [each.name for each in list_trash()] == ["b-other-run"]


def test_a_run_whose_data_has_moved_asks_where_it_is(app: Page, quiet_demo: Path, tmp_path: Path, kaggle: Path) -> None:
    run = create_run(TrainingConfig(data=(str(tmp_path / "gone"),)), runs_home() / "moved")
    run.write_status(Status(state="stopped"))
    app.open("train")
    assert "The data of this run is not there any more" in app.warning[0].value
    assert app.labels() == ["Use this data"]  # it cannot go on before
    field = f"moved-{run.name}-0"
    app.set(field, str(tmp_path / "nowhere"))
    app.click("Use this data")
    assert "nowhere" in app.error[0].value
    app.set(field, str(kaggle))
    app.click("Use this data")
    assert run.config().data == (str(kaggle.resolve()),)
    assert app.labels() == ["Resume"]


def test_a_run_of_a_study_says_which_one_loses_it(app: Page, two_runs: tuple[Run, Run]) -> None:
    create_search(TrainingConfig(), trials=1, name="find")
    two_runs[1].path.rename(runs_home() / "find-trial-001")
    app.open("train", run="find-trial-001")
    app.pick("Delete …")
    assert app.warning[0].value == "The search find loses it, and keeps its record of the trial."


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
    app: Page, two_runs: tuple[Run, Run], split: dict[str, str], kind: str, is_apart: bool
) -> None:
    (two_runs[1].path / "data.json").write_text(json.dumps([{"kind": kind, "split": split}]))
    app.open("train")
    assert "Validation chose this epoch" in app.words()
    assert (" from other slides: their metrics can be higher or lower" in app.words()) is is_apart
    assert "are different patches: their metrics can be higher or lower" in app.words() or is_apart


def test_damaged_words_about_the_data_are_said(app: Page, two_runs: tuple[Run, Run]) -> None:
    (two_runs[1].path / "data.json").write_text("{")
    app.open("train")
    assert "data.json of the run b-other-run is damaged" in app.error[0].value
    assert not app.exception


def test_notes_are_kept_in_the_run_directory(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train")
    assert app.text_area[0].value == "more seeds"
    app.text_area[0].set_value("enough seeds").run()
    assert (two_runs[1].path / "notes.txt").read_text() == "enough seeds"


def test_deleting_asks_and_moves_to_the_trash(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train")
    app.pick("Delete …")
    assert r"Move **b\-other\-run** to the trash, with its model and log?" in app.words()
    assert "The trash is at the end of All runs." in app.words()
    assert two_runs[1].path.is_dir()  # not before the yes
    app.click("Move to trash")
    assert not two_runs[1].path.exists()
    assert (runs_home().parent / "trash" / "b-other-run" / "notes.txt").read_text() == "more seeds"
    assert "Stopped]" in app.words()  # the other one is shown
    assert [each.value for each in app.toast] == [r"b\-other\-run is in the trash, at the end of All runs."]


def test_the_last_run_can_be_taken_back_too(app: Page, quiet_demo: Path) -> None:
    delete(run_in("stopped"))
    app.open("train", runs_view="All runs")
    assert "No run yet" in app.words()
    assert "New run" in app.labels()
    assert app.labels("expander") == ["Trash: 1 deleted run, <1 MB"]
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


def test_a_preset_as_reported_says_so_before_and_after_it_has_run(app: Page, quiet_demo: Path) -> None:
    run = create_run(PRESETS["keras-reported"].config, runs_home() / "as-it-was")
    run.write_status(Status(state="stopped"))
    run.write_metrics(ROWS)
    app.open("train")
    assert app.warning[0].value.startswith("As reported, flawed: validated on its own training patches")
    app.set("runs_view", "All runs")
    assert app.dataframe[0].value["flaw"][0].startswith("As reported, flawed: validated on")
    app.set("runs_view", "New run")
    assert not app.warning
    app.set("preset", "notebook-reported")
    assert app.warning[0].value.startswith("As reported, flawed: dropout stays on in validation")
    assert not app.exception


def test_a_stopping_run_can_be_killed_only_after_its_grace(
    app: Page, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_in("running", step=10, epoch=2)
    run.record_process(os.getpid())
    run.request_stop()
    app.open("train")
    assert app.labels() == []
    past = run.path.stat().st_mtime - GRACE_SECONDS - 1
    os.utime(run.path / "stop", (past, past))
    killed: list[Run] = []
    monkeypatch.setattr(run_page, "kill", killed.append)
    app.run()
    assert app.labels() == ["End now"]
    app.click("End now")
    assert killed == [run]


def test_the_trash_gives_back_and_is_emptied_after_a_yes(app: Page, two_runs: tuple[Run, Run]) -> None:
    for run in two_runs:
        delete(run)
    create_run(TrainingConfig(), runs_home() / "stays").write_status(Status(state="stopped"))
    app.open("train", runs_view="All runs")
    app.button(key="restore-a-stopped-run").click().run()
    assert two_runs[0].path.is_dir()
    app.click("Empty trash …")
    assert [each.name for each in list_trash()] == ["b-other-run"]
    app.click("Cancel")
    app.click("Empty trash …")
    app.click("Delete permanently")
    assert list_trash() == []
    assert two_runs[0].path.is_dir()
    assert not app.exception


def test_what_the_browser_draws_of_the_tracked_patches() -> None:
    table = pd.DataFrame(
        {"epoch": [1, 1, 2, 2], "id": ["b", "a", "b", "a"], "label": [0, 1, 0, 1], "probability": [0.6, 0.3, 0.2, 0.9]}
    )

    drawn = tracked_patches.payload(table, ["one", "two"], run="mine", epochs=5)

    assert drawn["patches"] == [{"id": "b", "label": 0, "source": "one"}, {"id": "a", "label": 1, "source": "two"}]
    assert drawn["epochs"] == [1, 2]
    assert drawn["probabilities"] == [[0.6, 0.3], [0.2, 0.9]]
    assert (drawn["run"], drawn["of"]) == ("mine", 5)


def test_the_tracked_patches_of_a_run_are_on_its_page(app: Page, quiet_demo: Path, small_demo: Dataset) -> None:
    run = run_in("stopped", step=10, epoch=1)
    run.write_metrics(ROWS)
    names = small_demo.table["id"].astype(str)[:2]
    run.write_patches([{"epoch": 1, "id": each, "label": 0, "probability": 0.5} for each in (*names, "gone")])
    app.open("train")
    assert "**Validation patches by epoch**" in app.words()
    sources = tracked_patches._sources(("demo",), (*names, "gone"))
    assert [each.partition(",")[0] for each in sources] == ["data:image/jpeg;base64"] * 2 + [""]
