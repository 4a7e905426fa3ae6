"""Score a split of a data set with a bundle, and measure it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.bundle.bundle import Bundle
from core.bundle.seen_slides import LIKELY, NO, UNNAMED, YES, has_slides_apart
from core.data import SPLITS, Dataset, SplitRule, Subsample, assign, choose_rule, find_subsample
from core.data.choices import Choices
from core.data.splits import lacks_test
from core.data.store import why_unreadable
from core.errors import DataError
from core.evaluation import Evaluation, evaluate
from core.prediction.appearance import Appearance
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from core.scoring.chunks import ChunkCache, predict_rows

CHOICES = ("auto", "train", "valid", "test", "all")
"""Splits that can be scored; "auto" is what the bundle was not trained on, as far as its card says."""


@dataclass(frozen=True)
class Scored:
    """Predictions for labelled patches of a data set.

    Attributes:
        rows: their row numbers (n,).
        labels: int64 (n,).
        logits: float32 (n,).
        probabilities: float64 (n,), calibrated.
        description: what was scored.
        unreadable: how many more there would have been, had they been readable.
        slides: the slide of each patch, or its patient where that is known, see :meth:`core.data.Dataset.units`.
        appearance: brightness, sharpness and staining of each patch, or None where they were not measured.
        device: what predicted, see :attr:`Predictor.kind`.
        unit: "slide" or "patient", which of the two `slides` holds.
    """

    rows: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    description: str
    unreadable: int
    slides: np.ndarray | None
    appearance: Appearance | None = None
    device: str = ""
    unit: str = "slide"

    def __len__(self) -> int:
        return len(self.rows)

    def evaluation(self, threshold: float) -> Evaluation:
        """Return the metrics at `threshold`; intervals are over units where they are known, else over patches."""
        return evaluate(self.labels, self.probabilities, threshold=threshold, groups=self.slides, unit=self.unit)


def score(
    predictor: Predictor,
    dataset: Dataset,
    *,
    split: str = "auto",
    keep: ChunkCache | None = None,
    progress: Progress = no_progress,
) -> Scored:
    """Predict the labelled patches of one split of a data set.

    `split` is one of :data:`CHOICES`; the other arguments are those of :func:`core.scoring.chunks.predict_rows`.

    Raises:
        DataError: the split holds no labelled patch, or none that can be read.
    """
    rows, description = select(predictor.bundle, dataset, split)
    if not len(rows):
        why = f"choose another with --subset. {dataset.left_out()}".rstrip()
        raise DataError(f"{dataset.name} has no labelled patch in the split {split!r}; {why}")
    found = predict_rows(predictor, dataset, rows, with_appearance=True, keep=keep, progress=progress)
    usable = found["usable"]
    if not usable.any():
        why = why_unreadable(dataset.store, rows)
        raise DataError(f"None of the {len(rows):,} patches of {dataset.name} ({description}) can be read. {why}")
    return assemble(
        predictor.bundle,
        dataset,
        rows[usable],
        found["logits"][usable],
        description=description,
        unreadable=int((~usable).sum()),
        appearance=Appearance(found["looks"][usable]),
        device=predictor.kind,
    )


def assemble(
    bundle: Bundle,
    dataset: Dataset,
    rows: np.ndarray,
    logits: np.ndarray,
    *,
    description: str,
    unreadable: int,
    appearance: Appearance | None,
    device: str,
) -> Scored:
    """Combine logits with labels, slides and appearance of their patches.

    Raises:
        EvaluationError: a logit is not finite, see :meth:`core.evaluation.Calibration.apply`.
    """
    probabilities = bundle.card.calibration.apply(logits)
    return Scored(
        rows,
        dataset.labels(rows),
        logits,
        probabilities,
        description,
        unreadable,
        dataset.units(rows),
        appearance,
        device,
        dataset.unit or "slide",
    )


def select(bundle: Bundle, dataset: Dataset, split: str) -> tuple[np.ndarray, str]:
    """Return the row numbers of a split and a description of it.

    The splits are those of the bundle's training where its card knows this kind of data set, so that "test" is what the
    bundle has never seen, also when the folder lies elsewhere or holds more patches. "train" is what it learnt from:
    where those were only some of the training patches, the others are in no split.
    """
    if split not in CHOICES:
        raise DataError(f"There is no split {split!r}; choose from {', '.join(CHOICES)}.")
    labelled = dataset.table["label"].notna().to_numpy()
    if split == "all":
        return np.flatnonzero(labelled), "all labelled patches"
    source = _source(bundle, dataset)
    rule = _rule(bundle, dataset, source)
    if split == "auto":
        if rule is None:
            return np.flatnonzero(labelled), "all labelled patches (none were trained on, as far as the card says)"
        split = "test"
    rule = rule or choose_rule(dataset)
    names = {"train": "training split", "valid": "validation split", "test": "test split, kept away from training"}
    if rule.kind == "official":  # also of a folder that holds only one of the splits
        splits = np.where(labelled, dataset.table["split"].astype(str), "")
    else:
        splits = assign(dataset, rule)
    if split == "train" and source is not None:
        subsample = _subsample(bundle, dataset, splits, source)
        if subsample is not None:
            splits = subsample.apply(dataset, splits)
            names[split] = "the patches of the training split that it learnt from"
    drawn = "; it came with training and validation splits only, and this one is drawn from both"
    note = drawn if split == "test" and rule.kind == "hashed" and lacks_test(dataset) else ""
    other = _other_choices(source, dataset)
    return np.flatnonzero(splits == split), f"{names[split]} ({rule.describe()}{note}){other}"


def _other_choices(source: dict[str, Any] | None, dataset: Dataset) -> str:
    """Return in words that a data set is opened with other classes or sizes than in training, "" where it is not."""
    if source is None or "choices" not in source:  # of other data, or of an earlier version
        return ""
    before = Choices.from_json(source["choices"])
    if before == replace(dataset.choices, root=""):
        return ""
    return f"; trained with {before.words() or 'nothing chosen'}, now {dataset.choices.words() or 'nothing chosen'}"


def use_in_training(bundle: Bundle, dataset: Dataset) -> np.ndarray:
    """Return what each patch was to the bundle's training, as far as its card says, str (N,).

    It is "train" where the bundle learnt from the patch, "valid" where its epoch, threshold or temperature was chosen
    on it, and "" for any other.

    Raises:
        DataError: the training was split by groups that are not known here.
    """
    used = np.full(len(dataset), "", dtype="<U5")
    if _source(bundle, dataset) is not None:
        for split in ("train", "valid"):
            used[select(bundle, dataset, split)[0]] = split
    return used


def slides_in_training(bundle: Bundle, dataset: Dataset, rows: np.ndarray) -> str:
    """Return whether patches come from slides that the bundle learnt from, as far as its card and the data set tell.

    Returns:
        One of the words of :mod:`core.bundle.seen_slides`.
    """
    source = _source(bundle, dataset)
    if source is None:
        kinds = {each["kind"] for each in bundle.card.training.get("data", [])}
        # Kaggle's training patches are those of PatchCamelyon's training part without its duplicates.
        if dataset.kind == "kaggle":
            return LIKELY if "pcam" in kinds else UNNAMED
        from_train = (dataset.table["split"].iloc[rows] == "train").any()
        return LIKELY if dataset.kind == "pcam" and "kaggle" in kinds and from_train else UNNAMED
    try:
        used = use_in_training(bundle, dataset)
    except DataError:  # which of them it learnt from follows from groups that are not known here
        return LIKELY
    learnt = used == "train"
    if learnt[rows].any():
        return YES
    if dataset.knows_slides:
        slides = dataset.table["slide"]
        return YES if slides.iloc[rows].isin(slides[learnt]).any() else NO
    return NO if has_slides_apart(source, "valid" if (used[rows] == "valid").any() else "test") else LIKELY


def _source(bundle: Bundle, dataset: Dataset) -> dict[str, Any] | None:
    """Return the card's entry for this data set, else the first of its kind; None if it has no such data."""
    named: list[dict[str, Any]] = bundle.card.training.get("data", [])
    # The same patches may lie here in another layout, under other ids. Then it is the sizes of their own splits that
    # tell: to take patches that were learnt from for new ones would be the worse mistake.
    same = [source for source in named if source["kind"] == dataset.kind] or [
        source for source in named if _has_the_splits_of(source, dataset)
    ]
    if len(same) > 1:
        fingerprint = dataset.fingerprint()
        same.sort(key=lambda source: source["fingerprint"] != fingerprint)
    return same[0] if same else None


def _has_the_splits_of(source: dict[str, Any], dataset: Dataset) -> bool:
    """Whether a data set came with splits of the same sizes as one that the card names, which had its own, too."""
    labelled = dataset.table["split"][dataset.table["label"].notna()].astype(str)
    sizes = {split: int((labelled == split).sum()) for split in SPLITS}
    return source["split"]["kind"] == "official" and len(labelled) > 0 and source["patches"] == sizes


def _subsample(bundle: Bundle, dataset: Dataset, splits: np.ndarray, source: dict[str, Any]) -> Subsample | None:
    """Return which of the training patches the bundle learnt from, or None if from all of them."""
    if "thinning" in source:
        return None if source["thinning"] is None else Subsample.from_json(source["thinning"])
    # Older cards lack the limit of the hash; their settings hold the number of patches and the seed instead.
    training = bundle.card.training
    settings = training.get("config", {}) if source is training["data"][0] else {}
    patches = min(settings.get("patches", 0), int((splits == "train").sum()))
    return find_subsample(dataset, splits, patches=patches, seed=settings.get("split_seed", 0))


def _rule(bundle: Bundle, dataset: Dataset, source: dict[str, Any] | None) -> SplitRule | None:
    """Return the split rule of the bundle's training, or None if it was not trained on such data.

    Raises:
        DataError: it was trained on such data split by groups that are not known here.
    """
    if source is None:
        default = choose_rule(dataset)
        return default if default.kind == "official" else None
    rule = SplitRule.from_json(source["split"])
    missing = [group for group in rule.groups if group not in dataset.known_groups]
    if missing:
        group = missing[0]
        raise DataError(
            f"{bundle.card.name} was trained on whole {group}s of such data, and {dataset.name} does not say which "
            f"{group} its patches come from, so what it was trained on cannot be kept apart. Add the {group}s, or "
            "measure all patches (--split all)."
        )
    return rule
