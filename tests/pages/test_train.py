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
