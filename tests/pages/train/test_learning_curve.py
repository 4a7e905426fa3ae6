"""The Train page's learning curves: started, and shown as far as they are."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data import Dataset
from core.evaluation import Estimate
from core.job import JobStatus
from core.runs import Status, TrainingConfig, create_run
from core.storage.home import runs_home
from core.studies.learning_curve import MOST_SEEDS, create_curve
from core.studies.learning_curve_result import CurveResult, Gain, Trained
from core.studies.study import Study, list_studies


@pytest.fixture(autouse=True)
def _quiet_demo(fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("pages._ui.cache", "core.training.data"):
        monkeypatch.setattr(f"{place}.open_dataset", lambda *_, **__: small_demo)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(Study, "launch", lambda self, _command: names.append(self.name))
    return names


def words(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def press(app: AppTest, label: str) -> AppTest:
    return next(each for each in app.button if each.label == label).click().run()


def open_studies(app: AppTest) -> AppTest:
    app.query_params["runs_view"] = "Studies"
    app.run()
    return app.switch_page("pages/train.py").run()


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


def test_a_learning_curve_is_started_with_what_the_form_says(app: AppTest, launched: list[str]) -> None:
    open_studies(app)
    assert "A **learning curve** trains on fewer and more patches" in words(app)
    assert "A smaller size sees each of its own more often" in app.number_input(key="curve-epochs-quick").help
    app.text_input(key="curve-sizes").set_value("20, 40 all").run()
    app.number_input(key="curve-seeds").set_value(2).run()
    app.number_input(key="curve-epochs-quick").set_value(3).run()
    press(app, "Start learning curve")
    assert not app.exception
    (study,) = list_studies()
    settings = study.settings()
    assert launched == [study.name]
    assert (settings["sizes"][:2], settings["seeds"], settings["equal"]) == ([20, 40], [0, 1], "steps")
    assert (study.kind, study.config().epochs) == ("curve", 3)
    assert "Not started · learning curve]" in words(app)


@pytest.mark.parametrize(("sizes", "found"), [("20 5000", "5,000 are asked for"), ("few", "found 'few'")])
def test_sizes_that_cannot_be_are_said_and_start_nothing(
    app: AppTest, launched: list[str], sizes: str, found: str
) -> None:
    open_studies(app)
    app.text_input(key="curve-sizes").set_value(sizes).run()
    press(app, "Start learning curve")
    assert found in app.error[0].value
    assert (list_studies(), launched) == ([], [])


def test_a_finished_curve_shows_its_conclusion_its_sizes_and_leads_to_a_run(app: AppTest, measured: Measured) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), name="mine")
    result = measured(study, [3, 1])
    study.write(JobStatus("finished", 1.0))
    open_studies(app)
    assert not app.exception
    assert "**From 20 to 40 patches the AUC rose by 0.200 (0.100 to 0.300): more labels would probably" in words(app)
    assert "All sizes are measured on the same 20 test patches; intervals are over patches" in words(app)
    table = app.dataframe[0].value
    assert table["patches"].tolist() == [20, 40]
    assert table["AUC"].tolist() == [str(each.figure()) for each in result.points]
    assert table["gain in AUC"].tolist() == ["", "+0.200 (+0.100 to +0.300)"]
    assert table["run"].tolist() == ["mine-20-patches", "mine-40-patches"]
    assert "**More seeds** above trains each size again" in words(app)
    assert len(app.get("plotly_chart")) == 2


def test_several_seeds_are_shown_by_their_mean_and_one_by_one(app: AppTest, measured: Measured) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), seeds=2, name="mine")
    measured(study, [3, 1, 1, 0])
    study.write(JobStatus("finished", 1.0))
    open_studies(app)
    assert not app.exception
    sizes, runs = (each.value for each in app.dataframe[:2])
    assert sizes["AUC"].str[:5].tolist() == ["0.800", "0.950"]  # 0.7 and 0.9, 0.9 and 1
    assert sizes["AUC over seeds"].tolist() == ["0.700–0.900", "0.900–1.000"]
    assert runs["seed"].tolist() == ["0", "0", "1", "1"]
    assert runs["AUC"].str[:5].tolist() == ["0.700", "0.900", "0.900", "1.000"]
    assert "It was +0.200 to +0.200 in the 2 seeds." in words(app)
    assert "**More seeds** above" not in words(app)


def test_a_curve_at_its_beginning_promises_nothing(app: AppTest, measured: Measured) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), name="mine")
    measured(study, [3])
    study.write(JobStatus("cancelled"))
    run = create_run(study.config(), runs_home() / "mine-40-patches")
    run.write_metrics([dict.fromkeys(("epoch", "train_loss", "valid_loss", "valid_auc", "valid_accuracy"), 1.0)])
    open_studies(app)
    assert not app.exception
    assert "From 20 to 40" not in words(app)
    assert app.dataframe[0].value["patches"].tolist() == [20]
    assert len(app.get("plotly_chart")) == 3  # both figures, and how the runs learn


def test_a_finished_curve_gets_more_seeds(app: AppTest, launched: list[str], measured: Measured) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), name="mine")
    measured(study, [3, 1])
    study.write(JobStatus("finished", 1.0))
    open_studies(app)
    app.number_input(key="more-mine").set_value(3).run()
    assert "2 sizes, 6 more runs." in words(app)
    press(app, "Train 3 more")
    assert not app.exception
    assert (study.settings()["seeds"], launched) == ([0, 1, 2, 3], ["mine"])
    assert [each.value for each in app.toast] == ["mine goes on to 4 seeds"]
    assert app.dataframe[0].value["AUC over seeds"].tolist() == ["0.700–0.700", "0.900–0.900"]  # of the one so far


def test_a_curve_at_work_or_with_all_the_seeds_gets_no_more(app: AppTest) -> None:
    study = create_curve(TrainingConfig(), sizes=(20, 40), seeds=MOST_SEEDS, name="mine")
    study.write(JobStatus("cancelled"))
    open_studies(app)
    assert "More seeds" not in [each.label for each in app.number_input]
    other = create_curve(TrainingConfig(), sizes=(20, 40), name="other")
    other.write(JobStatus("running"))
    other.record_process(os.getpid())
    app.run()
    app.selectbox(key="study").set_value("other").run()
    assert not app.exception
    assert "More seeds" not in [each.label for each in app.number_input]
