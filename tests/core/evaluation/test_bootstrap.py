import math

import numpy as np
import pytest
from sklearn import metrics

from core.evaluation import METRICS, evaluate
from core.evaluation.bootstrap import (
    _Ranking,
    _weights,
    leave_one_out,
    percentile_interval,
    replicate,
    resamples_for,
)
from core.evaluation.sample import sample_of


def _clustered(seed=0, *, slides=40, per_slide=50, spread=1.5):
    """Patches whose slides differ in how sure the model is, so that patches of a slide err together."""
    generator = np.random.default_rng(seed)
    slide = np.repeat(np.arange(slides), per_slide)
    z = generator.normal(0, 2, len(slide))
    labels = generator.random(len(slide)) < 1 / (1 + np.exp(-z))
    shifted = z + generator.normal(0, spread, slides)[slide]
    return labels, 1 / (1 + np.exp(-shifted)), slide


@pytest.mark.parametrize("decimals", [1, 8])
def test_weighted_areas_are_those_of_scikit_learn(decimals):
    generator = np.random.default_rng(5)
    labels = generator.random(60) < 0.4
    scores = (0.4 * labels + 0.6 * generator.random(60)).round(decimals)
    weights = generator.integers(0, 4, size=(7, 60)).astype(float)
    areas = _Ranking.of(sample_of(labels, scores)).areas(weights)
    expected = [
        (
            metrics.roc_auc_score(labels, scores, sample_weight=row),
            metrics.average_precision_score(labels, scores, sample_weight=row),
        )
        for row in weights
    ]
    assert areas == pytest.approx(np.array(expected), abs=1e-12)


def test_a_resample_of_slides_gives_the_figures_of_the_patches_written_out():
    labels, probabilities, slide = _clustered(slides=6, per_slide=30)
    names = np.array([f"slide {number}" for number in slide])
    sample = sample_of(labels, probabilities, names)
    (found,) = replicate([sample], thresholds=[0.4], resamples=5, seed=9)
    weights = np.concatenate(list(_weights(6, 180, 5, 9)))
    for row in range(5):
        rows = np.concatenate([np.repeat(np.flatnonzero(slide == s), int(weights[row, s])) for s in range(6)])
        written = evaluate(labels[rows], probabilities[rows], threshold=0.4, resamples=1).metrics
        for name in METRICS:
            assert found.metrics[name][row] == pytest.approx(written[name].value, abs=1e-12), name


def test_weights_draw_as_many_units_as_there_are_in_every_chunk_size():
    few = np.concatenate(list(_weights(7, 7, 300, 0)))
    many = np.concatenate(list(_weights(7, 10_000_000, 300, 0)))
    assert few.shape == (300, 7)
    assert (few.sum(axis=1) == 7).all()
    assert np.array_equal(few, many)
    assert few.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)


def test_intervals_by_slide_are_wider_where_slides_differ_and_alike_where_not():
    labels, probabilities, slide = _clustered(spread=1.5)
    by_patch = evaluate(labels, probabilities).metrics
    by_slide = evaluate(labels, probabilities, groups=slide).metrics
    widen = {name: _width(by_slide[name]) / _width(by_patch[name]) for name in METRICS}
    assert widen["sensitivity"] > 2
    assert widen["specificity"] > 2
    assert widen["nll"] > 1.3
    labels, probabilities, slide = _clustered(spread=0.0)
    alike = evaluate(labels, probabilities, groups=slide).metrics
    by_patch = evaluate(labels, probabilities).metrics
    for name in ("auc", "average_precision", "accuracy", "nll", "brier", "mcc", "f1"):
        assert 0.7 < _width(alike[name]) / _width(by_patch[name]) < 1.4, name


def test_each_patch_its_own_slide_gives_nearly_the_closed_forms():
    labels, probabilities, _ = _clustered(slides=20, per_slide=100)
    closed = evaluate(labels, probabilities)
    drawn = evaluate(labels, probabilities, groups=np.arange(2000))
    assert (closed.resampled, drawn.resampled) == ("patch", "slide")
    assert (closed.slides, drawn.slides) == (None, 2000)
    for name in METRICS:
        one, two = closed.metrics[name], drawn.metrics[name]
        assert one.value == two.value
        tolerance = (0.15 if name == "ece" else 0.12) * _width(one)  # the ECE's is not narrower than its jackknife
        assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=tolerance), name


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    labels, probabilities, slide = _clustered()
    first = evaluate(labels, probabilities, groups=slide, resamples=300, seed=4)
    assert evaluate(labels, probabilities, groups=slide, resamples=300, seed=4) == first
    assert evaluate(labels, probabilities, groups=slide, resamples=300, seed=5) != first
    assert evaluate(labels, probabilities, seed=4) == evaluate(labels, probabilities, seed=4)


def test_perfect_predictions_by_slide_count_slides_not_patches():
    labels = np.tile([0, 1], 500)
    slide = np.repeat(np.arange(10), 100)
    found = evaluate(labels, np.where(labels, 0.9, 0.1), groups=slide, resamples=200).metrics
    for name in ("auc", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "f1", "mcc"):
        assert found[name].value == found[name].high == 1.0, name
        assert found[name].low < 0.9, name
    assert found["sensitivity"].low == pytest.approx(10 / (10 + 1.959963984540054**2))


def test_all_called_normal_by_slide_still_has_widths():
    labels = np.tile([0, 1], 50)
    found = evaluate(labels, np.full(100, 0.2), groups=np.repeat(np.arange(5), 20), resamples=200).metrics
    assert (found["sensitivity"].value, found["specificity"].value) == (0.0, 1.0)
    for name in ("sensitivity", "specificity", "balanced_accuracy", "accuracy", "f1"):
        assert _width(found[name]) > 0.1, name
        assert found[name].low <= found[name].value <= found[name].high


@pytest.mark.parametrize("slides", [1, 2, 3])
def test_fewer_than_four_slides_have_figures_but_no_intervals(slides):
    labels, probabilities, slide = _clustered(slides=slides, per_slide=20)
    evaluation = evaluate(labels, probabilities, groups=slide, resamples=50)
    assert not any(estimate.has_interval for estimate in evaluation.metrics.values())
    assert evaluation.metrics["auc"].value == pytest.approx(metrics.roc_auc_score(labels, probabilities))
    assert evaluation.described_slides.startswith(f"{slides} slides (a metric needs 4 ")


@pytest.mark.parametrize("tumour", [3, 4])
def test_tumour_on_fewer_than_four_slides_leaves_what_needs_it_without_an_interval(tumour):
    slide = np.repeat(np.arange(6), 4)
    labels = (np.arange(24) % 4 == 0) & (slide < tumour)
    found = evaluate(labels, np.linspace(0.05, 0.95, 24), groups=slide, resamples=100).metrics
    without = {name for name, estimate in found.items() if not estimate.has_interval}
    needs_it = {"auc", "average_precision", "balanced_accuracy", "sensitivity", "f1", "mcc"}
    assert without == (needs_it if tumour == 3 else set())


@pytest.mark.parametrize(("slides", "per_slide"), [(4, 3), (5, 20), (10, 2), (19, 40), (30, 2)])
def test_no_interval_by_slide_is_narrower_than_by_patch_or_without_a_width(slides, per_slide):
    for seed in range(5):
        labels, probabilities, slide = _clustered(seed, slides=slides, per_slide=per_slide)
        by_patch = evaluate(labels, probabilities, resamples=200, seed=1).metrics
        by_slide = evaluate(labels, probabilities, groups=slide, resamples=200, seed=1).metrics
        for name, each in by_slide.items():
            assert not each.has_interval or each.low < each.high, name
            if each.has_interval and by_patch[name].has_interval:
                assert each.low <= by_patch[name].low, name
                assert each.high >= by_patch[name].high, name


def test_with_few_slides_a_share_has_students_t_on_the_logit_scale():
    # Five slides of ten tumour patches, of which 9, 8, 7, 9 and 5 are found: 38 of 50.
    found = np.concatenate([np.arange(10) < count for count in (9, 8, 7, 9, 5)])
    slide = np.repeat(np.arange(5), 10)
    each = evaluate(np.ones(50), np.where(found, 0.9, 0.1), groups=slide).metrics["sensitivity"]
    left_out = np.array([29, 30, 31, 29, 33]) / 40
    variance = 4 / 5 * np.sum((left_out - 0.76) ** 2)
    half = 2.776445105 * math.sqrt(variance) / (0.76 * 0.24)
    ends = [1 / (1 + math.exp(-(math.log(0.76 / 0.24) + side * half))) for side in (-1, 1)]
    assert (each.low, each.high) == pytest.approx(ends, abs=1e-9)


def test_leaving_out_a_slide_gives_the_figures_of_the_others():
    labels, probabilities, slide = _clustered(slides=5, per_slide=30)
    (found,) = leave_one_out([sample_of(labels, probabilities, slide)], thresholds=[0.4])
    for gone in range(5):
        kept = evaluate(labels[slide != gone], probabilities[slide != gone], threshold=0.4, resamples=1).metrics
        for name in METRICS:
            assert found.metrics[name][gone] == pytest.approx(kept[name].value, abs=1e-12), name


@pytest.mark.parametrize("patches", [1, 2, 3, 4])
def test_an_ece_of_fewer_than_four_patches_has_no_interval(patches):
    labels = np.arange(patches) % 2
    found = evaluate(labels, np.linspace(0.2, 0.7, patches)).metrics
    assert found["ece"].has_interval is (patches == 4)
    assert all(each.low < each.high for each in found.values() if each.has_interval)


def test_percentiles_go_further_out_for_few_slides():
    values = np.linspace(0, 1, 100_001)
    many = percentile_interval(0.5, values, units=100_000)
    assert (many.low, many.high) == pytest.approx((0.025, 0.975), abs=1e-4)
    # sqrt(5 / 4) x 2.776445 = 3.104; the normal has 0.000953 beyond that.
    few = percentile_interval(0.5, values, units=5)
    assert (few.low, few.high) == pytest.approx((0.000953, 0.999047), abs=2e-5)


def test_fewer_resamples_are_drawn_of_very_many_patches_and_the_result_says_so():
    assert resamples_for(5000, 2000) == 2000
    assert resamples_for(220_025, 2000) == 454
    assert resamples_for(10_000_000, 2000) == 200
    assert resamples_for(10_000_000, 50) == 50
    assert evaluate([0, 1], [0.2, 0.8], groups=[0, 1], resamples=70).resamples == 70


def test_an_undefined_resample_is_left_out():
    found = percentile_interval(0.5, np.array([0.4, math.nan, 0.6]), units=1000)
    assert 0.4 <= found.low < 0.41
    assert 0.59 < found.high <= 0.6


def _width(estimate):
    return estimate.high - estimate.low
