"""The rule of a split: how a data set is divided, as plain values that a card, a run and a split file keep."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from core.data.dataset import GROUPS, Group
from core.data.stain_clusters import StainClusters
from core.errors import ConfigError
from core.storage.record import Record

Kind = Literal["official", "hashed", "stratified", "colour", "held", "valid-as-test"]
KINDS: tuple[Kind, ...] = get_args(Kind)
By = Literal["patch", "slide", "patient", "centre"]
BY: tuple[By, ...] = get_args(By)
CHOICES = ("default", "patch", "slide", "stratified", "colour", "official", "patient", "centre", "valid-as-test")
"""The rules that have a name, see :func:`core.data.choose_rule`."""

MOST_FOLDS = 50
VALID, TEST = 0.10, 0.16


@dataclass(frozen=True)
class SplitRule(Record):
    """How a data set is divided.

    Attributes:
        kind: one of :data:`KINDS`; "official" is as the data set says.
        by: what stays together under a hashed, held or valid-as-test rule: nothing ("patch"), or all patches of a
            group, one of :data:`core.data.dataset.GROUPS`.
        seed: another seed gives other splits, unless they are official.
        valid: share of all patches for validation, which chooses epoch, temperature and threshold.
        test: share of all patches for the test split, which nothing is chosen on. With folds, it is one of them.
        folds: 0, or how many folds there are; every patch is in the test split of exactly one.
        fold: which of them is the test split, from 0 on.
        cuts: of a stratified rule, for class 0 and 1: test is from the first to the second cut of the hash, validation
            is what remains and lies below the third cut of another hash.
        colours: stain clusters of a colour rule.
        held: of a held rule: the group and its name that is the test split, such as ("centre", "2").

    Raises:
        ConfigError: the values do not go together.
    """

    kind: Kind = "hashed"
    by: By = "patch"
    seed: int = 0
    valid: float = VALID
    test: float = TEST
    folds: int = 0
    fold: int = 0
    cuts: tuple[tuple[float, float, float], ...] = ()
    colours: StainClusters | None = None
    held: tuple[Group, str] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.by not in BY or (self.kind == "held") != (self.held is not None):
            kinds, ways = (f"{', '.join(each[:-1])} or {each[-1]}" for each in (KINDS, BY))
            raise ConfigError(f"A split must be {kinds}, by {ways}, got {self.kind} by {self.by}, held {self.held}.")
        if self.by != "patch" and self.kind in ("stratified", "colour"):
            raise ConfigError(
                f"A {self.kind} split must be by patch, got {self.by}. Choose a hashed split by {self.by}."
            )
        self._check_folds()
        if not (0 < self.valid < 1 and 0 < self.test < 1 and self.valid + self.test_share < 1):
            raise ConfigError(
                f"The validation and test shares of a split must be above 0 and leave something to train on, got "
                f"valid={self.valid}, test={self.test_share:g}."
            )

    def _check_folds(self) -> None:
        if self.folds == 1 or not 0 <= self.folds <= MOST_FOLDS or not 0 <= self.fold < max(self.folds, 1):
            raise ConfigError(
                f"folds must be 0 (none) or 2 to {MOST_FOLDS}, and fold counts from 0 to folds - 1, got "
                f"folds={self.folds}, fold={self.fold}."
            )
        if self.folds and self.kind in ("official", "valid-as-test"):
            raise ConfigError("The data set's own split has no folds; choose a split by patch, slide, class or colour.")

    @property
    def groups(self) -> tuple[Group, ...]:
        """The columns that a data set must have to be split by this rule."""
        named = (self.by, "" if self.held is None else self.held[0])
        return tuple(group for group in GROUPS if group in named)

    @property
    def test_share(self) -> float:
        """The share of the test split, also with folds."""
        return 1 / self.folds if self.folds > 0 else self.test

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SplitRule":
        """Return the rule whose plain values these are, also those of an earlier version.

        Raises:
            ConfigError: it holds values that this version does not have, or is damaged.
        """
        unknown = sorted(set(value) - {each.name for each in fields(cls)})
        if unknown:
            raise ConfigError(f"A split rule has unknown values ({', '.join(unknown)}); it comes from a later version.")
        try:
            return super().from_json(value)
        except TypeError as error:
            raise ConfigError(f"A split rule is damaged ({error}).") from error

    def describe(self) -> str:
        """Return the rule in words."""
        if self.kind == "official":
            return "the data set's own split"
        ways = {
            "hashed": f"hash of {'patches' if self.by == 'patch' else f'whole {self.by}s'}",
            "stratified": "hash of patches within each class",
            "colour": "whole colour clusters held out",
            "held": " ".join((*(self.held or ()), "held out")),
        }
        if self.kind == "valid-as-test":
            rest = f"{self.valid:.0%} of its training split for validation by {ways['hashed']}, seed {self.seed}"
            return f"the data set's own validation split; {rest}"
        test = f"fold {self.fold + 1} of {self.folds} to test" if self.folds else f"{self.test:.0%} test"
        return f"{ways[self.kind]}, seed {self.seed}: {self.valid:.0%} validation, {test}"
