"""Temperature and bias: from logits to probabilities that mean what they say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from core.errors import EvaluationError
from core.evaluation.sample import (
    BoolArray,
    FloatArray,
    checked_labels,
    checked_logits,
    require_both_classes,
    require_equal_length,
)

TEMPERATURE_RANGE = (0.1, 20.0)
BIAS_RANGE = (-10.0, 10.0)


@dataclass(frozen=True)
class Calibration:
    """The map from a logit to a probability: sigmoid(logit / temperature + bias).

    Attributes:
        temperature: above 0; larger than 1 makes the model less sure.
        bias: added after the division, in logits.

    Raises:
        EvaluationError: the temperature is not above 0, or a number is not finite.
    """

    temperature: float = 1.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0 and math.isfinite(self.bias)):
            raise EvaluationError(
                f"A calibration with temperature {self.temperature:g} and bias {self.bias:g} cannot be: "
                "the temperature must be above 0 and both must be finite."
            )

    def apply(self, logits: npt.ArrayLike) -> FloatArray:
        """Return the probabilities of logits of any shape, float64 of the same shape, in [0, 1].

        Every probability that is shown, stored or written comes from here.

        Raises:
            EvaluationError: a logit is not finite, so that there is no probability.
        """
        values = np.asarray(logits, dtype=np.float64)
        broken = values.size - int(np.isfinite(values).sum())
        if broken:
            # NaN is below every threshold, and would go on as the verdict "normal".
            raise EvaluationError(
                f"The model gave no number for {broken:,} of {values.size:,} patches (NaN or infinity). Its file is "
                "damaged or its training diverged; choose another model."
            )
        scaled = values / self.temperature + self.bias
        return np.asarray(expit(scaled), dtype=np.float64)


def fit_calibration(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Calibration:
    """Find the temperature and bias with the lowest negative log-likelihood.

    Temperature scaling (Guo et al. 2017, arXiv:1706.04599) with the bias of Platt (1999). The temperature
    stays in [0.1, 20] and the bias in [-10, 10], so that separable data, whose likelihood has no maximum,
    ends at a bound. The fit is never worse than the logits as they are. Fit on patches the model was not
    trained on.

    Args:
        logits: (N,) finite tumour logits.
        labels: (N,) 0 or 1.

    Raises:
        EvaluationError: a logit is not finite, a label is missing, lengths differ, or there is one class
            only.
    """
    values, truth = checked_logits(logits), checked_labels(labels)
    require_equal_length(logits=values, labels=truth)
    require_both_classes(truth)
    # In the slope 1 / temperature the likelihood is convex, so the bounded optimum is the only one.
    slope_range = (1 / TEMPERATURE_RANGE[1], 1 / TEMPERATURE_RANGE[0])
    start = np.array([1.0, 0.0])
    found = minimize(
        _loss_and_gradient,
        start,
        args=(values, truth),
        jac=True,
        method="L-BFGS-B",
        bounds=(slope_range, BIAS_RANGE),
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500},
    )
    if not found.fun < _loss_and_gradient(start, values, truth)[0]:
        return Calibration()
    slope, bias = (float(number) for number in found.x)
    return Calibration(temperature=1 / slope, bias=bias)


def _loss_and_gradient(parameters: FloatArray, logits: FloatArray, labels: BoolArray) -> tuple[float, FloatArray]:
    slope, bias = parameters
    scaled = slope * logits + bias
    loss = float(np.mean(np.logaddexp(0.0, np.where(labels, -scaled, scaled))))
    residuals = expit(scaled) - labels
    return loss, np.array([np.mean(residuals * logits), np.mean(residuals)])
