"""The sidebar's data set: opening a folder, a recent one or one by path, with what is recognised and what is asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from core.data import CLASS_NAMES, DEMO, Dataset, pack_folder
from core.data.choices import Choices, choices_of, remember
from core.data.classes import labels_of
from core.data.found import classes_at, describe, part_of, remarks, sizes_of
from core.data.layouts import place_of
from core.data.picture_store import refitted
from core.data.readers.names import known_label
from core.data.recent import recent
from core.display import contact_sheet
from core.errors import ChoiceError, DataError, NodescopeError
from core.images.sizes import Fit, Size
from core.job import Job
from core.storage.roots import is_allowed, roots
from pages._ui import cache, jobs, state, widgets
from pages._ui.folder_field import walk
from pages._ui.widgets import escaped

SIZES: dict[Size, tuple[str, str]] = {
    "mpp": ("By scale", "Rescaled to 0.97 µm per pixel, then the centre"),
    "crop": ("Centre", "The centre 96×96 as it is"),
    "resize": ("Resized", "The whole picture, whatever its scale"),
}
"""The ways to make patches of pictures of other sizes: label and what is done."""

SHOWN = 6
"""Pictures that show what a way makes of them."""

ASKED = {
    "classes": "Choose below which are tumour and which are normal; what is neither is left out.",
    "root": "Give the folder that holds them below.",
}
"""What follows on the page where a person has to choose."""

NOTHING_CHOSEN = "Choose at least one class that is tumour or normal."
LEFT_OUT = "left out"
SIDES = {1: "tumour", 0: "normal", None: LEFT_OUT}


def source() -> str:
    """Return what the sidebar names as data: "demo" or a path."""
    return str(st.session_state.get(state.DATA) or DEMO)


def known() -> list[str]:
    """Return the data sets that were opened here, by this visitor or before, the demo first."""
    listed: list[str] = st.session_state.setdefault(state.KNOWN_DATA, [DEMO])
    opened = [each.source for each in recent()]
    for each in (*opened, source()):
        if each not in listed and (each in opened or pack_folder(each).is_dir()):
            listed.append(each)
    return listed


def name_of(source: str) -> str:
    """Return what a data set is called on screen: its path, or the demo's name."""
    return "Synthetic demo" if source == DEMO else source


def agree(path: str) -> None:
    """Note that the visitor wants a data set opened: a callback."""
    st.session_state[state.KNOWN_DATA] = [*known(), path]


def choose() -> None:
    """Draw the button that opens a folder, and the list of data sets."""
    wanted = st.session_state.pop(state.WANTED_DATA, None)
    if wanted:  # before the selectbox is drawn, after which its key cannot be set
        st.session_state[state.DATA] = wanted
        agree(wanted)
    if st.button("Open a folder …", icon=":material/folder_open:", width="stretch", key="open-folder"):
        _dialog()
    listed = list(known())
    for each in (st.query_params.get(state.DATA), source()):
        if each and each not in listed:
            listed.append(each)
    st.selectbox(
        "Data set",
        listed,
        # Only for what a person chooses or types: a value from the address calls nothing.
        on_change=lambda: agree(source()),
        key=state.DATA,
        bind="query-params",
        accept_new_options=True,
        format_func=name_of,
        help="The synthetic demo set, one that was opened before, or the path of a folder, table or zip on this "
        "computer.",
    )


@st.dialog("Open a data set", width="large")
def _dialog() -> None:
    opened = recent()
    if opened:
        st.caption("Opened before")
        for number, each in enumerate(opened[:5]):
            label = f"**{escaped(Path(each.source).name)}** · {escaped(each.found.partition(';')[0])}"
            if st.button(label, key=f"recent-{number}", width="stretch", help=escaped(each.source)):
                _open(each.source)
    if source() != DEMO:
        st.button(
            f"Change how {escaped(Path(source()).name)} is read", icon=":material/tune:", key="open-change",
            help="Which class is tumour, and how other sizes become patches.", on_click=st.session_state.update,
            args=({state.OPEN_AT: source()},),
        )  # fmt: skip
    path = walk(state.OPEN_AT, _start(), label="Folder, table or zip on this computer")
    if st.session_state.get(state.OPEN_AT) or path != _start():  # nothing is read before somebody has chosen a folder
        ask(str(path), inside=True)


def ask(path: str, *, inside: bool = False) -> None:
    """Draw what is recognised at a path, what a person has to choose, and the button that opens it.

    Args:
        path: of a data set that may need choices.
        inside: whether it stands in the dialog, where a folder that is none is no error.
    """
    try:
        found = _looked(path)
        own, choices = found.source, found.choices
        st.success(escaped(describe(found)), icon=":material/check:")
        for said in filter(None, (part_of(path, own), found.left_out(), *remarks(found))):
            st.caption(escaped(said))
        changed = _sizes(found) or choices
        counts = _counts(own)
        with st.expander("Change which class is tumour") if counts else st.container():
            changed = _classes(own, counts, changed)
    except ChoiceError as error:
        what = ASKED.get(error.about)
        st.info(
            escaped(f"{str(error).partition(' Say ')[0]} {what}" if what else str(error)),
            icon=":material/help:",
        )
        if error.about == "packed":
            job = Job(pack_folder(str(Path(path).expanduser().resolve())) / "unpack.job")
            jobs.draw(job, ["pack", path, "--unpack"], label="Unpack", doing="Unpacking", icon="unarchive")
            return
        own = place_of(path).source
        choices = choices_of(own)
        counts = _counts(own) if error.about == "classes" else {}
        changed = _classes(own, counts, choices) if counts else _root(choices)
    except NodescopeError as error:
        # In the dialog a folder that is no data set is no error: one looks around there.
        st.caption(escaped(str(error))) if inside else widgets.show_error(error)
        return
    lacking = _lacking(counts, changed)
    if lacking:
        st.warning(lacking, icon=":material/warning:")
    label, none = "Open" if inside else "Go on", lacking == NOTHING_CHOSEN
    if st.button(label, type="primary", icon=":material/folder_open:", key="open-this", disabled=none):
        if changed != choices:
            remember(own, changed)
        _open(own)


def is_unsettled() -> bool:
    """Whether the pictures of the open data set have other sizes than a patch, and none of them becomes one yet.

    Raises:
        ChoiceError: it cannot be opened before something else was chosen.
    """
    if source() == DEMO:
        return False
    try:
        with st.container():  # holds the place of what is shown while it loads
            dataset = cache.dataset(source())
    except ChoiceError:
        raise
    except NodescopeError:  # said by the page, if it needs the data set
        return False

    def look() -> bool:
        rows = np.unique(np.linspace(0, len(dataset) - 1, SHOWN).astype(np.int64))
        sizes = sizes_of(dataset) if len(dataset) else {}
        return bool(sizes) and (96, 96) not in sizes and not dataset.store.load(rows).readable.any()

    return cache.recall("unsettled", cache.key_of(dataset), look, most=8)


def _looked(path: str) -> Dataset:
    """Return the data set at a path as it is found, without decisions. Raises :class:`DataError`."""
    place = place_of(path)
    return cache.recall("looked", (place.source, place.quick_stamp()), place.open, most=4, doing="Looking …")


def _counts(path: str) -> dict[str, int]:
    """Return the classes of a data set with their patches, see :func:`core.data.found.classes_at`."""
    place = place_of(path)
    return cache.recall("classes", (place.source, place.quick_stamp()), lambda: classes_at(path), most=4)


def _classes(path: str, counts: dict[str, int], choices: Choices) -> Choices:
    """Draw the classes of a data set, each with what it is; return the choices with them."""
    picked: dict[str, str] = {}
    for name, count in counts.items():
        side = 1 if name in choices.tumour else 0 if name in choices.normal else known_label(name)
        side = None if (choices.tumour or choices.normal) and name not in (*choices.tumour, *choices.normal) else side
        picked[name] = st.segmented_control(
            f"{escaped(name)} ({count:,})", list(SIDES.values()), default=SIDES.get(side, LEFT_OUT), required=True,
            key=f"class-{path}-{name}",
        ) or LEFT_OUT  # fmt: skip
    before = {name: SIDES.get(known_label(name), LEFT_OUT) for name in counts}
    if picked == before and not (choices.tumour or choices.normal) and LEFT_OUT not in before.values():
        return choices
    tumour, normal = (tuple(name for name in counts if picked[name] == side) for side in ("tumour", "normal"))
    return replace(choices, tumour=tumour, normal=normal)


def _lacking(counts: dict[str, int], choices: Choices) -> str:
    """Return what the classes of a data set lack as they are chosen, "" where they lack nothing."""
    try:
        labels = set(labels_of(counts, choices).values()) if counts else {0, 1}
    except DataError:
        return NOTHING_CHOSEN
    if not labels & {0, 1}:
        return ""  # all without a label: they are looked at
    missing = [name for label, name in enumerate(CLASS_NAMES) if label not in labels]
    return f"No class is {missing[0]}, so that no model can be trained or measured on it." if missing else ""


def _root(choices: Choices) -> Choices:
    given = st.text_input("Folder that holds the images", choices.root, key="open-root")
    return replace(choices, root=given.strip())


def _sizes(found: Dataset) -> Choices | None:
    """Draw the ways to make patches of other sizes, as pictures; return the choices, None where all are 96×96."""
    sizes = sizes_of(found)
    if not sizes or set(sizes) == {(96, 96)}:
        return None
    st.markdown(f"Pictures of {', '.join(f'{width}×{height}' for width, height in sizes)} pixels. A patch is 96×96.")
    choices = found.choices
    left, right = st.columns(2, vertical_alignment="bottom")
    mpp = left.number_input(
        "µm per pixel", 0.0, 20.0, choices.mpp or 0.0, 0.05, format="%.3f", key=f"open-mpp-{found.source}",
        help="Of the pictures: 0.25 for a scan at 40×, 0.5 at 20×. 0 takes what the files say.",
    )  # fmt: skip
    enlarge = right.checkbox("Enlarge by more than 1.3", choices.enlarge, key=f"open-enlarge-{found.source}",
                             help="Enlarging brings no detail back.")  # fmt: skip
    rows = np.unique(np.linspace(0, len(found) - 1, SHOWN).astype(np.int64))
    working: list[Size] = []
    for place, (size, (label, text)) in zip(st.columns(3), SIZES.items(), strict=True):
        fit = Fit(size, enlarge)
        loaded = refitted(found.store, fit, mpp or None).load(rows)
        with place:
            st.caption(f"**{label}.** {text}")
            if loaded.readable.any():
                working.append(size)
                st.image(contact_sheet(loaded.pixels[loaded.readable], columns=2), width="stretch")
            elif loaded.unreadable:
                st.caption(escaped(loaded.unreadable[0].partition(": ")[2]))
    chosen = st.segmented_control(
        "How they become patches", list(SIZES), default=choices.size or (*working, "mpp")[0], required=True,
        format_func=lambda size: SIZES[size][0], key=f"open-size-{found.source}",
    )  # fmt: skip
    return replace(choices, size=chosen or "mpp", mpp=mpp or None, enlarge=enlarge)


def _open(path: str) -> None:
    st.session_state[state.WANTED_DATA] = path
    st.session_state.pop(state.OPEN_AT, None)
    st.rerun()


def _start() -> Path:
    """Return where the search for a folder begins: beside the one that was opened last, else at home."""
    home = next(iter(roots()), Path.home())
    before = next((Path(each.source).parent for each in recent()), home)
    return before if is_allowed(before) and before.is_dir() else home
