from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.bundle import Bundle
from core.data import Dataset, SplitRule, assign
from core.data.dataset import make_table
from core.data.store import ArrayStore
from core.errors import DataError, EvaluationError
from core.prediction import Predictor
from core.prediction.appearance import Appearance
from core.scoring.dataset import Scored, assemble, score, select
from core.scoring.store import forget_scores, load_scores, save_scores, scores_csv, scores_path


def part_of(dataset: Dataset, rows: np.ndarray) -> Dataset:
    table = dataset.table.iloc[rows].reset_index(drop=True)
    pixels = dataset.store.load(rows).pixels
    return Dataset("Some", "nowhere", "kaggle", table, ArrayStore(pixels))


def scored_and_stored(predictor: Predictor, dataset: Dataset, part: str) -> Scored:
    """Score and store."""
    made = score(predictor, dataset, split=part)
    save_scores(made, predictor.bundle, dataset, part)
    return made


@pytest.fixture
def some(small_demo: Dataset) -> Dataset:
    return part_of(small_demo, np.arange(20))


def test_stored_predictions_come_back_to_the_last_bit(some: Dataset, tiny_bundle: Bundle, fresh_home: Path) -> None:
    predictor = Predictor(tiny_bundle, device="cpu")
    assert load_scores(tiny_bundle, some, "all") is None
    made = scored_and_stored(predictor, some, "all")
    read = load_scores(tiny_bundle, some, "all")
    assert scores_path(tiny_bundle, some, "all").is_relative_to(fresh_home)
    assert read is not None
    for name in ("rows", "labels", "logits", "probabilities"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
    np.testing.assert_array_equal(read.appearance.values, made.appearance.values)
    assert (read.description, read.unreadable, read.device) == (made.description, 0, "cpu")
    forget_scores(tiny_bundle, some, "all")
    assert load_scores(tiny_bundle, some, "all") is None


def test_those_of_all_patches_serve_for_a_split(small_demo: Dataset, tiny_bundle: Bundle, fresh_home: Path) -> None:
    some = part_of(small_demo, np.arange(0, len(small_demo), 10))
    predictor = Predictor(tiny_bundle, device="cpu")
    made = scored_and_stored(predictor, some, "all")
    found = load_scores(tiny_bundle, some, "test")
    assert found is not None
    assert 0 < len(found) < len(made)
    assert found.logits.tolist() == made.logits[np.isin(made.rows, found.rows)].tolist()
    assert found.description.startswith("test split")


@pytest.mark.parametrize(
    ("trained", "stored", "asked"),
    [(True, "test", "auto"), (True, "auto", "test"), (False, "auto", "all"), (False, "all", "auto")],
)
def test_those_of_another_split_serve_where_they_hold_all_that_is_asked_for(
    small_demo: Dataset, tiny_bundle: Bundle, fresh_home: Path, trained: bool, stored: str, asked: str
) -> None:
    some = part_of(small_demo, np.arange(0, len(small_demo), 10))
    some.table["split"] = "train"
    source = {"name": "x", "kind": "kaggle", "fingerprint": "0", "patches": {"train": 6, "valid": 3, "test": 6}}
    source["split"] = SplitRule(valid=0.2, test=0.4).to_json()
    training = {"data": [source]} if trained else {}
    bundle = Bundle(tiny_bundle.card.with_changes(training=training), tiny_bundle.weights)
    made = scored_and_stored(Predictor(bundle, device="cpu"), some, stored)
    found = load_scores(bundle, some, asked)
    assert found is not None
    np.testing.assert_array_equal(found.rows, made.rows)
    np.testing.assert_array_equal(found.logits, made.logits)
    if trained:  # those of the test split are neither all nor the validation split
        assert [load_scores(bundle, some, each) for each in ("all", "valid")] == [None, None]
    scores_path(bundle, some, stored).write_bytes(b"damaged")
    assert load_scores(bundle, some, asked) is None


def test_they_fit_the_same_patches_in_another_order(some: Dataset, tiny_bundle: Bundle, fresh_home: Path) -> None:
    made = scored_and_stored(Predictor(tiny_bundle, device="cpu"), some, "all")
    turned = part_of(some, np.arange(20)[::-1])
    read = load_scores(tiny_bundle, turned, "all")
    assert read is not None
    by_id = dict(zip(some.table["id"].iloc[made.rows], made.logits, strict=True))
    for row, logit, label in zip(read.rows, read.logits, read.labels, strict=True):
        assert logit == by_id[turned.table["id"].iloc[row]]
        assert label == turned.table["label"].iloc[row]


def test_they_do_not_fit_more_patches_or_another_bundle(some: Dataset, tiny_bundle: Bundle, fresh_home: Path) -> None:
    scored_and_stored(Predictor(tiny_bundle, device="cpu"), some, "all")
    assert load_scores(tiny_bundle, part_of(some, np.arange(19)), "all") is None
    moved = Bundle(tiny_bundle.card.with_changes(threshold=0.7), tiny_bundle.weights)
    assert load_scores(moved, some, "all") is None


def test_they_stand_when_labels_are_decided_anew_and_patches_excluded(
    some: Dataset, tiny_bundle: Bundle, fresh_home: Path
) -> None:
    before = replace(some, files="a")
    made = scored_and_stored(Predictor(tiny_bundle, device="cpu"), before, "all")
    decided = replace(part_of(some, np.arange(1, 20)), files="a")
    decided.table.loc[0, "label"] = 1 - decided.table.loc[0, "label"]
    read = load_scores(tiny_bundle, decided, "all")
    assert read is not None
    np.testing.assert_array_equal(read.logits, made.logits[1:])
    np.testing.assert_array_equal(read.appearance.values, made.appearance.values[1:])
    assert read.labels[0] == 1 - made.labels[1]
    assert load_scores(tiny_bundle, replace(decided, files="b"), "all") is None
    assert load_scores(tiny_bundle, replace(decided, files=""), "all") is None


def test_a_damaged_file_is_said_and_not_taken_for_none(some: Dataset, tiny_bundle: Bundle, fresh_home: Path) -> None:
    made = scored_and_stored(Predictor(tiny_bundle, device="cpu"), some, "all")
    path = save_scores(made, tiny_bundle, some, "all")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="damaged"):
        load_scores(tiny_bundle, some, "all")


def test_a_network_that_gives_no_numbers_is_said(some: Dataset, tiny_bundle: Bundle) -> None:
    logits = np.array([0.5, np.nan, np.inf], np.float32)
    with pytest.raises(EvaluationError, match="2 of 3 patches"):
        assemble(tiny_bundle, some, np.arange(3), logits, description="x", unreadable=0, appearance=None, device="cpu")


def test_no_labels_is_said(some: Dataset, tiny_bundle: Bundle) -> None:
    bare = Dataset("Bare", "x", "kaggle", make_table(list(some.table["id"]), split="test"), some.store)
    with pytest.raises(DataError, match="no labelled patch"):
        score(Predictor(tiny_bundle, device="cpu"), bare, split="all")


def test_the_split_of_the_training_comes_before_the_data_set_s_own(small_demo: Dataset, tiny_bundle: Bundle) -> None:
    rule = SplitRule(kind="hashed", by="patch", seed=5)
    source = {"kind": "demo", "split": rule.to_json()}
    trained = Bundle(tiny_bundle.card.with_changes(training={"data": [source]}), tiny_bundle.weights)
    rows, _ = select(trained, small_demo, "auto")
    assert rows.tolist() == np.flatnonzero(assign(small_demo, rule) == "test").tolist()
    official, _ = select(tiny_bundle, small_demo, "auto")
    assert official.tolist() == np.flatnonzero((small_demo.table["split"] == "test").to_numpy()).tolist()


def test_the_csv_holds_every_patch_and_no_formula(some: Dataset, tiny_bundle: Bundle) -> None:
    table = some.table.iloc[:3].copy()
    table["id"] = ["=1+1", "b", "c"]
    dataset = replace(some, table=table, store=ArrayStore(some.store.load([0, 1, 2]).pixels))
    logits = np.array([0.0, 3.0, -3.0], np.float32)
    appearance = Appearance(np.zeros((3, 5), np.float32))
    scored = assemble(
        tiny_bundle, dataset, np.arange(3), logits, description="x", unreadable=0, appearance=appearance, device="cpu"
    )
    scored = replace(scored, slides=None)
    lines = scores_csv(scored, dataset, 0.5).splitlines()
    assert lines[0] == "id,slide,label,verdict,probability,logit"
    assert lines[1].startswith("'=1+1,,")
    assert lines[2].endswith(",tumour,0.851953,3.000000")  # sigmoid(3 / 2 + 0.25)
    assert lines[3].endswith(",normal,0.222700,-3.000000")
