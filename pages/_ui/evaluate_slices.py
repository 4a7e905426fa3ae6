"""Evaluate: the figures of parts of the patches, to see where the model is worse."""

from collections.abc import Callable, Hashable

import numpy as np
import pandas as pd
import streamlit as st

from core.data import Dataset
from core.data.store import CENTRE
from core.evaluation import FIGURES, OPERATING_FIGURES, Slice, quantile_bins, slices
from core.prediction.looks import Looks, stain_clusters
from core.prediction.score import Scored
from pages._ui import charts
from pages._ui.evaluate_scene import CHART, SLICE_BY, SLICE_FIGURE, Scene, selected, set_look

SMALL = 30
MOST = 60

KINDS = {
    "slide": "Slide",
    "stain": "Staining (cluster)",
    "brightness": "Brightness",
    "sharpness": "Sharpness",
    "tumour": "Tumour share of the centre",
}
EXPLAINED = {
    "slide": "Each slide apart.",
    "stain": "Groups of alike staining, from weak to strong: k-means on the mean optical density of the patch.",
    "brightness": "Four groups of equal size by mean luminance (0 black, 255 white).",
    "sharpness": "Four groups of equal size by the variance of the Laplacian; low is blurred or empty.",
    "tumour": "How much of the centre is tumour; only the synthetic demo knows. Groups of one class have no AUC.",
}


def draw(scene: Scene) -> None:
    """Draw the view."""
    st.markdown("Where is the model worse? The same figures for parts of the patches (**slices**).")
    choices = [kind for kind in KINDS if _is_possible(kind, scene)]
    left, right = st.columns(2)
    by = left.segmented_control(
        "By", choices, format_func=KINDS.__getitem__, default=choices[0], required=True, key=SLICE_BY,
        persist_state="session",
    )  # fmt: skip
    figure = right.selectbox(
        "Figure", ["accuracy", *(name for name in FIGURES if name != "accuracy")], key=SLICE_FIGURE,
        format_func=lambda name: FIGURES[name].label, persist_state="session",
    )  # fmt: skip
    found = _slices(scene, str(by))
    whole = scene.evaluation().figures[figure].value
    names = [_name(str(by), each.value) for each in found]
    notes = [f"n = {each.n:,}, {each.positives:,} tumour" for each in found]
    order = _worst_first(found, figure)[:MOST] if by == "slide" else list(range(len(found)))
    st.plotly_chart(
        charts.estimates(
            [names[row] for row in order], [found[row].figures[figure] for row in order],
            title=f"{FIGURES[figure].label}, 95 % intervals; dotted: all patches", reference=whole,
            notes=[notes[row] for row in order], faint=[found[row].is_small for row in order],
        ),
        config=CHART, key="slices_chart", on_select=lambda: _pick(order), selection_mode="points", alt="Slices",
    )  # fmt: skip
    small = sum(each.is_small for each in found)
    warning = f" {small} of {len(found)} slices have fewer than {SMALL} patches (hollow): read little into them."
    more = f" The {MOST} worst of {len(found):,} are shown." if len(found) > len(order) else ""
    st.caption(f"{EXPLAINED[str(by)]}{warning if small else ''}{more} Press a point to see its patches below.")
    with st.expander("As a table"):
        _table(found, names)


def mask(scene: Scene, number: int) -> np.ndarray:
    """Return a mask (n,) of the slice that was pressed; none where it is not there any more."""
    by = str(st.session_state.get(SLICE_BY) or "")
    if by not in KINDS or not _is_possible(by, scene):
        return np.zeros(len(scene.scored), bool)
    found = _slices(scene, by)
    values = _values(scene, by)
    if number >= len(found):
        return np.zeros(len(scene.scored), bool)
    wanted = found[number].value
    return np.array([value == wanted for value in values.tolist()], bool)


def every(scene: Scene) -> dict[str, list[tuple[str, Slice]]]:
    """Return all slices of all kinds with their names, for the report."""
    return {
        KINDS[kind]: [(_name(kind, each.value), each) for each in _slices(scene, kind)]
        for kind in KINDS
        if _is_possible(kind, scene)
    }


def _is_possible(kind: str, scene: Scene) -> bool:
    if kind == "slide":
        return scene.scored.slides is not None
    if kind == "tumour":
        return scene.dataset.masks is not None
    return scene.scored.looks is not None


def _slices(scene: Scene, by: str) -> list[Slice]:
    return _computed(scene.scored, _values(scene, by), scene.threshold, by, key=scene.key)


@st.cache_data(show_spinner="Computing the slices …", max_entries=64)
def _computed(
    _scored: Scored,
    _by: np.ndarray,
    threshold: float,
    by: str,  # noqa: ARG001 - names `_by`
    *,
    key: str,  # noqa: ARG001 - names `_scored`
) -> list[Slice]:
    return slices(_scored.labels, _scored.probabilities, _by, threshold=threshold, small=SMALL)


def _values(scene: Scene, by: str) -> np.ndarray:
    return _grouped(scene.dataset, scene.scored, by, key=scene.key)


@st.cache_data(show_spinner=False, max_entries=32)
def _grouped(_dataset: Dataset, _scored: Scored, by: str, *, key: str) -> np.ndarray:  # noqa: ARG001 - names the others
    looks = _scored.looks
    if by == "slide" and _scored.slides is not None:
        return _scored.slides
    if by == "tumour" and _dataset.masks is not None:
        shares = np.array([_dataset.masks[row][CENTRE, CENTRE].mean() for row in _scored.rows])
        return _share_groups(shares)
    if looks is None:
        raise ValueError(f"no slices by {by}")
    ways: dict[str, Callable[[Looks], np.ndarray]] = {
        "stain": stain_clusters,
        "brightness": lambda each: quantile_bins(each.brightness),
        "sharpness": lambda each: quantile_bins(each.sharpness),
    }
    return ways[by](looks)


def _share_groups(shares: np.ndarray) -> np.ndarray:
    names = np.array(["none", "up to a half", "half to nine tenths", "nine tenths and more"])
    return names[(shares > 0).astype(int) + (shares > 0.5) + (shares >= 0.9)]


def _name(by: str, value: Hashable) -> str:
    if value is None:
        return "not known"
    if isinstance(value, tuple):
        return f"{value[0]:.0f} to {value[1]:.0f}"
    return f"staining {int(str(value)) + 1}" if by == "stain" else str(value)


def _worst_first(found: list[Slice], figure: str) -> list[int]:
    sign = 1 if FIGURES[figure].higher_is_better else -1
    values = [sign * each.figures[figure].value for each in found]
    return sorted(range(len(found)), key=lambda row: (np.isnan(values[row]), values[row]))


def _table(found: list[Slice], names: list[str]) -> None:
    shown = ("auc", *OPERATING_FIGURES[:4], "ece")
    rows = [
        {
            "slice": name,
            "n": each.n,
            "tumour": each.positives,
            "": "few patches" if each.is_small else "",
            **{FIGURES[figure].label: str(each.figures[figure]) for figure in shown},
        }
        for name, each in zip(names, found, strict=True)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _pick(order: list[int]) -> None:
    position = selected("slices_chart")
    if isinstance(position, int | float):
        set_look(f"slice:{order[int(position)]}")
