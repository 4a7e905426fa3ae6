"""All runs: their table, what is compared, and their curves."""

import json

import pytest

from core.runs import Run, Status, TrainingConfig, create_run
from core.storage.home import runs_home
from core.studies.trash import delete
from pages._ui.train import curves
from tests.pages.driver import Page


def test_all_runs_stand_in_a_table_that_can_be_filtered(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train", runs_view="All runs")
    table = app.dataframe[0].value
    assert table["run"].tolist() == ["b-other-run", "a-stopped-run"]
    assert table["best valid AUC"].tolist() == [0.9, 0.9]
    assert table["best epoch"].tolist() == [2, 2]
    app.set("filter", "SEEDS failed")
    assert app.dataframe[0].value["run"].tolist() == ["b-other-run"]
    assert "1 of 2 runs" in app.words()
    assert not app.exception


def test_compared_runs_show_only_the_settings_in_which_they_differ(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train", runs_view="All runs", compared=["b-other-run", "a-stopped-run"])
    found = app.dataframe[1].value
    assert found[""].tolist() == [
        "best validation AUC",
        "best epoch",
        "validation accuracy",
        "Seed",
    ]  # none has been tested yet
    assert found["b-other-run"].tolist() == ["0.900", "2", "0.800", "7"]
    assert found["a-stopped-run"].tolist() == ["0.900", "2", "0.800", "0"]


def test_nothing_is_compared_before_it_is_ticked_and_ticks_stay(app: Page, two_runs: tuple[Run, Run]) -> None:
    create_run(TrainingConfig(epochs=4), runs_home() / "c-newest-run").write_status(Status(state="stopped"))
    two_runs[0].write_notes("seeds")
    app.open("train", runs_view="All runs")
    assert len(app.dataframe) == 1
    assert "Tick two or more runs to see their curves in one chart" in app.words()
    app.set("filter", "more seeds")
    assert "Compare the" not in str(app.labels())  # one alone is not compared
    app.set("filter", "seeds")
    app.click("Compare the 2 in the table")
    assert app.dataframe[1].value.columns.tolist() == ["", "b-other-run", "a-stopped-run"]
    assert app.session_state["all-runs"]["selection"]["rows"] == [0, 1]
    app.set("filter", "more seeds")  # hidden runs stay ticked, and the others are the rows that they are now
    assert app.session_state["all-runs"]["selection"]["rows"] == [0]
    assert "**2 ticked** of 3 runs" in app.words()
    app.set("filter", "")
    create_run(TrainingConfig(), runs_home() / "d-still-newer-run").write_status(Status(state="stopped"))
    app.set("runs_view", "One run")
    app.set("runs_view", "All runs")
    assert app.session_state["all-runs"]["selection"]["rows"] == [2, 3]
    assert app.query_params["compared"] == ["b-other-run", "a-stopped-run"]
    delete(two_runs[1])
    app.run()
    assert "**1 ticked** of 3 runs" in app.words()
    assert "Tick another run to see how the two differ" in app.words()
    app.click("Untick all")
    assert "compared" not in app.query_params


def test_a_filter_that_nothing_passes_can_be_cleared(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train", runs_view="All runs")
    app.set("filter", "nothing of the kind")
    assert not app.dataframe
    app.click("Clear filter")
    assert len(app.dataframe[0].value) == 2


def test_settings_can_be_columns(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train", runs_view="All runs")
    app.set("columns_shown", ["best epoch", "seed", "teachers"])
    shown = app.dataframe[0].value
    assert shown["seed"].tolist() == [7, 0]
    order = json.loads(app.dataframe[0].proto.columns)
    assert {"name", "best epoch", "seed"} <= set(app.dataframe[0].proto.column_order)
    assert not {"teachers", "preset"} & set(app.dataframe[0].proto.column_order)  # no value, and not chosen
    assert order["seed"]["label"] == "Seed"


def test_names_and_tags_are_given_on_the_page_and_stand_in_the_table(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train")
    assert app.selectbox(key="run").options == ["b-other-run", "a-stopped-run"]
    app.set("name-b-other-run", "the *good* one")
    app.set("tags-b-other-run", ["paper"])
    assert two_runs[1].title() == "the *good* one"
    assert two_runs[1].tags() == ("paper",)
    assert app.selectbox(key="run").options == ["the *good* one · b-other-run", "a-stopped-run"]
    assert app.query_params["run"] == "b-other-run"  # a link outlives another name
    app.set("runs_view", "All runs")
    assert app.dataframe[0].value["name"].tolist() == ["the *good* one", "a-stopped-run"]
    assert "run" in app.dataframe[0].proto.column_order
    app.set("filter", "good paper")
    assert app.dataframe[0].value["run"].tolist() == ["b-other-run"]
    app.set("filter", "")
    two_runs[0].rename("the *good* one")
    app.click("Compare the 2 in the table")
    assert app.dataframe[1].value.columns.tolist() == [
        "", "the *good* one (b-other-run)", "the *good* one (a-stopped-run)",
    ]  # fmt: skip
    app.set("run_tag", "paper")
    app.click("Add tag")
    assert [run.tags() for run in two_runs] == [("paper",), ("paper",)]
    app.click("Remove tag")
    assert [run.tags() for run in two_runs] == [(), ()]


def test_curves_can_be_smoothed_and_have_points_within_an_epoch(app: Page, two_runs: tuple[Run, Run]) -> None:
    run = two_runs[1]
    run.write_status(Status(state="stopped", epochs=4, steps=40))
    run.append_steps([{"step": 5, "loss": 1.0}, {"step": 10, "loss": 0.5}])
    app.open("train", run="b-other-run")
    assert curves.within_epochs(run, run.status()) == ([0.5, 1.0], [1.0, 0.5])
    traces = loss_traces(app)
    assert [each["name"] for each in traces] == ["within epochs", "training", "validation"]
    assert numbers(traces[0], "x") == [0.5, 1.0]
    app.set("smoothing", 50)
    app.set("log_axis", True)
    pale, line = loss_traces(app)[:2]
    assert numbers(pale, "y") == [1.0, 0.5]
    assert numbers(line, "y") == pytest.approx([1.0, 2 / 3])  # (1 · 0.5 + 0.5 · 1) / (0.5 + 1)
    assert json.loads(app.get("plotly_chart")[0].proto.spec)["layout"]["yaxis"]["type"] == "log"


def test_a_run_of_an_earlier_version_has_no_points_within_an_epoch(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train", run="b-other-run")
    assert [each["name"] for each in loss_traces(app)] == ["training", "validation"]
    app.session_state["compared"] = ["b-other-run", "a-stopped-run"]
    app.set("runs_view", "All runs")
    app.set("curve", "loss")
    assert "None of these runs has losses within its epochs" in app.words()


def test_runs_that_differ_are_lines_through_their_settings(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train", runs_view="All runs", compared=["b-other-run", "a-stopped-run"])
    (lines,) = json.loads(app.get("plotly_chart")[-1].proto.spec)["data"]
    assert lines["type"] == "parcoords"
    assert [each["label"] for each in lines["dimensions"]] == ["Seed", "validation AUC"]
    assert lines["dimensions"][0]["ticktext"] == ["0", "7"]


def loss_traces(app: Page) -> list[dict]:
    return json.loads(app.get("plotly_chart")[0].proto.spec)["data"]


def numbers(trace: dict, axis: str) -> list[float]:
    """Plotly writes lists of numbers as they are, and arrays as base64."""
    return list(trace[axis])
