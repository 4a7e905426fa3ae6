"""Deletion and insertion: does the probability follow the map?

The source is Petsiuk 2018, arXiv:1806.07421 (RISE). Pixels are removed from the patch, or inserted into the
baseline, in the order of the map. A map that shows what the network uses makes the probability fall fast in
the one and rise fast in the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor, nn

from core.attribution.options import Baseline
from core.attribution.patch import as_tensor, baseline_of
from core.attribution.replica import borrowed, device_of
from core.attribution.result import Attribution
from core.data.store import PATCH_SIZE
from core.errors import ConfigError
from core.progress import Progress, no_progress

Kind = Literal["deletion", "insertion"]

Calibrate = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]
"""From logits to probabilities, such as a bundle's calibration."""


@dataclass(frozen=True, eq=False)
class Curve:
    """The probability along a deletion or an insertion.

    Attributes:
        kind: ``deletion`` or ``insertion``.
        fractions: float64 (steps + 1,), share of the pixels removed or inserted, from 0 to 1.
        probabilities: float64 (steps + 1,), probability of tumour there.
        area: Area under the curve, in [0, 1]; low is good for deletion, high for insertion.
        random_area: The same for pixels in random order, the yardstick.
        sentence: What it means, in plain words.
    """

    kind: Kind
    fractions: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]
    area: float
    random_area: float
    sentence: str


def deletion_and_insertion(
    model: nn.Module,
    patch: npt.NDArray[np.uint8] | Tensor,
    attribution: Attribution,
    *,
    steps: int = 32,
    baseline: Baseline = "blur",
    internal_batch: int = 16,
    calibrate: Calibrate | None = None,
    progress: Progress = no_progress,
) -> tuple[Curve, Curve]:
    """Return the deletion and the insertion curve of an attribution.

    Pixels go in the order of the attribution's sum over channels, the strongest evidence for tumour first; equal
    ones from the top left.

    Args:
        model: From pixels in [0, 1] to logits.
        patch: The explained patch.
        attribution: Its attribution.
        steps: Equal portions of pixels.
        baseline: What takes a pixel's place; ``blur`` by default, since white holes look like nothing in
            tissue.
        internal_batch: Patches in one pass of the network at most.
        calibrate: From logits to probabilities; the logistic function by default.
        progress: Called with the finished share; what it raises ends the work.

    Raises:
        ConfigError: ``steps`` is out of its range.
        PatchError: The patch has another shape, type or range.
    """
    if not 1 <= steps <= PATCH_SIZE * PATCH_SIZE:
        raise ConfigError(f"steps must be 1 to {PATCH_SIZE * PATCH_SIZE}, got {steps!r}.")
    pixels = as_tensor(patch).to(device_of(model))
    other = baseline_of(pixels, baseline)
    score = attribution.values.sum(axis=0, dtype=np.float64).ravel()
    ranked = np.argsort(-score, kind="stable")
    shuffled = np.random.default_rng(0).permutation(ranked.size)
    paths = (
        (pixels, other, ranked),
        (other, pixels, ranked),
        (pixels, other, shuffled),
        (other, pixels, shuffled),
    )
    found = []
    for index, (start, end, order) in enumerate(paths):
        batches = _Path(start, end, order, steps)
        logits = logits_of(model, batches, steps + 1, internal_batch)
        found.append(probabilities_of(logits, calibrate))
        progress((index + 1) / len(paths))
    return _curve("deletion", found[0], found[2]), _curve("insertion", found[1], found[3])


@dataclass(frozen=True, eq=False)
class _Path:
    """The patches from start to end when pixels change over in a given order."""

    start: Tensor
    end: Tensor
    order: npt.NDArray[np.intp]
    steps: int

    def __call__(self, low: int, high: int) -> Tensor:
        """Return patches low to high - 1 of the steps + 1 on the path."""
        rank = np.empty(self.order.size, np.int64)
        rank[self.order] = np.arange(self.order.size)
        when = torch.from_numpy(rank).to(self.start.device).reshape(1, 1, PATCH_SIZE, PATCH_SIZE)
        changed = [round(step * self.order.size / self.steps) for step in range(low, high)]
        return torch.cat([torch.where(when < count, self.end, self.start) for count in changed])


def _curve(kind: Kind, probabilities: npt.NDArray[np.float64], at_random: npt.NDArray[np.float64]) -> Curve:
    fractions = np.linspace(0, 1, len(probabilities))
    area, random_area = (float(np.trapezoid(curve, fractions)) for curve in (probabilities, at_random))
    better = area < random_area if kind == "deletion" else area > random_area
    what = "Taking away pixels in the map's order" if kind == "deletion" else "Giving pixels back in the map's order"
    verdict = "the network follows the map" if better else "the map is no better than chance here"
    sentence = f"{what} gives a mean probability of {area:.2f} ({random_area:.2f} in random order): {verdict}."
    return Curve(kind, fractions, probabilities, area, random_area, sentence)


def logits_of(
    model: nn.Module, variants: Callable[[int, int], Tensor], count: int, batch: int
) -> npt.NDArray[np.float32]:
    """Return the logits (count,) of variants; ``variants(low, high)`` makes them batch by batch, to bound memory."""
    with borrowed(model) as twin, torch.no_grad():
        logits = [
            twin(variants(low, min(low + batch, count))).to("cpu", torch.float32) for low in range(0, count, batch)
        ]
    joined: npt.NDArray[np.float32] = torch.cat(logits).numpy()
    return joined


def probabilities_of(logits: npt.NDArray[np.float32], calibrate: Calibrate | None) -> npt.NDArray[np.float64]:
    """Return probabilities of tumour, by the logistic function unless a calibration is given."""
    if calibrate is not None:
        return np.asarray(calibrate(logits), np.float64)
    return np.asarray(expit(logits.astype(np.float64)))
