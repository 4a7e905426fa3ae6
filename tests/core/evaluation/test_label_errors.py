import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.errors import EvaluationError
from core.evaluation.label_errors import find_label_errors
from core.evaluation.probe import FOLDS, STRENGTH, cross_probabilities

LABELS = [0, 0, 0, 0, 1, 1, 1, 1]
TUMOUR = [0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.9, 0.1]


def test_thresholds_joint_and_margins_are_those_of_confident_learning() -> None:
    """By hand: both thresholds are 0.625, so that one label of each class counts confidently for the other."""
    found = find_label_errors(LABELS, TUMOUR)
    assert found.thresholds == pytest.approx((0.625, 0.625))
    np.testing.assert_allclose(found.joint, [[3, 1], [1, 3]])
    np.testing.assert_allclose(found.quality, [0.8, 0.6, 0.4, -0.8, 0.6, 0.4, 0.8, -0.8], atol=1e-12)
    assert found.order.tolist() == [3, 7, 2, 5, 1, 4, 0, 6]
    assert np.flatnonzero(found.suspect).tolist() == [3, 7]
    assert found.errors == 2


def test_the_joint_is_scaled_to_the_patches_of_each_class() -> None:
    """Two of the six normal ones count for neither class: 1 of the other 4 is confidently tumour, so 1.5 of all 6."""
    labels = [0, 0, 0, 0, 0, 0, 1, 1]
    tumour = [0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 0.7, 0.9]
    found = find_label_errors(labels, tumour)
    assert found.thresholds == pytest.approx((1 - 2 / 6, 0.8))
    np.testing.assert_allclose(found.joint, [[4.5, 1.5], [0, 2]])


def test_thresholds_by_class_correct_a_model_that_leans_to_one_class() -> None:
    """A probability of 0.4 speaks against 'normal' where normal patches have 0.1, and for tumour ones that have 0.5."""
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    tumour = [0.1, 0.1, 0.1, 0.4, 0.5, 0.5, 0.5, 0.4]
    found = find_label_errors(labels, tumour)
    assert found.thresholds == pytest.approx((0.825, 0.475))
    assert found.quality[[3, 7]] == pytest.approx([-0.15, 0.15])  # the same probability, the other label
    assert found.order[0] == 3


@pytest.mark.parametrize("seed", range(3))
def test_nothing_changes_when_the_classes_change_names(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, tumour = random.integers(0, 2, 60), random.random(60)
    one, other = find_label_errors(labels, tumour), find_label_errors(1 - labels, 1 - tumour)
    np.testing.assert_allclose(one.quality, other.quality, atol=1e-12)
    np.testing.assert_allclose(one.joint, other.joint[::-1, ::-1])
    assert one.errors == other.errors


def test_perfect_labels_have_no_suspect() -> None:
    found = find_label_errors([0, 0, 1, 1], [0.0, 0.1, 0.9, 1.0])
    assert found.errors == 0
    assert not found.suspect.any()


@pytest.mark.parametrize(
    ("labels", "tumour", "message"),
    [
        ([0, 1], [0.5], "one probability"),
        ([0, 2], [0.5, 0.5], "Labels must be 0 or 1"),
        ([0, 1], [0.5, 1.5], "probabilities 0 to 1"),
        ([0, 1], [0.5, float("nan")], "probabilities 0 to 1"),
        ([1, 1], [0.5, 0.5], "one class only"),
    ],
)
def test_what_defines_nothing_is_refused(labels: list[int], tumour: list[float], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        find_label_errors(labels, tumour)


def _separable(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    features = np.stack([2.0 * labels - 1, np.zeros(count)], axis=1) + random.normal(0, 0.3, (count, 2))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), labels


def test_a_probe_finds_what_was_flipped_and_repeats_itself() -> None:
    features, labels = _separable(300)
    flipped = np.array([7, 42, 99, 150, 299])
    given = labels.copy()
    given[flipped] ^= 1
    probabilities, folds = cross_probabilities(features, given)
    assert set(find_label_errors(given, probabilities).order[:5]) == set(flipped)
    np.testing.assert_array_equal(cross_probabilities(features, given)[0], probabilities)
    assert sorted(set(folds)) == list(range(FOLDS))


def test_slides_stay_together_and_every_patch_is_kept_out_once() -> None:
    features, labels = _separable(200)
    slides = np.array([f"s{number // 20}" for number in range(200)], dtype=object)
    said: list[float] = []
    _, folds = cross_probabilities(features, labels, groups=slides, progress=said.append)
    for slide in set(slides):
        assert len(set(folds[slides == slide])) == 1
    assert len(set(folds)) == FOLDS
    assert said == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_patch_is_judged_by_a_probe_of_the_other_folds_alone() -> None:
    features, labels = _separable(100)
    probabilities, folds = cross_probabilities(features, labels)
    for fold in range(FOLDS):
        kept = folds == fold
        probe = LogisticRegression(C=STRENGTH, max_iter=200).fit(features[~kept], labels[~kept])
        np.testing.assert_allclose(probabilities[kept], probe.predict_proba(features[kept])[:, 1])


@pytest.mark.parametrize(
    ("labels", "slides"),
    [([0, 0, 0, 1], None), ([0, 1, 0, 1], ["a"] * 4), ([0, 0, 1, 1], ["a", "a", "b", "b"])],
)
def test_too_few_patches_or_slides_are_said(labels: list[int], slides: list[str] | None) -> None:
    features = np.eye(4, dtype=np.float32)
    groups = None if slides is None else np.array(slides, dtype=object)
    with pytest.raises(EvaluationError, match="at least two"):
        cross_probabilities(features, np.array(labels), groups=groups)
