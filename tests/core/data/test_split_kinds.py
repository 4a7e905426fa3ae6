"""Folds, exact shares and colours: what a split promises, in numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data import SPLITS, ArrayStore, Dataset, SplitRule, assign, choose_rule, make_table
from core.data.measures import measure
from core.data.stain_clusters import FEATURES, StainClusters, colour_features, find_stain_clusters, knows_colours
from core.errors import ConfigError, DataError

IDS = [f"{number:040x}" for number in range(1003)]
LABELS = [1 if number % 3 == 0 else 0 for number in range(1003)]


def _dataset(count: int = 1003, *, slides: int = 0, labels: list[int | None] | None = None) -> Dataset:
    pixels = np.broadcast_to(np.zeros((), np.uint8), (count, 96, 96, 3))
    names = [f"s{number % slides}" for number in range(count)] if slides else None
    table = make_table(IDS[:count], labels=labels or LABELS[:count], split="train", slides=names)
    return Dataset("set", "set", "kaggle", table, ArrayStore(pixels))


def _coloured(shades: int = 30, of_each: int = 4) -> Dataset:
    """Flat patches: each shade of grey-red stands for a laboratory, with both classes alike."""
    red = np.repeat(np.linspace(60, 240, shades).astype(np.uint8), of_each)
    pixels = np.zeros((len(red), 96, 96, 3), np.uint8) + red[:, None, None, None]
    table = make_table(IDS[: len(red)], labels=[number % 2 for number in range(len(red))], split="train")
    return Dataset("set", "set", "kaggle", table, ArrayStore(pixels))


@pytest.mark.parametrize("choice", ["patch", "slide", "stratified", "colour"])
@pytest.mark.parametrize("folds", [2, 5])
def test_every_patch_is_in_the_test_part_of_exactly_one_fold(choice: str, folds: int) -> None:
    dataset = _coloured() if choice == "colour" else _dataset(slides=61)

    times = np.zeros(len(dataset), int)
    for fold in range(folds):
        parts = assign(dataset, choose_rule(dataset, choice, folds=folds, fold=fold, valid=0.2, seed=4))
        times += parts == "test"
        assert (parts == "valid").any()
        assert (parts == "train").any()

    assert times.tolist() == [1] * len(dataset)


def test_validation_patches_of_a_fold_are_drawn_anew_from_all_others() -> None:
    dataset = _dataset()
    parts = [assign(dataset, choose_rule(dataset, "patch", folds=4, fold=fold, valid=0.15)) for fold in range(4)]

    for each in parts:
        assert np.mean(each == "valid") == pytest.approx(0.15, abs=4 * (0.15 * 0.85 / 1003) ** 0.5)
    # One patch is drawn for validation by the same hash in every fold but the one that tests it.
    drawn = np.stack([each == "valid" for each in parts]).sum(axis=0)
    assert set(drawn) == {0, 3}


def test_slides_stay_together_in_folds() -> None:
    dataset = _dataset(slides=61)

    parts = assign(dataset, choose_rule(dataset, "slide", folds=5, fold=2))

    slides = dataset.table["slide"].to_numpy(object)
    assert all(len(set(parts[slides == slide])) == 1 for slide in set(slides))
    assert set(parts) == set(SPLITS)


def test_stratified_shares_are_exact_in_each_class() -> None:
    dataset = _dataset()  # 335 tumour, 668 normal

    parts = assign(dataset, choose_rule(dataset, "stratified", valid=0.1, test=0.2))

    label = np.array(LABELS)
    found = {(part, number): int(((parts == part) & (label == number)).sum()) for part in SPLITS for number in (0, 1)}
    assert found == {
        ("train", 0): 467, ("valid", 0): 67, ("test", 0): 134,
        ("train", 1): 234, ("valid", 1): 34, ("test", 1): 67,
    }  # fmt: skip


def test_stratified_folds_differ_by_one_patch_at_most() -> None:
    dataset, label = _dataset(), np.array(LABELS)

    tests = [assign(dataset, choose_rule(dataset, "stratified", folds=7, fold=fold)) == "test" for fold in range(7)]

    for number, smallest in ((0, 668 // 7), (1, 335 // 7)):
        assert {int((test & (label == number)).sum()) for test in tests} <= {smallest, smallest + 1}


@pytest.mark.parametrize("choice", ["stratified", "colour"])
def test_a_fitted_rule_divides_a_grown_and_shuffled_set_as_before(choice: str) -> None:
    whole = _coloured()
    rows = np.random.default_rng(0).permutation(len(whole))[:70]
    some = Dataset(
        "set", "set", "kaggle", whole.table.iloc[rows].reset_index(drop=True),
        ArrayStore(whole.store.load(rows).pixels),
    )  # fmt: skip
    rule = SplitRule.from_json(choose_rule(some, choice, seed=2).to_json())

    before = dict(zip(some.table["id"], assign(some, rule), strict=True))
    after = dict(zip(whole.table["id"], assign(whole, rule), strict=True))

    assert set(before.values()) == set(SPLITS)
    assert {patch_id: after[patch_id] for patch_id in before} == before


def test_whole_colours_are_held_out() -> None:
    dataset = _coloured(shades=12, of_each=20)  # as many shades as clusters: each is one

    rule = choose_rule(dataset, "colour", test=0.25)
    parts = assign(dataset, rule)

    shade = dataset.store.load(np.arange(240)).pixels[:, 0, 0, 0]
    held = set(shade[parts == "test"])
    assert len(held) == 3  # a quarter of twelve
    assert not held & set(shade[parts != "test"])
    assert rule.colours is not None
    assert rule.colours.share == 0.25


def test_colours_are_chosen_so_that_both_classes_are_tested() -> None:
    rng = np.random.default_rng(0)
    pale = np.stack([np.full(400, 200.0), np.full(400, 0.1), np.full(400, 0.1)], axis=1) + rng.normal(0, 1, (400, 3))
    features = np.concatenate([pale, pale - [80, 0, 0]]).astype(np.float32)
    labels = np.repeat([0, 1], 400)  # all pale ones are normal, all dark ones tumour

    for seed in range(5):
        colours = find_stain_clusters(features, labels, seed=seed, test=0.3)
        held = colours.is_held(features)
        assert held[labels == 0].mean() == pytest.approx(0.3, abs=0.12)
        assert held[labels == 1].mean() == pytest.approx(0.3, abs=0.12)


def test_colour_features_are_the_measures_of_the_patches_and_kept_until_files_change(
    fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = replace(_coloured(), files="as they were")
    measured = measure(dataset.store.load(np.arange(len(dataset))).pixels)

    found = colour_features(dataset)

    for column, name in enumerate(FEATURES):
        assert found[:, column].tolist() == getattr(measured, name).tolist()
    assert len(list(fresh_home.rglob("colours.npz"))) == 1
    monkeypatch.setattr("core.data.stain_clusters.measure", lambda _pixels: pytest.fail("was measured again"))
    assert colour_features(dataset).tolist() == found.tolist()
    assert knows_colours(dataset)
    assert not knows_colours(replace(dataset, files="changed"))


def test_too_few_colours_are_refused_by_number() -> None:
    with pytest.raises(DataError, match=r"at least 12 different colours, got 1\. Use more patches"):
        choose_rule(_dataset(40), "colour")


def test_unlabelled_patches_are_in_no_part_of_a_stratified_split() -> None:
    labels = [None if number % 4 == 0 else number % 2 for number in range(200)]
    dataset = _dataset(200, labels=labels)

    parts = assign(dataset, choose_rule(dataset, "stratified"))

    assert [part == "" for part in parts] == [label is None for label in labels]


def test_the_default_with_folds_is_never_the_official_split() -> None:
    dataset = _dataset(30, slides=10)
    official = replace(dataset, table=dataset.table.assign(split=[SPLITS[number % 3] for number in range(30)]))

    assert choose_rule(official).kind == "official"
    rule = choose_rule(official, folds=3, fold=1)
    assert (rule.kind, rule.by, rule.folds, rule.fold) == ("hashed", "slide", 3, 1)
    assert choose_rule(_dataset(10), folds=3).by == "patch"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"folds": 1}, "folds must be 0 .none. or 2 to 50"),
        ({"folds": 51}, "got folds=51"),
        ({"folds": 3, "fold": 3}, "counts from 0 to folds - 1, got folds=3, fold=3"),
        ({"fold": 1}, "got folds=0, fold=1"),
        ({"folds": 2, "valid": 0.5}, "leave something to train on, got valid=0.5, test=0.5"),
        ({"kind": "official", "folds": 2}, "own split has no folds"),
        ({"kind": "stratified", "by": "slide"}, "stratified split must be by patch, got slide"),
    ],
)
def test_rules_that_cannot_be_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SplitRule(**wrong)  # type: ignore[arg-type]


def test_rules_that_were_not_fitted_are_refused() -> None:
    for kind in ("stratified", "colour"):
        with pytest.raises(ConfigError, match="make it with choose_rule"):
            assign(_dataset(10), SplitRule(kind=kind))  # type: ignore[arg-type]


def test_rules_of_earlier_versions_are_read_and_later_ones_refused() -> None:
    old = {"kind": "hashed", "by": "slide", "seed": 3, "valid": 0.1, "test": 0.16}

    assert SplitRule.from_json(old) == SplitRule(by="slide", seed=3)
    new = choose_rule(_coloured(), "colour").to_json()
    assert json.loads(json.dumps(new)) == new
    with pytest.raises(ConfigError, match=r"unknown values \(moon\); it comes from a later version"):
        SplitRule.from_json({**old, "moon": 1})
    with pytest.raises(ConfigError, match="split rule is damaged"):
        SplitRule.from_json({**old, "colours": {"centres": []}})


def test_clusters_that_cannot_be_are_refused() -> None:
    centres = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    for held in ((), (0, 1), (2,)):
        with pytest.raises(ConfigError, match="Some of 2 colour clusters must be held out"):
            StainClusters(centres, (0.0,) * 3, (1.0,) * 3, held, 0.5)
    with pytest.raises(ConfigError, match="clusters of a split are damaged"):
        StainClusters(centres, (0.0,) * 2, (1.0,) * 3, (0,), 0.5)
