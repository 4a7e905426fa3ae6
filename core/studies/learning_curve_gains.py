"""Two sizes of a learning curve on the same test patches."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

from core.data import Dataset
from core.errors import RunError
from core.evaluation import Estimate, compare
from core.runs.run import Run
from core.storage.home import runs_home
from core.studies.learning_curve_result import SHOWN, CurveResult, Gain, Trained
from core.studies.study import Study
from core.studies.work import units_of
from core.training.predictions import test_predictions


class Gains:
    """Compares each size with the one before, each pair of runs once.

    Args:
        study: a learning curve.
    """

    def __init__(self, study: Study):
        self._study = study
        self._found: dict[tuple[str, str], tuple[int, dict[str, Estimate]]] = {}

    def between(self, trained: Sequence[Trained]) -> tuple[Gain, ...]:
        """Return what each size brought over the one before, by the seeds with which both are trained.

        Raises:
            RunError: two runs were tested on different patches, or left no predictions.
        """
        gains = []
        for before, after in pairwise(CurveResult(tuple(trained)).points):
            seeds = {each.seed: each for each in before.runs}
            pairs = [self._pair(seeds[each.seed], each) for each in after.runs if each.seed in seeds]
            if pairs:
                found = {name: tuple(differences[name] for _, differences in pairs) for name in SHOWN}
                gains.append(Gain(before.size, after.size, pairs[0][0], found))
        return tuple(gains)

    def _pair(self, before: Trained, after: Trained) -> tuple[int, dict[str, Estimate]]:
        """Return the number of test patches and the differences; a bootstrap takes seconds, so each is made once."""
        key = (before.run, after.run)
        if key not in self._found:
            smaller, larger = (test_predictions(Run(runs_home() / name)) for name in key)
            if not larger[["id", "label"]].equals(smaller[["id", "label"]]):
                raise RunError(
                    f"The runs {before.run} and {after.run} were tested on different patches, so the data or its split "
                    "changed in between. Make a new learning curve."
                )
            differences = compare(
                larger["label"], larger["probability"], smaller["probability"],
                groups=units_of(self._dataset, larger["id"]),
                threshold=after.evaluation.threshold, second_threshold=before.evaluation.threshold,
            )  # fmt: skip
            self._found[key] = (len(larger), differences)
        return self._found[key]

    @cached_property
    def _dataset(self) -> Dataset:
        return self._study.dataset()
