"""The patches that Browse shows, and their order; the address holds every choice, and a chip removes it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

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
CHOICES = (state.IN_SPLIT, state.SLIDE, state.PATIENT, state.CENTRE, state.FLAG, state.TAG, state.VERDICT)
"""The keys of the choices among the filters."""


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


@dataclass(frozen=True)
class Active:
    """A filter that is set.

    Attributes:
        label: on its chip.
        keeps: bool (N,), the patches that pass it.
        remove: shows what it hides.
    """

    label: str
    keeps: npt.NDArray[np.bool_]
    remove: Callable[[], None]


def chosen(patches: PatchColumns, show: str, *, chips: DeltaGenerator) -> tuple[npt.NDArray[np.int64], list[Active]]:
    """Draw the filters and return the rows that pass them, in the order of the table, and those that are set.

    Args:
        patches: what is known of the patches.
        show: which classes, a key of :data:`SHOW`.
        chips: where the chips of active filters are drawn.
    """
    with st.popover("Filter", icon=":material/filter_alt:"):
        active = [*_choices(patches), *_found(patches)]
        _more(patches)
        if patches.predicted is None:
            st.caption("Predict patches, and they can be filtered by the model's verdict and probability.")
        if patches.check is None:
            st.caption("Check them (Quality), and they can be filtered by what is wrong with them.")
    active += [
        Active(str(each), _within(patches.columns[each.name], each), partial(_uncut, each.name))
        for each in ranges()
        if each.name in patches.columns
    ]
    with chips:
        _chips(active)
    rows = np.flatnonzero(_all_of(patches, active))
    if show in ("tumour", "normal"):
        of_class = patches.fixed.label == int(show == "tumour")
        active.append(Active(f"only {show}", of_class, partial(choose, state.SHOW, "both")))
    return rows, active


def _all_of(patches: PatchColumns, active: list[Active]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce([np.ones(len(patches.fixed.ids), bool), *(each.keeps for each in active)]))


def sorted_by(patches: PatchColumns) -> str:
    """Draw the choice of an order and return it, see :func:`ordered`."""
    names = [AS_IT_IS, "id", *(name + way for name in patches.columns for way in (LOW, HIGH))]
    return _select("Sort", names, state.SORT)


def draw_empty(patches: PatchColumns, active: list[Active]) -> None:
    """Draw, where no patch passes, what each filter hides alone, with the button that removes it."""
    offers = []
    for each in active:
        count = int(_all_of(patches, [other for other in active if other is not each]).sum())
        if count:
            offers.append((each, count))
    st.info("No patch passes all filters." if active else "There is no such patch in this data set.")
    with st.container(horizontal=True):
        for each, count in offers:
            st.button(f"Remove “{each.label}”: {count:,}", key=f"empty-{each.label}", icon=":material/filter_alt_off:",
                      on_click=each.remove, help=f"Without this filter, {count:,} patches pass.")  # fmt: skip
        if active and not offers:
            st.button("Remove all filters", icon=":material/filter_alt_off:", key="empty-all", on_click=_clear_all)


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
    for key in CHOICES:
        if key in st.session_state:
            st.session_state[key] = ANY
    if searched():
        st.session_state[state.FIND] = ""
    query_params.write(state.RANGES, [])
    st.session_state[state.PAGE] = 1


def _clear_all() -> None:
    clear()
    choose(state.SHOW, "both")


def _uncut(name: str) -> None:
    query_params.write(state.RANGES, [each.text for each in ranges() if each.name != name])


def _choices(patches: PatchColumns) -> list[Active]:
    """Draw the choices and return those that are set; one made for another data set is dropped."""
    fixed, marks, found = patches.fixed, dict[str, npt.NDArray[np.bool_]](), list[Active]()

    def choice(key: str, label: str, name: str, help: str | None = None) -> None:
        value = _select(label, [ANY, *marks], key, help=help)
        if value != ANY:
            found.append(Active(f"{name} {value}", marks[value], partial(choose, key, ANY)))

    if len(fixed.split_names) > 1:
        marks = {name: fixed.split == code for code, name in enumerate(fixed.split_names)}
        choice(state.IN_SPLIT, "Split", "split", f"As training divides them: {fixed.division}.")
    for by, group in fixed.groups.items():
        marks = _Equal(group.codes, group.names)
        choice(by, by.capitalize(), by)
    if patches.flags:
        flagged = np.logical_or.reduce(list(patches.flags.values()))
        marks = {CLEAN: ~flagged, FLAGGED: flagged, **patches.flags}
        choice(state.FLAG, "Quality", "quality:")
    if patches.tags:
        marks = dict(patches.tags)
        choice(state.TAG, "Tag", "tag")
    if patches.predicted is not None:
        names = (VERDICTS[0], WRONG, *VERDICTS[1:])
        marks = {name: judged(patches, name) for name in names}
        predicted = patches.predicted
        choice(
            state.VERDICT, "Prediction", "prediction:",
            f"By {predicted.name}, the model in the sidebar, at its decision threshold {predicted.threshold:.3f}.",
        )  # fmt: skip
    return found


class _Equal(dict[str, npt.NDArray[np.bool_]]):
    """The patches of each slide, worked out for the one that is wanted: there may be thousands of slides."""

    def __init__(self, codes: npt.NDArray[np.int32], names: list[str]):
        super().__init__(dict.fromkeys(names, np.empty(0, bool)))
        self._codes, self._names = codes, names

    def __getitem__(self, name: str) -> npt.NDArray[np.bool_]:
        return np.asarray(self._codes == self._names.index(name))


def _found(patches: PatchColumns) -> list[Active]:
    """Draw the field for an id; part of one filters."""
    st.text_input(
        "Find id", key=state.FIND, bind="query-params", width=260, placeholder="whole or part of it",
        help="A whole id goes to its page and opens the patch; part of an id filters.",
    )  # fmt: skip
    text = searched()
    # A whole id filters nothing: the grid goes to its page instead, see `_go_to` there.
    if not text or patches.fixed.row(text) is not None:
        return []
    keeps = patches.dataset.table["id"].str.contains(text, regex=False).fillna(False).to_numpy(bool)
    return [Active(f"id {text[:12]}", keeps, partial(choose, state.FIND, ""))]


def _within(values: npt.NDArray[np.floating], limits: Range) -> npt.NDArray[np.bool_]:
    # NaN, an unknown value, compares as False and so is in no range.
    return np.asarray((values >= limits.low) & (values <= limits.high))


def _more(patches: PatchColumns) -> None:
    """Draw the choice of a range of one column."""
    if not patches.columns:
        return
    with st.expander("Range of a measure", icon=":material/tune:"):
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


def _chips(active: list[Active]) -> None:
    """Draw a chip for each filter that is set, which removes it."""
    if not active:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for number, each in enumerate(active):
            st.button(
                each.label, icon=":material/close:", icon_position="right", key=f"chip-{number}", on_click=each.remove,
                help="Remove this filter.",
            )  # fmt: skip
        st.button("Clear filters", type="tertiary", key="clear_filters", on_click=clear)


def _select(label: str, options: list[str], key: str, *, help: str | None = None) -> str:
    """Draw a choice whose default is the first; a value of another data set or an old link is dropped."""
    if st.session_state.get(key, options[0]) not in options:
        st.session_state[key] = options[0]
    chosen = st.selectbox(label, options, key=key, bind="query-params", width=260, help=help,
                          on_change=st.session_state.update, args=({state.PAGE: 1},))  # fmt: skip
    return str(chosen or options[0])
