"""The Train page's form for a new run: its fields, what it starts, and what is measured before."""

import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from core.job import JobStatus
from core.runs import PRESETS, Augmentation, Run, Status, TrainingConfig, create_run
from core.runs import launch as launching
from core.runs.settings import GROUPS, SETTINGS
from core.storage.home import runs_home
from core.training.preflight.cost import Estimate
from core.training.preflight.job import Preflight
from core.training.preflight.lr_finder import LearningRateCurve
from pages._ui.train import fields as train_fields
from pages._ui.train import form
from tests.pages.driver import Page


def test_the_form_starts_a_process_with_its_values(
    app: Page, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Run] = []
    monkeypatch.setattr(launching, "launch", launched.append)
    app.open("train", runs_view="New run")
    app.one("number_input", "Epochs").set_value(3)
    app.one("number_input", "Seed").set_value(7)
    app.click("Start training")
    assert len(launched) == 1
    config = launched[0].config()
    assert (config.preset, config.epochs, config.seed, config.data) == ("quick", 3, 7, ("demo",))


def test_more_gpus_than_there_are_keep_the_button(app: Page, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "gpu_count", lambda: 2)
    app.open("train", runs_view="New run")
    app.one("number_input", "GPUs").set_value(3).run()
    assert "GPUs must be 1 to 2, got 3\\." in app.words()
    assert app.one("button", "Start training").disabled


def test_networks_of_other_packages_are_offered(
    app: Page, quiet_demo: Path, acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Run] = []
    monkeypatch.setattr(launching, "launch", launched.append)
    app.open("train", runs_view="New run")
    assert "nodescope-net-baked" not in app.one("selectbox", "Network").options
    app.one("selectbox", "Network").set_value("acme-networks:tiny").run()
    app.click("Start training")
    assert launched[0].config().model == "acme-networks:tiny"


def test_a_run_learns_from_several_data_sets_and_the_next_one_has_no_name_yet(
    app: Page, quiet_demo: Path, kaggle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Run] = []
    monkeypatch.setattr(launching, "launch", launched.append)
    app.session_state["known_data"] = ["demo", str(kaggle)]
    app.open("train", runs_view="New run")
    assert "Validation from data set" not in app.labels("selectbox")
    app.one("multiselect", "Also train on").set_value([str(kaggle)]).run()
    app.one("selectbox", "Validation from data set").set_value(2).run()
    app.one("text_input", "Name").set_value("both")
    app.click("Start training")
    config = launched[0].config()
    assert (config.data, config.validation_data) == (("demo", str(kaggle)), 2)
    assert launched[0].title() == "both"
    app.set("runs_view", "New run")
    assert app.one("text_input", "Name").value == ""
    assert app.one("multiselect", "Also train on").value == [str(kaggle)]


def test_a_preset_says_what_it_is_for_and_its_name_on_the_command_line(app: Page, quiet_demo: Path) -> None:
    app.open("train", runs_view="New run")
    assert "For a first look: Quick look." in app.selectbox(key="preset").help
    app.set("preset", "symmetric")
    assert f"{PRESETS['symmetric'].help} On the command line: `--preset symmetric`." in app.words()


def test_a_folder_that_is_gone_starts_nothing(app: Page, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("NODESCOPE_HOME", str(quiet_demo))
    app.query_params["data"] = "/no/such/folder"
    app.open("train", runs_view="New run")
    app.click("Start training")
    assert "There is no folder" in app.error[0].value
    assert not runs_home().exists()


def test_a_duplicate_fills_the_form_and_keeps_the_rest(
    app: Page, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Run] = []
    monkeypatch.setattr(launching, "launch", launched.append)
    config = TrainingConfig(epochs=6, seed=9, ema=0.5, label_smoothing=0.1, device="cpu")
    run = create_run(config, runs_home() / "mine")
    run.write_status(Status(state="stopped"))
    app.open("train")
    app.pick("Duplicate with changes")
    assert app.one("number_input", "Epochs").value == 6
    app.one("number_input", "Seed").set_value(10)
    app.click("Start training")
    assert launched[0].config() == config.with_changes(seed=10)
    assert not any(each.label == "Back to presets" for each in app.button)


def test_every_setting_has_a_field_or_is_known_to_have_none() -> None:
    settings = {each.name for each in fields(TrainingConfig)} - {"augmentation"}
    expected = settings | {each.name for each in fields(Augmentation)} | {"side"}  # an argument of the network

    drawn = [each for group in GROUPS for each in train_fields.shown_in(group)]
    shown = [each.name for each in drawn]

    assert len(shown) == len(set(shown))
    assert set(shown) | set(train_fields.NOT_ON_THE_PAGE) == expected  # several data sets have fields of their own
    assert not set(shown) & set(train_fields.NOT_ON_THE_PAGE)
    assert all(len(each.help) > 20 for each in drawn)


@pytest.mark.parametrize("name", PRESETS)
def test_a_form_that_nobody_touches_asks_for_the_preset(name: str) -> None:
    config = PRESETS[name].config
    fields_shown = [each for group in GROUPS for each in train_fields.shown_in(group)]
    values = {each.name: train_fields.taken(each, train_fields.value_in(config, each)) for each in fields_shown}

    assert config.with_changes(**values) == config


def test_fields_become_settings() -> None:
    values = {
        "stain": 0.3, "teachers": " a , b,", "distillation": 0.5, "head_learning_rate": 0.0, "model": "resnet18",
    }  # fmt: skip
    start = TrainingConfig(model_arguments={"dropout": 0.1}, head_learning_rate=0.1)

    config = start.with_changes(**{name: train_fields.taken(SETTINGS[name], each) for name, each in values.items()})

    assert config.augmentation == Augmentation(stain=0.3)
    assert (config.teachers, config.distillation, config.head_learning_rate) == (("a", "b"), 0.5, None)
    assert (config.model, config.model_arguments) == ("resnet18", {})


def test_settings_that_do_not_fit_are_said_and_start_nothing(app: Page, quiet_demo: Path) -> None:
    app.open("train", runs_view="New run")
    app.one("number_input", "Share of the teachers").set_value(0.5).run()
    assert "no teacher is named" in app.words()
    assert (app.labels(), app.one("button", "Start training").disabled) == (["Start training"], True)


@pytest.mark.parametrize(
    ("label", "value", "said", "where"),
    [("Epochs", -3, "Epochs must be 1 to 10000, got \\-3\\.", ""),
     ("Label smoothing", 2.0, "Label smoothing must be 0 to 0\\.5, got 2\\.0\\.", "Expert settings, Optimiser\\: ")],
)  # fmt: skip
def test_a_wrong_field_says_so_below_it_and_beside_the_button_which_stays(
    app: Page, quiet_demo: Path, label: str, value: float, said: str, where: str
) -> None:
    app.open("train", runs_view="New run")
    app.one("number_input", label).set_value(value).run()
    at_field, at_button = [each.value for each in app.markdown if "must be" in each.value]
    assert at_field == f":small[:red[:material/error: {said}]]"
    assert at_button == f":red[:material/error: {where}{said}]"
    assert app.one("button", "Start training").disabled
    app.one("number_input", label).set_value(0.2 if where else 3).run()
    assert "must be" not in app.words()
    assert not app.one("button", "Start training").disabled


CURVE = LearningRateCurve(
    np.geomspace(1e-5, 1, 30), np.linspace(1, 0.4, 30), np.linspace(1, 0.4, 30), 0.01, 0.1, 0.0123, "steepest descent"
)
COST = Estimate(0.5, 26.0, 520.0, 1_200_000_000, None, 5_000_000, 52, 1680, 360, 12, "CPU, 1 thread")


def test_what_was_measured_is_shown_and_the_rate_can_be_taken(
    app: Page, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Preflight, "cost", lambda _self, epochs: replace(COST, seconds=26.0 * epochs))
    monkeypatch.setattr(Preflight, "rate", lambda _self: CURVE)
    app.open("train", runs_view="New run")
    assert "About 9 min (26 s an epoch of 52 steps), 1.2 GB of memory" in app.words()
    assert "Suggested learning rate: 0.012" in app.words()
    app.click("Use 0.012")
    assert app.one("number_input", "Learning rate").value == 0.0123
    assert not app.exception


def test_a_preflight_is_started_tracked_and_cancelled(
    app: Page, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Preflight] = []

    def start(self: Preflight, config: TrainingConfig) -> None:
        assert config.data == ("demo",)
        started.append(self)
        self.path.mkdir(parents=True)
        self.record_process(os.getpid())
        self.write(JobStatus("running", 0.25, seconds_left=12.0))

    monkeypatch.setattr(Preflight, "start", start)
    app.open("train", runs_view="New run")
    app.click("Estimate")
    assert [rehearsal.kind for rehearsal in started] == ["cost"]
    assert app.labels() == ["Start training", "Cancel", "Find a learning rate"]
    app.click("Cancel")
    assert started[0].stop_requested()
    assert not app.exception


@pytest.mark.parametrize(
    ("name", "value", "step"),
    [("learning_rate", 0.002, 1e-4), ("learning_rate", 3e-5, 1e-5), ("stain", 0.2, 0.05), ("weight_decay", 0.0, 0.01),
     ("weight_decay", 0.0005, 1e-4), ("patches", 20, 100)],
)  # fmt: skip
def test_the_buttons_beside_a_number_do_not_jump_over_it(name: str, value: float, step: float) -> None:
    assert train_fields.step_of(SETTINGS[name], value) == pytest.approx(step)
