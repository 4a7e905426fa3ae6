"""The patches that Browse shows, and their order; the address holds every choice, and a chip removes it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data.quality import FLAGS
from pages._ui import query_params, state
from pages._ui.browse.columns import PatchColumns
from pages._ui.browse.predictions import VERDICTS

SHOW = {"both": "Tumour and normal", "tumour": "Tumour", "normal": "Normal", "all": "All, mixed"}
ANY = "any"
FLAGGED = "any flag"
CLEAN = "no flag"
AS_IT_IS = "as it is"
LOW, HIGH = ", low first", ", high first"
WRONG = "wrong"


@dataclass(frozen=True)
class Range:
    """A range of one column: from `low` to `high`, both included."""

    name: str
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name} {self.low:.4g} to {self.high:.4g}"

    @property
    def text(self) -> str:
        """As it stands in the address."""
        return f"{self.name}:{self.low!r}:{self.high!r}"  # all digits, because both ends are included

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
    """Return the ranges in the address."""
    found = (Range.parse(text) for text in query_params.read(state.RANGES))
    # An address may name a column twice; the last one counts.
    return list({each.name: each for each in found if each is not None}.values())


def cut(wanted: Range) -> None:
    """Show only what is in a range, which replaces an earlier one of the same column."""
    others = [each for each in ranges() if each.name != wanted.name]
    query_params.write(state.RANGES, [each.text for each in [*others, wanted]])
    st.session_state[state.PAGE] = 1


def choose(key: str, value: str) -> None:
    """Set one of the choices of the filter."""
    st.session_state[key] = value
    st.session_state[state.PAGE] = 1


def chosen(patches: PatchColumns, *, chips: DeltaGenerator) -> npt.NDArray[np.int64]:
    """Draw the filter and return the rows that pass it, in the chosen order.

    Args:
        patches: what is known of the patches.
        chips: where the chips of active filters are drawn.
    """
    keep = _filtered(patches)
    order = _select(
        "Sort", [AS_IT_IS, "id", *(name + way for name in patches.columns for way in (LOW, HIGH))], state.SORT
    )
    _more(patches)
    for each in ranges():
        if each.name in patches.columns:
            keep &= _within(patches.columns[each.name], each)
    with chips:
        _chips(patches)
    return ordered(patches, np.flatnonzero(keep), order)


def ordered(patches: PatchColumns, rows: npt.NDArray[np.int64], order: str) -> npt.NDArray[np.int64]:
    """Return the rows in an order of the list: "as it is", "id", or a column with low or high first.

    Unknown values come last.
    """
    if order == AS_IT_IS:
        return rows
    column = order.removesuffix(LOW).removesuffix(HIGH)
    # Negated and not reversed: NaN stays last, and equal values keep their order, in both directions.
    values = patches.fixed.id_order[rows] if column not in patches.columns else patches.columns[column][rows]
    return rows[np.argsort(-values if order.endswith(HIGH) else values, kind="stable")]


def judged(patches: PatchColumns, verdict: str) -> npt.NDArray[np.bool_]:
    """Return which patches have a verdict of the model, bool (N,); all of them without predictions."""
    if patches.predicted is None:
        return np.ones(len(patches.fixed.ids), bool)
    wanted = VERDICTS[1:3] if verdict == WRONG else (verdict,)
    return np.isin(patches.predicted.verdicts, wanted)


def searched() -> str:
    """Return what is typed under "Find id", without spaces around it."""
    return str(st.session_state.get(state.FIND) or "").strip()


def clear() -> None:
    """Show everything again."""
    for key in (state.IN_SPLIT, state.SLIDE, state.FLAG, state.TAG, state.VERDICT):
        if key in st.session_state:
            st.session_state[key] = ANY
    if searched():
        st.session_state[state.FIND] = ""
    query_params.write(state.RANGES, [])
    st.session_state[state.PAGE] = 1


def _filtered(patches: PatchColumns) -> npt.NDArray[np.bool_]:
    fixed = patches.fixed
    keep = np.ones(len(fixed.ids), bool)
    if len(fixed.split_names) > 1:
        split = _select(
            "Split", [ANY, *fixed.split_names], state.IN_SPLIT, help=f"As training divides them: {fixed.division}."
        )
        if split != ANY:
            keep &= fixed.split == fixed.split_names.index(split)
    if fixed.slide_names:
        slide = _select("Slide", [ANY, *fixed.slide_names], state.SLIDE)
        if slide != ANY:
            keep &= fixed.slide == fixed.slide_names.index(slide)
    if patches.flags:
        keep &= _flagged(patches)
    if patches.tags:
        tag = _select("Tag", [ANY, *patches.tags], state.TAG)
        if tag != ANY:
            keep &= patches.tags[tag]
    if patches.predicted is not None:
        predicted = patches.predicted
        of = f"By {predicted.name}, the model in the sidebar, at its decision threshold {predicted.threshold:.3f}."
        verdict = _select("Prediction", [ANY, VERDICTS[0], WRONG, *VERDICTS[1:]], state.VERDICT, help=of)
        if verdict != ANY:
            keep &= judged(patches, verdict)
    st.text_input(
        "Find id", key=state.FIND, bind="query-params", width=160, placeholder="whole or part of it",
        help="A whole id goes to its page and opens the patch; part of an id filters.",
    )  # fmt: skip
    text = searched()
    # A whole id filters nothing: the grid goes to its page instead, see `_go_to` there.
    if text and fixed.row(text) is None:
        keep &= patches.dataset.table["id"].str.contains(text, regex=False).fillna(False).to_numpy(bool)
    return keep


def _flagged(patches: PatchColumns) -> npt.NDArray[np.bool_]:
    flag = _select("Quality", [ANY, CLEAN, FLAGGED, *FLAGS], state.FLAG)
    if flag == ANY:
        return np.ones(len(patches.fixed.ids), bool)
    if flag in (CLEAN, FLAGGED):
        return np.asarray(np.logical_or.reduce(list(patches.flags.values())) == (flag == FLAGGED))
    return patches.flags[flag]


def _within(values: npt.NDArray[np.floating], limits: Range) -> npt.NDArray[np.bool_]:
    # NaN, an unknown value, compares as False and so is in no range.
    return np.asarray((values >= limits.low) & (values <= limits.high))


def _more(patches: PatchColumns) -> None:
    """Draw the choice of a range of one column."""
    if not patches.columns:
        return
    with st.popover("Range", icon=":material/tune:", help="Show only patches with values between two numbers."):
        name = str(st.selectbox("Measure", list(patches.columns), key="range_of"))
        values = patches.columns[name]
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        step = max((high - low) / 100, 1e-4)
        # The column is in the key: a field with a key keeps its value, which would be that of the column before.
        start = st.number_input("From", value=low, step=step, format="%.4g", key=f"range_low_{name}")
        end = st.number_input("To", value=high, step=step, format="%.4g", key=f"range_high_{name}")
        if start > end:
            st.caption("From must not be larger than To.")
        st.button("Apply", type="primary", disabled=start > end, on_click=cut, args=(Range(name, start, end),))


def _chips(patches: PatchColumns) -> None:
    """Draw a chip for each active filter, which removes it."""
    chips: list[tuple[str, Callable[..., None], tuple[str, ...]]] = []
    for key, name in (
        (state.IN_SPLIT, "split"), (state.SLIDE, "slide"), (state.FLAG, "quality:"), (state.TAG, "tag"),
        (state.VERDICT, "prediction:"),
    ):  # fmt: skip
        value = st.session_state.get(key, ANY)
        # A choice made for another data set stays in the session, but filters nothing where its field is not drawn.
        if value != ANY and _is_drawn(patches, key):
            chips.append((f"{name} {value}", choose, (key, ANY)))
    # A whole id filters nothing.
    if searched() and patches.fixed.row(searched()) is None:
        chips.append((f"id {searched()[:12]}", choose, (state.FIND, "")))
    for each in ranges():
        unknown = "" if each.name in patches.columns else " (unknown here)"
        chips.append((f"{each}{unknown}", _uncut, (each.name,)))
    if not chips:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for number, (label, undo, arguments) in enumerate(chips):
            st.button(
                label, icon=":material/close:", icon_position="right", key=f"chip-{number}", on_click=undo,
                args=arguments, help="Remove this filter.",
            )  # fmt: skip
        st.button("Clear filters", type="tertiary", key="clear_filters", on_click=clear)


def _is_drawn(patches: PatchColumns, key: str) -> bool:
    fixed = patches.fixed
    return {
        state.IN_SPLIT: len(fixed.split_names) > 1,
        state.SLIDE: bool(fixed.slide_names),
        state.FLAG: bool(patches.flags),
        state.TAG: bool(patches.tags),
        state.VERDICT: patches.predicted is not None,
    }[key]


def _uncut(name: str) -> None:
    query_params.write(state.RANGES, [each.text for each in ranges() if each.name != name])


def _select(label: str, options: list[str], key: str, *, help: str | None = None) -> str:
    """Draw a choice whose default is the first; a value of another data set or an old link is dropped."""
    if st.session_state.get(key, options[0]) not in options:
        st.session_state[key] = options[0]
    chosen = st.selectbox(label, options, key=key, bind="query-params", width=128, help=help, on_change=_first_page)
    return str(chosen or options[0])


def _first_page() -> None:
    st.session_state[state.PAGE] = 1
