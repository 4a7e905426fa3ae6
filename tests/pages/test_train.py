import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data import Dataset
from core.home import runs_home
from core.training import Run, Status, TrainingConfig, create_run


def words(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def open_train(app: AppTest) -> AppTest:
    app.run()
    return app.switch_page("pages/train.py").run()


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


@pytest.fixture
def quiet_demo(fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and the small demo set on every page."""
    monkeypatch.setattr("pages._ui.cache.open_dataset", lambda *_, **__: small_demo)
    return fresh_home


def run_in(state: str, **values) -> Run:
    run = create_run(TrainingConfig(epochs=4), runs_home() / f"a-{state}-run")
    run.write_status(Status(state=state, epochs=4, steps=40, **{"updated": 1.0, **values}))
    return run


def test_an_empty_page_says_what_to_press(app: AppTest, quiet_demo: Path) -> None:
    open_train(app)
    assert not app.exception
    assert "Press **Start training**" in app.info[0].value
    assert labels(app) == ["Start training"]


@pytest.mark.parametrize(
    ("state", "expected", "buttons"),
    [
        ("stopped", "**Stopped**", ["Resume"]),
        ("failed", "**Failed**", ["Resume"]),
        ("running", "**Lost: its process ended without a last word**", ["Resume"]),
        ("starting", "**Lost: its process ended without a last word**", ["Resume"]),
    ],
)
def test_each_state_has_its_words_and_buttons(
    app: AppTest, quiet_demo: Path, state: str, expected: str, buttons: list[str]
) -> None:
    run_in(state, step=10, epoch=1, message="why it is so")
    open_train(app)
    assert not app.exception
    assert expected in words(app)
    assert labels(app) == ["Start training", *buttons]


def test_a_failure_shows_its_sentence(app: AppTest, quiet_demo: Path) -> None:
    run_in("failed", message="The loss became nan in step 3 of epoch 1.")
    open_train(app)
    assert app.error[0].value == "The loss became nan in step 3 of epoch 1."


def test_a_live_run_can_be_stopped_from_the_page(app: AppTest, quiet_demo: Path) -> None:
    run = run_in("running", step=10, epoch=2, seconds_left=300.0, patches_per_second=512.0)
    run.record_process(os.getpid())
    open_train(app)
    assert "**Running**" in words(app)
    next(each for each in app.button if each.label == "Stop").click().run()
    assert run.stop_requested()
    assert "**Stopping after this step**" in words(app)


def test_the_form_starts_a_process_with_its_values(
    app: AppTest, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Run] = []
    monkeypatch.setattr("core.training.job.launch", launched.append)
    open_train(app)
    next(each for each in app.number_input if each.label == "Epochs").set_value(3)
    next(each for each in app.number_input if each.label == "Seed").set_value(7)
    next(each for each in app.button if each.label == "Start training").click().run()
    assert not app.exception
    assert len(launched) == 1
    config = launched[0].config()
    assert (config.preset, config.epochs, config.seed, config.data) == ("quick", 3, 7, ("demo",))


def test_a_folder_that_is_gone_starts_nothing(app: AppTest, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("NODESCOPE_HOME", str(quiet_demo))
    app.query_params["data"] = "/no/such/folder"
    open_train(app)
    next(each for each in app.button if each.label == "Start training").click().run()
    assert "There is no folder" in app.error[0].value
    assert not runs_home().exists()


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
    run = run_in("queued", stage="Waiting for the CPU, where first is at work")
    run.record_process(os.getpid())
    open_train(app)
    assert "**Queued** · Waiting for the CPU, where first is at work" in words(app)
    assert labels(app) == ["Start training", "Stop"]
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


def test_compared_runs_show_only_the_settings_in_which_they_differ(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    app.query_params["runs_view"] = "All runs"
    open_train(app)
    found = app.dataframe[1].value
    assert found[""].tolist() == ["best valid AUC", "in epoch", "test AUC", "seed"]
    assert found["b-other-run"].tolist() == ["0.9000", "2", "", "7"]
    assert found["a-stopped-run"].tolist() == ["0.9000", "2", "", "0"]


def test_notes_are_kept_in_the_run_directory(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    open_train(app)
    assert app.text_area[0].value == "more seeds"
    app.text_area[0].set_value("enough seeds").run()
    assert (two_runs[1].path / "notes.txt").read_text() == "enough seeds"


def test_a_duplicate_fills_the_form_and_keeps_the_rest(
    app: AppTest, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Run] = []
    monkeypatch.setattr("core.training.job.launch", launched.append)
    config = TrainingConfig(epochs=6, seed=9, ema=0.5, label_smoothing=0.1, device="cpu")
    run = create_run(config, runs_home() / "mine")
    run.write_status(Status(state="stopped"))
    open_train(app)
    pick(app, "Duplicate with changes")
    assert next(each for each in app.number_input if each.label == "Epochs").value == 6
    next(each for each in app.number_input if each.label == "Seed").set_value(10)
    next(each for each in app.button if each.label == "Start training").click().run()
    assert launched[0].config() == config.with_changes(seed=10)
    assert not any(each.label == "Back to presets" for each in app.button)


def test_deleting_asks_and_moves_to_the_trash(app: AppTest, two_runs: tuple[Run, Run]) -> None:
    open_train(app)
    pick(app, "Delete …")
    assert two_runs[1].path.is_dir()  # not before the yes
    next(each for each in app.button if each.label == "Move to trash").click().run()
    assert not app.exception
    assert not two_runs[1].path.exists()
    assert (runs_home().parent / "trash" / "b-other-run" / "notes.txt").read_text() == "more seeds"
    assert "**Stopped**" in words(app)  # the other one is shown
