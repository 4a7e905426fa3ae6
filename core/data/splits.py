"""Which patches a model learns from, which choose its settings, and which only measure it.

A *hashed* split draws the part of a patch from a hash of its id (of its slide, where slides are known) and the seed.
It needs no file and no order: the patch is in the same part wherever the data set lies, and also when more patches are
added, so what was kept away once stays kept away. An *official* split is the one that the data set came with.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from core.data.dataset import Dataset
from core.errors import ConfigError, DataError

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class SplitRule:
    """How a data set is divided.

    Attributes:
        kind: "official" (as the data set says) or "hashed".
        by: what stays together in a hashed split: each "patch" for itself, or all patches of a "slide".
        seed: another seed gives another hashed split.
        valid: share of the validation part, which chooses epoch, temperature and threshold.
        test: share of the test part, which nothing is chosen on.
    """

    kind: Literal["official", "hashed"] = "hashed"
    by: Literal["patch", "slide"] = "patch"
    seed: int = 0
    valid: float = 0.10
    test: float = 0.16

    def __post_init__(self) -> None:
        if self.kind not in ("official", "hashed") or self.by not in ("patch", "slide"):
            raise ConfigError(f"A split is official or hashed, by patch or by slide; found {self.kind} by {self.by}.")
        if not (0 < self.valid < 1 and 0 < self.test < 1 and self.valid + self.test < 1):
            raise ConfigError(
                f"The shares of a split lie between 0 and 1 and leave something to train on; found valid={self.valid}, "
                f"test={self.test}."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "SplitRule":
        """Return the rule that :meth:`to_json` gave."""
        return cls(**value)

    def describe(self) -> str:
        """Return the rule in words."""
        if self.kind == "official":
            return "the data set's own split"
        held = "whole slides" if self.by == "slide" else "patches"
        return f"hash of {held}, seed {self.seed}: {self.valid:.0%} validation, {self.test:.0%} test"


def default_rule(dataset: Dataset, *, seed: int = 0) -> SplitRule:
    """Return the official rule where the data set has labelled parts of all three kinds, else a hashed one.

    A hashed rule keeps slides together where they are known. Where they are not, patches of one slide fall on both
    sides, and figures on the test part are optimistic.
    """
    labelled = dataset.table[dataset.table["label"].notna()]
    if set(PARTS) <= set(labelled["split"].astype(str)):
        return SplitRule(kind="official")
    return SplitRule(kind="hashed", by="slide" if dataset.knows_slides else "patch", seed=seed)


def assign(dataset: Dataset, rule: SplitRule) -> np.ndarray:
    """Return "train", "valid" or "test" for each row, and "" for rows without a label.

    Raises:
        DataError: the rule wants slides or an official split and the data set has none.
    """
    labelled = dataset.table["label"].notna().to_numpy()
    if rule.kind == "official":
        parts = dataset.table["split"].astype(str).to_numpy(dtype="<U5")
        if not set(PARTS) <= set(parts[labelled]):
            raise DataError(f"{dataset.name} has no official train, valid and test part; choose a hashed split.")
        return np.where(labelled, parts, "")
    if rule.by == "slide" and not dataset.knows_slides:
        raise DataError(f"{dataset.name} does not say which slide its patches come from; split by patch instead.")
    column = "slide" if rule.by == "slide" else "id"
    position = np.array([_position(name, rule.seed) for name in dataset.table[column].fillna("")])
    parts = np.where(position < rule.test, "test", np.where(position < rule.test + rule.valid, "valid", "train"))
    return np.where(labelled, parts, "")


def _position(name: str, seed: int) -> float:
    """Return where `name` falls in [0, 1): the first 8 bytes of SHA-256 of seed and name."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
