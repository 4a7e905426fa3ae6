"""Which patches a model learns from (train), which choose its settings (validation), and which only measure it (test).

A *hashed* rule derives the split of a patch from a hash of its id (of its slide or patient, where they are known) and
the seed.
It needs no file and no order: a patch is in the same split wherever the data set lies, also after more patches were
added, so a test patch never becomes a training patch. A *stratified* rule does so with shares that are exact within
each class of the data set it was made for; a *colour* rule holds out whole stain clusters. Both carry what was fitted
to that data set (cuts of the hash, centres of clusters), so that they too can be applied anywhere. A *held* rule tests
on one centre (one slide, one patient) and draws validation from the others. The *official* rule takes the splits that
the data set came with; *valid-as-test* is for one that came without a test split: its validation split tests, and a
hash draws another one from the training split.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.dataset import GROUPS, SPLITS, Dataset, Group
from core.data.split_rule import CHOICES, TEST, VALID, SplitRule
from core.data.stain_clusters import colour_features, find_stain_clusters
from core.errors import ConfigError, DataError
from core.progress import Progress, no_progress

Floats = npt.NDArray[np.float64]


def is_official(dataset: Dataset) -> bool:
    """Return whether the data set came with all three splits, labelled."""
    return set(SPLITS) <= set(dataset.table["split"][dataset.table["label"].notna()].unique())


def lacks_test(dataset: Dataset) -> bool:
    """Return whether the data set came with a training and a validation split, labelled, and without a test split."""
    return set(dataset.table["split"][dataset.table["label"].notna()].unique()) - {""} == {"train", "valid"}


def choose_rule(
    dataset: Dataset,
    choice: str = "default",
    *,
    seed: int = 0,
    valid: float = VALID,
    test: float = TEST,
    folds: int = 0,
    fold: int = 0,
    progress: Progress = no_progress,
) -> SplitRule:
    """Return the rule of a name, fitted to the data set.

    Args:
        dataset: what is to be split.
        choice: one of :data:`CHOICES`. "default" is the official rule where the data set came with all three splits,
            labelled, and there are no folds. Else it is a hashed one, which keeps patients together where they are
            known, else slides. Where neither is, patches of one slide fall on both sides, and test metrics are
            optimistic. "centre" leaves one centre out: each is a fold, in the order of their names. "valid-as-test" is
            for data sets that :func:`lacks_test`.
        seed: see :class:`SplitRule`, as all that follow.
        valid: share.
        test: share.
        folds: how many, or 0.
        fold: which.
        progress: receives the finished share while colours are measured.

    Raises:
        ConfigError: there is no such choice, or the values do not go together.
        DataError: the data set lacks what the rule needs.
    """
    if choice not in CHOICES:
        raise ConfigError(f"A split must be one of {', '.join(CHOICES)}, got {choice!r}.")
    if choice == "default":
        choice = "official" if is_official(dataset) and not folds else dataset.unit or "patch"
    if choice == "official":
        return SplitRule(kind="official", folds=folds, fold=fold)
    shares: dict[str, Any] = {"seed": seed, "valid": valid, "test": test, "folds": folds, "fold": fold}
    if choice == "valid-as-test":
        if not lacks_test(dataset):
            raise DataError(
                f"{dataset.name} did not come with training and validation splits only; choose another split."
            )
        return SplitRule(kind="valid-as-test", by=dataset.unit or "patch", **shares)
    if choice == "centre":
        return _leave_out(dataset, "centre", shares)
    if choice in GROUPS:
        by: Any = choice
        return SplitRule(kind="hashed", by=by, **shares)
    kind: Any = "hashed" if choice == "patch" else choice
    return fit_rule(SplitRule(kind=kind, **shares), dataset, progress=progress)


def _leave_out(dataset: Dataset, group: Group, shares: dict[str, Any]) -> SplitRule:
    """Return the rule that tests on one group, the one that `shares["fold"]` counts, and keeps units together."""
    _require(dataset, (group,))
    names = sorted(dataset.table[group][dataset.table["label"].notna()].unique())
    if len(names) < 2:
        raise DataError(f"All patches of {dataset.name} come from one {group}, {names[0]}; choose another split.")
    if shares["folds"] not in (0, len(names)):
        raise ConfigError(
            f"{dataset.name} has {len(names)} {group}s, and each is one fold, got folds={shares['folds']}. Give "
            f"{len(names)}, or 0 to test on the first, {names[0]}."
        )
    whole: Any = {**shares, "folds": len(names), "held": (group, str(names[min(shares["fold"], len(names) - 1)]))}
    return SplitRule(kind="held", by=dataset.unit or "patch", **whole)


def _require(dataset: Dataset, groups: Iterable[Group]) -> None:
    for group in groups:
        if group not in dataset.known_groups:
            raise DataError(f"{dataset.name} does not say which {group} its patches come from; split by patch instead.")


def fit_rule(rule: SplitRule, dataset: Dataset, *, progress: Progress = no_progress) -> SplitRule:
    """Return the rule with the cuts or colour clusters that it has in this data set; other kinds need none.

    Raises:
        DataError: the data set has no labels, or too few colours.
    """
    labelled = dataset.table["label"].notna().to_numpy()
    if rule.kind in ("stratified", "colour") and not labelled.any():
        raise DataError(f"{dataset.name} has no labelled patch that could be split.")
    if rule.kind == "stratified":
        table = dataset.table[labelled]
        label = table["label"].to_numpy(np.int64)
        return replace(rule, cuts=tuple(_cuts(table["id"][label == each], rule) for each in (0, 1)))
    if rule.kind == "colour":
        features = colour_features(dataset, progress=progress)[labelled]
        labels = dataset.labels(np.flatnonzero(labelled))
        shares: dict[str, Any] = {"seed": rule.seed, "test": rule.test, "folds": rule.folds, "fold": rule.fold}
        return replace(rule, colours=find_stain_clusters(features, labels, **shares))
    return rule


def assign(dataset: Dataset, rule: SplitRule, *, progress: Progress = no_progress) -> npt.NDArray[np.str_]:
    """Return "train", "valid" or "test" for each row, and "" for rows without a label.

    A stratified or colour rule is as :func:`fit_rule` returns it.

    Raises:
        ConfigError: the rule has not been fitted.
        DataError: the rule needs groups or official splits and the data set has none.

    Example:
        >>> splits = assign(dataset, choose_rule(dataset))
        >>> train_rows = np.flatnonzero(splits == "train")
    """
    labelled = dataset.table["label"].notna().to_numpy()
    own = dataset.table["split"].astype(str).to_numpy(dtype="<U5")
    if rule.kind in ("official", "valid-as-test") and not {"train", "valid"} <= set(own[labelled]):
        raise DataError(f"{dataset.name} has no official train and validation split; choose a hashed split.")
    if rule.kind == "official":
        return np.where(labelled, own, "")  # without a test split nothing is measured, and the others are what they are
    _require(dataset, rule.groups)
    names = dataset.table["id" if rule.by == "patch" else rule.by].fillna("")
    if rule.kind == "stratified":
        test, valid = _stratified(dataset, names, rule)
    elif rule.kind == "colour":
        if rule.colours is None:
            raise ConfigError("A colour split needs its clusters; make it with choose_rule or fit_rule.")
        test = rule.colours.is_held(colour_features(dataset, progress=progress))
        # Validation is drawn from what the held clusters leave; where they leave less than it needs, all of that.
        valid = _below(names, rule, rule.valid / max(1 - rule.colours.share, rule.valid))
    elif rule.kind == "valid-as-test":
        test, valid = own != "train", _below(names, rule, rule.valid)
    elif rule.held is not None:
        group, name = rule.held
        test = (dataset.table[group] == name).fillna(False).to_numpy(bool)
        valid = _below(names, rule, rule.valid / (1 - rule.test_share))
    elif rule.folds:
        test = np.floor(positions(names, rule.seed) * rule.folds) == rule.fold
        valid = _below(names, rule, rule.valid / (1 - rule.test_share))
    else:
        position = positions(names, rule.seed)
        test, valid = position < rule.test, position < rule.test + rule.valid
    return np.where(labelled, np.where(test, "test", np.where(valid, "valid", "train")), "")


def _stratified(
    dataset: Dataset, names: Iterable[str], rule: SplitRule
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    if len(rule.cuts) != 2:
        raise ConfigError("A stratified split needs its cuts; make it with choose_rule or fit_rule.")
    low, high, top = np.array(rule.cuts)[dataset.table["label"].fillna(0).to_numpy(np.int64)].T
    position = positions(names, rule.seed)
    return (low <= position) & (position < high), positions(names, rule.seed, "valid:") < top


def _cuts(names: Iterable[str], rule: SplitRule) -> tuple[float, float, float]:
    """Return where the hashes of one class are cut so that exactly its share lies between."""
    position, other = positions(names, rule.seed), positions(names, rule.seed, "valid:")
    count = len(position)
    first, last = rule.fold / (rule.folds or 1), (rule.fold + 1) / (rule.folds or 1)
    low, high = (_cut(position, round(count * share)) for share in ((first, last) if rule.folds else (0, rule.test)))
    # Validation is drawn by another hash from what the test split leaves, so that its share stays exact in every fold.
    rest = other[(position < low) | (position >= high)]
    return low, high, _cut(rest, min(len(rest), round(count * rule.valid)))


def _cut(position: Floats, count: int) -> float:
    """Return the number below which `count` of the positions lie."""
    if count == 0:
        return 0.0
    return 1.0 if count == len(position) else float(np.sort(position)[count])


def _below(names: Iterable[str], rule: SplitRule, share: float) -> npt.NDArray[np.bool_]:
    """Draw a share by a hash that is independent of the one that draws folds."""
    return positions(names, rule.seed, "valid:") < share


def positions(names: Iterable[str], seed: int, purpose: str = "") -> Floats:
    """Return where each name falls in [0, 1): the first 8 bytes of SHA-256 of seed, purpose and name, float64 (N,)."""
    digests = (hashlib.sha256(f"{seed}:{purpose}{name}".encode()).digest() for name in names)
    return np.fromiter((int.from_bytes(digest[:8], "big") / 2**64 for digest in digests), np.float64)
