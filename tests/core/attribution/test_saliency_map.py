"""From attribution to a map for the eye."""

import numpy as np
import pytest

from core.attribution import METHODS, Attribution, saliency_map
from core.errors import AttributionError, ConfigError


def attribution(values: np.ndarray, method: str = "saliency") -> Attribution:
    return Attribution(values.astype(np.float32), method, logit=0.0)


@pytest.fixture
def ramp() -> np.ndarray:
    """Channel sums 0, 1, ..., 9215, all positive."""
    values = np.zeros((3, 96, 96))
    values[0] = values[2] = np.arange(9216).reshape(96, 96) / 2
    return values


def test_the_percentile_becomes_one_and_what_is_above_is_cut(ramp):
    drawn = saliency_map(attribution(ramp), percentile=50)
    assert drawn.dtype == np.float32
    flat = drawn.ravel()
    assert flat[0] == 0
    np.testing.assert_allclose(flat[:4608], np.arange(4608) / 4607.5, rtol=1e-6)
    np.testing.assert_array_equal(flat[4608:], 1)
    np.testing.assert_allclose(
        saliency_map(attribution(ramp), percentile=100).ravel(), np.arange(9216) / 9215, rtol=1e-6
    )
    top = saliency_map(attribution(ramp)).ravel()
    assert top[100] == pytest.approx(100 / (0.99 * 9215))


def test_the_three_signs():
    values = np.zeros((3, 96, 96))
    values[:, 0, 0] = (3, -1, 0)
    values[:, 0, 1] = (-4, 0, 0)
    values[:, 0, 2] = (1, 0, 0)
    one = attribution(values)
    np.testing.assert_allclose(saliency_map(one, sign="absolute", percentile=100)[0, :4], [1, 1, 0.25, 0])
    np.testing.assert_allclose(saliency_map(one, sign="positive", percentile=100)[0, :4], [1, 0, 0.5, 0])
    np.testing.assert_allclose(saliency_map(one, sign="signed", percentile=100)[0, :4], [0.5, -1, 0.25, 0])


def test_the_method_brings_its_own_sign(ramp):
    for name, method in METHODS.items():
        np.testing.assert_array_equal(
            saliency_map(attribution(-ramp, name)), saliency_map(attribution(-ramp, name), sign=method.sign)
        )
    assert saliency_map(attribution(-ramp, "grad-cam")).max() == 0
    assert saliency_map(attribution(-ramp, "integrated-gradients")).min() == -1
    assert saliency_map(attribution(-ramp, "saliency")).max() == 1
    np.testing.assert_array_equal(saliency_map(ramp), saliency_map(attribution(ramp, "saliency")))


def test_few_pixels_are_measured_by_the_largest():
    values = np.zeros((3, 96, 96))
    values[0, 5, 5] = 8
    values[0, 6, 6] = 2
    drawn = saliency_map(attribution(values), percentile=99)
    assert (drawn[5, 5], drawn[6, 6], drawn.sum()) == (1, 0.25, 1.25)


@pytest.mark.parametrize("sign", ["absolute", "positive", "signed"])
@pytest.mark.parametrize("smoothing", [0.0, 3.0])
def test_an_empty_map_stays_empty(sign, smoothing):
    drawn = saliency_map(attribution(np.zeros((3, 96, 96))), sign=sign, smoothing=smoothing)
    np.testing.assert_array_equal(drawn, np.zeros((96, 96), np.float32))


def test_smoothing_is_a_gaussian_of_the_given_width():
    values = np.zeros((3, 96, 96))
    values[1, 48, 48] = 1
    drawn = saliency_map(attribution(values), smoothing=4, percentile=100)
    assert drawn[48, 48] == 1
    assert drawn[48, 52] == pytest.approx(np.exp(-0.5), abs=1e-3)
    assert drawn[40, 48] == pytest.approx(np.exp(-2), abs=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    values = np.zeros((3, 96, 96), np.float32)
    values[0, 1, 2] = bad
    with pytest.raises(AttributionError, match="1 values that are not finite"):
        Attribution(values, "saliency", 0.0)
    with pytest.raises(AttributionError, match="finite"):
        saliency_map(values)


def test_other_shapes_and_settings_are_refused(ramp):
    with pytest.raises(AttributionError, match="3×96×96 and float32"):
        Attribution(ramp, "saliency", 0.0)
    with pytest.raises(AttributionError, match=r"shape \(96, 96\)"):
        saliency_map(ramp[0])
    for percentile in (0, -1, 100.1, float("nan")):
        with pytest.raises(ConfigError, match="percentile"):
            saliency_map(ramp, percentile=percentile)
    with pytest.raises(ConfigError, match="smoothing"):
        saliency_map(ramp, smoothing=-1)
    with pytest.raises(ConfigError, match="sign 'both'"):
        saliency_map(ramp, sign="both")


def test_an_attribution_cannot_be_changed_by_accident(ramp):
    one = attribution(ramp)
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0, 0] = 1
