import os
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from core.data import (
    Dataset,
    Decided,
    Decision,
    DemoSize,
    decide,
    decisions_of,
    join,
    make_pack,
    open_dataset,
    open_demo,
)
from core.data.decisions import decisions_path, read_decisions, to_csv
from core.errors import DataError
from core.runs.config import TrainingConfig
from core.training.data import gather

OUT, FINE = Decision("exclude", reason="blurred"), Decision("fine")


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    return kaggle_folder({f"p{number}": number % 2 for number in range(150)})


def test_decisions_change_what_is_opened_and_can_be_taken_back(folder: Path) -> None:
    source, before = str(folder), open_dataset(folder)
    assert before.decided is None
    assert before.class_counts() == (75, 75)
    decide(source, {"p1": OUT, "p4": OUT, "gone": OUT})
    decide(source, {"p1": Decision("exclude"), "p2": Decision("relabel", 1), "p3": Decision("relabel", 1), "p5": FINE})
    after = open_dataset(folder)
    assert set(before.table["id"]) - set(after.table["id"]) == {"p1", "p4"}
    labels = after.table.set_index("id")["label"]
    assert labels["p2"] == 1
    assert labels["p3"] == 1  # it was 1 before: no change, and not counted
    assert after.class_counts() == (73, 75)  # of 75 and 75: p4 out and p2 changed; p1 out and p2 come in
    assert after.decided == Decided(excluded=2, relabelled=1, before=(75, 75))
    assert [str(problem) for problem in after.problems] == ["p1: excluded: no reason", "p4: excluded: blurred"]
    assert after.fingerprint() != before.fingerprint()
    for other in (open_dataset(folder, raw=True), open_dataset(folder, decisions="none")):
        assert other.fingerprint() == before.fingerprint()
        assert other.decided is None
    decide(source, dict.fromkeys(["p1", "p4"]))
    assert open_dataset(folder).decided == Decided(excluded=0, relabelled=1, before=(75, 75))
    decide(source, {"p2": None})
    assert open_dataset(folder).fingerprint() == before.fingerprint()


def test_the_base_is_the_data_set_without_decisions(folder: Path) -> None:
    before = open_dataset(folder)
    assert before.base is before
    decide(str(folder), {"p1": OUT, "p2": Decision("relabel", 1)})
    after = open_dataset(folder)
    assert after.base.base is after.base
    assert after.base.decided is None
    assert after.base.fingerprint() == before.fingerprint() != after.fingerprint()


def test_the_base_of_joined_data_sets_is_that_of_all(folder: Path) -> None:
    before, demo = open_dataset(folder), open_demo(size=DemoSize(slides=3, patches_per_slide=2))
    assert join([before, demo]).base.fingerprint() == join([before, demo]).fingerprint()
    decide(str(folder), {"p1": OUT, "p2": Decision("relabel", 1)})
    joined = join([open_dataset(folder), demo])
    assert len(joined) == 155
    assert joined.base.fingerprint() == join([before, demo]).fingerprint()
    assert len(joined.base) == len(joined.base.store) == 156


def test_pixels_stay_with_their_patch_with_and_without_a_pack(folder: Path) -> None:
    before = open_dataset(folder)
    decide(str(folder), {"p1": OUT})
    expected = before.store.load(np.flatnonzero(before.table["id"] == "p5")).pixels
    for pack in (False, True):
        if pack:
            make_pack(open_dataset(folder, raw=True))
        after = open_dataset(folder)
        row = int(np.flatnonzero(after.table["id"] == "p5")[0])
        np.testing.assert_array_equal(after.store.load([row]).pixels, expected)


def test_training_obeys_and_the_provenance_counts(folder: Path) -> None:
    decide(str(folder), {"p1": OUT, "p4": OUT, "p6": Decision("relabel", 1)})
    training_data = gather([open_dataset(folder)], TrainingConfig())
    ids = [*training_data.train.ids, *training_data.valid.ids]
    assert {"p1", "p4"}.isdisjoint(ids)
    assert training_data.sources[0].provenance()["decisions"] == {"excluded": 2, "relabelled": 1}
    assert gather([open_dataset(folder, decisions="none")], TrainingConfig()).sources[0].provenance()["decisions"] == {
        "excluded": 0,
        "relabelled": 0,
    }


def test_another_file_takes_the_place_of_the_own_one(folder: Path, tmp_path: Path) -> None:
    decide(str(folder), {"p1": OUT})
    other = tmp_path / "mine.csv"
    other.write_text("id,decision,label\np0,relabel,1\n")
    dataset = open_dataset(folder, decisions=other)
    assert dataset.decided == Decided(excluded=0, relabelled=1, before=(75, 75))
    with pytest.raises(DataError, match=r"There is no file .*gone\.csv with decisions"):
        open_dataset(folder, decisions=tmp_path / "gone.csv")


def test_exclusions_of_an_earlier_version_are_taken_over(folder: Path) -> None:
    own = decisions_path(str(folder))
    old = own.with_name("exclusions.csv")
    old.parent.mkdir(parents=True)
    old.write_text("\ufeffid,reason\r\np1,blurred\r\np4,\r\n", encoding="utf-8")
    assert decisions_of(str(folder)) == {"p1": OUT, "p4": Decision("exclude")}
    assert old.exists()  # reading changes nothing
    decide(str(folder), {"p5": FINE})
    assert decisions_of(str(folder)) == {"p1": OUT, "p4": Decision("exclude"), "p5": FINE}
    assert not old.exists()


def test_no_spreadsheet_sees_a_formula_and_the_ids_come_back(tmp_path: Path) -> None:
    known = {"=1+1": OUT, "'=2": FINE, "-x": Decision("relabel", 0, "+why"), "'plain": FINE, "a,b": FINE}
    text = to_csv(known)
    assert not [cell for line in text.splitlines() for cell in line.split(",") if cell[:1] in ("=", "+", "-", "@")]
    path = tmp_path / "decisions.csv"
    path.write_text(text)
    assert read_decisions(path) == known


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\na\n", "needs a column id, got name"),
        ("id,decision\na,delete\n", r"line 2: a decision must be exclude, relabel, .* got 'delete'"),
        ("id,decision,label\nb,fine,\na,relabel,2\n", "line 3: .* got 'relabel' with label '2'"),
        ("id,decision\n" + "\n".join(f"p{number},exclude" for number in range(150)), "All 150 patches of kaggle"),
    ],
)
def test_a_file_that_makes_no_sense_is_said(folder: Path, text: str, message: str) -> None:
    path = decisions_path(str(folder))
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        open_dataset(folder)


@pytest.mark.parametrize("wrong", [("relabel", None), ("relabel", 2), ("fine", 1), ("delete", None)])
def test_a_decision_that_makes_no_sense_cannot_be_made(wrong: tuple[str, int | None]) -> None:
    with pytest.raises(DataError):
        Decision(*wrong)  # type: ignore[arg-type]


def _decide_many(source: str, home: str, start: int) -> None:
    os.environ["NODESCOPE_HOME"] = home
    for number in range(start, start + 20):
        decide(source, {f"p{number}": FINE})


def test_the_file_only_grows_and_says_who_and_when(folder: Path) -> None:
    source, path = str(folder), decisions_path(str(folder))
    decide(source, {"p1": OUT}, by="Anna")
    first = path.read_text()
    decide(source, {"p1": Decision("relabel", 0), "p2": Decision("skip")}, by="=Ben")
    decide(source, dict.fromkeys(["p1", "p9"]), by="Anna")
    assert path.read_text().startswith(first)
    assert [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()] == [
        "id,decision,label,reason,by", "p1,exclude,,blurred,Anna", "p1,relabel,0,,'=Ben", "p2,skip,,,'=Ben",
        "p1,none,,,Anna",
    ]  # fmt: skip
    (kept,) = decisions_of(source).items()
    assert kept == ("p2", Decision("skip"))
    assert kept[1].by == "=Ben"
    assert abs(datetime.now(UTC) - datetime.fromisoformat(kept[1].at)).total_seconds() < 60
    assert open_dataset(folder).decided is None  # to skip a patch changes nothing


def test_a_file_of_an_earlier_version_gets_the_columns_with_the_first_decision(folder: Path) -> None:
    path = decisions_path(str(folder))
    path.parent.mkdir(parents=True)
    path.write_text("id,decision,label,reason\np1,exclude,,blurred\np2,relabel,1,", encoding="utf-8")
    decide(str(folder), {"p5": FINE}, by="Anna")
    lines = path.read_text().splitlines()
    assert lines[:3] == ["id,decision,label,reason,by,at", "p1,exclude,,blurred,,", "p2,relabel,1,,,"]
    assert decisions_of(str(folder)) == {"p1": OUT, "p2": Decision("relabel", 1), "p5": FINE}


def test_a_patch_without_a_label_is_given_one(kaggle_folder: Callable[..., Path], fresh_home: Path) -> None:
    unlabelled = kaggle_folder({"a": 0}, test=("x", "y"), name="unlabelled")
    decide(str(unlabelled), {"x": Decision("relabel", 1)})
    assert open_dataset(unlabelled).table["label"].fillna(-1).to_list() == [0, 1, -1]


def test_two_who_decide_at_once_lose_nothing(folder: Path, fresh_home: Path) -> None:
    context = get_context("fork")
    both = [context.Process(target=_decide_many, args=(str(folder), str(fresh_home), start)) for start in (0, 50)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(decisions_of(str(folder))) == 40


def test_joined_data_sets_add_up_what_was_decided(folder: Path, kaggle_folder: Callable[..., Path]) -> None:
    other = kaggle_folder({"a": 1, "b": 0, "c": 0}, name="other")
    decide(str(folder), {"p1": OUT})
    decide(str(other), {"b": Decision("relabel", 1)})
    third: Dataset = open_dataset(kaggle_folder({"d": 1}, name="third"))
    joined = join([open_dataset(folder), open_dataset(other), third])
    assert joined.decided == Decided(excluded=1, relabelled=1, before=(77, 77))
    assert joined.class_counts() == (76, 77)
