"""Score a part of a data set with a bundle, and measure it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.bundle.bundle import Bundle
from core.data import Dataset, SplitRule, Subsample, assign, default_rule, find_subsample
from core.errors import DataError, EvaluationError
from core.evaluation import Evaluation, evaluate
from core.prediction.appearance import Appearance
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from core.scoring.chunks import ChunkCache, predict_rows

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
        appearance: brightness, sharpness and staining of each patch, or None where they were not measured.
        device: the kind of device that predicted, "cpu" or "cuda".
    """

    rows: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    part: str
    unreadable: int
    slides: np.ndarray | None
    appearance: Appearance | None = None
    device: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def evaluation(self, threshold: float) -> Evaluation:
        """Return the figures at `threshold`; intervals are over slides where they are known, else over patches."""
        return evaluate(self.labels, self.probabilities, threshold=threshold, groups=self.slides)


def score(
    predictor: Predictor,
    dataset: Dataset,
    *,
    part: str = "auto",
    keep: ChunkCache | None = None,
    progress: Progress = no_progress,
) -> Scored:
    """Predict the labelled patches of one part of a data set.

    Args:
        predictor: the bundle on its device.
        dataset: where the patches are.
        part: one of :data:`CHOICES`.
        keep: where finished chunks are kept, and taken from where an earlier attempt left them.
        progress: told the finished share; what it raises ends the work, which is the way to cancel.

    Raises:
        DataError: the part holds no labelled patch, or none that can be read.
    """
    rows, words = select(predictor.bundle, dataset, part)
    if not len(rows):
        raise DataError(f"{dataset.name} has no labelled patch in its part {part!r}; choose another with --subset.")
    found = predict_rows(predictor, dataset, rows, with_appearance=True, keep=keep, progress=progress)
    usable = found["usable"]
    if not usable.any():
        raise DataError(f"None of the {len(rows):,} patches of {dataset.name} ({words}) can be read; check its files.")
    return assemble(
        predictor.bundle,
        dataset,
        rows[usable],
        found["logits"][usable],
        part=words,
        unreadable=int((~usable).sum()),
        appearance=Appearance(found["looks"][usable]),
        device=predictor.device.type,
    )


def assemble(
    bundle: Bundle,
    dataset: Dataset,
    rows: np.ndarray,
    logits: np.ndarray,
    *,
    part: str,
    unreadable: int,
    appearance: Appearance | None,
    device: str,
) -> Scored:
    """Put logits and what is known of their patches together.

    Raises:
        EvaluationError: a logit is not finite.
    """
    broken = int((~np.isfinite(logits)).sum())
    if broken:
        raise EvaluationError(
            f"{bundle.card.name} gave no number for {broken:,} of {len(logits):,} patches (NaN or infinity). Its "
            "training diverged; choose another model."
        )
    probabilities = bundle.card.calibration.apply(logits)
    return Scored(
        rows, dataset.labels(rows), logits, probabilities, part, unreadable, dataset.slides(rows), appearance, device
    )


def select(bundle: Bundle, dataset: Dataset, part: str) -> tuple[np.ndarray, str]:
    """Return the row numbers of a part and the part in words.

    The division is that of the bundle's training where its card knows this kind of data set, so that "test" is what the
    bundle has never seen, also when the folder lies elsewhere or holds more patches. "train" is what it learnt from:
    where that were some of the training patches only, the others are in no part.
    """
    if part not in CHOICES:
        raise DataError(f"There is no part {part!r}; choose from {', '.join(CHOICES)}.")
    labelled = dataset.table["label"].notna().to_numpy()
    if part == "all":
        return np.flatnonzero(labelled), "all labelled patches"
    source = _source(bundle, dataset)
    rule = _rule(bundle, dataset, source)
    if part == "auto":
        if rule is None:
            return np.flatnonzero(labelled), "all labelled patches (none were trained on, as far as the card tells)"
        part = "test"
    rule = rule or default_rule(dataset)
    names = {"train": "training part", "valid": "validation part", "test": "test part, kept away from training"}
    if rule.kind == "official":  # also of a folder that holds one of the parts only
        parts = np.where(labelled, dataset.table["split"].astype(str), "")
    else:
        parts = assign(dataset, rule)
    if part == "train" and source is not None:
        thinning = _thinning(bundle, dataset, parts, source)
        if thinning is not None:
            parts, names[part] = thinning.apply(dataset, parts), "the patches of the training part that it learnt from"
    return np.flatnonzero(parts == part), f"{names[part]} ({rule.describe()})"


def _source(bundle: Bundle, dataset: Dataset) -> dict[str, Any] | None:
    """Return what the card says of this data set, else of the first one of its kind; None if it knows no such data."""
    same: list[dict[str, Any]] = [
        source for source in bundle.card.training.get("data", []) if source["kind"] == dataset.kind
    ]
    if len(same) > 1:
        fingerprint = dataset.fingerprint()
        same.sort(key=lambda source: source["fingerprint"] != fingerprint)
    return same[0] if same else None


def _thinning(bundle: Bundle, dataset: Dataset, parts: np.ndarray, source: dict[str, Any]) -> Subsample | None:
    """Return which of the training patches the bundle learnt from, or None if from all of them."""
    if "thinning" in source:
        return None if source["thinning"] is None else Subsample.from_json(source["thinning"])
    # Before cards held the limit of the hash, the settings told the number of patches and the seed.
    training = bundle.card.training
    settings = training.get("config", {}) if source is training["data"][0] else {}
    patches = min(settings.get("patches", 0), int((parts == "train").sum()))
    return find_subsample(dataset, parts, patches=patches, seed=settings.get("split_seed", 0))


def _rule(bundle: Bundle, dataset: Dataset, source: dict[str, Any] | None) -> SplitRule | None:
    """Return the division that keeps training patches of the bundle apart, or None if it saw no such data.

    Raises:
        DataError: it was trained on such data divided by slide, and the slides are not known here.
    """
    if source is None:
        default = default_rule(dataset)
        return default if default.kind == "official" else None
    rule = SplitRule.from_json(source["split"])
    if rule.kind == "hashed" and rule.by == "slide" and not dataset.knows_slides:
        raise DataError(
            f"{bundle.card.name} was trained on whole slides of such data, and {dataset.name} does not say which "
            "slide its patches come from, so that what it was trained on cannot be kept apart. Add the slides, or "
            "measure all patches (--split all)."
        )
    return rule
