"""Which patches Browse shows, and in which order; every choice stands in the address, and has a chip that undoes it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data.quality import FLAGS
from pages._ui import query_params, state
from pages._ui.browse.columns import PatchColumns

SHOW = {"both": "Tumour and normal", "tumour": "Tumour", "normal": "Normal", "all": "All, mixed"}
ANY = "any"
FLAGGED = "any flag"
CLEAN = "no flag"
AS_IT_IS = "as it is"
LOW, HIGH = ", low first", ", high first"
VERDICTS = ("right", "wrong", "false negative", "false positive", "not predicted")


@dataclass(frozen=True)
class Range:
    """A cut of one column: what lies from `low` to `high`, both included."""

    name: str
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name} {self.low:.4g} to {self.high:.4g}"

    @property
    def text(self) -> str:
        """As it stands in the address."""
        return f"{self.name}:{self.low!r}:{self.high!r}"  # all digits: the ends themselves belong to it

    @classmethod
    def parse(cls, text: str) -> "Range | None":
        """Return the range that :attr:`text` gave, or None for anything else."""
        name, _, ends = text.partition(":")
        try:
            low, high = (float(end) for end in ends.split(":"))
        except ValueError:
            return None
        return cls(name, low, high) if low <= high else None


def ranges() -> list[Range]:
    """Return the cuts that stand in the address."""
    found = (Range.parse(text) for text in query_params.read(state.RANGES))
    return list({each.name: each for each in found if each is not None}.values())


def cut(wanted: Range) -> None:
    """Show only what lies in a range, in place of an earlier one of the same column."""
    others = [each for each in ranges() if each.name != wanted.name]
    query_params.write(state.RANGES, [each.text for each in [*others, wanted]])
    st.session_state[state.PAGE] = 1


def choose(key: str, value: str) -> None:
    """Set one of the choices of the filter."""
    st.session_state[key] = value
    st.session_state[state.PAGE] = 1


def chosen(patch_columns: PatchColumns, *, chips: DeltaGenerator | None = None) -> npt.NDArray[np.int64]:
    """Draw the filter and return the rows that pass it, in the order wished for.

    Args:
        patch_columns: what is known of the patches.
        chips: where the chips go; without it, below the filter.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        keep = _filtered(patch_columns)
        order = _select(
            "Sort", [AS_IT_IS, "id", *(name + way for name in patch_columns.columns for way in (LOW, HIGH))], state.SORT
        )
        _more(patch_columns)
    for each in ranges():
        if each.name in patch_columns.columns:
            keep &= _within(patch_columns.columns[each.name], each)
    with chips or st.container():
        _chips(patch_columns)
    return ordered(patch_columns, np.flatnonzero(keep), order)


def ordered(patch_columns: PatchColumns, rows: npt.NDArray[np.int64], order: str) -> npt.NDArray[np.int64]:
    """Return the rows in an order of the list: "as it is", "id", or a column with low or high first.

    What is not known comes last.
    """
    if order == AS_IT_IS:
        return rows
    column = order.removesuffix(LOW).removesuffix(HIGH)
    values = (
        patch_columns.fixed.id_order[rows]
        if column not in patch_columns.columns
        else patch_columns.columns[column][rows]
    )
    return rows[np.argsort(-values if order.endswith(HIGH) else values, kind="stable")]


def judged(patch_columns: PatchColumns, verdict: str) -> npt.NDArray[np.bool_]:
    """Return which patches the model judged so, bool (N,); all of them without predictions."""
    predicted = patch_columns.predicted
    if predicted is None:
        return np.ones(len(patch_columns.fixed.ids), bool)
    called, tumour, known = predicted.called, predicted.label == 1, predicted.known
    masks = {
        "right": known & (called == tumour),
        "wrong": known & (called != tumour),
        "false negative": known & tumour & ~called,
        "false positive": known & ~tumour & called,
        "not predicted": ~known,
    }
    return np.asarray(masks[verdict])


def searched() -> str:
    """Return what is typed under "Find id", without spaces around it."""
    return str(st.session_state.get(state.FIND) or "").strip()


def clear() -> None:
    """Show everything again."""
    for key in (state.IN_PART, state.SLIDE, state.FLAG, state.VERDICT):
        if key in st.session_state:
            st.session_state[key] = ANY
    if searched():
        st.session_state[state.FIND] = ""
    query_params.write(state.RANGES, [])
    st.session_state[state.PAGE] = 1


def _filtered(patch_columns: PatchColumns) -> npt.NDArray[np.bool_]:
    fixed = patch_columns.fixed
    keep = np.ones(len(fixed.ids), bool)
    if len(fixed.part_names) > 1:
        part = _select(
            "Part", [ANY, *fixed.part_names], state.IN_PART, help=f"As training divides them: {fixed.division}."
        )
        if part != ANY:
            keep &= fixed.part == fixed.part_names.index(part)
    if fixed.slide_names:
        slide = _select("Slide", [ANY, *fixed.slide_names], state.SLIDE)
        if slide != ANY:
            keep &= fixed.slide == fixed.slide_names.index(slide)
    if patch_columns.flags:
        keep &= _flagged(patch_columns)
    if patch_columns.predicted is not None:
        predicted = patch_columns.predicted
        of = f"Of {predicted.name}, the sidebar's model, at its threshold {predicted.threshold:.3f}."
        verdict = _select("Prediction", [ANY, *VERDICTS], state.VERDICT, help=of)
        if verdict != ANY:
            keep &= judged(patch_columns, verdict)
    st.text_input(
        "Find id", key=state.FIND, bind="query-params", width=160, placeholder="all or part",
        help="A whole id goes to the page it is on and opens the patch; a part of one filters.",
    )  # fmt: skip
    text = searched()
    if text and fixed.row(text) is None:
        keep &= patch_columns.dataset.table["id"].str.contains(text, regex=False).fillna(False).to_numpy(bool)
    return keep


def _flagged(patch_columns: PatchColumns) -> npt.NDArray[np.bool_]:
    flag = _select("Quality", [ANY, CLEAN, FLAGGED, *FLAGS], state.FLAG)
    if flag == ANY:
        return np.ones(len(patch_columns.fixed.ids), bool)
    if flag in (CLEAN, FLAGGED):
        return np.asarray(np.logical_or.reduce(list(patch_columns.flags.values())) == (flag == FLAGGED))
    return patch_columns.flags[flag]


def _within(values: npt.NDArray[np.floating], limits: Range) -> npt.NDArray[np.bool_]:
    return np.asarray((values >= limits.low) & (values <= limits.high))


def _more(patch_columns: PatchColumns) -> None:
    """Draw the way to cut a column by numbers."""
    if not patch_columns.columns:
        return
    with st.popover("Range", icon=":material/tune:", help="Show only what lies between two numbers"):
        name = str(st.selectbox("Of", list(patch_columns.columns), key="range_of"))
        values = patch_columns.columns[name]
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        step = max((high - low) / 100, 1e-4)
        start = st.number_input("From", value=low, step=step, format="%.4g", key=f"range_low_{name}")
        end = st.number_input("To", value=high, step=step, format="%.4g", key=f"range_high_{name}")
        if start > end:
            st.caption("From is larger than To.")
        st.button("Show these", type="primary", disabled=start > end, on_click=cut, args=(Range(name, start, end),))


def _chips(patch_columns: PatchColumns) -> None:
    """Draw a chip for each filter at work, which removes it."""
    chips: list[tuple[str, Callable[..., None], tuple[str, ...]]] = []
    for key, words in (
        (state.IN_PART, "part"), (state.SLIDE, "slide"), (state.FLAG, "quality:"), (state.VERDICT, "prediction:"),
    ):  # fmt: skip
        value = st.session_state.get(key, ANY)
        if value != ANY and _is_drawn(patch_columns, key):
            chips.append((f"{words} {value}", choose, (key, ANY)))
    if searched():
        chips.append((f"id {searched()[:12]}", choose, (state.FIND, "")))
    for each in ranges():
        known = "" if each.name in patch_columns.columns else " (not known here)"
        chips.append((f"{each}{known}", _uncut, (each.name,)))
    if not chips:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for number, (label, undo, arguments) in enumerate(chips):
            st.button(
                label, icon=":material/close:", icon_position="right", key=f"chip-{number}", on_click=undo,
                args=arguments, help="Remove this filter",
            )  # fmt: skip
        st.button("Clear filters", type="tertiary", key="clear_filters", on_click=clear)


def _is_drawn(patch_columns: PatchColumns, key: str) -> bool:
    fixed = patch_columns.fixed
    return {
        state.IN_PART: len(fixed.part_names) > 1,
        state.SLIDE: bool(fixed.slide_names),
        state.FLAG: bool(patch_columns.flags),
        state.VERDICT: patch_columns.predicted is not None,
    }[key]


def _uncut(name: str) -> None:
    query_params.write(state.RANGES, [each.text for each in ranges() if each.name != name])


def _select(label: str, options: list[str], key: str, *, help: str | None = None) -> str:
    """Draw a choice, of which the first is the default; words of another data set or an old link are let go."""
    if st.session_state.get(key, options[0]) not in options:
        st.session_state[key] = options[0]
    chosen = st.selectbox(label, options, key=key, bind="query-params", width=128, help=help, on_change=_first_page)
    return str(chosen or options[0])


def _first_page() -> None:
    st.session_state[state.PAGE] = 1
