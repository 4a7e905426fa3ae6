import numpy as np
import pytest
from scipy.spatial import KDTree
from sklearn import metrics
from sklearn.calibration import calibration_curve

from core.evaluation import bin_of, evaluate, pr_points, reliability, roc_points, wilson


def _patches(n, *, seed=0, decimals=None):
    generator = np.random.default_rng(seed)
    probabilities = generator.beta(0.6, 0.8, n)
    labels = generator.random(n) < probabilities
    return labels, probabilities if decimals is None else probabilities.round(decimals)


def test_roc_points_by_hand():
    curve = roc_points([1, 1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.6])
    # The point at 0.9 lies on the line from (0, 0) to that at 0.8.
    assert curve.x.tolist() == [0, 0, 0.5, 1]
    assert curve.y == pytest.approx([0, 2 / 3, 2 / 3, 1])
    assert curve.thresholds.tolist() == [np.inf, 0.8, 0.7, 0.6]


@pytest.mark.parametrize("decimals", [None, 2])
def test_the_roc_curve_is_that_of_scikit_learn(decimals):
    labels, probabilities = _patches(700, decimals=decimals)
    x, y, thresholds = metrics.roc_curve(labels, probabilities, drop_intermediate=False)
    curve = roc_points(labels, probabilities)
    keep = np.isin(thresholds, curve.thresholds)
    assert curve.x == pytest.approx(x[keep])
    assert curve.y == pytest.approx(y[keep])
    assert metrics.auc(curve.x, curve.y) == pytest.approx(metrics.auc(x, y), abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 2])
def test_the_precision_recall_curve_is_that_of_scikit_learn(decimals):
    labels, probabilities = _patches(700, decimals=decimals)
    precision, recall, thresholds = metrics.precision_recall_curve(labels, probabilities)
    curve = pr_points(labels, probabilities)
    assert curve.x == pytest.approx(recall[::-1])
    assert curve.y == pytest.approx(precision[::-1])
    assert curve.thresholds[1:] == pytest.approx(thresholds[::-1])
    assert (curve.x[0], curve.y[0], curve.thresholds[0]) == (0.0, 1.0, np.inf)


def test_many_points_are_thinned_without_moving_the_line():
    labels, probabilities = _patches(100_000)
    x, y, _ = metrics.roc_curve(labels, probabilities, drop_intermediate=False)
    curve = roc_points(labels, probabilities)
    assert 1000 < len(curve.x) <= 2000
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    # Both rates only rise, so their sum tells how far along the line a point is.
    assert np.abs(np.interp(x + y, curve.x + curve.y, curve.y) - y).max() < 0.0005
    precision, recall, _ = metrics.precision_recall_curve(labels, probabilities)
    subsample = pr_points(labels, probabilities)
    assert 1000 < len(subsample.x) <= 2000
    assert (subsample.x[-1], subsample.y[-1]) == (1.0, pytest.approx(labels.mean()))
    # Every point left out has a kept one beside it.
    distance, _ = KDTree(np.column_stack([subsample.x, subsample.y])).query(np.column_stack([recall, precision]))
    assert distance.max() < 0.001


def test_the_reliability_diagram_is_that_of_scikit_learn():
    labels, probabilities = _patches(900)
    observed, predicted = calibration_curve(labels, probabilities, n_bins=15, strategy="uniform")
    found = reliability(labels, probabilities)
    assert found.observed == pytest.approx(observed, abs=1e-12)
    assert found.mean_probability == pytest.approx(predicted, abs=1e-12)
    assert found.count.sum() == 900
    assert found.ece == pytest.approx(evaluate(labels, probabilities, resamples=1).metrics["ece"].value, abs=1e-14)


def test_bins_hold_their_upper_edge_and_empty_bins_are_left_out():
    edges = np.linspace(0, 1, 16)
    probabilities = [0.0, edges[1], edges[1] + 1e-7, edges[2], 1.0]
    found = reliability([0, 1, 1, 0, 1], probabilities)
    assert found.index.tolist() == [0, 1, 14]
    assert found.count.tolist() == [2, 2, 1]
    assert (found.lower.tolist(), found.upper.tolist()) == (edges[[0, 1, 14]].tolist(), edges[[1, 2, 15]].tolist())
    assert found.observed.tolist() == [0.5, 0.5, 1.0]
    assert (found.low[2], found.high[2]) == (wilson(1, 1).low, 1.0)
    assert found.ece == pytest.approx((2 * abs(0.5 / 15 - 0.5) + 2 * abs(1.5 / 15 + 5e-8 - 0.5) + 0) / 5)
    assert bin_of(probabilities).tolist() == [0, 0, 1, 1, 14]
