"""The leak meter: how optimistic the metrics of a model are when a split lets patches of one slide fall on both sides.

The same preset is trained and measured twice on a data set whose slides are known: with a random split of patches, and
with a split that keeps slides together. The second is what to expect on new slides; the difference is the leak.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from core.bundle import load_bundle
from core.data import SplitRule, open_dataset
from core.data.slides import slides_advice
from core.errors import DataError, RunError
from core.evaluation import Estimate, Evaluation, corrected_half_width
from core.evaluation.estimate import holding
from core.runs.config import TrainingConfig
from core.runs.presets import PRESETS
from core.runs.run import Run, create_run
from core.training.execute import execute
from core.training.predictions import test_evaluation

Way = Literal["patch", "slide"]
WAYS: tuple[Way, Way] = ("patch", "slide")
FEWEST_PAIRS = 3
"""From this number of splits on, the spread of the pairs tells how certain their mean difference is."""

SMALL = 0.01
"""A lead of the random split below this changes no conclusion; an interval that ends below it says there is none."""

NAMES = {"patch": "random split of patches", "slide": "split of whole slides"}


@dataclass(frozen=True)
class Leak:
    """The same training, measured in two ways, once or on several splits.

    Attributes:
        by_patch: on the test splits of random splits, one for each split seed.
        by_slide: on the test splits of splits by slide, with the same seeds.
        trained: how and when, such as "Quick look, 4 epochs, 2026-11-29 13:42"; empty where it is not known.

    Raises:
        RunError: there is none, or not as many of the one as of the other.
    """

    by_patch: tuple[Evaluation, ...]
    by_slide: tuple[Evaluation, ...]
    trained: str = ""

    def __post_init__(self) -> None:
        if not self.by_patch or len(self.by_patch) != len(self.by_slide):
            raise RunError(
                f"A leak meter needs as many runs by patch as by slide, got {len(self.by_patch)} and "
                f"{len(self.by_slide)}."
            )

    def auc(self, way: Way) -> Estimate:
        """Return the mean AUC over the splits of one way, with a 95% CI.

        The intervals of the splits are put together as if these were independent, so with several splits of one data
        set the interval is somewhat too narrow.
        """
        found = [each.metrics["auc"] for each in (self.by_patch if way == "patch" else self.by_slide)]
        value = sum(each.value for each in found) / len(found)
        below = math.hypot(*(each.value - each.low for each in found)) / len(found)
        above = math.hypot(*(each.high - each.value for each in found)) / len(found)
        return Estimate(value, value - below, value + above)

    def difference(self) -> Estimate:
        """Return the AUC by patch minus that by slide with a 95% CI.

        With three splits or more it comes from how much the pairs differ among each other, by the corrected resampled
        t (Nadeau & Bengio, Machine Learning 52:239, 2003), which allows for training splits that overlap. With fewer,
        the intervals of the two test splits are put together as of independent metrics (method of variance estimates
        recovery; Zou & Donner, Stat Med 27:1693, 2008), which is wider.
        """
        one, two = self.auc("patch"), self.auc("slide")
        value = one.value - two.value
        if len(self.by_patch) >= FEWEST_PAIRS:
            rule = SplitRule()
            pairs = zip(self.by_patch, self.by_slide, strict=True)
            half = corrected_half_width(
                [first.metrics["auc"].value - second.metrics["auc"].value for first, second in pairs],
                test_to_train=rule.test / (1 - rule.test - rule.valid),
            )
            return holding(value, value - half, value + half)
        below = math.hypot(one.value - one.low, two.high - two.value)
        above = math.hypot(one.high - one.value, two.value - two.low)
        return Estimate(value, value - below, value + above)

    def sentence(self) -> str:
        """Return the difference in one plain sentence."""
        each, values = self.difference(), f"{self.auc('patch').value:.3f} against {self.auc('slide').value:.3f}"
        if not each.has_interval:
            return f"AUC: {values}; too few slides to tell chance from leak."
        span = f"{each.value:+.3f}, 95% CI {each.interval('+.3f')}"
        if each.low > 0:
            return f"The random split is optimistic: AUC {values} on new slides ({span})."
        if each.high < SMALL:
            return f"No leak to be seen: AUC {values} on new slides ({span})."
        return (
            f"Too uncertain to tell: AUC {values} on new slides ({span}). The random split may be better by up to "
            f"{each.high:.3f}; more slides or more than one split would tell."
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "by_patch": [each.to_json() for each in self.by_patch],
            "by_slide": [each.to_json() for each in self.by_slide],
            "auc_difference": self.difference().to_json(),
            "sentence": self.sentence(),
            "trained": self.trained,
        }


def leak_configs(config: TrainingConfig) -> dict[Way, TrainingConfig]:
    """Return the two trainings of a leak meter; all but the split is the same.

    Raises:
        DataError: the slides of the first data set are not known.
    """
    dataset = open_dataset(config.data[0])
    if not dataset.knows_slides:
        raise DataError(
            f"The leak meter needs to know which slide each patch of {dataset.name} comes from. "
            f"{slides_advice(dataset)}"
        )
    return {way: config.with_changes(split=way, preset=f"leak-{way}-{config.preset}") for way in WAYS}


def leak_of(by_patch: Sequence[Run], by_slide: Sequence[Run]) -> Leak:
    """Read a leak meter from its finished runs.

    Raises:
        RunError: a run is not finished, was not split in that way, or two of a pair differ in more than the split.
    """
    for first, second in zip(by_patch, by_slide, strict=True):
        one, two = first.config(), second.config()
        if (one.split, two.split) != WAYS:
            raise RunError(f"A leak meter needs a run by patch and one by slide, got {one.split} and {two.split}.")
        if one.with_changes(split="slide", preset=two.preset) != two:
            raise RunError(f"The runs {first.name} and {second.name} differ in more than their split.")
    return Leak(tuple(_test(run) for run in by_patch), tuple(_test(run) for run in by_slide), _trained(by_slide))


def measure_leak(
    config: TrainingConfig,
    folder: Path | None = None,
    *,
    split_seeds: Sequence[int] = (0,),
    notify: Callable[[str], None] = lambda _line: None,
) -> Leak:
    """Train and measure both ways in this process.

    Args:
        config: the training; its `split` and `split_seed` are replaced.
        folder: where the runs go; None is among all others.
        split_seeds: one pair of runs for each; more of them let chance count for less.
        notify: gets a line of text on each thing that is done.

    Raises:
        DataError: slides are not known, or a split is empty.
        RunError: a training failed.
    """
    runs: dict[Way, list[Run]] = {"patch": [], "slide": []}
    for seed in split_seeds:
        for way, each in leak_configs(config.with_changes(split_seed=seed)).items():
            notify(f"Training with a {NAMES[way]}, split seed {seed}")
            run = create_run(each, None if folder is None else folder / f"{way}-{seed}")
            execute(run)
            runs[way].append(run)
    return leak_of(runs["patch"], runs["slide"])


def _trained(runs: Sequence[Run]) -> str:
    if not runs:
        return ""
    config, ended = runs[-1].config(), datetime.fromtimestamp(runs[-1].status().updated)
    name = config.preset.removeprefix("leak-slide-")
    return ", ".join(
        (
            PRESETS[name].label if name in PRESETS else name,
            f"{config.epochs} epoch{'s' if config.epochs != 1 else ''}",
            f"{ended:%Y-%m-%d %H:%M}",
        )
    )


def _test(run: Run) -> Evaluation:
    if not run.bundle_path.is_file():
        raise RunError(f"The run {run.name} is not finished (its state is {run.status().state}).")
    return test_evaluation(run, load_bundle(run.bundle_path).card)
