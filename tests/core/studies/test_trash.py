"""Deleting runs and studies, and having them back."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import DEMO
from core.errors import NodescopeError, RunError
from core.job import JobStatus
from core.runs import Run, Status, TrainingConfig, create_run, list_runs
from core.runs.launch import launch
from core.storage.home import runs_home
from core.studies.search import create_search, extend_search
from core.studies.study import Study, list_studies, start_study
from core.studies.trash import delete, delete_study, empty_trash, list_trash, restore, trash_home, what_loses

CONFIG = TrainingConfig(data=(DEMO,), epochs=2, device="cpu")


@pytest.fixture(autouse=True)
def _home(fresh_home: Path) -> None:
    pass


def _run(name: str, state: str = "stopped") -> Run:
    run = create_run(CONFIG, runs_home() / name)
    run.write_status(Status(state=state))
    return run


def _study(name: str = "find") -> Study:
    """A search of three trials, two of which are there."""
    study = create_search(CONFIG, trials=3, name=name)
    for each in study.run_names()[:2]:
        _run(each).write_notes(f"this is {each}")
    study.write(JobStatus("cancelled"))
    return study


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_study_goes_to_the_trash_with_its_runs_and_comes_back_whole() -> None:
    study, other = _study(), _run("other")
    before = _tree(study.path), _tree(runs_home())

    where = delete_study(study)

    assert (list_studies(), [run.name for run in list_runs()]) == ([], ["other"])
    (trashed,) = list_trash()
    assert (trashed.path, trashed.name, trashed.is_study, trashed.runs) == (where, "find", True, 2)
    assert trashed.description == "study with 2 runs"

    assert restore("find") == study

    after = _tree(study.path), _tree(runs_home())
    locks = {".lock", "find-trial-001/.lock", "find-trial-002/.lock"}
    assert tuple({name: each[name] for name in each if name not in locks} for each in after) == before
    assert (list_trash(), other.path.is_dir()) == ([], True)


def test_a_study_does_not_come_back_over_another_one() -> None:
    first = delete_study(_study())
    second = delete_study(_study())
    assert [path.name for path in (first, second)] == ["find", "find-2"]

    assert restore("find-2") == Study(list_studies()[0].path)
    with pytest.raises(RunError, match=r"find-trial-001 is there again.*its own names"):
        restore("find")
    assert _tree(first) != {}
    assert empty_trash() == 2
    assert [run.name for run in list_runs()] == ["find-trial-002", "find-trial-001"]


def test_nothing_is_deleted_on_which_a_process_works() -> None:
    study, other = _study(), _run("other", "running")
    other.record_process(os.getpid())
    with pytest.raises(RunError, match=r"run other is being worked on\. Stop it"):
        delete(other)

    study.write(JobStatus("running"))
    study.record_process(os.getpid())
    for attempt in (lambda: delete_study(study), lambda: delete(study.runs()[0])):
        with pytest.raises(RunError, match=r"study find.* is being worked on\. Stop"):
            attempt()

    study.write(JobStatus("cancelled"))
    study.runs()[1].record_process(os.getpid())
    with pytest.raises(RunError, match="run find-trial-002 is being worked on"):
        delete_study(study)
    assert len(list_runs()) == 3
    assert list_trash() == []


def test_a_process_that_holds_the_lock_alone_is_noticed_as_well() -> None:
    study = _study()
    lock = study.runs()[1].lock()
    try:
        with pytest.raises(RunError, match="find-trial-002 is being worked on"):
            delete_study(study)
    finally:
        lock.release()
    assert len(study.runs()) == 2
    delete_study(study)
    assert list_runs() == []


def test_a_run_says_which_study_loses_it() -> None:
    study, other = _study(), _run("other")
    assert what_loses(other) == ""
    assert what_loses(study.runs()[0]) == "The search find loses it, and keeps its record of the trial."
    about = {**study.about(), "kind": "folds"}
    (study.path / "study.json").write_text(json.dumps(about))
    assert what_loses(study.runs()[0]) == (
        "The cross-validation find loses it, and trains it again when it is resumed."
    )


def test_a_deletion_that_was_killed_half_way_loses_nothing() -> None:
    study = _study()
    half = trash_home() / "find" / "runs"
    half.mkdir(parents=True)
    shutil.move(runs_home() / "find-trial-001", half / "find-trial-001")  # as far as it came

    assert [each.description for each in list_trash()] == ["study with 1 run"]
    delete_study(study)
    assert sorted(each.runs for each in list_trash()) == [1, 1]
    for each in list_trash():
        restore(each.name)
    assert [run.notes() for run in study.runs()] == ["this is find-trial-001", "this is find-trial-002"]


def _at_once(*actions: Callable[[], object]) -> list[str]:
    """Let each action begin in the same moment, and return what those said that failed."""
    barrier, said = threading.Barrier(len(actions)), []

    def act(action: Callable[[], object]) -> None:
        barrier.wait()
        try:
            action()
        except NodescopeError as error:
            said.append(str(error))

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


class _Process:
    """A process that was started and is this one."""

    pid = os.getpid()

    def poll(self) -> None:
        return None

    def wait(self) -> int:
        return 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was started, instead of starting it."""
    commands: list[str] = []

    def note(command: list[str], *_: object, **__: object) -> _Process:
        commands.append(command[0])
        return _Process()

    monkeypatch.setattr("core.runs.launch.detached", note)
    monkeypatch.setattr("core.job.detached", note)
    return commands


def test_of_two_who_delete_at_once_one_does_and_the_other_is_told() -> None:
    run, study = _run("mine"), _study()
    assert _at_once(lambda: delete(run), lambda: delete(run)) == [
        "The run mine is not there any more; it may have been deleted a moment ago."
    ]
    assert _at_once(lambda: delete_study(study), lambda: delete_study(study)) == [
        "The study find is not there any more; it may have been deleted a moment ago."
    ]
    assert {each.name: each.runs for each in list_trash()} == {"mine": 1, "find": 2}


def test_of_two_who_start_at_once_one_does_and_the_other_is_told(started: list[str]) -> None:
    run, study = _run("mine"), _study()
    assert _at_once(*[lambda: launch(run)] * 3) == ["The run mine is being worked on already."] * 2
    assert (
        _at_once(*[lambda: start_study(study)] * 3)
        == ["This is being worked on already; wait for it or cancel it."] * 2
    )
    assert started == ["train", "studies"]


def test_what_is_started_and_deleted_at_once_is_one_of_both(started: list[str]) -> None:
    run, study = _run("mine"), _study()
    said = _at_once(lambda: launch(run), lambda: delete(run), lambda: start_study(study), lambda: delete_study(study))
    assert len(said) == 2
    assert len(started) + len(list_trash()) == 2
    assert ("train" in started) == run.path.is_dir()
    assert ("studies" in started) == study.path.is_dir()


def test_what_was_deleted_by_another_is_neither_started_nor_made_anew(started: list[str]) -> None:
    run, study = _run("mine"), _study()
    shutil.rmtree(run.path)
    shutil.rmtree(study.path)
    for attempt in (lambda: launch(run), lambda: start_study(study), lambda: delete(run), lambda: delete_study(study)):
        with pytest.raises(RunError, match="is not there any more"):
            attempt()
    assert (started, run.path.exists(), study.path.exists()) == ([], False, False)


def test_two_who_ask_for_more_trials_do_not_get_both(started: list[str]) -> None:
    study = _study()

    def more() -> None:
        extend_search(study, 5)
        start_study(study)

    more()
    with pytest.raises(RunError, match=r"The search find is being worked on\. Let it finish or stop it"):
        more()
    assert (started, study.settings()["trials"]) == (["studies"], 5)


def test_a_run_with_a_damaged_status_goes_on_from_its_checkpoint(started: list[str]) -> None:
    run = _run("mine")
    (run.path / "status.json").write_text("{")
    launch(run)
    assert started == ["train"]
    assert run.status().state == "starting"
    assert run.status().epochs == 2
