"""Predictive values and net benefit, against cases worked out by hand."""

import numpy as np
import pytest

from core.errors import EvaluationError
from core.evaluation import Estimate, net_benefit, predictive_values

LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
PROBABILITIES = np.array([0.9, 0.8, 0.6, 0.3, 0.7, 0.4, 0.2, 0.2, 0.1, 0.1])


def test_rare_tumour_makes_false_alarms_outnumber_what_is_found() -> None:
    sensitivity, specificity = Estimate(0.9, 0.8, 0.95), Estimate(0.95, 0.9, 0.98)

    values = predictive_values(sensitivity, specificity, prevalence=0.01)

    assert values.ppv.value == pytest.approx(0.009 / (0.009 + 0.0495))
    assert values.ppv.low == pytest.approx(0.008 / (0.008 + 0.099))
    assert values.npv.value == pytest.approx(0.9405 / (0.9405 + 0.001))
    assert values.npv.low < values.npv.value < values.npv.high


def test_a_model_that_calls_nothing_tumour_has_no_ppv() -> None:
    values = predictive_values(Estimate(0.0, 0.0, 0.0), Estimate(1.0, 1.0, 1.0), prevalence=0.2)
    assert not values.ppv.is_defined
    assert values.npv.value == pytest.approx(0.8)


def test_net_benefit_counts_false_alarms_at_the_odds_of_the_threshold() -> None:
    model, everything = net_benefit(LABELS, PROBABILITIES, [0.5, 0.6, 0.2], prevalence=0.4)

    # At 0.5: 3 of 10 found, 1 of 10 false. A probability at the threshold itself is called tumour.
    assert model == pytest.approx([0.3 - 0.1, 0.3 - 0.1 * 1.5, 0.4 - 0.4 * 0.25])
    assert everything == pytest.approx([0.4 - 0.6, 0.4 - 0.6 * 1.5, 0.4 - 0.6 * 0.25])


def test_net_benefit_at_another_prevalence_keeps_sensitivity_and_specificity() -> None:
    model, _ = net_benefit(LABELS, PROBABILITIES, [0.5], prevalence=0.1)
    assert model == pytest.approx([0.75 * 0.1 - (1 / 6) * 0.9])


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, float("nan")])
def test_a_prevalence_that_cannot_be_is_refused(prevalence: float) -> None:
    with pytest.raises(EvaluationError, match="prevalence must be above 0 and below 1"):
        net_benefit(LABELS, PROBABILITIES, [0.5], prevalence=prevalence)
