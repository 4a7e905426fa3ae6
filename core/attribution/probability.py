"""Logits and probabilities of many variants of a patch, within a bound on memory."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor, nn

from core.attribution.replica import borrowed

Calibrate = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]
"""From logits to probabilities, such as a bundle's calibration."""


def logits_of(
    model: nn.Module, variants: Callable[[int, int], Tensor], count: int, batch: int
) -> npt.NDArray[np.float32]:
    """Return the logits (count,) of variants, made by ``variants(low, high)`` only when their turn comes."""
    with borrowed(model) as twin, torch.no_grad():
        parts = [
            twin(variants(low, min(low + batch, count))).to("cpu", torch.float32) for low in range(0, count, batch)
        ]
    logits: npt.NDArray[np.float32] = torch.cat(parts).numpy()
    return logits


def probabilities_of(logits: npt.NDArray[np.float32], calibrate: Calibrate | None) -> npt.NDArray[np.float64]:
    """Return probabilities of tumour, by the logistic function unless a calibration is given."""
    if calibrate is not None:
        return np.asarray(calibrate(logits), np.float64)
    return np.asarray(expit(logits.astype(np.float64)))
