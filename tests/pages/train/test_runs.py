"""How the Train page shows in what runs differ, and links to runs that are gone."""

import pandas as pd

from core.runs import Run
from core.studies.trash import delete
from pages._ui.train import compare
from tests.pages.driver import Page


def test_a_comparison_shows_labels_and_file_names_and_keeps_the_keys() -> None:
    found = pd.DataFrame({
        "": ["test AUC", "learning_rate", "augmentation.stain", "validate_on", "decisions"],
        "one": ["0.9", "0.001", "0.1", "train", "/home/me/studies/one/decisions.csv"],
        "two": ["0.8", "0.002", "0.2", "valid", "/home/me/mine.csv"],
    })  # fmt: skip

    shown = compare.in_words(found)

    assert shown[""].tolist() == ["test AUC", "Learning rate", "Stain", "validate_on", "decisions"]
    assert shown.iloc[4, 1:].tolist() == ["decisions.csv", "mine.csv"]
    assert shown.iloc[:4, 1:].equals(found.iloc[:4, 1:])
    lines = compare.comparison_csv(found.rename(columns={"two": "=two"})).splitlines()
    assert lines[0] == ",one,'=two"  # no formula
    assert lines[3] == "augmentation.stain,0.1,0.2"
    assert lines[5] == "decisions,/home/me/studies/one/decisions.csv,/home/me/mine.csv"
    found.iloc[4, 2] = "/home/me/studies/two/decisions.csv"
    shown = compare.in_words(found)
    assert shown.iloc[4, 1:].tolist() == ["one/decisions.csv", "two/decisions.csv"]


def test_a_link_to_a_run_in_the_trash_says_so_and_brings_it_back(app: Page, two_runs: tuple[Run, Run]) -> None:
    delete(two_runs[0])
    app.open("train", run="a-stopped-run")
    assert "The run a\\-stopped\\-run of the address is in the trash\\. Another run is shown\\." in app.words()
    assert app.query_params["run"] == "b-other-run"
    app.click("Restore")
    assert app.selectbox(key="run").value == "a-stopped-run"
    assert "of the address" not in app.words()


def test_a_link_to_a_run_that_never_was_says_so(app: Page, two_runs: tuple[Run, Run]) -> None:
    app.open("train", run="zzz")
    assert "The run zzz of the address does not exist, or was deleted for good" in app.words()
    app.click("Close")
    assert "of the address" not in app.words()
