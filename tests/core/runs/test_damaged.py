"""Whatever a file of a run or study holds: a row that says what is damaged, and a way to the trash."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.commands import main
from core.runs import Run, TrainingConfig, create_run, summarise_run
from core.runs.status import Status
from core.runs.tables import METRICS_COLUMNS
from core.storage.home import runs_home
from core.studies.cross_validation import create_folds
from core.studies.study import Study
from core.studies.trash import delete, delete_study

DEEP = '{"a":' * 3_000 + "1" + "}" * 3_000
HEAD = ",".join(METRICS_COLUMNS)


@pytest.fixture
def run(fresh_home: Path) -> Run:
    made = create_run(TrainingConfig(epochs=3), runs_home() / "mine")
    made.write_status(Status(state="stopped", epochs=3))
    made.write_metrics([dict.fromkeys(METRICS_COLUMNS, 0.5) | {"epoch": 1}])
    return made


def _status(**changes: object) -> str:
    return json.dumps({**Status(state="stopped").to_json(), **changes})


def _config(**changes: object) -> str:
    return json.dumps({**TrainingConfig().to_json(), **changes})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("status.json", ""), ("status.json", "null"), ("status.json", "5"), ("status.json", DEEP),
        ("status.json", _status(state="dancing")), ("status.json", _status(state=None)),
        ("status.json", _status(seconds=None)), ("status.json", _status(epoch="one")),
        ("status.json", '{"state": "stopped", "seconds": NaN}'), ("status.json", '{"seconds": 1e999}'),
        ("status.json", '{"epoch": ' + "9" * 5_000 + "}"),
        ("config.json", "[]"), ("config.json", DEEP), ("config.json", _config(data=None)),
        ("config.json", _config(data=[3])), ("config.json", _config(epochs=None)), ("config.json", _config(split=None)),
        ("config.json", _config(augmentation=[])), ("config.json", _config(mean="abc")),
        ("config.json", _config(compile=None)), ("config.json", _config(unlabelled="yes")),
        ("metrics.csv", f"{HEAD}\na,b,c,d,e,f\n"), ("metrics.csv", f"{HEAD}\n,0.5,0.5,0.5,0.5,0.1\n"),
        ("metrics.csv", f"{HEAD}\n1,0.5,0.5,high,0.5,0.1\n"), ("metrics.csv", "\x00\x01"),
    ],
)  # fmt: skip
def test_a_damaged_run_is_a_row_that_says_so_and_goes_to_the_trash(
    run: Run, name: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    create_run(TrainingConfig(), runs_home() / "whole")
    (run.path / name).write_text(content)

    found = summarise_run(run)

    assert found.state == "damaged"
    assert f"{name} of the run mine is damaged" in found.message
    assert main(["runs", "list"]) == 0
    listed = capsys.readouterr().out
    assert "whole" in listed
    assert "damaged" in listed
    assert delete(run).is_dir()


@pytest.mark.parametrize("content", ["1,,,,,\n", "1,0.5,0.5,,0.5,0.1\n", ""])
def test_metrics_that_a_diverged_run_left_open_are_unknown(run: Run, content: str) -> None:
    (run.path / "metrics.csv").write_text(f"{HEAD}\n{content}")
    assert (summarise_run(run).state, summarise_run(run).valid_auc) == ("stopped", None)


def test_notes_in_another_encoding_are_shown_and_a_folder_in_their_place_is_damage(run: Run) -> None:
    (run.path / "notes.txt").write_bytes(b"caf\xe9")
    assert summarise_run(run).notes == "caf\ufffd"
    (run.path / "notes.txt").unlink()
    (run.path / "notes.txt").mkdir()
    assert "notes.txt of the run mine is damaged" in summarise_run(run).message


@pytest.fixture
def study(fresh_home: Path, kaggle_folder: Callable[..., Path]) -> Study:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(20)})
    return create_folds(TrainingConfig(data=(str(folder),)), folds=2, by=None, name="mine")


@pytest.mark.parametrize(
    "changes",
    ["[]", "null", DEEP, {"kind": "dance"}, {"kind": None}, {"runs": None}, {"runs": ["../../x"]}, {"runs": [5]},
     {"settings": []}, {"config": None}],
)  # fmt: skip
def test_a_damaged_study_is_a_row_that_says_so_and_goes_to_the_trash(
    study: Study, changes: str | dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = study.path / "study.json"
    text = changes if isinstance(changes, str) else json.dumps({**json.loads(path.read_text()), **changes})
    path.write_text(text)

    assert main(["studies", "list"]) == 0
    assert "damaged" in capsys.readouterr().out
    assert main(["studies", "show", "mine"]) == 2
    assert "study.json of the study mine is damaged" in capsys.readouterr().err
    assert delete_study(study).is_dir()
