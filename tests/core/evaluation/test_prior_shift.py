"""Moving probabilities to another prevalence, against Bayes' rule worked out by hand."""

import numpy as np
import pytest

from core.errors import EvaluationError
from core.evaluation import at_prevalence, log_odds_shift


def test_the_odds_change_by_the_ratio_of_the_prior_odds() -> None:
    # Odds 1, 3 and 1/4 at prior odds 1; at a prevalence of 0.1 these are 1/9.
    moved = at_prevalence([0.5, 0.75, 0.2], calibrated=0.5, wanted=0.1)

    assert moved == pytest.approx([1 / 10, 3 / 12, 1 / 37])


def test_the_certain_and_the_same_prevalence_stay() -> None:
    assert at_prevalence([0, 1], calibrated=0.4, wanted=0.01).tolist() == [0, 1]
    assert at_prevalence([0.3], calibrated=0.4, wanted=0.4) == pytest.approx([0.3])


def test_back_and_forth_is_where_it_was_and_the_order_stays() -> None:
    before = np.linspace(0, 1, 101)
    there = at_prevalence(before, calibrated=0.49, wanted=0.002)

    assert at_prevalence(there, calibrated=0.002, wanted=0.49) == pytest.approx(before)
    assert (np.diff(there) > 0).all()


def test_the_mean_of_calibrated_probabilities_becomes_the_prevalence() -> None:
    """Two kinds of patches, 30 % and 80 % tumour; where tumour is half, both are equally frequent among 5 in 10."""
    share, tumour = np.array([0.6, 0.4]), np.array([0.3, 0.8])
    calibrated = float(share @ tumour)
    # At 10 % the patches of each kind are those of its tumour and its normal tissue, drawn anew.
    weights = share * (tumour * 0.1 / calibrated + (1 - tumour) * 0.9 / (1 - calibrated))

    moved = at_prevalence(tumour, calibrated=calibrated, wanted=0.1)

    assert weights.sum() == pytest.approx(1)
    assert float(weights @ moved) == pytest.approx(0.1)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_prevalence_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(EvaluationError, match="prevalence must be above 0 and below 1"):
        log_odds_shift(calibrated=0.5, wanted=share)
    with pytest.raises(EvaluationError, match="prevalence must be above 0 and below 1"):
        at_prevalence([0.5], calibrated=share, wanted=0.5)
