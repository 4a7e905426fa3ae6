"""Pieces that several pages draw."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.bundle.seen_slides import LIKELY, YES, seen_sentence
from core.data import CLASS_NAMES
from core.display import to_png
from core.errors import NodescopeError
from core.evaluation import METRICS, Estimate
from core.progress import Progress
from pages._ui import state

CHART = {"displayModeBar": False, "displaylogo": False}


def escaped(text: str) -> str:
    """Return a text that people wrote as Markdown that shows it as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-.!:$<>|~" else letter for letter in text)


def show_error(error: NodescopeError) -> None:
    """Show the sentence of an expected error."""
    st.error(str(error), icon=":material/error:")


def label_name(label: int) -> str:
    """Return "tumour" for 1, "normal" for 0 and "no label" for -1."""
    return "no label" if label < 0 else CLASS_NAMES[label]


def counted(count: int, one: str, many: str) -> str:
    """Return a number with its noun: "1 patch", "2,400 patches"."""
    return f"{count:,} {one if count == 1 else many}"


def choice(
    label: str,
    options: Mapping[str, str],
    *,
    key: str,
    default: str | None = None,
    in_address: bool = True,
    help: str | None = None,
    show_label: bool = True,
    place: Any = st,
    on_change: Callable[[], None] | None = None,
) -> str:
    """Draw a row of options and return the chosen one; its value outlasts a change of the page.

    Args:
        label: says what is chosen.
        options: the values with their labels on screen.
        key: of the value in the session, and of its label in the address.
        default: the first value to be chosen; the first option by default.
        in_address: whether a link to the page keeps the choice.
        help: behind the question mark.
        show_label: False where the options speak for themselves; screen readers read the label all the same.
        place: where the row is drawn.
        on_change: called before the page is drawn again with another choice.
    """
    first = default or next(iter(options))
    kept = {"bind": "query-params"} if in_address else {"persist_state": "session"}
    chosen = place.segmented_control(
        label, list(options), format_func=options.__getitem__, default=first, key=key, required=True, help=help,
        label_visibility="visible" if show_label else "collapsed", on_change=on_change, **kept,
    )  # fmt: skip
    return str(chosen or first)


def scaled_patch(pixels: np.ndarray, *, key: str, **more: Any) -> None:
    """Draw an enlarged patch with a scale bar, legible however large it is shown; `more` as of ``st.image``."""
    with st.container(key=f"scale-bar-{key}"):  # over which the style sheet lays the bar
        st.image(to_png(pixels), **more)


def estimated(label: str, estimate: Estimate, spec: str = ".3f", *, help: str, place: Any) -> None:
    """Draw an estimate as a large number above its interval.

    Args:
        label: what it is.
        estimate: the number.
        spec: how value and ends are formatted.
        help: behind the question mark.
        place: a row, in which as many stand beside each other as fit, or a column.
    """
    value = f"{estimate.value:{spec}}" if estimate.is_defined else "undefined"
    place.metric(label, value, estimate.interval(spec), "off", delta_arrow="off", help=help, width="content")


def headline(metrics: Mapping[str, Estimate], names: Sequence[str]) -> None:
    """Draw some metrics of an evaluation beside each other, each as a large number above its interval."""
    row = st.container(horizontal=True, gap="medium")
    for name in names:
        estimated(METRICS[name].label, metrics[name], help=METRICS[name].help, place=row)


def seen_slides(seen: str) -> None:
    """Draw whether the slides of measured patches were in training, one of :mod:`core.bundle.seen_slides`."""
    is_seen = seen in (YES, LIKELY)
    st.badge(
        seen_sentence(seen), icon=":material/warning:" if is_seen else ":material/check:",
        color="orange" if is_seen else "gray",
        help="Patches of one slide look alike. A model that has learnt from some of a slide's patches does better on "
        "the others than on slides that are new to it.",
    )  # fmt: skip


def export(
    label: str, content: Any, name: str, mime: str = "text/csv", *, icon: str = "download", place: Any = st, **more: Any
) -> None:
    """Draw a button that downloads a file; the page is not drawn again. A function as `content` is called on a click.

    Args:
        label: on the button.
        content: text, bytes, or a function that returns them.
        name: of the file.
        mime: its media type.
        icon: name of a Material symbol.
        place: where the button is drawn.
        more: as of ``st.download_button``, such as `help` and `key`.
    """
    place.download_button(label, content, name, mime, icon=f":material/{icon}:", on_click="ignore", **more)


NUMBERS = 40
"""Width of the numbers of rows in a table that can be clicked, in pixels."""

MOST_FORMATTED = 20_000
"""Most cells of a table whose texts are formatted: it takes 0.2 s for so many, and pandas refuses 13 times as many."""


def breakable(text: Any, most: int) -> str:
    """Return a text for a cell of a table, whose lines end at spaces alone, where a line has `most` letters.

    Longer words, as names of files are, get a space after "_", "-" and "." where the next piece would not fit.

    Example:
        >>> breakable("patient_017_node_4.svs is damaged", 14)
        'patient_017_ node_4.svs is damaged'
    """

    def word(letters: str) -> str:
        lines = [""]
        for piece in re.split(r"(?<=[_.-])", letters):
            if lines[-1] and len(lines[-1]) + len(piece) > most:
                lines.append("")
            lines[-1] += piece
        return " ".join(lines)

    return " ".join(map(word, str(text or "").split(" ")))


def clicked_row(
    table: Any, *, key: str, texts: Mapping[str, Callable[[Any], str]] | None = None, **more: Any
) -> int | None:
    """Draw a table and return the position of the row that was clicked, or None.

    Args:
        table: the table.
        key: of the table in the session.
        texts: how the cells of columns are shown, in tables that are not too large for it; what is copied or
            downloaded stays what it is.
        more: as of ``st.dataframe``.
    """
    # Cells and not rows, of which only the box at the left could be clicked. What is not known stays empty.
    columns = {"_index": st.column_config.Column("", width=NUMBERS), **more.pop("column_config", {})}
    more = {"placeholder": "", "selection_mode": "single-cell", "column_config": columns, **more}
    # A click on a heading, which sorts, also selects the first cell: here the number of its row, which is none of ours.
    numbered = pd.DataFrame(table).set_axis(range(1, len(table) + 1))
    shown = numbered.style.format(texts) if texts and numbered.size <= MOST_FORMATTED else numbered
    event = st.dataframe(shown, hide_index=False, key=key, on_select="rerun", **more)
    cells = event["selection"]["cells"]
    return int(cells[0][0]) if cells else None


def page_number(key: str, pages: int, **more: Any) -> int:
    """Draw the field for the number of a page and return it; `more` as of ``st.number_input``."""
    if key in st.session_state:  # a filter may have left fewer pages, and Streamlit refuses a value out of range
        st.session_state[key] = min(max(1, int(st.session_state[key])), pages)
    return int(st.number_input("Page", 1, pages, key=key, **{"width": 140, **more}))


def count(label: str, low: int, high: int, value: int, *, key: str, problems: list[str], **more: Any) -> int:
    """Draw the field for a whole number and return it, or `value` where what was typed is out of range.

    Streamlit's own limits would keep the last valid number for the page and show another one in red.

    Args:
        label: of the field.
        low: the least number that is allowed.
        high: the greatest.
        value: what the field begins with.
        key: of the field.
        problems: of the form, for :func:`start_button`; gets the sentence that says so.
        more: as of ``st.number_input``.
    """
    chosen = int(st.number_input(label, value=value, step=1, key=key, **more))
    if low <= chosen <= high:
        return chosen
    wrong(f"{label} must be {low} to {high:,}, got {chosen:,}.", problems)
    return value


def ask_to_open(source: str, agree: Callable[[str], None]) -> None:
    """Ask before anything is read of a folder that only a link names: it may be any on this computer."""
    st.info("The address names a folder that you have not opened here before. Open it if you trust the link.")
    st.code(source, language=None)  # as it is: a name with Markdown in it would look like something else
    st.button("Open folder", icon=":material/folder_open:", type="primary", on_click=agree, args=(source,))


def wrong(sentence: str, problems: list[str], *, where: str = "") -> None:
    """Say below a field what is wrong with it, and note it among the problems of the form, with `where` it stands."""
    st.markdown(f":small[:red[:material/error: {escaped(sentence)}]]")
    problems.append(where + sentence)


def start_button(label: str, problems: Sequence[str], **more: Any) -> bool:
    """Draw the button of a form; while something is wrong it is disabled, and the first problem stands beside it."""
    row = st.container(horizontal=True, vertical_alignment="center")
    clicked = row.button(label, type="primary", icon=":material/play_arrow:", disabled=bool(problems), **more)
    for problem in problems[:1]:
        row.markdown(f":red[:material/error: {escaped(problem)}]")
    return clicked and not problems  # a click may come together with the text that was typed before it


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Give a function that shows how far something is, in [0, 1]; the bar goes away at the end, also after a stop."""
    place = st.empty()

    def show(share: float, /) -> None:
        # Streamlit refuses shares outside of [0, 1].
        place.progress(min(max(share, 0.0), 1.0), text=f"{label}: {share:.0%}")

    try:
        yield show
    finally:
        place.empty()


def place_for(what: str, key: str, place: DeltaGenerator | None = None) -> DeltaGenerator:
    """Return a container for what is shown there; what something else left there is gone at once.

    Else it would stand there, grey, for as long as this takes, such as sliders while many tiles are predicted. What is
    of the same kind stays until it is replaced: a picture that comes back flickers, and a grid loses its focus.

    Args:
        what: names the kind of thing.
        key: names the place on the page.
        place: where it is; where things are drawn now by default.
    """
    known: dict[str, tuple[str, int]] = st.session_state.setdefault(state.SHOWN, {})
    before, at = known.get(key, (what, 0))
    # There are two slots, of which one is empty. Something else goes into the other one: a slot that is emptied and
    # filled again in one go reaches the browser as one change, and keeps what was in it.
    at = at if before == what else 1 - at
    known[key] = (what, at)
    slots = (st if place is None else place).container(gap=None)
    if at:
        slots.empty()
        return slots.container()
    found = slots.container()
    slots.empty()
    return found


def forget_click() -> None:
    """Let go of the clicked patch: for `on_dismiss` of the dialog that the click opened."""
    st.session_state[state.CLICKS] = int(st.session_state.get(state.CLICKS, 0)) + 1


def background() -> tuple[int, int, int]:
    """Return the page's background colour in the visitor's theme, for the gaps of a mosaic."""
    # The backgrounds of .streamlit/config.toml: Streamlit tells a script only whether the theme is light or dark.
    return (22, 22, 23) if st.context.theme.type == "dark" else (251, 251, 250)
