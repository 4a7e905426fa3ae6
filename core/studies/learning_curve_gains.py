"""Two sizes of a learning curve on the same test patches."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from core.data import open_dataset
from core.errors import RunError
from core.evaluation import Estimate, compare
from core.runs.run import Run
from core.storage.home import runs_home
from core.studies.learning_curve_result import SHOWN, CurveResult, Gain, Trained
from core.studies.study import Study
from core.training.predictions import test_predictions


class Gains:
    """Compares each size with the one before, each pair of runs once.

    Args:
        study: a learning curve.
    """

    def __init__(self, study: Study):
        self._config = study.config()
        self._slides: pd.Series | None = None
        self._is_open = False
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
        key = (before.run, after.run)
        if key not in self._found:
            self._found[key] = self._compared(before, after)
        return self._found[key]

    def _compared(self, before: Trained, after: Trained) -> tuple[int, dict[str, Estimate]]:
        smaller, larger = (test_predictions(Run(runs_home() / each.run)) for each in (before, after))
        if list(smaller["id"]) != list(larger["id"]) or list(smaller["label"]) != list(larger["label"]):
            raise RunError(
                f"The runs {before.run} and {after.run} were tested on different patches, so the data or its split "
                "changed in between. Make a new learning curve."
            )
        differences = compare(
            larger["label"], larger["probability"], smaller["probability"], groups=self._groups(larger["id"]),
            threshold=after.evaluation.threshold, second_threshold=before.evaluation.threshold,
        )  # fmt: skip
        return len(larger), differences

    def _groups(self, ids: pd.Series) -> np.ndarray | None:
        """Return the slides of these patches, or None where they are not known for all."""
        if not self._is_open:
            dataset = open_dataset(self._config.data[0], decisions=self._config.decisions or None)
            table = dataset.table[dataset.table["label"].notna()]
            self._slides = table.set_index("id")["slide"] if dataset.knows_slides else None
            self._is_open = True
        return None if self._slides is None else ids.map(self._slides).to_numpy()
