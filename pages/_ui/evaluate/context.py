"""What the Evaluate page looks at: one scored set, the threshold, and the patches chosen behind a number."""

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.data import Dataset
from core.evaluation import Evaluation, at_threshold, bin_of, evaluate
from core.evaluation.metrics import log_losses
from core.prediction import Predictor
from core.reports.evaluation_charts import CELL_NAMES
from core.scoring.dataset import Scored
from pages._ui import state

VIEW = "view"
LOOK = "look"
TOP = "top"
SLICE_BY = "slice_by"
SLICE_FIGURE = "slice_figure"
OTHER = "other"
CLEAR_BELOW = "clear_below"
SUSPICIOUS_FROM = "suspicious_from"
THRESHOLD_OF = "threshold_of"

PICTURE = "picture_format"


@dataclass(frozen=True, eq=False)
class EvaluationContext:
    """One scored set and the threshold in use.

    Attributes:
        predictor: the model.
        dataset: the patches.
        part: which of them, see :data:`core.scoring.dataset.CHOICES`.
        scored: the predictions.
        threshold: from this probability on the verdict is tumour.
        key: names predictions, so that what follows from them can be cached.
    """

    predictor: Predictor
    dataset: Dataset
    part: str
    scored: Scored
    threshold: float
    key: str

    @property
    def has_both_classes(self) -> bool:
        """Whether curves and thresholds are defined."""
        return 0 < int(self.scored.labels.sum()) < len(self.scored)

    def evaluation(self) -> Evaluation:
        """Return the figures at the threshold; what does not depend on it is computed once."""
        whole = _whole(self.scored, self.predictor.bundle.card.threshold, key=self.key)
        return _moved(whole, self.scored, self.threshold, key=self.key)

    def losses(self) -> np.ndarray:
        """Return the loss of each patch in nats, float64 (n,)."""
        return log_losses(self.scored.labels == 1, self.scored.probabilities)

    def cell(self, name: str) -> np.ndarray:
        """Return a mask (n,) of one cell of the confusion matrix: "tn", "fp", "fn" or "tp"."""
        called, tumour = self.scored.probabilities >= self.threshold, self.scored.labels == 1
        mask: np.ndarray = (tumour == (name in ("fn", "tp"))) & (called == (name in ("fp", "tp")))
        return mask

    def bin(self, number: int) -> np.ndarray:
        """Return a mask (n,) of one bin of the reliability diagram."""
        mask: np.ndarray = bin_of(self.scored.probabilities) == number
        return mask


def chart_config() -> dict[str, Any]:
    """Return the settings of all plots: one quiet button, which saves the picture in the chosen format."""
    chosen = str(st.session_state.get(PICTURE) or "SVG").lower()
    return {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": chosen, "scale": 3},
    }


@st.cache_data(show_spinner="Computing intervals …", max_entries=32)
def _whole(_scored: Scored, threshold: float, *, key: str) -> Evaluation:  # noqa: ARG001 - the key names `_scored`
    return evaluate(_scored.labels, _scored.probabilities, threshold=threshold, groups=_scored.slides)


@st.cache_data(show_spinner=False, max_entries=256)
def _moved(
    _whole: Evaluation,
    _scored: Scored,
    threshold: float,
    *,
    key: str,  # noqa: ARG001 - the key names both
) -> Evaluation:
    return at_threshold(_whole, _scored.labels, _scored.probabilities, threshold=threshold, groups=_scored.slides)


def fingerprint(dataset: Dataset) -> str:
    """Return the data set's fingerprint, computed once: it takes a third of a second for 220,025 patches."""
    known = _fingerprints()
    for table, value in known:
        if table() is dataset.table:
            return value
    value = f"{dataset.fingerprint()}-{dataset.stamp()}"
    known[:] = [(weakref.ref(dataset.table), value), *known[:7]]
    return value


@st.cache_resource(show_spinner=False)
def _fingerprints() -> "list[tuple[weakref.ref[object], str]]":
    return []


def look_label(look: str) -> str:
    """Return a choice of patches in words."""
    kind, _, rest = look.partition(":")
    if kind == "cell":
        return CELL_NAMES[rest].capitalize()
    if kind == "bin":
        return f"Probability {int(rest) / 15:.0%} to {(int(rest) + 1) / 15:.0%}"
    if kind == "slice":
        return "The chosen slice"
    return {TOP: "Top losses", "differ": "Where the models disagree", "sure": "Least sure"}.get(look, look)


def is_look(look: str) -> bool:
    """Whether this names a choice of patches; addresses are typed by people."""
    kind, _, rest = look.partition(":")
    return (
        look in (TOP, "differ", "sure")
        or (kind == "cell" and rest in CELL_NAMES)
        or (kind == "bin" and rest.isdigit() and int(rest) < 15)
        or (kind == "slice" and rest.isdigit())
    )


def set_look(look: str) -> None:
    """Choose the patches to show; for callbacks."""
    st.session_state[LOOK] = look


def set_threshold(value: float) -> None:
    """Move the threshold; for callbacks."""
    st.session_state[state.THRESHOLD] = min(max(float(value), 0.0), 1.0)


def selected(key: str) -> object:
    """Return the custom data of the point that was pressed in the plot `key`, or None."""
    points = st.session_state[key]["selection"]["points"]
    data = points[0].get("customdata") if points else None
    if isinstance(data, dict):  # a row of a typed array comes as {"0": ..., "1": ...}
        return data.get("0")
    return data[0] if isinstance(data, list | tuple) else data
