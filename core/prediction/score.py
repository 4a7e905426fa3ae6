"""Score a part of a data set with a bundle, and measure it."""

from dataclasses import dataclass

import numpy as np

from core.data import Dataset, SplitRule, assign, default_rule
from core.data.store import Progress
from core.errors import DataError
from core.evaluation import Evaluation, evaluate
from core.prediction.bundle import Bundle
from core.prediction.predictor import Predictor

CHUNK = 1024
CHOICES = ("auto", "train", "valid", "test", "all")
"""Parts that can be asked for; "auto" is what the bundle was not trained on, as far as its card tells."""


@dataclass(frozen=True)
class Scored:
    """Predictions for labelled patches of a data set.

    Attributes:
        rows: their row numbers (n,).
        labels: int64 (n,).
        logits: float32 (n,).
        probabilities: float64 (n,), calibrated.
        part: what was scored, in words.
        unreadable: how many more there would have been, had they been readable.
        slides: the slide of each patch, or None where they are not known.
    """

    rows: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    part: str
    unreadable: int
    slides: np.ndarray | None

    def evaluation(self, threshold: float) -> Evaluation:
        """Return the figures at `threshold`; intervals are over slides where they are known, else over patches."""
        return evaluate(self.labels, self.probabilities, threshold=threshold, groups=self.slides)


def score(predictor: Predictor, dataset: Dataset, *, part: str = "auto", progress: Progress | None = None) -> Scored:
    """Predict the labelled patches of one part of a data set.

    Args:
        predictor: the bundle on its device.
        dataset: where the patches are.
        part: one of :data:`CHOICES`.
        progress: told the finished share.

    Raises:
        DataError: the part holds no labelled patch.
    """
    rows, words = select(predictor.bundle, dataset, part)
    if not len(rows):
        raise DataError(f"{dataset.name} has no labelled patch in its part {part!r}; choose another with --split.")
    logits, usable = np.empty(len(rows), np.float32), np.ones(len(rows), bool)
    for start in range(0, len(rows), CHUNK):
        loaded = dataset.store.load(rows[start : start + CHUNK])
        logits[start : start + CHUNK] = predictor.predict(loaded.pixels).logits
        usable[[start + position for position in loaded.unreadable]] = False
        if progress is not None:
            progress(min(1.0, (start + CHUNK) / len(rows)))
    rows, logits = rows[usable], logits[usable]
    probabilities = predictor.bundle.card.calibration.apply(logits)
    unreadable = int((~usable).sum())
    return Scored(rows, dataset.labels(rows), logits, probabilities, words, unreadable, dataset.slides(rows))


def select(bundle: Bundle, dataset: Dataset, part: str) -> tuple[np.ndarray, str]:
    """Return the row numbers of a part and the part in words.

    The division is that of the bundle's training where its card knows this kind of data set, so that "test" is what the
    bundle has never seen, also when the folder lies elsewhere or holds more patches.
    """
    if part not in CHOICES:
        raise DataError(f"There is no part {part!r}; choose from {', '.join(CHOICES)}.")
    labelled = dataset.table["label"].notna().to_numpy()
    if part == "all":
        return np.flatnonzero(labelled), "all labelled patches"
    rule = _rule(bundle, dataset)
    if part == "auto":
        if rule is None:
            return np.flatnonzero(labelled), "all labelled patches (none were trained on, as far as the card tells)"
        part = "test"
    rule = rule or default_rule(dataset)
    names = {"train": "training part", "valid": "validation part", "test": "test part, kept away from training"}
    return np.flatnonzero(assign(dataset, rule) == part), f"{names[part]} ({rule.describe()})"


def _rule(bundle: Bundle, dataset: Dataset) -> SplitRule | None:
    """Return the division that keeps training patches of the bundle apart, or None if it saw no such data."""
    default = default_rule(dataset)
    if default.kind == "official":
        return default
    for source in bundle.card.training.get("data", []):
        rule = SplitRule.from_json(source["split"])
        if source["kind"] == dataset.kind and rule.kind == "hashed" and (rule.by == "patch" or dataset.knows_slides):
            return rule
    return None
