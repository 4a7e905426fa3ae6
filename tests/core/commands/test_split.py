"""``python -m core split``, and training that obeys what it saved."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from core.bundle import load_bundle
from core.commands import main
from core.data import SplitRule
from core.runs import open_run


@pytest.fixture
def data(kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"{number:03}": number % 2 for number in range(100)})


def test_the_table_the_file_and_the_list_agree(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["split", "--data", str(data), "--split", "stratified", "--folds", "5", "--fold", "2", "--split-seed", "7"]

    assert main([*words, "--out", str(tmp_path / "s.json"), "--csv", str(tmp_path / "s.csv")]) == 0

    output = capsys.readouterr().out
    saved = json.loads((tmp_path / "s.json").read_text())
    listed = pd.read_csv(tmp_path / "s.csv", dtype=str)
    assert saved["patches"]["test"] == {"normal": 10, "tumour": 10}  # a fifth of fifty each
    assert listed["part"].value_counts().to_dict() == {"train": 70, "test": 20, "valid": 10}
    assert " test       20      10      10        50.0% unknown" in output
    assert "seed 7: 10% validation, fold 3 of 5 to test" in output
    assert "will be too good for new slides" in output
    assert saved["sha256"] in output


def test_training_obeys_the_file_and_its_bundle_finds_the_test_part_again(data: Path, tmp_path: Path) -> None:
    file, run = tmp_path / "s.json", tmp_path / "run"
    assert main(["split", "--data", str(data), "--split", "stratified", "--split-seed", "3", "--out", str(file)]) == 0

    words = ["train", "--data", str(data), "--split", str(file), "--run-dir", str(run), "--quiet"]
    assert main([*words, "--epochs", "1", "--batch-size", "16", "--device", "cpu"]) == 0

    card = load_bundle(open_run(run).bundle_path).card
    rule = SplitRule.from_json(card.training["data"][0]["split"])
    assert (rule.kind, rule.seed) == ("stratified", 3)
    assert card.training["config"]["split"] == "s.json"
    assert card.training["data"][0]["patches"] == {"train": 74, "valid": 10, "test": 16}
    parts = pd.read_csv(run / "split.csv", dtype=str)
    assert (parts["part"] == "test").sum() == 16
    assert json.loads((run / "split.json").read_text()) == json.loads(file.read_text())


def test_training_refuses_a_split_of_other_data(
    data: Path, tmp_path: Path, kaggle_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = tmp_path / "s.json", tmp_path / "run"
    assert main(["split", "--data", str(data), "--split", "patch", "--out", str(file)]) == 0
    other = kaggle_folder({f"x{number:03}": number % 2 for number in range(90)}, name="other")
    capsys.readouterr()

    assert main(["train", "--data", str(other), "--split", str(file), "--run-dir", str(run), "--device", "cpu"]) == 1

    assert "made for kaggle with 100 labelled patches" in capsys.readouterr().out
    assert "save the split again" in open_run(run).status().message


def test_a_split_file_that_is_not_there_leaves_no_run_behind(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--data", str(data), "--split", str(tmp_path / "no.json"), "--run-dir", str(tmp_path / "run")]

    assert main(words) == 2

    assert "There is no split file" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split", "slide"], "does not say which slide its patches come from"),
        (["--split", "official"], "has no official train and validation split"),
        (["--folds", "3", "--fold", "3"], "got folds=3, fold=3"),
        (["--validation", "0.5", "--test", "0.5"], "leave something to train on"),
        (["--out", "/nowhere/at/all.json"], "There is no folder /nowhere/at"),
    ],
)
def test_what_cannot_be_is_refused(
    data: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", "--data", str(data), *words]) == 2

    assert message in capsys.readouterr().err
