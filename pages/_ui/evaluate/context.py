"""The scored set that Evaluate shows, the decision threshold, and which of its patches are listed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.data import Dataset
from core.evaluation import ECE_BINS, Evaluation, at_threshold, bin_of, evaluate
from core.evaluation.metrics import log_losses
from core.prediction import Predictor
from core.reports.evaluation_charts import CELL_NAMES
from core.scoring.dataset import Scored, slides_in_training
from pages._ui import cache, query_params, state
from pages._ui.component import sent

VIEW = "view"
LOOK = "look"
TOP = "top"
SUBGROUP_BY = "slice_by"
SUBGROUP_METRIC = "slice_figure"
OTHER = "other"
CLEAR_BELOW = "clear_below"
SUSPICIOUS_FROM = "suspicious_from"
THRESHOLD_OF = "threshold_of"
PREVALENCE = "prevalence"

PICTURE = "picture_format"


@dataclass(frozen=True, eq=False)
class EvaluationContext:
    """One scored set and the decision threshold in use.

    Attributes:
        predictor: the model.
        dataset: the patches.
        subset: which of them, see :data:`core.scoring.dataset.CHOICES`.
        scored: the predictions.
        threshold: at or above this probability a patch is called tumour.
        key: stands for the predictions in keys of the memo.
        name: what the model is called, see :func:`pages._ui.layout.model_name`.
    """

    predictor: Predictor
    dataset: Dataset
    subset: str
    scored: Scored
    threshold: float
    key: str
    name: str

    @property
    def has_both_classes(self) -> bool:
        """Whether curves and thresholds are defined."""
        return 0 < int(self.scored.labels.sum()) < len(self.scored)

    def evaluation(self) -> Evaluation:
        """Return the metrics at the threshold; those that do not depend on it are computed once."""
        scored, own = self.scored, self.predictor.bundle.card.threshold

        def whole() -> Evaluation:
            return evaluate(scored.labels, scored.probabilities, threshold=own, groups=scored.slides, unit=scored.unit)

        def moved() -> Evaluation:
            found = cache.recall(
                "evaluation", (self.key, own), whole, most=32, doing="Computing confidence intervals …"
            )
            return at_threshold(
                found, scored.labels, scored.probabilities, threshold=self.threshold, groups=scored.slides
            )

        return cache.recall("evaluation at", (self.key, own, self.threshold), moved, most=256)

    def slides_in_training(self) -> str:
        """Return whether the model learnt from the slides of these patches, see :mod:`core.bundle.seen_slides`."""
        return cache.recall(
            "seen slides", self.key,
            lambda: slides_in_training(self.predictor.bundle, self.dataset, self.scored.rows), most=32,
        )  # fmt: skip

    def losses(self) -> np.ndarray:
        """Return the loss of each patch in nats, float64 (n,)."""
        return log_losses(self.scored.labels == 1, self.scored.probabilities)

    def cell(self, name: str) -> np.ndarray:
        """Return a mask (n,) of one cell of the confusion matrix: "tn", "fp", "fn" or "tp"."""
        called, tumour = self.scored.probabilities >= self.threshold, self.scored.labels == 1
        return np.asarray((tumour == (name in ("fn", "tp"))) & (called == (name in ("fp", "tp"))))

    def bin(self, number: int) -> np.ndarray:
        """Return a mask (n,) of one bin of the reliability diagram."""
        return np.asarray(bin_of(self.scored.probabilities) == number)


def chart_config() -> dict[str, Any]:
    """Return the settings of all plots: one button, which saves the picture in the chosen format."""
    chosen = str(st.session_state.get(PICTURE) or "SVG").lower()
    return {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": chosen, "scale": 3},
    }


def look_label(look: str) -> str:
    """Return what the page calls a choice of patches."""
    kind, _, rest = look.partition(":")
    if kind == "cell":
        return CELL_NAMES[rest]
    if kind == "bin":
        return f"Probability {int(rest) / ECE_BINS:.0%} to {(int(rest) + 1) / ECE_BINS:.0%}"
    if kind == "slice":
        return "Selected subgroup"
    return {TOP: "Top losses", "differ": "Where the models disagree", "sure": "Most uncertain"}.get(look, look)


def is_look(look: str) -> bool:
    """Whether this names a choice of patches; people type addresses by hand."""
    kind, _, rest = look.partition(":")
    number = query_params.whole(rest)
    return (
        look in (TOP, "differ", "sure")
        or (kind == "cell" and rest in CELL_NAMES)
        or (kind == "bin" and number is not None and number < ECE_BINS)
        or (kind == "slice" and number is not None)
    )


def set_look(look: str) -> None:
    """Choose the patches to show; for callbacks."""
    st.session_state[LOOK] = look


def set_threshold(value: float) -> None:
    """Move the threshold; for callbacks."""
    st.session_state[state.THRESHOLD] = min(max(float(value), 0.0), 1.0)


def selected(key: str) -> object:
    """Return the custom data of the point that was clicked in the plot `key`, or None."""
    points = sent(key, "selection", "points")
    data = points[0].get("customdata") if points else None
    if isinstance(data, dict):  # a row of a typed array comes as {"0": ..., "1": ...}
        return data.get("0")
    return data[0] if isinstance(data, list | tuple) else data
