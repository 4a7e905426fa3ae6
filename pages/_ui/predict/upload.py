"""Predict: where the patch comes from. An upload, or a patch of the open data set."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.data import PATCH_SIZE, Dataset
from core.errors import NodescopeError, PatchError
from core.images.decode import DecodedPatch, LoadedPicture, load_picture
from core.images.discover import Found, patches_in_memory
from core.images.formats import count_pages
from core.images.limits import UPLOAD_LIMITS
from core.images.mpp import read_mpp
from pages._ui import cache, layout, state, widgets
from pages._ui.browse import curation
from pages._ui.browse.columns import fixed
from pages._ui.gallery import Tile, encoded, gallery
from pages._ui.predict import crop
from pages._ui.predict.crop import Tiled

EXAMPLES = 6
WAYS = ["Files", "Folder", "Paste"]
TYPES = ["tif", "tiff", "png", "jpg", "jpeg", "webp", "zip"]


@dataclass(frozen=True)
class Chosen:
    """The patch that the page is about.

    Attributes:
        name: for people.
        decoded: its pixels and what was done to them.
        label: 0, 1 or None where it is not known.
        row: its row in the open data set, -1 for uploads.
        label_words: the text of the label, empty where it is not known; of a relabelled patch both labels.
    """

    name: str
    decoded: DecodedPatch
    label: int | None = None
    row: int = -1
    label_words: str = ""


def choose(below: DeltaGenerator) -> Chosen | Tiled | Found | None:
    """Draw the input; return one patch, a picture in tiles, a batch, or None with the reason on the page.

    Args:
        below: takes what is chosen about a picture that is larger than a patch.
    """
    files = _brought()
    place = widgets.place_for("upload" if files else "examples", "input")
    if not files:
        st.session_state.pop(state.FOUND, None)
        with place:
            example = _examples()
            if example is None:
                st.info(
                    "Upload a patch, several patches or a zip file, or click one of the examples.",
                    icon=":material/upload:",
                )
        return example
    place.caption("Remove the upload to return to the examples.")
    # Looked through once: a large zip takes seconds, at every click.
    found = cache.newest(
        state.FOUND, tuple(file.file_id for file in files),
        lambda: patches_in_memory([(file.name, file.getvalue()) for file in files], limits=UPLOAD_LIMITS),
    )  # fmt: skip
    # One usable file of a zip with problems is shown as a batch, which lists what is wrong with the others.
    if len(found.files) == 1 and not found.problems:
        return _single(found, below)
    return found


def _brought() -> Sequence[UploadedFile]:
    """Draw the ways to bring patches; return what was brought."""
    way = st.segmented_control(
        "Your patches", WAYS, default=WAYS[0], required=True, key=state.UPLOAD_WAY, persist_state="session",
        help="H&E patches of 96×96 pixels at about 0.97 µm per pixel, as TIFF, PNG, JPEG or WebP. You choose how "
        "larger images are cropped or rescaled. Several files or a zip file make a table. Files stay on this "
        "computer.",
    )  # fmt: skip
    if way == "Paste":
        return _pasted()
    many: Literal[True, "directory"] = "directory" if way == "Folder" else True
    return st.file_uploader(
        "Your patches", type=TYPES, key=state.FOLDER if way == "Folder" else state.UPLOAD, accept_multiple_files=many,
        label_visibility="collapsed",
    )  # fmt: skip


def _pasted() -> Sequence[UploadedFile]:
    given = st.chat_input(
        "Click here, press Ctrl+V, then Enter", accept_file="multiple", file_type=TYPES, key=state.PASTE
    )
    # A chat input gives its files in one run of the script only; the session keeps them for the next ones.
    if given is not None:
        if given.files:
            st.session_state[state.PASTED] = given.files
        else:
            st.warning("There is no image in the clipboard. Copy one first, such as a screenshot.")
    held: list[UploadedFile] = st.session_state.get(state.PASTED, [])
    if held:
        st.button("Remove pasted images", icon=":material/close:", on_click=st.session_state.update,
                  args=({state.PASTED: []},))  # fmt: skip
    else:
        st.caption("Copy an image, such as a screenshot, and paste it here.")
    return held


def _single(found: Found, below: DeltaGenerator) -> Chosen | Tiled | None:
    file = found.files[0]
    try:
        data, page = file.read(), None
        pages = count_pages(data)
        if pages > 1:
            chosen = st.number_input(
                f"Page of {file.name} (1 to {pages:,})", 1, pages, 1, key=state.TIFF_PAGE, width=260
            )
            page = int(chosen) - 1
        picture = _decoded(data, file.name, page)
        if max(picture.size) <= PATCH_SIZE:
            return Chosen(file.name, picture.patch())
    except PatchError as error:
        layout.show_error(error)
        return None
    with below:
        cut = crop.choose(picture, read_mpp(data, page=page), page)
    return Chosen(file.name, cut) if isinstance(cut, DecodedPatch) else cut


def _decoded(data: bytes, name: str, page: int | None) -> LoadedPicture:
    """Return an uploaded picture, decoded once in a session; every rerun of the page needs it again.

    Raises:
        PatchError: it cannot be read.
    """
    return cache.newest(
        state.DECODED, (hashlib.sha256(data).hexdigest(), name, page),
        lambda: load_picture(data, name=name, page=page, max_pixels=UPLOAD_LIMITS.max_pixels),
    )  # fmt: skip


def from_row(dataset: Dataset, row: int) -> Chosen:
    """Return a patch of the data set. Raises :class:`PatchError` if it cannot be read."""
    loaded = dataset.store.load([row])
    if loaded.unreadable:
        raise PatchError(loaded.unreadable[0])
    name, label = str(dataset.table["id"].iloc[row]), dataset.table["label"].iloc[row]
    decoded = DecodedPatch(loaded.pixels[0], loaded.notes.get(0, ()))
    if pd.isna(label):
        return Chosen(name, decoded, row=row)
    words = curation.label_words(int(label), cache.relabelled(dataset).get(name))
    return Chosen(name, decoded, int(label), row, words)


def _examples() -> Chosen | None:
    try:
        dataset = layout.dataset()
    except NodescopeError as error:
        st.caption(f"No examples: {error}")
        return None
    rows = example_rows(dataset)
    if not len(rows):
        return None
    ids = dataset.table["id"].iloc[rows].astype(str).tolist()
    note = " (synthetic demo)" if dataset.is_synthetic and "demo" not in dataset.name else ""
    st.markdown(f"Or an example from {dataset.name}{note}")
    grid = st.container()  # above the field, but the field says first which patch the address names
    typed = st.text_input(
        "Or the id of any patch of this data set", key=state.PATCH, bind="query-params", placeholder=ids[0],
        help="Or the path of its file. The address of this page keeps it: share it to show the same patch.",
    )  # fmt: skip
    wanted = typed or ids[0]
    with grid:
        _grid(dataset, rows, ids, wanted)
    row = fixed(dataset).row(wanted)
    if row is None:
        is_path = "/" in wanted or "\\" in wanted
        other = " To predict other files, drop them on the field above, or open their folder at the left."
        st.warning(
            f"{dataset.name} has no patch with the id {widgets.escaped(wanted)}. An id looks like "
            f"{widgets.escaped(ids[0])}; Browse shows them all.{other if is_path else ''}"
        )
        return None
    return from_row(dataset, row)


def _grid(dataset: Dataset, rows: np.ndarray, ids: Sequence[str], wanted: str) -> None:
    labels = dataset.labels(rows).tolist()
    tiles = [
        Tile(id=each, label=label, lines=(each, widgets.label_name(label)), marked=each == wanted)
        for each, label in zip(ids, labels, strict=True)
    ]
    gallery(
        encoded(dataset.store.load(rows).pixels), tiles, name="Examples", key=state.EXAMPLES, size=38,
        on_open=lambda patch: st.session_state.update({state.PATCH: patch}),
    )  # fmt: skip


def example_rows(dataset: Dataset) -> np.ndarray:
    """Return the same few rows every time: tumour and normal alternately, of the test split where it has labels."""
    table = dataset.table
    pool = (table["split"] == "test").to_numpy()
    label = table["label"].fillna(-1).to_numpy(dtype=np.int64)
    if not (pool & (label >= 0)).any():
        pool = np.ones(len(table), bool)
    draw = np.random.default_rng(3)
    kinds = [np.flatnonzero(pool & (label == kind)) for kind in (1, 0)]
    if not len(kinds[0]) or not len(kinds[1]):
        everything = np.flatnonzero(pool)
        return draw.choice(everything, size=min(EXAMPLES, len(everything)), replace=False)
    picks = [draw.choice(kind, size=min(EXAMPLES // 2, len(kind)), replace=False) for kind in kinds]
    # As many of both, so that they stack into pairs.
    each = min(len(pick) for pick in picks)
    return np.stack([pick[:each] for pick in picks], axis=1).ravel()
