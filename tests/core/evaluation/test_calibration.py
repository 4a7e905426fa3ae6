import numpy as np
import pytest
from scipy.special import logit

from core.errors import EvaluationError
from core.evaluation import Calibration, best_threshold, fit_calibration


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (2.5, -0.8), (0.4, 0.5), (7.0, 3.0), (0.15, -2.0)])
def test_a_known_temperature_and_bias_are_found_again(temperature, bias):
    generator = np.random.default_rng(0)
    meant = generator.normal(0, 2, 60_000)
    labels = generator.random(60_000) < 1 / (1 + np.exp(-meant))
    found = fit_calibration((meant - bias) * temperature, labels)
    # Standard errors at this n are about 1 % and 0.01.
    assert found.temperature == pytest.approx(temperature, rel=0.04)
    assert found.bias == pytest.approx(bias, abs=0.06)


def test_the_fit_is_the_optimum():
    generator = np.random.default_rng(1)
    logits = generator.normal(1, 4, 500)
    labels = generator.random(500) < 1 / (1 + np.exp(-logits / 3))
    found = fit_calibration(logits, labels)
    residuals = found.apply(logits) - labels
    # At the optimum mean probability equals the share of tumour, and residuals do not go with the logit.
    assert np.mean(residuals) == pytest.approx(0, abs=1e-6)
    assert np.mean(residuals * logits) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_the_fit_never_worsens_the_likelihood_it_is_fitted_on(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(2, 60))
    logits = generator.normal(0, 10 ** generator.uniform(-3, 4), n)
    labels = generator.random(n) < 0.5
    labels[:2] = [True, False]
    before = _exact_nll(Calibration(), logits, labels)
    assert _exact_nll(fit_calibration(logits, labels), logits, labels) <= before


def _exact_nll(calibration, logits, labels):
    scaled = logits / calibration.temperature + calibration.bias
    return float(np.mean(np.logaddexp(0, np.where(labels, -scaled, scaled))))


def test_separable_logits_end_at_the_bound():
    found = fit_calibration([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1])
    assert found.temperature == pytest.approx(0.1)
    assert abs(found.bias) < 1e-6


def test_a_model_that_is_worse_than_guessing_is_made_unsure():
    found = fit_calibration([3.0, 2.0, -2.0, -3.0], [0, 0, 1, 1])
    assert found.temperature == pytest.approx(20.0)


def test_equal_logits_are_given_the_share_of_tumour():
    found = fit_calibration([0.0] * 8, [1, 1, 0, 0, 0, 0, 0, 0])
    assert found.apply(0.0) == pytest.approx(0.25, abs=1e-6)


def test_apply_and_its_inverse():
    calibration = Calibration(temperature=2.0, bias=-1.0)
    assert calibration.apply([2.0, 4.0]) == pytest.approx([0.5, 1 / (1 + np.exp(-1.0))], abs=1e-15)
    assert calibration.apply(np.float32(2.0)).dtype == np.float64
    assert (logit(calibration.apply([-3.0, 0.0, 5.5])) + 1.0) * 2.0 == pytest.approx([-3.0, 0.0, 5.5])
    assert calibration.apply([-1e4, 1e4]).tolist() == [0.0, 1.0]
    assert Calibration().apply([0.0]).tolist() == [0.5]


def test_calibration_keeps_the_order_and_so_the_decisions_at_the_moved_threshold():
    generator = np.random.default_rng(2)
    logits = generator.normal(0, 3, 300)
    labels = generator.random(300) < 1 / (1 + np.exp(-logits / 2 - 0.7))
    calibration = fit_calibration(logits, labels)
    threshold = best_threshold(labels, calibration.apply(logits))
    moved = (logit(threshold) - calibration.bias) * calibration.temperature
    assert np.array_equal(calibration.apply(logits) >= threshold, logits >= moved)


def test_calibration_checks_itself():
    for temperature, bias in ((0.0, 0.0), (-1.0, 0.0), (np.inf, 0.0), (1.0, np.nan)):
        with pytest.raises(EvaluationError, match="temperature must be above 0"):
            Calibration(temperature, bias)


@pytest.mark.parametrize(
    ("logits", "labels", "said"),
    [
        ([0.0, np.inf], [0, 1], "1 of 2 logits are not finite"),
        ([0.0, 1.0, 2.0], [0, 1], "Got 3 logits, 2 labels"),
        ([0.0, 1.0], [0, 0], "All 2 patches are labelled normal"),
        ([0.0, 1.0], [0, np.nan], "Labels are missing"),
    ],
)
def test_bad_input_is_named(logits, labels, said):
    with pytest.raises(EvaluationError, match=said):
        fit_calibration(logits, labels)
