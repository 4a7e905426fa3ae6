"""Names and tags that people give to runs."""

from pathlib import Path

import pytest

from core.errors import NodescopeError, RunError
from core.runs import (
    TrainingConfig,
    create_run,
    find_run,
    summarise_run,
)
from core.runs.run import Run
from core.storage.home import runs_home


def test_people_name_and_tag_a_run_whose_folder_keeps_its_name(run: Run) -> None:
    assert (run.title(), run.tags(), run.notes()) == ("run", (), "")
    made = (run.path / "config.json").stat().st_mtime_ns

    run.rename("  more stain, 3rd try ")
    run.write_tags(["baseline", " stain 0.2 ", "baseline"])

    assert (run.name, run.title(), run.tags()) == ("run", "more stain, 3rd try", ("baseline", "stain 0.2"))
    assert (run.path / "config.json").stat().st_mtime_ns == made  # lists of runs are sorted by it
    found = summarise_run(run)
    assert (found.name, found.title, found.given_name, found.tags) == (
        "run", "more stain, 3rd try", "more stain, 3rd try", ("baseline", "stain 0.2"),
    )  # fmt: skip
    for name in ("", "run", "  "):
        run.rename(name)
        assert (run.title(), summarise_run(run).given_name) == ("run", "")
    run.write_tags([])
    assert run.tags() == ()


def test_names_and_tags_that_an_editor_wrote_are_read(run: Run) -> None:
    (run.path / "name.txt").write_bytes(b"caf\xe9\n of\n\n two lines\n")
    (run.path / "tags.txt").write_text("two\n\n  one \ntwo\n")
    assert run.title() == "caf\ufffd of two lines"
    assert run.tags() == ("one", "two")
    (run.path / "name.txt").unlink()
    (run.path / "name.txt").mkdir()
    assert "name.txt of the run run is damaged" in summarise_run(run).message


@pytest.mark.parametrize("name", ["x" * 81, "two\nlines", "\x1b[31mred"])
def test_a_name_that_cannot_be_shown_is_refused(run: Run, name: str) -> None:
    with pytest.raises(RunError, match="A name needs at most 80 printable characters, got"):
        run.rename(name)
    assert run.title() == "run"


@pytest.mark.parametrize("tag", ["", "  ", "x" * 41, "a\nb"])
def test_a_tag_that_cannot_be_shown_is_refused(run: Run, tag: str) -> None:
    run.write_tags(["good"])
    with pytest.raises(NodescopeError, match="A tag needs 1 to 40 printable characters, got"):
        run.write_tags(["other", tag])
    assert run.tags() == ("good",)


def test_a_run_is_found_by_the_name_that_people_gave_it(fresh_home: Path) -> None:
    one, two = (create_run(TrainingConfig(epochs=3), runs_home() / name) for name in ("one", "two"))
    one.rename("the good one")
    two.rename("one")
    assert find_run("the good one") == one
    assert find_run("one") == one  # a folder's name goes first
    two.rename("the good one")
    with pytest.raises(
        RunError, match=r"2 runs have the name 'the good one'\. Give the name of a folder: (one, two|two, one)"
    ):
        find_run("the good one")
    (two.path / "name.txt").unlink()
    (two.path / "name.txt").mkdir()  # damaged, which must not hide the others
    assert find_run("the good one") == one
