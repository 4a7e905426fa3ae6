"""A bundle for another prevalence: all that is shown moves together, and nothing that was stored changes."""

import json

import numpy as np
import pytest

from core.bundle import Bundle, Card, Measurement, OperatingCurve
from core.bundle.prevalence import with_prevalence
from core.errors import BundleError, EvaluationError
from core.evaluation import at_prevalence, evaluate

LABELS = np.array([1] * 4 + [0] * 12)
PROBABILITIES = np.array([0.9, 0.8, 0.6, 0.3, *np.linspace(0.05, 0.7, 12)])


@pytest.fixture
def bundle(tiny_bundle: Bundle) -> Bundle:
    curve = OperatingCurve.measured(LABELS, PROBABILITIES)
    return Bundle(tiny_bundle.card.with_changes(operating=curve, slide_threshold=0.7), tiny_bundle.weights)


def test_probabilities_move_and_the_decision_threshold_stays(bundle: Bundle) -> None:
    logits = np.array([-3.0, 0.0, 2.5])

    moved = with_prevalence(bundle, 0.02)

    expected = at_prevalence(bundle.card.calibration.apply(logits), calibrated=0.25, wanted=0.02)
    assert moved.card.calibration.apply(logits) == pytest.approx(expected)
    assert moved.card.threshold == bundle.card.threshold
    assert bundle.card.calibration.bias == 0.25  # the one it came from is as it was


def test_the_curve_and_the_thresholds_for_slides_call_the_same_patches_tumour(bundle: Bundle) -> None:
    moved = with_prevalence(bundle, 0.001)

    before, after = bundle.card, moved.card
    assert before.operating is not None and after.operating is not None  # noqa: PT018 - for the type checker
    assert after.operating.sparing(0.995) == pytest.approx(
        float(at_prevalence(before.operating.sparing(0.995), calibrated=0.25, wanted=0.001))
    )
    assert after.slide_thresholds == tuple(max(after.threshold, after.operating.sparing(s)) for s in (0.955, 0.995))


def test_the_share_of_tumour_is_that_of_validation(bundle: Bundle, tiny_bundle: Bundle) -> None:
    measured = Measurement("x", "f" * 16, "valid", evaluate(LABELS[2:], PROBABILITIES[2:]))

    assert bundle.card.prevalence == 0.25
    assert tiny_bundle.card.with_changes(measured=(measured,)).prevalence == 2 / 14
    assert tiny_bundle.card.prevalence is None


def test_what_cannot_be_moved_says_why(bundle: Bundle, tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="does not say how much tumour"):
        with_prevalence(tiny_bundle, 0.1)
    with pytest.raises(EvaluationError, match="above 0 and below 1, got 1"):
        with_prevalence(bundle, 1.0)


def test_the_thresholds_for_slides_spare_the_normal_patches_of_validation(bundle: Bundle) -> None:
    curve = OperatingCurve((0.9, 0.8, 0.6, 0.3), (0.1, 0.4, 0.8, 1.0), (1.0, 0.996, 0.96, 0.5), 10, 10)
    card = bundle.card.with_changes(operating=curve, threshold=0.3)
    assert card.slide_thresholds == (0.6, 0.8)
    assert card.with_changes(threshold=0.7).slide_thresholds == (0.7, 0.8)  # never below that of patches
    assert card.with_changes(operating=None).slide_thresholds == (0.3, 0.3)
    assert curve.sparing(1.1) == 0.9


def test_the_threshold_for_slides_of_earlier_versions_is_kept(bundle: Bundle, tiny_bundle: Bundle) -> None:
    value = json.loads(json.dumps(bundle.card.to_json()))
    assert Card.from_json(value).slide_threshold == 0.7
    assert "slide_threshold" not in tiny_bundle.card.to_json()
    with pytest.raises(BundleError, match="slide_threshold"):
        Card.from_json(value | {"slide_threshold": 1.5})


def test_thresholds_that_are_wanted_are_exact_in_a_long_curve() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 5000)
    probabilities = np.clip(random.normal(0.35 + 0.3 * labels, 0.2), 0, 1)

    curve = OperatingCurve.measured(labels, probabilities, exact=(0.4321, 0.8765))

    assert len(curve.thresholds) <= 200
    for threshold in (0.4321, 0.8765):
        called = probabilities >= threshold
        found, spared = curve.at(threshold)
        assert found.value == pytest.approx(called[labels == 1].mean(), abs=1e-6)
        assert spared.value == pytest.approx((~called[labels == 0]).mean(), abs=1e-6)
