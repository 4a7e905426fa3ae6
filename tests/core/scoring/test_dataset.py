"""Which patches a bundle is measured on, and that the figures are those of its predictions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.bundle import Bundle
from core.data import ArrayStore, Dataset, FileStore, SplitRule, assign, choose_rule, make_table, open_dataset
from core.errors import DataError
from core.evaluation import evaluate
from core.prediction import Predictor
from core.runs.config import TrainingConfig
from core.scoring.dataset import CHOICES, score, select, slides_in_training, use_in_training
from core.training.data import divide

IDS = [f"{number:040x}" for number in range(400)]


def _dataset(ids: list[str], *, kind: Any = "kaggle", split: Any = "train", slides: Any = None) -> Dataset:
    pixels = np.broadcast_to(np.zeros((), np.uint8), (len(ids), 96, 96, 3))
    table = make_table(ids, labels=[int(each, 16) % 2 for each in ids], split=split, slides=slides)
    return Dataset("set", "set", kind, table, ArrayStore(pixels))


def _trained_on(bundle: Bundle, kind: str, rule: SplitRule) -> Bundle:
    source = {"name": "x", "kind": kind, "fingerprint": "0", "split": rule.to_json(), "patches": {}}
    return Bundle(bundle.card.with_changes(training={"data": [source]}), bundle.weights)


def test_what_was_done_to_pictures_is_said_once_with_their_number(
    tiny_bundle: Bundle, kaggle_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = kaggle_folder({"a": 0, "b": 1, "c": 1})
    for name in ("b", "c"):
        tif = folder / "train" / f"{name}.tif"
        Image.open(tif).convert("L").save(tif.with_suffix(".png"))
        tif.unlink()

    score(Predictor(tiny_bundle, device="cpu"), open_dataset(folder), split="all")

    (line,) = [each for each in caplog.messages if "greyscale" in each]
    assert line.startswith("2 patches: ")
    assert line.endswith("(such as b)")


@pytest.mark.parametrize("part", ["auto", "test"])
def test_the_test_part_is_found_again_in_a_moved_and_extended_data_set(tiny_bundle: Bundle, part: str) -> None:
    rule = SplitRule(seed=7, valid=0.2, test=0.25)
    bundle = _trained_on(tiny_bundle, "kaggle", rule)
    old, new = _dataset(IDS[:200]), _dataset(IDS[::-1])
    kept_away = {patch_id for patch_id, each in zip(IDS[:200], assign(old, rule), strict=True) if each == "test"}

    rows, words = select(bundle, new, part)

    chosen = set(new.table["id"].iloc[rows])
    assert kept_away
    assert chosen & set(IDS[:200]) == kept_away
    assert words == "test split, kept away from training (hash of patches, seed 7: 20% validation, 25% test)"


@pytest.mark.parametrize(("sizes", "is_known"), [({"train": 250, "valid": 150, "test": 0}, True),
                                                 ({"train": 250, "valid": 149, "test": 1}, False)])  # fmt: skip
def test_patches_that_were_learnt_from_are_known_in_another_layout_by_the_sizes_of_their_splits(
    tiny_bundle: Bundle, sizes: dict[str, int], is_known: bool
) -> None:
    official = SplitRule(kind="official").to_json()
    source = {"name": "x", "kind": "pcam", "fingerprint": "0", "split": official, "patches": sizes}
    bundle = Bundle(tiny_bundle.card.with_changes(training={"data": [source]}), tiny_bundle.weights)
    dataset = _dataset(IDS, kind="class folders", split=["train"] * 250 + ["valid"] * 150)

    used = use_in_training(bundle, dataset)

    assert [int((used == split).sum()) for split in ("train", "valid")] == ([250, 150] if is_known else [0, 0])
    assert len(select(bundle, dataset, "valid")[0]) == (150 if is_known else pytest.approx(40, abs=25))


def test_the_other_parts_are_those_of_the_card_too(tiny_bundle: Bundle) -> None:
    rule = SplitRule(seed=7)
    bundle, dataset = _trained_on(tiny_bundle, "kaggle", rule), _dataset(IDS)

    for part in ("train", "valid", "test"):
        assert select(bundle, dataset, part)[0].tolist() == np.flatnonzero(assign(dataset, rule) == part).tolist()
    assert select(bundle, dataset, "all")[0].tolist() == list(range(400))


def _that_learnt_from(bundle: Bundle, dataset: Dataset, *, patches: int, old: bool = False) -> Bundle:
    """Return the bundle of a run on so many patches; with `old`, as cards were before they held a limit."""
    (source,) = divide([dataset], TrainingConfig(split_seed=5, patches=patches))
    data = source.provenance()
    if old:
        del data["thinning"]
    training = {"data": [data], "config": {"patches": patches, "split_seed": 5}}
    return Bundle(bundle.card.with_changes(training=json.loads(json.dumps(training))), bundle.weights)


@pytest.mark.parametrize("old", [False, True])
def test_of_a_training_on_fewer_patches_the_training_part_is_those(tiny_bundle: Bundle, old: bool) -> None:
    dataset = _dataset(IDS)
    (source,) = divide([dataset], TrainingConfig(split_seed=5, patches=40))
    (whole,) = divide([dataset], TrainingConfig(split_seed=5))
    bundle = _that_learnt_from(tiny_bundle, dataset, patches=40, old=old)

    rows, words = select(bundle, _dataset(IDS), "train")

    assert len(rows) == 40
    assert rows.tolist() == np.flatnonzero(source.splits == "train").tolist()
    assert words.startswith("the patches of the training split that it learnt from (hash of patches, seed 5")
    for part in ("valid", "test"):
        assert select(bundle, dataset, part)[0].tolist() == np.flatnonzero(whole.splits == part).tolist()
    everything = _that_learnt_from(tiny_bundle, dataset, patches=0, old=old)
    assert select(everything, dataset, "train")[0].tolist() == np.flatnonzero(whole.splits == "train").tolist()


def test_they_are_found_again_in_a_data_set_that_has_grown_and_in_one_that_has_lost_some(tiny_bundle: Bundle) -> None:
    middle = _dataset(IDS[100:300])
    bundle = _that_learnt_from(tiny_bundle, middle, patches=40)
    learnt = {IDS[100 + row] for row in select(bundle, middle, "train")[0]}
    assert len(learnt) == 40

    grown, less = _dataset(IDS), _dataset(IDS[150:250])

    found = {IDS[row] for row in select(bundle, grown, "train")[0]}
    assert found & set(IDS[100:300]) == learnt
    assert {IDS[150 + row] for row in select(bundle, less, "train")[0]} == learnt & set(IDS[150:250])


def test_of_an_old_card_with_more_patches_than_are_left_all_of_them_count(tiny_bundle: Bundle) -> None:
    bundle = _that_learnt_from(tiny_bundle, _dataset(IDS), patches=200, old=True)
    few = _dataset(IDS[:60])
    (whole,) = divide([few], TrainingConfig(split_seed=5))

    assert select(bundle, few, "train")[0].tolist() == np.flatnonzero(whole.splits == "train").tolist()


def test_a_second_data_set_of_the_same_kind_was_learnt_from_as_a_whole(tiny_bundle: Bundle) -> None:
    first, second = _dataset(IDS[:200]), _dataset(IDS[200:])
    sources = divide([first, second], TrainingConfig(split_seed=5, patches=40))
    training = {"data": [source.provenance() for source in sources]}
    bundle = Bundle(tiny_bundle.card.with_changes(training=training), tiny_bundle.weights)

    for dataset, source in zip((first, second), sources, strict=True):
        assert select(bundle, dataset, "train")[0].tolist() == np.flatnonzero(source.splits == "train").tolist()


OFFICIAL = SplitRule(kind="official")
HALVES = ["train"] * 200 + ["test"] * 200


@pytest.mark.parametrize(
    ("trained", "rule", "measured", "split", "slides", "seen"),
    [
        ("kaggle", SplitRule(), "kaggle", "test", None, "yes, as far as is known"),
        ("kaggle", SplitRule(), "kaggle", "train", None, "yes"),
        ("kaggle", SplitRule(), "kaggle", "all", None, "yes"),
        ("kaggle", SplitRule(), "kaggle", "test", "same", "yes"),
        ("kaggle", SplitRule(by="slide"), "kaggle", "test", "same", "no"),
        ("kaggle", SplitRule(by="slide"), "kaggle", "all", None, "yes, as far as is known"),
        ("pcam", OFFICIAL, "pcam", "test", None, "no"),
        ("class folders", OFFICIAL, "class folders", "test", None, "yes, as far as is known"),
        ("class folders", OFFICIAL, "class folders", "test", "halves", "no"),
        ("kaggle", SplitRule(), "csv", "all", None, "no, as far as the card says"),
        ("pcam", OFFICIAL, "kaggle", "all", None, "yes, as far as is known"),
        ("kaggle", SplitRule(), "pcam", "test", None, "no, as far as the card says"),
        ("kaggle", SplitRule(), "pcam", "train", None, "yes, as far as is known"),
    ],
)  # fmt: skip
def test_whether_slides_were_in_training_follows_from_card_and_rule(
    tiny_bundle: Bundle, trained: str, rule: SplitRule, measured: str, split: str, slides: str | None, seen: str
) -> None:
    names = {"same": [str(number % 20) for number in range(400)], "halves": [str(n // 20) for n in range(400)]}
    own = [*HALVES[:190], *["valid"] * 10, *HALVES[200:]]
    if slides == "halves":  # slide 9 is in training and in validation, and none of the test split in training
        own = [*["train"] * 180, *["valid"] * 20, *["test"] * 200]
    dataset = _dataset(IDS, kind=measured, split=own, slides=None if slides is None else names[slides])
    bundle = _trained_on(tiny_bundle, trained, rule)
    try:
        rows = select(bundle, dataset, split)[0]
    except DataError:
        rows = np.arange(400)
    assert slides_in_training(bundle, dataset, rows) == seen


def test_a_test_split_that_is_drawn_from_the_others_says_so(tiny_bundle: Bundle) -> None:
    dataset = _dataset(IDS, kind="class folders", split=["train"] * 300 + ["valid"] * 100)
    words = select(tiny_bundle, dataset, "test")[1]
    assert words.endswith(
        "16% test; it came with training and validation splits only, and this one is drawn from both)"
    )


def test_unknown_data_are_used_whole(tiny_bundle: Bundle) -> None:
    for bundle in (tiny_bundle, _trained_on(tiny_bundle, "pcam", SplitRule())):
        rows, words = select(bundle, _dataset(IDS), "auto")

        assert len(rows) == 400
        assert words == "all labelled patches (none were trained on, as far as the card says)"


def test_an_official_test_part_is_used(tiny_bundle: Bundle, small_demo: Dataset) -> None:
    rows, words = select(tiny_bundle, small_demo, "auto")

    assert rows.tolist() == np.flatnonzero(small_demo.table["split"] == "test").tolist()
    assert "the data set's own split" in words


def test_a_folder_with_one_official_part_only(tiny_bundle: Bundle) -> None:
    bundle = _trained_on(tiny_bundle, "pcam", SplitRule(kind="official"))

    rows, _ = select(bundle, _dataset(IDS, kind="pcam", split="test"), "auto")
    assert len(rows) == 400
    rows, _ = select(bundle, _dataset(IDS, kind="pcam", split="train"), "auto")
    assert len(rows) == 0  # all of it was trained on: nothing is said to be new


def test_slides_that_were_kept_apart_must_be_known(tiny_bundle: Bundle) -> None:
    bundle = _trained_on(tiny_bundle, "kaggle", SplitRule(by="slide"))
    slides = [f"s{number % 40}" for number in range(400)]

    rows, _ = select(bundle, _dataset(IDS, slides=slides), "auto")
    assert 0 < len(rows) < 400
    with pytest.raises(DataError, match=r"was trained on whole slides .* set does not say which slide"):
        select(bundle, _dataset(IDS), "auto")
    assert len(select(bundle, _dataset(IDS), "all")[0]) == 400


def test_an_unknown_part_is_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(DataError, match="no split 'best'; choose from " + ", ".join(CHOICES)):
        select(tiny_bundle, _dataset(IDS), "best")


def test_figures_are_those_of_the_predictions(tiny_bundle: Bundle, small_demo: Dataset) -> None:
    predictor = Predictor(tiny_bundle, device="cpu")
    rows = np.flatnonzero(assign(small_demo, choose_rule(small_demo)) == "test")
    predictions = predictor.predict(small_demo.store.load(rows).pixels)

    scored = score(predictor, small_demo)

    assert scored.rows.tolist() == rows.tolist()
    assert scored.logits.tolist() == predictions.logits.tolist()
    assert scored.probabilities.tolist() == predictions.probabilities.tolist()
    assert scored.labels.tolist() == small_demo.labels(rows).tolist()
    assert scored.unreadable == 0
    expected = evaluate(scored.labels, predictions.probabilities, threshold=0.4, groups=small_demo.units(rows))
    assert scored.evaluation(0.4) == expected
    assert scored.evaluation(0.4).resampled == "slide"


def test_unreadable_patches_are_left_out_and_counted(tiny_bundle: Bundle, kaggle_folder: Callable[..., Path]) -> None:
    folder = kaggle_folder({f"p{number}": number % 2 for number in range(10)})
    (folder / "train" / "p3.tif").write_bytes(b"damaged")
    dataset = open_dataset(folder)
    assert isinstance(dataset.store, FileStore)
    Path(dataset.store.paths[6]).unlink()
    shares: list[float] = []

    scored = score(Predictor(tiny_bundle, device="cpu"), dataset, split="all", progress=shares.append)

    assert scored.unreadable == 2
    assert scored.rows.tolist() == [0, 1, 2, 4, 5, 7, 8, 9]
    assert scored.labels.tolist() == [0, 1, 0, 0, 1, 1, 0, 1]
    assert shares == [1.0]


def test_a_part_without_labels_is_refused(tiny_bundle: Bundle, kaggle_folder: Callable[..., Path]) -> None:
    folder = kaggle_folder({"a": 1}, test=("x",))
    (folder / "train" / "a.tif").unlink()

    with pytest.raises(DataError, match="kaggle has no labelled patch in the split 'auto'"):
        score(Predictor(tiny_bundle, device="cpu"), open_dataset(folder))
