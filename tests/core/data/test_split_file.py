"""Saved splits: small, obeyed, and refused once they would say something else."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.bundle import Bundle
from core.data import ArrayStore, Dataset, assign, choose_rule, make_table
from core.data.split_file import apply_split, load_split, make_split_file, save_split
from core.data.split_summary import summarise
from core.errors import ConfigError, DataError
from core.runs import TrainingConfig
from core.scoring.dataset import select
from core.training.data import gather

IDS = [f"{number:040x}" for number in range(400)]


def _dataset(ids: list[str], *, slides: bool = False, flip: int = 0) -> Dataset:
    labels = [int(each, 16) % 2 for each in ids]
    labels[:flip] = [1 - label for label in labels[:flip]]
    names = [f"s{int(each, 16) % 40}" for each in ids] if slides else None
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 255, (len(ids), 1, 1, 3), dtype=np.uint8)
    pixels = np.broadcast_to(levels, (len(ids), 96, 96, 3))
    return Dataset(
        "set", "set", "kaggle", make_table(ids, labels=labels, split="train", slides=names), ArrayStore(pixels)
    )


@pytest.mark.parametrize("choice", ["patch", "slide", "stratified", "colour"])
def test_a_saved_split_divides_as_before_in_any_order(tmp_path: Path, choice: str) -> None:
    dataset = _dataset(IDS, slides=choice == "slide")
    rule = choose_rule(dataset, choice, seed=3, folds=4, fold=1)
    parts = assign(dataset, rule)
    save_split(make_split_file(dataset, rule, parts), tmp_path / "a.json")

    found = load_split(tmp_path / "a.json")

    assert found.rule == rule
    assert apply_split(found, dataset).tolist() == parts.tolist()
    assert (tmp_path / "a.json").stat().st_size < 5000  # 220,025 patches would not make it larger


def test_the_hash_is_that_of_the_sorted_lines() -> None:
    dataset = _dataset(IDS)
    rule = choose_rule(dataset, "patch")
    parts = assign(dataset, rule)

    split = make_split_file(dataset, rule, parts)

    lines = "\n".join(f"{patch_id},{part}" for patch_id, part in zip(IDS, parts, strict=True))  # ids are in order
    assert split.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert split.counts["test"] == {
        "normal": int(((parts == "test") & (np.arange(400) % 2 == 0)).sum()),
        "tumour": int(((parts == "test") & (np.arange(400) % 2 == 1)).sum()),
    }


def test_a_changed_data_set_is_refused_with_both_numbers() -> None:
    dataset = _dataset(IDS)
    rule = choose_rule(dataset, "stratified")
    split = make_split_file(dataset, rule, assign(dataset, rule))

    with pytest.raises(DataError, match=r"made for set with 400 labelled patches .* set now has 399 .* save the split"):
        apply_split(split, _dataset(IDS[1:]))


def test_a_correction_that_moves_no_patch_is_no_reason_to_refuse() -> None:
    dataset = _dataset(IDS)
    rule = choose_rule(dataset, "patch")
    split = make_split_file(dataset, rule, assign(dataset, rule))

    relabelled = _dataset(IDS, flip=5)

    assert relabelled.fingerprint() != split.fingerprint
    assert apply_split(split, relabelled).tolist() == assign(dataset, rule).tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no split file .*a.json"),
        ("id,part\n", "it is not JSON"),
        ("[1]", "is no split file of Nodescope"),
        ('{"format": "nodescope.bundle"}', "is no split file of Nodescope"),
        ('{"format": "nodescope.split", "version": 2}', "has version 2, and this Nodescope reads 1"),
        ('{"format": "nodescope.split", "version": 1}', "is damaged .*Make it again"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)

    with pytest.raises(DataError, match=message):
        load_split(tmp_path / "a.json")


def test_a_damaged_rule_is_refused(tmp_path: Path) -> None:
    dataset = _dataset(IDS)
    rule = choose_rule(dataset, "patch")
    value = make_split_file(dataset, rule, assign(dataset, rule)).to_json()
    value["rule"]["kind"] = "moon"
    (tmp_path / "a.json").write_text(json.dumps(value))

    with pytest.raises(DataError, match=r"is damaged .*got \"moon\""):
        load_split(tmp_path / "a.json")


def test_training_obeys_a_saved_split_and_refuses_it_for_other_data(tmp_path: Path) -> None:
    dataset = _dataset(IDS)
    rule = choose_rule(dataset, "stratified", seed=9, folds=5, fold=3)
    parts = assign(dataset, rule)
    save_split(make_split_file(dataset, rule, parts), tmp_path / "a.json")

    training_data = gather([dataset], TrainingConfig(split=str(tmp_path / "a.json")))

    assert set(training_data.train.ids) == {
        patch_id for patch_id, part in zip(IDS, parts, strict=True) if part == "train"
    }
    assert set(training_data.test(0).ids) == {
        patch_id for patch_id, part in zip(IDS, parts, strict=True) if part == "test"
    }
    assert training_data.sources[0].provenance()["split"] == rule.to_json()
    with pytest.raises(DataError, match="The saved split was made for set"):
        gather([_dataset(IDS[:300])], TrainingConfig(split=str(tmp_path / "a.json")))


@pytest.mark.parametrize("choice", ["patch", "stratified", "colour"])
def test_a_bundle_finds_its_fold_again_in_a_grown_set(tiny_bundle: Bundle, choice: str) -> None:
    old, new = _dataset(IDS[:300]), _dataset(IDS)
    training_data = gather([old], TrainingConfig(split=choice, split_seed=5, folds=3, fold=2))
    training = {"data": [json.loads(json.dumps(training_data.sources[0].provenance()))]}
    bundle = Bundle(tiny_bundle.card.with_changes(training=training), tiny_bundle.weights)

    rows, words = select(bundle, new, "auto")

    found = set(new.table["id"].iloc[rows])
    assert found & set(IDS[:300]) == set(training_data.test(0).ids)
    assert "fold 3 of 3 to test" in words


def test_training_takes_folds_by_name() -> None:
    dataset = _dataset(IDS)
    tested = [
        set(gather([dataset], TrainingConfig(split="stratified", folds=4, fold=fold)).test(0).ids) for fold in range(4)
    ]

    assert set.union(*tested) == set(IDS)
    assert [len(each) for each in tested] == [100] * 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"split": "random"}, "split must be one of default, patch, slide, .* or a .json file, got 'random'"),
        ({"folds": 1}, "folds must be 0 .none. or at least 2, got 1"),
        ({"folds": 51}, "folds must be 0 to 50, got 51"),
        ({"folds": 2.5}, "folds must be a whole number, got 2.5"),
        ({"folds": 3, "fold": 3}, "fold must be 0 to 2, got 3"),
        ({"fold": 1}, "fold must be 0 to 0, got 1"),
        ({"split": "official", "folds": 3}, "the split official has its own"),
        ({"split": "a.json", "folds": 3}, "the split a.json has its own"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**wrong)


def test_the_path_of_a_split_file_is_not_in_the_provenance() -> None:
    assert TrainingConfig(split="/home/anna/splits/mine.json").provenance()["split"] == "mine.json"


def test_cautions_say_what_the_figures_are_worth() -> None:
    unknown, known = _dataset(IDS), _dataset(IDS, slides=True)

    def caution(dataset: Dataset, choice: str) -> tuple[str, bool]:
        rule = choose_rule(dataset, choice)
        found = summarise(dataset, rule, assign(dataset, rule))
        return found.caution, found.optimistic

    assert caution(unknown, "patch")[1]
    assert "slides of set are not known" in caution(unknown, "patch")[0]
    assert not caution(unknown, "colour")[1]
    assert caution(known, "slide") == (
        "Every slide lies in one split only: test metrics hold for new slides.", False,
    )  # fmt: skip
    words, optimistic = caution(known, "patch")
    assert optimistic
    parts = assign(known, choose_rule(known, "patch"))
    slides = known.table["slide"].to_numpy(object)
    divided = sum(len(set(parts[slides == slide])) > 1 for slide in set(slides))
    assert words.startswith(f"{divided} of 40 slides lie in more than one split (such as s1). Patches of one slide")


def test_the_summary_counts_classes_slides_and_colours() -> None:
    dataset = _dataset(IDS, slides=True)
    rule = choose_rule(dataset, "slide")
    parts = assign(dataset, rule)

    found = summarise(dataset, rule, parts)

    assert found.table["patches"].to_dict() == {part: int((parts == part).sum()) for part in ("train", "valid", "test")}
    assert found.table["slides"].sum() == 40
    assert found.divided == {}
    assert found.duplicates is None
    assert found.table["tumour"].sum() == 200
    tested = dataset.store.load(np.flatnonzero(parts == "test")).pixels[:, 0, 0].astype(float)
    assert found.table.loc["test", "brightness"] == pytest.approx((tested @ [0.299, 0.587, 0.114]).mean(), rel=1e-4)
