"""``python -m core runs``: tables, and what is done to runs."""

import json
import os
from pathlib import Path

import pytest

from core.commands import main
from core.runs import Run, Status, TrainingConfig, create_run, preset
from core.storage.home import home, runs_home
from core.studies.search import create_search

ROWS = [
    {"epoch": epoch, "train_loss": 0.5, "valid_loss": 0.4, "valid_auc": auc, "valid_accuracy": 0.8,
     "learning_rate": 1e-3}
    for epoch, auc in ((1, 0.7), (2, 0.9), (3, 0.8))
]  # fmt: skip


@pytest.fixture
def run(fresh_home: Path) -> Run:
    run = create_run(TrainingConfig(epochs=3), runs_home() / "first")
    run.write_metrics(ROWS)
    run.write_status(Status(state="stopped", seconds=3723.4))
    return run


@pytest.fixture
def other(run: Run) -> Run:
    other = create_run(TrainingConfig(epochs=3, seed=5, data=("demo", "/x")), runs_home() / "second")
    other.write_status(Status(state="running"))
    other.record_process(os.getpid())
    return other


def test_no_run_says_how_to_make_one(fresh_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list"]) == 0
    assert capsys.readouterr().out == "No runs yet: python -m core train\n"


def test_the_list_shows_the_best_epoch_and_not_the_last(other: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list"]) == 0

    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["run", "state", "preset"]
    assert rows[0].split()[:2] == ["second", "running"]
    assert rows[1].split()[:2] == ["first", "stopped"]
    assert "0.900 (2 of 3)" in rows[1]
    assert rows[1].endswith("62 min")


def test_json_has_the_same(other: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list", "--json"]) == 0

    second, first = json.loads(capsys.readouterr().out)
    assert (first["valid_auc"], first["best_epoch"], first["epochs_done"]) == (0.9, 2, 3)
    assert (second["state"], second["data"], second["valid_auc"]) == ("running", ["demo", "/x"], None)


def test_a_run_is_found_by_name_and_by_path(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.write_notes("the good one")
    assert main(["runs", "show", "first"]) == 0
    by_name = capsys.readouterr().out
    assert main(["runs", "show", str(run.path)]) == 0

    assert capsys.readouterr().out == by_name
    assert "the good one" in by_name
    assert main(["runs", "show", "third"]) == 2
    assert "There is no run 'third'. Give the name of a run in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", "{", "config.json of the run second is damaged"),
        ("status.json", "{", "status.json of the run second is damaged"),
        ("status.json", "[1]", "it must be an object of names with values, got list. Resume makes a new one"),
        ("metrics.csv", "", "metrics.csv of the run second is damaged: No columns"),
        ("metrics.csv", "x,y\n1,2\n", "metrics.csv of the run second is damaged: its columns are x, y"),
    ],
)
def test_a_damaged_run_says_so_and_does_not_hide_the_others(
    other: Run, capsys: pytest.CaptureFixture[str], name: str, content: str, words: str
) -> None:
    (other.path / name).write_text(content)

    assert main(["runs", "list"]) == 0

    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["second", "damaged"], ["first", "stopped"],
    ]  # fmt: skip
    main(["runs", "show", "second"])
    said = capsys.readouterr()
    assert words in said.out + said.err


def test_compare_prints_only_what_differs(run: Run, other: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "compare", "first", "second"]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["first", "second"],
        ["data", "demo", "demo,", "/x"],
        ["seed", "0", "5"],
        ["best", "validation", "AUC", "(epoch)", "0.900", "(2", "of", "3)", "-"],
        ["test", "AUC", "-", "-"],
    ]


def test_stop_asks_and_says_what_cannot_be_stopped(run: Run, other: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "stop", "second"]) == 0
    assert other.stop_requested()
    assert other.status().state == "stopping"

    assert main(["runs", "stop", "first"]) == 2
    assert "Nothing works on the run first" in capsys.readouterr().err


def test_resume_launches(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[Run] = []
    monkeypatch.setattr("core.commands.runs.launch", launched.append)

    assert main(["runs", "resume", "first"]) == 0

    assert launched == [run]


def test_delete_moves_to_the_trash_and_never_overwrites(run: Run, other: Run) -> None:
    assert main(["runs", "delete", "second"]) == 2  # it runs
    assert other.path.is_dir()

    assert main(["runs", "delete", "first"]) == 0
    again = create_run(TrainingConfig(epochs=9), runs_home() / "first")
    again.write_status(Status(state="stopped"))
    assert main(["runs", "delete", "first"]) == 0

    assert not run.path.exists()
    kept = [
        json.loads((home() / "trash" / name / "config.json").read_text())["epochs"] for name in ("first", "first-2")
    ]
    assert kept == [3, 9]


def test_a_wrong_name_is_said_before_anything_is_done(run: Run) -> None:
    assert main(["runs", "delete", "first", "third"]) == 2
    assert run.path.is_dir()


def test_stop_with_a_grace_kills_what_does_not_end(
    other: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed: list[Run] = []
    monkeypatch.setattr("core.runs.launch.kill", killed.append)

    assert main(["runs", "stop", "second", "--grace", "0.3"]) == 0

    assert killed == [other]
    assert other.stop_requested()
    assert "second did not stop within 0.3 s and was killed" in capsys.readouterr().out


def test_stop_with_a_grace_waits_for_the_end(
    other: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    appearance = [False, True, True]  # the last look finds it gone
    monkeypatch.setattr(Run, "is_alive", lambda _self: appearance.pop())

    assert main(["runs", "stop", "second", "--grace"]) == 0

    assert capsys.readouterr().out == "second has stopped\n"


def test_what_was_deleted_is_listed_restored_and_ended(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    main(["runs", "delete", "first"])
    capsys.readouterr()
    assert main(["runs", "trash", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["kind"], found["runs"]) == ("first", "run", 1)
    assert found["bytes"] == sum(path.stat().st_size for path in (home() / "trash" / "first").iterdir())

    assert main(["runs", "restore", "first"]) == 0
    assert capsys.readouterr().out == "first is back\n"
    assert run.metrics()["epoch"].tolist() == [1, 2, 3]
    assert main(["runs", "restore", "first"]) == 2
    assert "There is no run or study 'first' in the trash (it is empty)." in capsys.readouterr().err

    main(["runs", "delete", "first"])
    assert main(["runs", "trash", "--empty"]) == 2  # nobody can be asked
    assert (home() / "trash" / "first").is_dir()
    assert main(["runs", "trash", "--empty", "--yes"]) == 0
    assert main(["runs", "trash"]) == 0
    assert capsys.readouterr().out.endswith("1 run is deleted for good.\nThe trash is empty.\n")
    assert list((home() / "trash").iterdir()) == []


def test_a_person_is_asked_before_the_trash_is_emptied(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["runs", "delete", "first"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, remain in (("", True), ("no", True), ("y", False)):
        monkeypatch.setattr("builtins.input", lambda _question, answer=answer: answer)
        assert main(["runs", "trash", "--empty"]) == 0
        assert (home() / "trash" / "first").is_dir() == remain


def test_a_run_as_reported_is_marked(fresh_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = create_run(preset("keras-reported"), runs_home() / "flawed")
    run.write_metrics(ROWS)
    run.write_status(Status(state="stopped"))

    assert main(["runs", "list"]) == 0
    assert "0.900 (2 of 20) flawed" in capsys.readouterr().out
    assert main(["runs", "show", "flawed"]) == 0
    assert "As reported, flawed: validated on its own training patches" in capsys.readouterr().out


def test_names_and_tags_stand_in_the_list_once_there_are_any(
    run: Run, other: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "list"]) == 0
    assert not {"folder", "tags", "slides"} & set(capsys.readouterr().out.splitlines()[0].split())

    assert main(["runs", "rename", "first", "the good one"]) == 0
    assert main(["runs", "tag", "baseline", "the good one", "second"]) == 0
    assert main(["runs", "tag", "baseline", "second", "--remove"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "first is called the good one", "first has the tags baseline", "second has the tags baseline",
        "second has no tags",
    ]  # fmt: skip

    assert main(["runs", "list"]) == 0
    head, second, first = capsys.readouterr().out.splitlines()
    assert (head.split()[:2], head.split()[-2:]) == (["run", "state"], ["tags", "folder"])
    assert first.split()[:4] == ["the", "good", "one", "stopped"]
    assert (first.split()[-2:], second.split()[:2]) == (["baseline", "first"], ["second", "running"])
    assert main(["runs", "compare", "the good one", "second"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0].split(), lines[-1].split()) == (["the", "good", "one", "second"], ["folder", "first"])
    assert main(["runs", "show", "the good one", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["title"], shown["tags"]) == ("first", "the good one", ["baseline"])
    assert main(["runs", "rename", "the good one", ""]) == 0
    assert main(["runs", "tag", " ", "first"]) == 2
    said = capsys.readouterr()
    assert said.out == "first is called first\n"
    assert "A tag needs 1 to 40 printable characters, got ' '" in said.err


def test_deleting_a_run_of_a_study_says_which_one_loses_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    create_search(run.config(), trials=1, name="find")
    run.path.rename(runs_home() / "find-trial-001")
    assert main(["runs", "delete", "find-trial-001"]) == 0
    assert capsys.readouterr().out.endswith(
        "find-trial-001. The search find loses it, and keeps its record of the trial.\n"
    )
