"""The leak meter: how much too good a split makes a model look when it lets patches of one slide fall on both sides.

The same preset is trained and measured twice on a data set whose slides are known: with a random split of patches, and
with a split that keeps slides together. The second is what to expect on new slides; the difference is the leak.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.data import open_dataset
from core.errors import DataError, RunError
from core.evaluation import FIGURES, Estimate, Evaluation
from core.prediction import load_bundle
from core.training.config import TrainingConfig
from core.training.execute import execute
from core.training.run import Run, create_run

Way = Literal["patch", "slide"]
WAYS: tuple[Way, Way] = ("patch", "slide")
NAMES = {"patch": "random split of patches", "slide": "whole slides kept together"}


@dataclass(frozen=True)
class Leak:
    """The same training, measured in two ways.

    Attributes:
        by_patch: on the test part of a random split; intervals over slides.
        by_slide: on the test part of a split by slide; intervals over slides.
    """

    by_patch: Evaluation
    by_slide: Evaluation

    def difference(self, figure: str = "auc") -> Estimate:
        """Return by patch minus by slide with a 95 % interval.

        The two test parts differ, so the two intervals are put together as for independent figures (method of
        variance estimates recovery; Zou & Donner, Stat Med 27:1693, 2008).
        """
        one, two = self.by_patch.figures[figure], self.by_slide.figures[figure]
        value = one.value - two.value
        below = math.hypot(one.value - one.low, two.high - two.value)
        above = math.hypot(one.high - one.value, two.value - two.low)
        return Estimate(value, value - below, value + above)

    def sentence(self, figure: str = "auc") -> str:
        """Return the difference in one plain sentence."""
        label, each = FIGURES[figure].label, self.difference(figure)
        sign = 1 if FIGURES[figure].higher_is_better else -1
        values = f"{self.by_patch.figures[figure].value:.3f} against {self.by_slide.figures[figure].value:.3f}"
        if not each.has_interval:
            return f"{label}: {values}; too few slides to tell chance from leak."
        span = f"{each.value:+.3f}, 95 % interval {each.low:+.3f} to {each.high:+.3f}"
        if sign * (each.low if sign > 0 else each.high) > 0:
            return f"The random split flatters the model: {label} {values} on new slides ({span})."
        if sign * each.value > 0:
            return f"The random split looks better, {label} {values} on new slides, but chance could do that ({span})."
        return f"No leak to be seen: {label} {values} on new slides ({span})."

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "by_patch": self.by_patch.to_json(),
            "by_slide": self.by_slide.to_json(),
            "auc_difference": self.difference().to_json(),
            "sentence": self.sentence(),
        }


def leak_configs(config: TrainingConfig) -> dict[Way, TrainingConfig]:
    """Return the two trainings of a leak meter; all but the split is the same.

    Raises:
        DataError: the slides of the first data set are not known.
    """
    dataset = open_dataset(config.data[0])
    if not dataset.knows_slides:
        raise DataError(
            f"The leak meter needs to know which slide each patch of {dataset.name} comes from. For Kaggle's set, put "
            "patch_id_wsi_full.csv (columns id, wsi) beside train_labels.csv."
        )
    return {way: config.with_changes(split=way, preset=f"leak-{way}-{config.preset}") for way in WAYS}


def leak_of(by_patch: Run, by_slide: Run) -> Leak:
    """Read a leak meter from its two finished runs.

    Raises:
        RunError: a run is not finished, was not split in that way, or the two differ in more than the split.
    """
    one, two = by_patch.config(), by_slide.config()
    if (one.split, two.split) != WAYS:
        raise RunError(f"A leak meter needs a run by patch and one by slide; found {one.split} and {two.split}.")
    if one.with_changes(split="slide", preset=two.preset) != two:
        raise RunError(f"The runs {by_patch.name} and {by_slide.name} differ in more than their split.")
    return Leak(_test(by_patch), _test(by_slide))


def measure_leak(
    config: TrainingConfig, folder: Path | None = None, *, say: Callable[[str], None] | None = None
) -> Leak:
    """Train and measure both ways in this process.

    Args:
        config: the training; its `split` is replaced.
        folder: where the two runs go; None is among all others.
        say: told what is done.

    Raises:
        DataError: slides are not known, or a part is empty.
        RunError: a training failed.
    """
    runs = []
    for way, each in leak_configs(config).items():
        if say is not None:
            say(f"Training with a {NAMES[way]}" if way == "patch" else f"Training with {NAMES[way]}")
        run = create_run(each, None if folder is None else folder / way)
        execute(run)
        runs.append(run)
    return leak_of(*runs)


def _test(run: Run) -> Evaluation:
    if not run.bundle_path.is_file():
        raise RunError(f"The run {run.name} is not finished (its state is {run.status().state}).")
    measured = [each for each in load_bundle(run.bundle_path).card.measured if each.part == "test"]
    if not measured:
        raise RunError(f"The run {run.name} measured no test part; its log says why.")
    return measured[0].evaluation
