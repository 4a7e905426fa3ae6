"""Where to draw the line: thresholds chosen from labels and probabilities, and two thresholds for triage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import EvaluationError
from core.evaluation.estimate import Estimate
from core.evaluation.sample import FloatArray, IntArray, Sample, checked_share, sample_of
from core.evaluation.shares import share_of


def best_threshold(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the threshold with the highest balanced accuracy (Youden's J, 1950).

    All thresholds between two neighbouring probabilities decide alike; the middle of the best such gap is
    returned, which is safest against small shifts. Among equally good gaps, the one whose middle is nearest
    0.5 wins.

    Raises:
        EvaluationError: see `sample_of`; or there is one class only.
    """
    sample = sample_of(labels, probabilities, both_classes=True)
    thresholds, true, false = _cuts(sample)
    # In whole numbers, so that ties are ties.
    youden = true * sample.negatives - false * sample.positives
    best = thresholds[youden == youden.max()]
    return float(best[np.argmin(np.abs(best - 0.5))])


def threshold_for_sensitivity(labels: npt.ArrayLike, probabilities: npt.ArrayLike, *, at_least: float) -> float:
    """Return the highest threshold that still finds this share of the tumour patches.

    Of all thresholds that reach the target this one has the best specificity; the middle of its gap is
    returned.

    Args:
        labels: (N,) 0 or 1.
        probabilities: (N,) in [0, 1].
        at_least: the sensitivity wanted, in [0, 1].

    Raises:
        EvaluationError: see `sample_of`; or there is one class only, or the target lies outside [0, 1].
    """
    sample = sample_of(labels, probabilities, both_classes=True)
    thresholds, true, _ = _cuts(sample)
    needed = _needed(checked_share(at_least, name="The sensitivity wanted"), sample.positives)
    return float(thresholds[true >= needed].max())


def threshold_for_specificity(labels: npt.ArrayLike, probabilities: npt.ArrayLike, *, at_least: float) -> float:
    """Return the lowest threshold that calls this share of the normal patches normal.

    Arguments are those of `threshold_for_sensitivity`.

    Of all thresholds that reach the target this one has the best sensitivity; the middle of its gap is
    returned.

    Raises:
        EvaluationError: see `sample_of`; or there is one class only, the target lies outside [0, 1], or no
            threshold reaches it because too many normal patches have a probability of exactly 1.
    """
    sample = sample_of(labels, probabilities, both_classes=True)
    thresholds, _, false = _cuts(sample)
    needed = _needed(checked_share(at_least, name="The specificity wanted"), sample.negatives)
    reached = thresholds[sample.negatives - false >= needed]
    if not len(reached):
        certain = int(((sample.probabilities == 1) & ~sample.labels).sum())
        raise EvaluationError(
            f"No threshold reaches a specificity of {at_least:g}: {certain:,} of {sample.negatives:,} normal "
            "patches have a probability of exactly 1. Ask for less, or calibrate the model first."
        )
    return float(reached.min())


@dataclass(frozen=True)
class Triage:
    """Three groups by two thresholds: clear, review and suspicious.

    Attributes:
        clear_below: patches with a lower probability are cleared.
        suspicious_from: patches with at least this probability are suspicious; those between are for review.
        n: all patches.
        clear: number of cleared patches.
        review: number of patches for review.
        suspicious: number of suspicious patches.
        missed: number of tumour patches that were cleared.
        share_clear: share of all patches that is cleared.
        share_review: share of all patches that is left for review.
        cancers_missed: share of the tumour patches that is cleared.
        tumour_among_suspicious: share of the suspicious patches that is tumour.

    All shares carry 95% CIs over slides where these are known, else over patches, see `share_of`; a share of nothing is
    undefined (NaN).
    """

    clear_below: float
    suspicious_from: float
    n: int
    clear: int
    review: int
    suspicious: int
    missed: int
    share_clear: Estimate
    share_review: Estimate
    cancers_missed: Estimate
    tumour_among_suspicious: Estimate


def triage(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    clear_below: float,
    suspicious_from: float,
    groups: npt.ArrayLike | None = None,
) -> Triage:
    """Sort patches into clear (p < clear_below), suspicious (p >= suspicious_from) and review (between).

    Args:
        labels: (N,) 0 or 1.
        probabilities: (N,) in [0, 1].
        clear_below: in [0, 1], not above `suspicious_from`.
        suspicious_from: in [0, 1].
        groups: (N,) slide ids, or None where they are not known.

    Raises:
        EvaluationError: see `sample_of`; or the thresholds are out of range or in the wrong order.
    """
    sample = sample_of(labels, probabilities, groups)
    lower = checked_share(clear_below, name="The threshold to clear")
    upper = checked_share(suspicious_from, name="The threshold for suspicious")
    if lower > upper:
        raise EvaluationError(
            f"The threshold to clear ({lower:g}) lies above the one for suspicious ({upper:g}); swap them."
        )
    number = (sample.probabilities >= lower).astype(np.intp) + (sample.probabilities >= upper)
    clear, review, suspicious = (number == each for each in range(3))
    tumour, every = sample.labels, np.ones(sample.n, dtype=np.bool_)
    return Triage(
        clear_below=lower,
        suspicious_from=upper,
        n=sample.n,
        clear=int(clear.sum()),
        review=int(review.sum()),
        suspicious=int(suspicious.sum()),
        missed=int((clear & tumour).sum()),
        share_clear=share_of(sample, clear, every),
        share_review=share_of(sample, review, every),
        cancers_missed=share_of(sample, clear, tumour),
        tumour_among_suspicious=share_of(sample, tumour, suspicious),
    )


def _cuts(sample: Sample) -> tuple[FloatArray, IntArray, IntArray]:
    """Return thresholds, true and false positives: a threshold in the middle of each gap between two probabilities.

    Below the lowest and above the highest probability the gap ends at 0 and 1. Nothing lies above a
    probability of exactly 1, so there that last cut is dropped.
    """
    scores, index = np.unique(sample.probabilities, return_inverse=True)
    tumour = np.bincount(index[sample.labels], minlength=len(scores))
    normal = np.bincount(index[~sample.labels], minlength=len(scores))
    edges = np.concatenate(([0.0], scores, [1.0]))
    middles = (edges[:-1] + edges[1:]) / 2
    # Between neighbouring floats there is no middle: rounding down would move a patch to the other side.
    middles = np.where(middles > edges[:-1], middles, edges[1:])
    true, false = (np.append(np.cumsum(each[::-1])[::-1], 0).astype(np.intp) for each in (tumour, normal))
    keep = len(scores) if scores[-1] == 1.0 else len(scores) + 1
    return middles[:keep], true[:keep], false[:keep]


def _needed(share: float, total: int) -> int:
    # The small allowance keeps 0.98 x 50 at 49 whatever the last bit of the product says.
    return math.ceil(share * total - 1e-9)
