"""How good a model is on labelled patches."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.data import Dataset
from core.evaluation import METRICS, Evaluation, pr_points, reliability, roc_points
from core.reports import evaluation_charts as charts
from core.scoring.dataset import Scored, score
from nodescope.predicting import Model, Predicted, load


@dataclass(frozen=True, eq=False)
class Measured:
    """The metrics of a model on one split of a data set.

    Attributes:
        scored: label and prediction of each patch, and what was measured in words.
        evaluation: the metrics with their intervals.
        predicted: the predictions alone.
    """

    scored: Scored
    evaluation: Evaluation
    predicted: Predicted

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each metric: its name, value, and 95% interval (missing where none holds)."""
        found = self.evaluation.metrics.items()
        return pd.DataFrame([(METRICS[name].label, each.value, each.low, each.high) for name, each in found],
                            columns=["metric", "value", "low", "high"])  # fmt: skip

    def plot(self, kind: Literal["roc", "precision-recall", "reliability"] = "roc") -> go.Figure:
        """Return a curve as a chart."""
        labels, values = self.scored.labels, self.scored.probabilities
        if kind == "reliability":
            return charts.reliability(reliability(labels, values), "Reliability")
        if kind == "precision-recall":
            return charts.precision_recall(pr_points(labels, values), self.evaluation)
        return charts.roc(roc_points(labels, values), self.evaluation)


def evaluate(
    dataset: Dataset, model: Model | None = None, *, split: str = "auto", threshold: float | None = None
) -> Measured:
    """Measure a model on labelled patches, with 95% intervals (over patients or slides where they are known).

    Args:
        dataset: labelled patches.
        model: the one that comes with Nodescope, by default.
        split: "auto" takes what the model was not trained on, as far as its card tells; or "train", "validation",
            "test", "all".
        threshold: decision threshold; the model's own by default.

    Raises:
        DataError: the split holds no labelled patch that can be read.
    """
    model = model or load()
    scored = score(model.predictor, dataset, split="valid" if split == "validation" else split)
    line = model.threshold if threshold is None else threshold
    ids = dataset.table["id"].to_numpy(dtype=object)[np.asarray(scored.rows)]
    return Measured(scored, scored.evaluation(line), Predicted(ids, scored.logits, scored.probabilities, line))
