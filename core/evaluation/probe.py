"""A linear probe: what a logistic regression on a network's features says of patches that it was not fitted to."""

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from core.errors import EvaluationError
from core.progress import Progress, no_progress

FOLDS = 5
STRENGTH = 10.0
"""scikit-learn's C for features of length 1; weaker regularisation learns wrong labels by heart."""

MOST_FITTED = 20_000
"""Patches that a fold is fitted to at most; of more, this many are drawn."""


def cross_probabilities(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    *,
    groups: npt.NDArray[np.object_] | None = None,
    progress: Progress = no_progress,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return what probes say that were fitted to the other folds.

    Args:
        features: float32 (n, C), each of length 1.
        labels: 0 or 1 (n,).
        groups: the slide of each patch, to be kept in one fold; None where they are not known.
        progress: receives the finished share.

    Returns:
        The probability of label 1, float64 (n,), and the fold in which each patch was kept out, int64 (n,).

    Raises:
        EvaluationError: there are too few patches of a class, or too few slides, for two folds.
    """
    fold = _folds(labels, groups)
    probabilities = np.empty(len(labels))
    count = int(fold.max()) + 1
    random = np.random.default_rng(0)
    for number in range(count):
        out, rest = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if len(rest) > MOST_FITTED:
            rest = np.sort(random.permutation(rest)[:MOST_FITTED])
        probabilities[out] = _fitted(features[rest], labels[rest]).predict_proba(features[out])[:, 1]
        progress((number + 1) / count)
    return probabilities, fold


def _folds(labels: npt.NDArray[np.int64], groups: npt.NDArray[np.object_] | None) -> npt.NDArray[np.int64]:
    smallest = int(np.bincount(labels, minlength=2).min())
    count = min(FOLDS, smallest, len(set(groups)) if groups is not None else smallest)
    what = "patches of each class" if groups is None else "slides and patches of each class"
    if count < 2:
        raise EvaluationError(f"A probe needs at least two {what}, to fit it to some and test it on the others.")
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    fold = np.zeros(len(labels), np.int64)
    for number, (rest, out) in enumerate(kind(count, shuffle=True, random_state=0).split(labels, labels, groups)):
        if len(np.unique(labels[rest])) < 2:
            raise EvaluationError(f"A class stands on too few slides: a probe needs at least two {what}.")
        fold[out] = number
    return fold


def _fitted(features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the ranking is the same long before the last digit
        return LogisticRegression(C=STRENGTH, max_iter=200).fit(features, labels)
