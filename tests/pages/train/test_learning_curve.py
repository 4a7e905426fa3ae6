"""The Train page's learning curves: started, and shown as far as they are."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import Dataset
from core.evaluation import Estimate
from core.job import JobStatus
from core.runs import Status, TrainingConfig, create_run
from core.storage.home import runs_home
from core.studies.learning_curve import MOST_SEEDS, create_curve
from core.studies.learning_curve_result import CurveResult, Gain, Trained
from core.studies.study import Study, list_studies
from core.training import data as training_data
from pages._ui import cache
from pages._ui.train import learning_curve
from tests.pages.driver import Page


@pytest.fixture(autouse=True)
def _quiet_demo(fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cache, training_data):
        monkeypatch.setattr(module, "open_dataset", lambda *_, **__: small_demo)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(Study, "launch", lambda self, _command: names.append(self.name))
    return names


Measured = Callable[[Study, list[int]], CurveResult]


@pytest.fixture
def measured(trained: Callable[..., Trained]) -> Measured:
    """A function that writes down what the first runs of a study came to, see `trained`, and makes those runs."""

    def write(study: Study, wrong: list[int]) -> CurveResult:
        settings = study.settings()
        plan = [(size, seed) for seed in settings["seeds"] for size in settings["sizes"]]
        done = tuple(
            trained(size, seed, count, run=name)
            for name, (size, seed), count in zip(study.run_names(), plan, wrong, strict=False)
        )
        for each in done:
            create_run(study.config(), runs_home() / each.run).write_status(Status(state="finished"))
        result = CurveResult(done)
        if len(done) > 1:
            difference = (Estimate(0.2, 0.1, 0.3),) * len(settings["seeds"])
            gain = Gain(settings["sizes"][-2], settings["sizes"][-1], 20, {"auc": difference, "accuracy": difference})
            result = CurveResult(done, (gain,))
        (study.path / "results.json").write_text(json.dumps(result.to_json()))
        return result

    return write


def test_a_learning_curve_is_started_with_what_the_form_says(app: Page, launched: list[str]) -> None:
    app.open("train", runs_view="Studies")
    assert "A **learning curve** trains on fewer and more patches" in app.words()
    assert "a smaller size sees each of its own more often" in app.number_input(key="curve-epochs-quick").help
    app.set("curve-sizes", "20, 40 all")
    app.set("curve-seeds", 2)
    app.set("curve-epochs-quick", 3)
    app.click("Start learning curve")
    (study,) = list_studies()
    settings = study.settings()
    assert launched == [study.name]
    assert (settings["sizes"][:2], settings["seeds"], settings["equal"]) == ([20, 40], [0, 1], "steps")
    assert (study.kind, study.config().epochs) == ("curve", 3)
    assert "Not started · learning curve]" in app.words()


@pytest.mark.parametrize(
    ("sizes", "found"),
    [("20 5000", "5,000 were requested"), ("few", "got 'few'"), ("20 20", "must have 2 to 12 different sizes, got 1"),
     ("1 20", "must be at least 2 patches"), ("4,000", "Write 4000, not 4,000")],
)  # fmt: skip
def test_sizes_that_cannot_be_are_said_at_their_field(app: Page, sizes: str, found: str) -> None:
    app.open("train", runs_view="Studies")
    app.set("curve-sizes", sizes)
    said = app.words().replace("\\", "")
    assert said.count(found) == 2  # below the field and beside the button
    assert app.one("button", "Start learning curve").disabled
    app.set("curve-sizes", "20 40")
    assert not app.one("button", "Start learning curve").disabled


def test_the_data_are_asked_once_whether_they_allow_the_sizes(app: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(learning_curve, "check_sizes", lambda _config, sizes: asked.append(sizes))
    app.open("train", runs_view="Studies")
    assert asked == []  # the usual sizes are made of what there is
    app.set("curve-sizes", "20 40")
    app.set("curve-epochs-quick", 3)
    assert asked == [[20, 40]]


def test_a_finished_curve_shows_its_conclusion_its_sizes_and_leads_to_a_run(app: Page, measured: Measured) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), name="mine")
    result = measured(study, [3, 1])
    study.write(JobStatus("finished", 1.0))
    app.open("train", runs_view="Studies")
    assert "**From 20 to 40 patches the AUC rose by 0.200 (0.100–0.300): more labels would probably" in app.words()
    assert "All sizes are tested on the same 20 test patches; 95% CIs are over patches" in app.words()
    table = app.dataframe[0].value
    assert table["patches"].tolist() == [20, 40]
    assert table["AUC"].tolist() == [str(each.metric("auc")) for each in result.points]
    assert table["gain in AUC"].tolist() == ["", "+0.200 (+0.100 to +0.300)"]
    assert table["run"].tolist() == ["mine-20-patches", "mine-40-patches"]
    assert "**More seeds** above trains each size again" in app.words()
    assert len(app.get("plotly_chart")) == 2


def test_several_seeds_are_shown_by_their_mean_and_one_by_one(app: Page, measured: Measured) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), seeds=2, name="mine")
    measured(study, [3, 1, 1, 0])
    study.write(JobStatus("finished", 1.0))
    app.open("train", runs_view="Studies")
    sizes, runs = (each.value for each in app.dataframe[:2])
    assert sizes["AUC"].str[:5].tolist() == ["0.800", "0.950"]  # 0.7 and 0.9, 0.9 and 1
    assert sizes["AUC over seeds"].tolist() == ["0.700–0.900", "0.900–1.000"]
    assert runs["seed"].tolist() == ["0", "0", "1", "1"]
    assert runs["AUC"].str[:5].tolist() == ["0.700", "0.900", "0.900", "1.000"]
    assert "It was +0.200 to +0.200 in the 2 seeds." in app.words()
    assert "**More seeds** above" not in app.words()


def test_a_curve_at_its_beginning_promises_nothing(app: Page, measured: Measured) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), name="mine")
    measured(study, [3])
    study.write(JobStatus("cancelled"))
    run = create_run(study.config(), runs_home() / "mine-40-patches")
    run.write_metrics([dict.fromkeys(("epoch", "train_loss", "valid_loss", "valid_auc", "valid_accuracy"), 1.0)])
    app.open("train", runs_view="Studies")
    assert "From 20 to 40" not in app.words()
    assert app.dataframe[0].value["patches"].tolist() == [20]
    assert len(app.get("plotly_chart")) == 3  # both figures, and how the runs learn


def test_a_finished_curve_gets_more_seeds(app: Page, launched: list[str], measured: Measured) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), name="mine")
    measured(study, [3, 1])
    study.write(JobStatus("finished", 1.0))
    app.open("train", runs_view="Studies")
    app.set("more-mine", 3)
    assert "2 sizes, 6 more runs." in app.words()
    app.click("Train 3 more")
    assert (study.settings()["seeds"], launched) == ([0, 1, 2, 3], ["mine"])
    assert [each.value for each in app.toast] == ["mine continues to 4 seeds."]
    assert app.dataframe[0].value["AUC over seeds"].tolist() == ["0.700–0.700", "0.900–0.900"]  # of the one so far


def test_a_curve_at_work_or_with_all_the_seeds_gets_no_more(app: Page) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), seeds=MOST_SEEDS, name="mine")
    study.write(JobStatus("cancelled"))
    app.open("train", runs_view="Studies")
    assert "More seeds" not in app.labels("number_input")
    other = create_curve(TrainingConfig(), sizes=(20, 40), name="other")
    other.write(JobStatus("running"))
    other.record_process(os.getpid())
    app.run()
    app.set("study", "other")
    assert "More seeds" not in app.labels("number_input")
