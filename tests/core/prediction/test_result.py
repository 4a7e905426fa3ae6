"""Test-time augmentation, neighbours, the validation curve and the result that holds them together."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.bundle import Bundle, Card, OperatingCurve
from core.data import Dataset, Decision, apply_decisions
from core.errors import BundleError, DataError, EvaluationError
from core.features.neighbours import Index, build_index, index_path, load_index, most_like, save_index
from core.prediction import Predictor
from core.prediction.result import TtaSpread, predict_patch
from core.scoring.kaggle import read_sample, to_submission

LABELS = [0, 0, 0, 1, 1, 0, 1, 1]
PROBABILITIES = [0.1, 0.2, 0.3, 0.35, 0.6, 0.7, 0.8, 0.9]


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Bundle) -> Predictor:
    card = tiny_bundle.card.with_changes(operating=OperatingCurve.measured(LABELS, PROBABILITIES))
    return Predictor(Bundle(card, tiny_bundle.weights), device="cpu")


def test_a_symmetric_patch_has_no_spread(predictor: Predictor) -> None:
    found = predict_patch(predictor, np.full((96, 96, 3), 200, np.uint8)).tta
    assert found.lowest == found.highest
    assert found.agreeing == 8


def test_a_spread_over_the_threshold_says_so() -> None:
    found = TtaSpread(np.array([0.6, 0.6, 0.6, 0.4, 0.6, 0.6, 0.3, 0.6]), 0.5)
    assert (found.agreeing, found.lowest, found.highest) == (6, 0.3, 0.6)
    assert found.sentence == (
        "Flipped and rotated, the patch gets 30.0% to 60.0% (mean 53.8%); only 6 of 8 give the same verdict: "
        "the model is undecided."
    )


@pytest.mark.parametrize(
    ("threshold", "sensitivity", "specificity"),
    [(0.35, 1.0, 0.75), (0.9, 0.25, 1.0), (0.6, 0.75, 0.75), (0.0, 1.0, 0.0)],
)
def test_the_validation_curve_at_known_thresholds(threshold: float, sensitivity: float, specificity: float) -> None:
    found, spared = OperatingCurve.measured(LABELS, PROBABILITIES).at(threshold)
    assert found.value == pytest.approx(sensitivity)
    assert spared.value == pytest.approx(specificity)
    assert found.low < found.value or found.value == 0


def test_a_long_curve_is_thinned_and_still_true() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 5000)
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.2), 0, 1)
    curve = OperatingCurve.measured(labels, probabilities)
    assert len(curve.thresholds) <= 200
    for threshold in np.linspace(0.01, 0.99, 25):
        found, spared = curve.at(float(threshold))
        called = probabilities >= threshold
        assert found.value == pytest.approx(called[labels == 1].mean(), abs=0.012)
        assert spared.value == pytest.approx((~called[labels == 0]).mean(), abs=0.012)


def test_the_curve_goes_through_the_card(predictor: Predictor) -> None:
    card = predictor.bundle.card
    assert Card.from_json(json.loads(json.dumps(card.to_json()))).operating == card.operating
    old = card.to_json()
    del old["operating"]
    assert Card.from_json(old).operating is None
    with pytest.raises(BundleError, match="damaged"):
        OperatingCurve.from_json({"thresholds": [1, 0]})
    with pytest.raises(EvaluationError, match="must be 0 to 1"):
        OperatingCurve.measured(LABELS, PROBABILITIES).at(1.5)


def test_the_answer_agrees_with_the_predictor(predictor: Predictor, small_demo: Dataset) -> None:
    patch = small_demo.store.load([3]).pixels[0]
    answer = predict_patch(predictor, patch)
    plain = predictor.predict(patch[None])
    assert answer.probability == float(plain.probabilities[0])
    assert answer.tta.probabilities[0] == answer.probability
    assert answer.threshold == 0.4
    moved = predict_patch(predictor, patch, threshold=min(1.0, answer.probability + 0.01))
    assert moved.verdict == "normal"
    assert predict_patch(predictor, patch, threshold=answer.probability).verdict == "tumour"
    assert "found 75.0% of the tumour patches" in predict_patch(predictor, patch, threshold=0.6).operating_sentence


def test_a_patch_is_its_own_nearest_neighbour_unless_left_out(predictor: Predictor, small_demo: Dataset) -> None:
    index = build_index(predictor, small_demo)
    row = int(index.rows[5])
    patch = small_demo.store.load([row]).pixels[0]
    found = most_like(predictor, index, patch)
    assert len(found) == 5
    assert found[0].row == row
    assert found[0].similarity == pytest.approx(1, abs=1e-5)
    assert row not in [neighbour.row for neighbour in most_like(predictor, index, patch, exclude=row)]
    assert "training split" in index.description


def test_a_stored_index_follows_the_patches_that_are_left(
    predictor: Predictor, small_demo: Dataset, fresh_home: Path
) -> None:
    assert load_index(small_demo, predictor.bundle) is None
    made = build_index(predictor, small_demo)
    save_index(made, small_demo, predictor.bundle)

    found = load_index(small_demo, predictor.bundle)
    assert found is not None
    assert (found.layer, found.description, found.rows.tolist()) == (made.layer, made.description, made.rows.tolist())
    assert np.array_equal(found.features, made.features)

    first = str(small_demo.table["id"].iloc[made.rows[0]])
    fewer = load_index(apply_decisions(small_demo, {first: Decision("exclude")}), predictor.bundle)
    assert fewer is not None
    assert len(fewer.rows) == len(made.rows) - 1
    assert np.array_equal(fewer.features, made.features[1:])


def test_a_damaged_index_is_named(predictor: Predictor, small_demo: Dataset, fresh_home: Path) -> None:
    save_index(build_index(predictor, small_demo), small_demo, predictor.bundle)
    path = index_path(small_demo, predictor.bundle)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="Delete it and find similar patches again"):
        load_index(small_demo, predictor.bundle)


def test_equally_like_patches_come_by_row() -> None:
    index = Index("x", np.array([9, 4, 7]), np.array([[1, 0], [1, 0], [0, 1]], np.float32), "")
    assert [each.row for each in index.nearest(np.array([1, 0], np.float32), count=3)] == [4, 9, 7]


def test_a_submission_has_the_ids_in_the_order_of_the_sample(tmp_path) -> None:
    (tmp_path / "s.csv").write_text("id,label\nb,0\na,0\n")
    ids = read_sample(tmp_path / "s.csv")
    assert to_submission(ids, {"a": 0.1, "b": 1 / 3}) == "id,label\nb,0.3333333333333333\na,0.1\n"
    with pytest.raises(DataError, match="1 of the 2 ids of the sample submission have no prediction, such as a"):
        to_submission(ids, {"b": 0.5})
    with pytest.raises(DataError, match="1 predictions are of ids that the sample submission does not name, such as c"):
        to_submission(ids, {"a": 0.1, "b": 0.2, "c": 0.3})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,prob\na,0\n", "has the columns id, prob"),
        ("id,label\n", "there is no id"),
        ("id,label\na,0\na,1\n", "more than once"),
    ],
)
def test_a_wrong_sample_is_refused(tmp_path, text: str, words: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_sample(tmp_path / "s.csv")


def test_the_real_size_is_written_quickly(tmp_path) -> None:
    ids = [f"{number:040x}" for number in range(57_458)]
    text = to_submission(ids, dict.fromkeys(reversed(ids), 0.5))
    assert text.count("\n") == 57_459
