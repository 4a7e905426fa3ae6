import json

import numpy as np
import pytest

from core.errors import EvaluationError
from core.evaluation import METRICS, Evaluation, at_threshold, evaluate


def _draw(generator, n, *, temperature=1.0):
    z = generator.normal(-0.4, 2.5, n)
    labels = generator.random(n) < 1 / (1 + np.exp(-z))
    return labels, 1 / (1 + np.exp(-z / temperature))


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(10), 20)])
def test_an_evaluation_travels_through_strict_json_without_loss(groups):
    labels, probabilities = _draw(np.random.default_rng(0), 200)
    result = evaluate(labels, probabilities, threshold=0.37, groups=groups, resamples=100)
    back = Evaluation.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False)))
    assert back == result
    assert list(back.metrics) == list(METRICS)


def test_undefined_figures_travel_as_null():
    data = evaluate([1, 1], [0.4, 0.8], resamples=10).to_json()
    assert data["figures"]["auc"] == {"value": None, "low": None, "high": None}
    assert Evaluation.from_json(data).to_json() == data


def test_a_damaged_evaluation_is_refused():
    data = evaluate([0, 1], [0.4, 0.8], resamples=10).to_json()
    with pytest.raises(EvaluationError, match="evaluate the model again"):
        Evaluation.from_json({**data, "figures": {}})
    with pytest.raises(EvaluationError, match="expected one of patch, slide, patient"):
        Evaluation.from_json({**data, "resampled": "hospital"})
    with pytest.raises(EvaluationError, match="fp is missing"):
        Evaluation.from_json({**data, "confusion": {"tn": 1}})


def test_moving_the_threshold_is_the_same_as_evaluating_there():
    labels, probabilities = _draw(np.random.default_rng(1), 400)
    start = evaluate(labels, probabilities, threshold=0.5, seed=3)
    moved = at_threshold(start, labels, probabilities, threshold=0.2, seed=3)
    assert moved == evaluate(labels, probabilities, threshold=0.2, seed=3)
    assert moved.metrics["sensitivity"].value > start.metrics["sensitivity"].value


def test_an_evaluation_by_slide_or_of_other_patches_is_not_moved():
    labels, probabilities = _draw(np.random.default_rng(1), 40)
    by_slide = evaluate(labels, probabilities, groups=np.arange(40) % 4, resamples=10)
    with pytest.raises(EvaluationError, match="by slide, 40 patches"):
        at_threshold(by_slide, labels, probabilities, threshold=0.2)
    by_patch = evaluate(labels[:30], probabilities[:30], resamples=10)
    with pytest.raises(EvaluationError, match=r"30 patches.*these 40 labels"):
        at_threshold(by_patch, labels, probabilities, threshold=0.2)


def test_every_interval_holds_its_figure():
    generator = np.random.default_rng(2)
    for n in (2, 5, 30, 300):
        for groups in (None, np.arange(n) % 5):
            labels, probabilities = _draw(generator, n)
            result = evaluate(labels, probabilities, groups=groups, resamples=60)
            for name, estimate in result.metrics.items():
                if estimate.has_interval:
                    assert estimate.low <= estimate.value <= estimate.high, (n, name)


def test_220025_patches_are_evaluated_with_and_without_slides():
    labels, probabilities = _draw(np.random.default_rng(3), 220_025)
    by_patch = evaluate(labels, probabilities)
    auc = by_patch.metrics["auc"]
    assert auc.high - auc.low < 0.004
    by_slide = evaluate(labels, probabilities, groups=np.arange(220_025) % 300, resamples=20)
    assert by_slide.metrics["auc"].value == auc.value


def _coverage(*, n, temperature=1.0, draws=1000, names):
    population = _draw(np.random.default_rng(99), 2_000_000, temperature=temperature)
    truth = evaluate(*population, resamples=1).metrics
    generator = np.random.default_rng(7)
    hits = dict.fromkeys(names, 0)
    for seed in range(draws):
        found = evaluate(*_draw(generator, n, temperature=temperature), resamples=300, seed=seed).metrics
        for name in names:
            hits[name] += found[name].low <= truth[name].value <= found[name].high
    return {name: count / draws for name, count in hits.items()}


@pytest.mark.slow
def test_intervals_cover_the_truth_in_95_of_100_draws():
    names = [name for name in METRICS if name != "ece"]
    for name, share in _coverage(n=400, names=names).items():
        assert 0.93 <= share <= 0.97, (name, share)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1.0, 0.7, 0.3])
def test_the_interval_of_the_ece_covers_the_truth_calibrated_or_not(temperature):
    # An ordinary bootstrap interval covers the ECE of a calibrated model in about none of the draws.
    share = _coverage(n=1000, temperature=temperature, names=["ece"], draws=500)["ece"]
    assert 0.91 <= share <= 0.99, share


@pytest.mark.slow
def test_intervals_by_slide_cover_the_truth_where_those_by_patch_do_not():
    generator = np.random.default_rng(11)

    def draw(slides):
        slide = np.repeat(np.arange(slides), 40)
        z = generator.normal(0, 2, len(slide))
        labels = generator.random(len(slide)) < 1 / (1 + np.exp(-z))
        shifted = z + generator.normal(0, 1.5, slides)[slide]
        return labels, 1 / (1 + np.exp(-shifted)), slide

    labels, probabilities, _ = draw(20_000)
    names = ("auc", "accuracy", "sensitivity", "nll")
    truth = evaluate(labels, probabilities, resamples=1).metrics
    hits = {("slide", name): 0 for name in names} | {("patch", name): 0 for name in names}
    for _ in range(400):
        labels, probabilities, slide = draw(30)
        for kind, groups in (("slide", slide), ("patch", None)):
            found = evaluate(labels, probabilities, groups=groups, resamples=300).metrics
            for name in names:
                hits[kind, name] += found[name].low <= truth[name].value <= found[name].high
    for name in names:
        assert 0.91 <= hits["slide", name] / 400 <= 0.99, (name, hits)
    assert hits["patch", "sensitivity"] / 400 < 0.75
    assert hits["patch", "nll"] / 400 < 0.92
