"""Splits: the same patch always falls on the same side."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data import SPLITS, ArrayStore, Dataset, SplitRule, assign, choose_rule, make_table, open_dataset
from core.errors import ConfigError, DataError


def _dataset(ids: list[str], *, labels: list[int | None] | None = None, slides: list[str] | None = None) -> Dataset:
    pixels = np.broadcast_to(np.zeros((), np.uint8), (len(ids), 96, 96, 3))
    table = make_table(ids, labels=labels or [0] * len(ids), split="train", slides=slides)
    return Dataset("set", "set", "kaggle", table, ArrayStore(pixels))


def _parts(dataset: Dataset, rule: SplitRule) -> dict[str, str]:
    return dict(zip(dataset.table["id"], assign(dataset, rule), strict=True))


IDS = [f"{number:040x}" for number in range(4000)]


def test_a_patch_stays_in_its_part_when_patches_are_added_or_reordered() -> None:
    rule = SplitRule()
    few, many = _parts(_dataset(IDS[500:1500]), rule), _parts(_dataset(IDS[::-1]), rule)

    assert set(few.values()) == set(SPLITS)
    assert all(many[patch_id] == part for patch_id, part in few.items())


def test_the_part_is_the_hash_of_seed_and_id() -> None:
    parts = _parts(_dataset(IDS[:200]), SplitRule(seed=3, valid=0.2, test=0.3))

    for patch_id, part in parts.items():
        position = int(hashlib.sha256(f"3:{patch_id}".encode()).hexdigest()[:16], 16) / 2**64
        assert part == ("test" if position < 0.3 else "valid" if position < 0.5 else "train")


@pytest.mark.parametrize(("valid", "test"), [(0.10, 0.16), (0.3, 0.3), (0.01, 0.5)])
def test_shares_are_near_those_asked_for(valid: float, test: float) -> None:
    parts = list(_parts(_dataset(IDS), SplitRule(valid=valid, test=test)).values())

    # Four standard deviations of a binomial share.
    for name, share in (("valid", valid), ("test", test), ("train", 1 - valid - test)):
        assert parts.count(name) / len(IDS) == pytest.approx(share, abs=4 * (share * (1 - share) / len(IDS)) ** 0.5)


def test_another_seed_gives_another_split() -> None:
    dataset = _dataset(IDS)

    first, second = assign(dataset, SplitRule(seed=0)), assign(dataset, SplitRule(seed=1))

    # Two independent draws agree on a share of .74² + .10² + .16² of the patches.
    assert np.mean(first == second) == pytest.approx(0.5832, abs=0.04)


def test_slides_are_never_divided() -> None:
    slides = [f"slide-{number % 97}" for number in range(len(IDS))]
    dataset = _dataset(IDS, slides=slides)

    rule = choose_rule(dataset)
    parts = assign(dataset, rule)

    assert (rule.kind, rule.by) == ("hashed", "slide")
    by_slide: dict[str, set[str]] = {}
    for part, slide in zip(parts, slides, strict=True):
        by_slide.setdefault(slide, set()).add(part)
    assert {len(found) for found in by_slide.values()} == {1}
    assert set(parts) == set(SPLITS)


def test_patches_of_unknown_slides_are_divided_one_by_one() -> None:
    assert choose_rule(_dataset(IDS[:10])).by == "patch"
    assert choose_rule(_dataset(IDS[:10]), seed=7).seed == 7


def test_patches_without_a_label_are_in_no_part() -> None:
    labels = [None if number % 3 else 1 for number in range(300)]

    parts = assign(_dataset(IDS[:300], labels=labels), SplitRule())

    assert all((part == "") == (label is None) for part, label in zip(parts, labels, strict=True))


def test_the_demo_keeps_its_own_split_and_its_slides_whole(small_demo: Dataset) -> None:
    rule = choose_rule(small_demo, seed=5)

    assert rule == SplitRule(kind="official")
    assert assign(small_demo, rule).tolist() == small_demo.table["split"].astype(str).tolist()
    assert (small_demo.table.groupby("slide")["split"].nunique() == 1).all()


def test_the_validation_split_of_a_data_set_without_a_test_split_can_test() -> None:
    own = ["train"] * 3000 + ["valid"] * 1000
    table = make_table(IDS, labels=[number % 2 for number in range(4000)], split=own)
    dataset = Dataset("set", "set", "kaggle", table, ArrayStore(np.broadcast_to(np.uint8(0), (4000, 96, 96, 3))))

    rule = choose_rule(dataset, "valid-as-test", seed=3)
    found = assign(dataset, rule)

    assert (found[3000:] == "test").all()
    assert set(found[:3000]) == {"train", "valid"}
    assert (found[:3000] == "valid").mean() == pytest.approx(0.1, abs=0.02)
    assert SplitRule.from_json(rule.to_json()) == rule
    assert rule.describe() == (
        "the data set's own validation split; 10% of its training split for validation by hash of patches, seed 3"
    )
    assert choose_rule(dataset).kind == "hashed"  # by default all patches are divided anew
    with pytest.raises(DataError, match="did not come with training and validation splits only"):
        choose_rule(_dataset(IDS), "valid-as-test")
    with pytest.raises(ConfigError, match="has no folds"):
        choose_rule(dataset, "valid-as-test", folds=3)


def test_kaggles_test_folder_is_no_official_test_part(kaggle_folder: Callable[..., Path]) -> None:
    dataset = open_dataset(kaggle_folder({"a": 1, "b": 0}, test=("x",)))

    assert choose_rule(dataset).kind == "hashed"
    with pytest.raises(DataError, match="has no official train and validation split; choose a hashed split"):
        assign(dataset, SplitRule(kind="official"))


def test_a_split_by_unknown_slides_is_refused() -> None:
    with pytest.raises(DataError, match="does not say which slide its patches come from; split by patch instead"):
        assign(_dataset(IDS[:5]), SplitRule(by="slide"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "random"},
        {"by": "hospital"},
        {"kind": "held"},
        {"held": ("centre", "2")},
        {"valid": 0.0},
        {"test": 1.0},
        {"valid": -0.1},
        {"valid": 0.5, "test": 0.5},
        {"valid": float("nan")},
    ],
)
def test_rules_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="split"):
        SplitRule(**wrong)  # type: ignore[arg-type]


def test_a_rule_goes_to_json_and_back_and_says_itself_in_words() -> None:
    rule = SplitRule(by="slide", seed=3, valid=0.2, test=0.25)

    assert SplitRule.from_json(rule.to_json()) == rule
    assert rule.describe() == "hash of whole slides, seed 3: 20% validation, 25% test"
    assert SplitRule(kind="official").describe() == "the data set's own split"
