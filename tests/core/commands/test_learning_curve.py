"""``python -m core learning-curve``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.commands import main
from core.runs import TrainingConfig
from core.storage.home import home
from core.studies.cross_validation import create_folds
from core.studies.learning_curve import create_curve, work_on_curve
from core.studies.study import Study

OPTIONS = ["--epochs", "1", "--batch-size", "8", "--device", "cpu"]


@pytest.fixture
def folder(fresh_home: Path, kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"patch{number}": number % 2 for number in range(90)})


def test_a_curve_prints_each_size_and_a_conclusion(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["learning-curve", "--data", str(folder), "--sizes", "20", "all", "--equal", "epochs", *OPTIONS]
    words += ["--name", "mine"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "Run 2 of 2: 61 patches, seed 0: mine-61-patches" in printed
    table = [line.split() for line in printed.splitlines() if line.startswith(("20 ", "61 "))]
    assert [(row[0], row[-2:]) for row in table] == [("20", ["1", "2"]), ("61", ["1", "7"])]
    assert table[0][-3] == "-"
    assert "Learning curve with as many epochs for each size" in printed
    assert "From 20 to 61 patches the AUC " in printed
    assert "the larger size also took more steps" in printed
    assert printed.endswith("For more of them: python -m core learning-curve --resume mine --seeds 3\n")

    assert main(["studies", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"study": "mine", "kind": "curve", "state": "finished", "done": 2, "runs": 2}
    ]
    assert main(["studies", "show", "mine", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [each["size"] for each in shown["results"]["trained"]] == [20, 61]
    assert shown["settings"]["sizes"] == [20, 61]

    assert main(["learning-curve", "--resume", "mine", "--seeds", "2"]) == 0
    printed = capsys.readouterr().out
    assert "Run 3 of 4: 20 patches, seed 1: mine-20-patches-seed-1" in printed
    assert "in the 2 seeds." in printed
    assert "This curve has one seed" not in printed
    assert main(["learning-curve", "--resume", "mine", "--seeds", "1"]) == 2
    assert "seeds must be 2 to 20, got 1." in capsys.readouterr().err


def test_a_curve_goes_on_by_its_own_command_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = TrainingConfig(data=(str(folder),), epochs=1, batch_size=8, device="cpu")
    create_curve(config, sizes=(20, "all"), name="mine")
    create_folds(config, folds=2, name="other")

    assert main(["learning-curve", "--resume", "mine", "--epochs", "3"]) == 2
    assert "leave out --epochs" in capsys.readouterr().err
    assert main(["learning-curve", "--resume", "mine", "--sizes", "5", "all", "--equal", "epochs"]) == 2
    assert "leave out --sizes, --equal, or start a new study" in capsys.readouterr().err
    assert main(["cross-validate", "--resume", "mine"]) == 2
    assert "mine is a learning curve: python -m core learning-curve --resume mine" in capsys.readouterr().err
    assert main(["learning-curve", "--resume", "other"]) == 2
    assert "other is a cross-validation: python -m core cross-validate --resume other" in capsys.readouterr().err
    assert main(["predict", str(folder), "--study", "mine"]) == 2


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--sizes", "20", "65"], "61 labelled training patches under this split, but 65 were requested"),
        (["--sizes", "20", "some"], "such as 2000, or all, got 'some'"),
        (["--seeds", "0"], "seeds must be 1 to 20, got 0"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(
    folder: Path, words: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["learning-curve", "--data", str(folder), *words]) == 2
    assert found in capsys.readouterr().err
    assert not (home() / "studies").exists()


@pytest.mark.slow
def test_a_curve_that_was_killed_goes_on_to_the_same_result(
    folder: Path, kill_in: Callable[[Study, str], None]
) -> None:
    config = TrainingConfig(data=(str(folder),), epochs=2, batch_size=8, device="cpu")
    torn, whole = (create_curve(config, sizes=(20, "all"), name=name) for name in ("torn", "whole"))
    kill_in(torn, "torn-61-patches")

    assert work_on_curve(torn).state == "finished"
    assert work_on_curve(whole).state == "finished"

    first, second = ((each.path / "results.json").read_text() for each in (torn, whole))
    assert first.replace("torn-", "whole-") == second
