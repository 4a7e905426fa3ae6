"""Slides, patients and centres: what stays together, what is left out, and what leaks."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.bundle import Bundle
from core.data import SPLITS, ArrayStore, Dataset, SplitRule, assign, choose_rule, make_table
from core.data.pack_table import load_table, save_table
from core.data.split_summary import divided_groups, leak_words, summarise
from core.errors import ConfigError, DataError
from core.evaluation import Evaluation, evaluate
from core.runs import TrainingConfig
from core.scoring.dataset import select, use_in_training
from core.training.data import gather

COUNT = 600
NUMBERS = np.arange(COUNT)
NAMES = {
    "slides": [f"s{number}" for number in NUMBERS // 10],  # 60 slides, two of each of 30 patients
    "patients": [f"p{number}" for number in NUMBERS // 20],
    "centres": [f"c{number}" for number in NUMBERS // 20 % 3],
}


def _dataset(*known: str, official: bool = False, **given: Any) -> Dataset:
    names: dict[str, Any] = {**{each: NAMES[each] for each in known}, **given}
    split: Any = [SPLITS[number % 3] for number in NUMBERS] if official else "train"
    table = make_table([f"{number:05}" for number in NUMBERS], labels=NUMBERS % 2, split=split, **names)
    pixels = np.random.default_rng(0).integers(0, 255, (COUNT, 1, 1, 3), np.uint8)
    return Dataset("set", "set", "kaggle", table, ArrayStore(np.broadcast_to(pixels, (COUNT, 96, 96, 3))))


@pytest.mark.parametrize(
    ("known", "unit", "default"),
    [
        ((), None, "hash of patches"),
        (("slides",), "slide", "hash of whole slides"),
        (("slides", "patients", "centres"), "patient", "hash of whole patients"),
        (("centres",), None, "hash of patches"),
    ],
)
def test_the_default_keeps_the_widest_unit_together(known: tuple[str, ...], unit: str | None, default: str) -> None:
    dataset = _dataset(*known)
    assert dataset.unit == unit
    assert dataset.known_groups == tuple(name[:-1] for name in known)
    assert choose_rule(dataset).describe().startswith(f"{default}, seed 0")
    assert (dataset.units([21]) is None) == (unit is None)
    if unit is not None:
        assert list(dataset.units([21, 0])) == [dataset.table[unit][21], dataset.table[unit][0]]


def test_patients_stay_together_and_shares_are_close() -> None:
    dataset = _dataset("slides", "patients")
    splits = assign(dataset, choose_rule(dataset, "patient", seed=1))
    assert (pd.Series(splits).groupby(NAMES["patients"]).nunique() == 1).all()
    assert set(splits) == set(SPLITS)


def test_each_centre_is_left_out_once_and_patients_of_the_others_validate() -> None:
    dataset, seen = _dataset("slides", "patients", "centres"), []
    for fold in range(3):
        rule = choose_rule(dataset, "centre", fold=fold, folds=3, seed=1, valid=0.3)
        splits = assign(dataset, rule)
        assert set(np.array(NAMES["centres"])[splits == "test"]) == {f"c{fold}"}
        assert (splits == "test").sum() == 200
        assert (pd.Series(splits).groupby(NAMES["patients"]).nunique() == 1).all()
        assert 0 < (splits == "valid").sum() < 200
        assert rule.describe() == f"centre c{fold} held out, seed 1: 30% validation, fold {fold + 1} of 3 to test"
        assert SplitRule.from_json(rule.to_json()) == rule
        seen.append(splits == "test")
    assert (np.sum(seen, axis=0) == 1).all()
    assert choose_rule(dataset, "centre").held == ("centre", "c0")


def test_a_held_rule_divides_a_grown_set_as_before() -> None:
    whole = _dataset("slides", "centres")
    some = replace(whole, table=whole.table[:450], store=ArrayStore(whole.store.load(range(450)).pixels))
    rule = choose_rule(some, "centre", fold=1, folds=3)
    assert assign(whole, rule)[:450].tolist() == assign(some, rule).tolist()


@pytest.mark.parametrize(
    ("known", "given", "message"),
    [
        ((), {"choice": "patient"}, "set does not say which patient its patches come from"),
        (("slides",), {"choice": "centre"}, "set does not say which centre its patches come from"),
        (("centres",), {"choice": "centre", "fold": 3}, "fold counts from 0 to folds - 1, got folds=3, fold=3"),
        (("centres",), {"choice": "centre", "folds": 4}, "set has 3 centres, and each is one fold, got folds=4"),
    ],
)
def test_what_the_data_do_not_say_is_refused(known: tuple[str, ...], given: dict[str, Any], message: str) -> None:
    dataset = _dataset(*known)
    with pytest.raises((DataError, ConfigError), match=message):
        assign(dataset, choose_rule(dataset, **given))


def test_one_centre_cannot_be_left_out() -> None:
    dataset = _dataset(centres=["Utrecht"] * COUNT)
    with pytest.raises(DataError, match="All patches of set come from one centre, Utrecht"):
        choose_rule(dataset, "centre")


def test_a_group_in_two_official_splits_is_called_a_leak() -> None:
    dataset = _dataset("patients", "centres", official=True)
    splits = assign(dataset, choose_rule(dataset))
    assert {group: len(names) for group, names in divided_groups(dataset, splits).items()} == {
        "patient": 30,
        "centre": 3,
    }
    summary = summarise(dataset, choose_rule(dataset), splits)
    assert summary.optimistic
    assert summary.caution.startswith(
        "The splits that the data set came with leak: 30 of 30 patients lie in more than one split (such as p0)."
    )
    assert summary.table["patients"].to_list() == [30, 30, 30]
    assert leak_words(dataset, "centre", ["a"]) == "1 of 3 centres lies in more than one split (a)"


def test_a_slide_of_some_patches_only_leaks_too() -> None:
    slides = ["a", "a", "b"] + [None] * (COUNT - 3)
    dataset = _dataset(slides=slides, official=True)
    assert dataset.unit is None
    assert divided_groups(dataset, assign(dataset, choose_rule(dataset))) == {"slide": ["a"]}


@pytest.mark.parametrize(
    ("choice", "words"),
    [("patient", "Nothing is measured on a new centre"), ("centre", "All of centre c0 is tested")],
)
def test_whether_a_new_centre_is_measured_is_said(choice: str, words: str) -> None:
    dataset = _dataset("patients", "centres")
    rule = choose_rule(dataset, choice, seed=1, valid=0.3)
    summary = summarise(dataset, rule, assign(dataset, rule))
    assert not summary.optimistic
    assert summary.caution.startswith("Every patient lies in one split only")
    assert words in summary.caution


def test_columns_that_are_empty_leave_the_fingerprint_as_it_was() -> None:
    with_slides = _dataset("slides")
    lines = sorted(f"{number:05},{number % 2},s{number // 10}" for number in NUMBERS)
    assert with_slides.fingerprint() == hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    assert _dataset("slides", "patients").fingerprint() != with_slides.fingerprint()


def test_a_pack_keeps_the_groups_and_reads_a_table_without_them(tmp_path: Path) -> None:
    dataset = replace(_dataset("slides", "patients", "centres"), quick_stamp="1")
    save_table(tmp_path, dataset, "key")
    stored = load_table(tmp_path, "1")
    assert stored is not None
    pd.testing.assert_frame_equal(stored.table, dataset.table.astype({"split": "category"}))
    with np.load(tmp_path / "table.npz") as file:
        earlier = {name: file[name] for name in file if not name.startswith(("patient", "centre"))}
    np.savez(tmp_path / "table.npz", **earlier)
    stored = load_table(tmp_path, "1")
    assert stored is not None
    assert stored.table["slide"].equals(dataset.table["slide"])
    assert stored.table["patient"].isna().all()


def test_training_by_patient_measures_by_patient_and_finds_its_patches_again(tiny_bundle: Bundle) -> None:
    dataset = _dataset("slides", "patients", "centres")
    found = gather([dataset], TrainingConfig(split="centre", folds=3, fold=2))
    assert found.test(0).unit == "patient"
    assert set(found.test(0).slides) == {f"p{number}" for number in range(2, 30, 3)}
    card = tiny_bundle.card.with_changes(training={"data": [found.sources[0].provenance()]})
    bundle = Bundle(card, tiny_bundle.weights)
    rows, words = select(bundle, dataset, "auto")
    assert set(dataset.table["id"].iloc[rows]) == set(found.test(0).ids)
    assert "centre c2 held out" in words
    assert (use_in_training(bundle, dataset) == "train").sum() == len(found.train)
    with pytest.raises(DataError, match=r"was trained on whole patients of such data.* Add the patients"):
        select(bundle, _dataset("slides", "centres"), "auto")


def test_intervals_over_patients_say_so(make_evaluation: Callable[..., Evaluation]) -> None:
    evaluation = make_evaluation(unit="patient")
    assert evaluation.described_slides == "12 patients"
    assert Evaluation.from_json(evaluation.to_json()) == evaluation


@pytest.fixture
def make_evaluation() -> Callable[..., Evaluation]:
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 2

    def make(**given: Any) -> Evaluation:
        chances = np.clip(labels * 0.3 + rng.random(240) * 0.7, 0, 1)
        return evaluate(labels, chances, groups=np.arange(240) // 20, resamples=50, **given)

    return make
