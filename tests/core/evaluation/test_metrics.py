import math

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from core.evaluation import ECE_BINS, METRICS, ConfusionMatrix, confusion_matrix, evaluate
from core.evaluation.metrics import THRESHOLD_METRICS, log_losses, threshold_metrics

NAMES = [
    "auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "f1",
    "mcc",
    "nll",
    "brier",
    "ece",
]


def _patches(n, *, seed, decimals=None):
    generator = np.random.default_rng(seed)
    probabilities = generator.beta(0.6, 0.8, n)
    labels = (generator.random(n) < probabilities**1.3).astype(int)
    if decimals is not None:
        probabilities = probabilities.round(decimals)
    return labels, probabilities


def _by_scikit_learn(labels, probabilities, threshold):
    called = probabilities >= threshold
    observed, predicted = calibration_curve(labels, probabilities, n_bins=ECE_BINS, strategy="uniform")
    inner = np.linspace(0, 1, ECE_BINS + 1)[1:-1]
    counts = np.bincount(np.searchsorted(inner, probabilities), minlength=ECE_BINS)
    counts = counts[counts > 0]
    return {
        "auc": metrics.roc_auc_score(labels, probabilities),
        "average_precision": metrics.average_precision_score(labels, probabilities),
        "accuracy": metrics.accuracy_score(labels, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, called),
        "sensitivity": metrics.recall_score(labels, called),
        "specificity": metrics.recall_score(labels, called, pos_label=0),
        "f1": metrics.f1_score(labels, called),
        "mcc": metrics.matthews_corrcoef(labels, called),
        "nll": metrics.log_loss(labels, probabilities),
        "brier": metrics.brier_score_loss(labels, probabilities),
        "ece": float(np.sum(np.abs(observed - predicted) * counts) / len(labels)),
    }


@pytest.mark.parametrize(
    ("n", "decimals", "threshold"), [(500, None, 0.5), (2000, 2, 0.37), (300, 1, 0.7), (41, 0, 0.5)]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_figure_is_that_of_scikit_learn_with_and_without_ties(n, decimals, threshold, seed):
    labels, probabilities = _patches(n, seed=seed, decimals=decimals)
    expected = _by_scikit_learn(labels, probabilities, threshold)
    found = evaluate(labels, probabilities, threshold=threshold, resamples=10).metrics
    assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_figures_by_hand():
    # Tumour at 0.9, 0.6, 0.2; normal at 0.7, 0.1. Pairs won: 2 + 1 + 1 of 6.
    found = evaluate([1, 1, 1, 0, 0], [0.9, 0.6, 0.2, 0.7, 0.1], resamples=10)
    values = {name: estimate.value for name, estimate in found.metrics.items()}
    assert found.confusion == ConfusionMatrix(tn=1, fp=1, fn=1, tp=2)
    assert values == pytest.approx(
        {
            "auc": 4 / 6,
            "average_precision": (1 + 2 / 3 + 3 / 4) / 3,
            "accuracy": 3 / 5,
            "balanced_accuracy": (2 / 3 + 1 / 2) / 2,
            "sensitivity": 2 / 3,
            "specificity": 1 / 2,
            "f1": 4 / 6,
            "mcc": (2 * 1 - 1 * 1) / math.sqrt(3 * 2 * 3 * 2),
            "nll": -math.log(0.9 * 0.6 * 0.2 * 0.3 * 0.9) / 5,
            "brier": (0.01 + 0.16 + 0.64 + 0.49 + 0.01) / 5,
            "ece": (0.1 + 0.4 + 0.8 + 0.7 + 0.1) / 5,
        },
        abs=1e-15,
    )


def test_the_registry_names_every_figure_in_order():
    assert list(METRICS) == NAMES
    assert all(figure.name == name for name, figure in METRICS.items())
    assert [name for name in NAMES if not METRICS[name].higher_is_better] == ["nll", "brier", "ece"]
    assert all(figure.help.endswith(".") and figure.label for figure in METRICS.values())
    assert set(THRESHOLD_METRICS) == set(NAMES[2:8])


def test_constant_probabilities_are_guessing():
    found = evaluate([1, 0, 0, 0, 1, 0, 0, 0], [0.3] * 8, resamples=50).metrics
    assert found["auc"].value == 0.5
    assert found["auc"].low == pytest.approx(1 - found["auc"].high)
    assert found["auc"].high > 0.8  # eight patches are not certain of that
    assert found["average_precision"].value == 0.25
    assert found["mcc"].value == 0.0
    assert found["f1"].value == 0.0
    assert found["ece"].value == pytest.approx(0.05)


def test_a_probability_at_the_threshold_is_called_tumour():
    assert confusion_matrix([1, 0, 1], [0.5, 0.5, 0.4999]) == ConfusionMatrix(tn=0, fp=1, fn=1, tp=1)


def test_a_wrong_certainty_costs_36_nats():
    losses = log_losses(np.array([True, False]), np.array([0.0, 1.0]))
    assert losses == pytest.approx([52 * math.log(2)] * 2, rel=1e-12)


@pytest.mark.parametrize(("label", "undefined"), [(1, {"specificity"}), (0, {"sensitivity"})])
def test_one_class_leaves_the_figures_that_need_both_undefined(label, undefined):
    undefined = undefined | {"auc", "average_precision", "balanced_accuracy", "mcc"}
    found = evaluate([label] * 4, [0.1, 0.6, 0.7, 0.9], resamples=50).metrics
    assert {name for name, estimate in found.items() if not estimate.is_defined} == undefined
    assert found["accuracy"].value == (0.75 if label else 0.25)
    assert found["f1"].value == (pytest.approx(6 / 7) if label else 0.0)


def test_f1_is_undefined_without_any_tumour_labelled_or_called():
    assert math.isnan(evaluate([0, 0], [0.1, 0.2], resamples=5).metrics["f1"].value)


def test_mcc_keeps_its_digits_with_large_counts():
    counts = np.array([1e9, 3.0, 5.0, 1e9])
    expected = (1e18 - 15) / math.sqrt((1e9 + 3) ** 2 * (1e9 + 5) ** 2)
    assert float(threshold_metrics(counts)["mcc"]) == pytest.approx(expected, rel=1e-12)


def test_the_confusion_matrix_counts_and_travels():
    matrix = confusion_matrix([0, 0, 1, 1, 1], [0.1, 0.8, 0.2, 0.9, 0.95], threshold=0.5)
    assert (matrix.n, matrix.positives, matrix.negatives) == (5, 3, 2)
    assert matrix.to_json() == {"tn": 1, "fp": 1, "fn": 1, "tp": 2}
    assert ConfusionMatrix.from_json(matrix.to_json()) == matrix
