"""Which patches a step gets, and how much each class counts."""

import numpy as np

from core.runs.config import Balance


def epoch_order(labels: np.ndarray, *, seed: int, epoch: int, balance: Balance = "none") -> np.ndarray:
    """Return the rows of an epoch in their order, int64 (N,): a function of only seed and epoch.

    With "sampling" every second row is a tumour patch: of the smaller class patches come again as often as needed, of
    the larger one some wait for another epoch. Else every row comes once.
    """
    random = np.random.default_rng([seed, epoch])
    if balance != "sampling":
        return random.permutation(len(labels))
    order = np.empty(len(labels), np.int64)
    # Normal patches stand at even places and tumour patches at odd ones, so that each batch is balanced too.
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        wanted = len(order[label::2])
        # Rounded up. Whole permutations, so that no patch comes again before every other of its class has come.
        rounds = -(-wanted // len(rows))
        order[label::2] = np.concatenate([random.permutation(rows) for _ in range(rounds)])[:wanted]
    return order


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Return the factor of each class's loss, float (2,): N / (2 N_class), so that both classes count the same.

    Labels below 0 are none and do not count.
    """
    counts = np.bincount(labels[labels >= 0], minlength=2)
    return np.asarray(counts.sum() / (2 * counts))
