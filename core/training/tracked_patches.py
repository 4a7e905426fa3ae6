"""A few validation patches whose probability is kept at the end of each epoch, to see how a run learns."""

from typing import Any

import numpy as np

from core.training.data import Part

WATCHED = 24
"""Patches that are watched at most, half of each class."""


def watched_rows(labels: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the rows of the patches that are watched, int64 (at most 24,): normal ones first, the same for a seed.

    Args:
        labels: int64 (N,), 0 or 1.
        seed: of the run.
    """
    random = np.random.default_rng([seed, WATCHED])
    drawn = [np.sort(random.permutation(np.flatnonzero(labels == label))[: WATCHED // 2]) for label in (0, 1)]
    return np.concatenate(drawn)


def watched_probabilities(part: Part, rows: np.ndarray, logits: np.ndarray, *, epoch: int) -> list[dict[str, Any]]:
    """Return the rows of ``patches.csv`` for an epoch.

    Args:
        part: what was validated on.
        rows: of :func:`watched_rows`.
        logits: (N,) of the whole part.
        epoch: from 1.
    """
    probabilities = 1 / (1 + np.exp(-np.clip(logits[rows], -700, 700)))
    return [
        {"epoch": epoch, "id": str(part.ids[row]), "label": int(part.labels[row]), "probability": float(probability)}
        for row, probability in zip(rows, probabilities, strict=True)
    ]
