"""The mean of a metric over several trainings on subsets of the same patches."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t

from core.errors import EvaluationError
from core.evaluation.estimate import FEWEST, UNDEFINED, Estimate, holding, without_interval


def corrected_half_width(values: Sequence[float], *, test_to_train: float) -> float:
    """Return half the width of the 95% CI around the mean of metrics whose training splits overlap.

    The corrected resampled t (Nadeau & Bengio, Machine Learning 52:239, 2003): the variance of the mean of k values is
    taken as (1 / k + test / train) times theirs, because trainings on shared patches are less independent than their
    number says. It was made for repeated random splits; for the folds of a cross-validation it is on the wide side.

    Args:
        values: the metric of each training, at least two.
        test_to_train: patches in the test split divided by those in the training split.

    Raises:
        EvaluationError: there are fewer than two values, or the share is negative.
    """
    if len(values) < 2 or test_to_train < 0:
        raise EvaluationError(
            f"The spread of a metric needs two trainings or more and a share of 0 or more; got {len(values)} and "
            f"{test_to_train:g}."
        )
    count = len(values)
    return float(t.ppf(0.975, count - 1)) * math.sqrt((1 / count + test_to_train) * statistics.variance(values))


def corrected_mean(values: Sequence[float], *, test_to_train: float) -> Estimate:
    """Return the mean of the defined values with its interval, see :func:`corrected_half_width`.

    With fewer than four defined values there is no interval, with none no mean.
    """
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return UNDEFINED
    mean = statistics.fmean(defined)
    if len(defined) < FEWEST:
        return without_interval(mean)
    half = corrected_half_width(defined, test_to_train=test_to_train)
    return holding(mean, mean - half, mean + half)
