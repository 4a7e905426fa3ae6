"""The sidebar's data set: opening a folder, a recent one or one by path, with what is recognised and what is asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from core.data import DEMO, Dataset, pack_folder
from core.data.choices import Choices, choices_of, remember
from core.data.found import classes_at, describe, sizes_of
from core.data.image_files import folders_in
from core.data.layouts import place_of
from core.data.picture_store import refitted
from core.data.readers.names import known_label
from core.data.recent import recent
from core.display import contact_sheet
from core.errors import ChoiceError, NodescopeError
from core.images.sizes import Fit, Size
from core.job import Job
from pages._ui import cache, jobs, state, widgets

SIZES: dict[Size, tuple[str, str]] = {
    "mpp": ("By scale", "Rescaled to 0.97 µm per pixel, then the centre"),
    "crop": ("Centre", "The centre 96×96 as it is"),
    "resize": ("Resized", "The whole picture, whatever its scale"),
}
"""The ways to make patches of pictures of other sizes: label and what is done."""

SHOWN = 6
"""Pictures that show what a way makes of them."""

LEFT_OUT = "left out"
SIDES = {1: "tumour", 0: "normal", None: LEFT_OUT}


def source() -> str:
    """Return what the sidebar names as data: "demo" or a path."""
    return str(st.session_state.get(state.DATA) or DEMO)


def known() -> list[str]:
    """Return the data sets that were opened here, by this visitor or before, the demo first."""
    listed: list[str] = st.session_state.setdefault(state.KNOWN_DATA, [DEMO])
    for each in (*(each.source for each in recent()), source()):
        if each not in listed and (each != source() or pack_folder(each).is_dir() or _is_recent(each)):
            listed.append(each)
    return listed


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
        format_func=lambda each: "Synthetic demo" if each == DEMO else each,
        help="The synthetic demo set, one that was opened before, or the path of a folder, table or zip on this "
        "computer.",
    )


@st.dialog("Open a data set", width="large")
def _dialog() -> None:
    opened = recent()
    if opened:
        st.caption("Opened before")
        for number, each in enumerate(opened[:5]):
            label = f"**{_plain(Path(each.source).name)}** · {_plain(each.found.partition(';')[0])}"
            if st.button(label, key=f"recent-{number}", width="stretch", help=_plain(each.source)):
                _open(each.source)
    path = walk(state.OPEN_AT, _start(), label="Folder, table or zip on this computer")
    if path != _start():  # a folder that somebody chose
        ask(str(path), inside=True)


def walk(key: str, start: Path, *, label: str) -> Path:
    """Draw a field for a path and the folders in it, for a dialog; return what is named now.

    Args:
        key: of the path in the session.
        start: where it begins.
        label: of the field.
    """

    def go(path: Path) -> None:
        st.session_state[key] = str(path)
        st.rerun(scope="fragment")

    place = st.session_state.setdefault(key, str(start))
    # The key changes with the folder, so that a click on a folder fills the field anew.
    path = Path(st.text_input(label, place, key=f"open-path-{place}")).expanduser()
    with st.container(horizontal=True):
        if st.button("Up", icon=":material/arrow_upward:", key="open-up", disabled=path == path.parent):
            go(path.parent)
    folders = folders_in(path, most=100)
    if folders:
        chosen = st.pills("Folders in it", folders, key=f"open-in-{path}")
        if chosen:
            go(path / chosen)
    return path


def ask(path: str, *, inside: bool = False) -> None:
    """Draw what is recognised at a path, what a person has to choose, and the button that opens it.

    Args:
        path: of a data set that may need choices.
        inside: whether it stands in the dialog, where a folder that is none is no error.
    """
    try:
        found = _looked(path)
        own, choices = found.source, found.choices
        st.success(_plain(describe(found)), icon=":material/check:")
        if Path(own) != Path(path).expanduser().resolve():
            st.caption(_plain(f"{path} is a part of it: {own} is opened as a whole."))
        if found.left_out():
            st.caption(_plain(found.left_out()))
        changed = _sizes(found) or choices
        with st.expander("Change which class is tumour") if classes_at(own) else st.container():
            changed = _classes(own, changed)
    except ChoiceError as error:
        found_so_far, _, what = str(error).partition(" Say ")
        st.info(_plain(f"{found_so_far} Choose below." if what else str(error)), icon=":material/help:")
        if error.about == "packed":
            _unpack(path)
            return
        own = place_of(path).source
        choices = choices_of(own)
        changed = _classes(own, choices) if error.about == "classes" else _root(choices)
    except NodescopeError as error:
        # In the dialog a folder that is no data set is no error: one looks around there.
        st.caption(_plain(str(error))) if inside else widgets.show_error(error)
        return
    if st.button("Open" if inside else "Go on", type="primary", icon=":material/folder_open:", key="open-this"):
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


def _classes(path: str, choices: Choices) -> Choices:
    """Draw the classes of a data set, each with what it is; return the choices with them."""
    counts = classes_at(path)
    picked: dict[str, str] = {}
    for name, count in counts.items():
        side = 1 if name in choices.tumour else 0 if name in choices.normal else known_label(name)
        side = None if (choices.tumour or choices.normal) and name not in (*choices.tumour, *choices.normal) else side
        picked[name] = st.segmented_control(
            f"{_plain(name)} ({count:,})", list(SIDES.values()), default=SIDES.get(side, LEFT_OUT), required=True,
            key=f"class-{path}-{name}",
        ) or LEFT_OUT  # fmt: skip
    before = {name: SIDES.get(known_label(name), LEFT_OUT) for name in counts}
    if picked == before and not (choices.tumour or choices.normal) and LEFT_OUT not in before.values():
        return choices
    tumour, normal = (tuple(name for name in counts if picked[name] == side) for side in ("tumour", "normal"))
    return replace(choices, tumour=tumour, normal=normal)


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
                st.caption(_plain(loaded.unreadable[0].partition(": ")[2]))
    chosen = st.segmented_control(
        "How they become patches", list(SIZES), default=choices.size or (*working, "mpp")[0], required=True,
        format_func=lambda size: SIZES[size][0], key=f"open-size-{found.source}",
    )  # fmt: skip
    return replace(choices, size=chosen or "mpp", mpp=mpp or None, enlarge=enlarge)


def _unpack(path: str) -> None:
    job = Job(pack_folder(str(Path(path).expanduser().resolve())) / "unpack.job")
    jobs.draw(job, ["pack", path, "--unpack"], label="Unpack", doing="Unpacking", icon="unarchive")


def _open(path: str) -> None:
    st.session_state[state.WANTED_DATA] = path
    st.rerun()


def _start() -> Path:
    """Return where the search for a folder begins: beside the one that was opened last, else at home."""
    before = next((Path(each.source).parent for each in recent()), Path.home())
    return before if before.is_dir() else Path.home()


def _is_recent(path: str) -> bool:
    return any(each.source == path for each in recent())


def _plain(text: str) -> str:
    """Return a text that may look like Markdown as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+!|~<>$:" else letter for letter in text)
