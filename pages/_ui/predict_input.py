"""Predict: where the patch comes from. An upload, or a patch of the open data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.data import PATCH_SIZE, Dataset
from core.display import enlarge, to_png
from core.errors import NodescopeError, PatchError
from core.prediction.images import DecodedPatch, decode_patch, overview
from core.prediction.inputs import UPLOAD_LIMITS, Found, patches_in_memory
from pages._ui import frame, state

EXAMPLES = 6
TYPES = ["tif", "tiff", "png", "jpg", "jpeg", "webp", "zip"]


@dataclass(frozen=True)
class Chosen:
    """The patch that the page is about.

    Attributes:
        name: for people.
        decoded: its pixels and what was done to them.
        label: 0, 1 or None where it is not known.
        row: its row in the open data set, -1 for uploads.
    """

    name: str
    decoded: DecodedPatch
    label: int | None = None
    row: int = -1


def choose() -> Chosen | Found | None:
    """Draw the input; return one patch, a batch that was found in the uploads, or nothing yet."""
    upload, examples = st.columns([2, 3], gap="large")
    with upload:
        files = st.file_uploader(
            "Your patches", type=TYPES, key=state.UPLOAD, accept_multiple_files=True,
            help="H&E patches of 96×96 pixels at about 0.97 µm per pixel, as TIFF, PNG, JPEG or WebP; several files or "
            "a zip make a table. Files stay on this computer.",
        )  # fmt: skip
    with examples:
        example = _examples(has_upload=bool(files))
    if not files:
        return example
    found = patches_in_memory([(file.name, file.getvalue()) for file in files], limits=UPLOAD_LIMITS)
    if len(found.files) == 1 and not found.problems:
        return _single(found)
    return found


def _single(found: Found) -> Chosen | None:
    file = found.files[0]
    try:
        data = file.read()
        decoded, page = decode_patch(data, name=file.name, max_pixels=UPLOAD_LIMITS.max_pixels), None
        if decoded.pages > 1:
            chosen = st.number_input(
                f"Page of {file.name} (1 to {decoded.pages:,})", 1, decoded.pages, 1, key=state.TIFF_PAGE, width=260
            )
            page = int(chosen) - 1
            decoded = decode_patch(data, name=file.name, page=page, max_pixels=UPLOAD_LIMITS.max_pixels)
        if decoded.original_size != (PATCH_SIZE, PATCH_SIZE):
            at = _place(data, file.name, page, decoded.original_size)
            decoded = decode_patch(data, name=file.name, page=page, at=at, max_pixels=UPLOAD_LIMITS.max_pixels)
    except PatchError as error:
        frame.show_error(error)
        return None
    return Chosen(file.name, decoded)


def _place(data: bytes, name: str, page: int | None, size: tuple[int, int]) -> tuple[int, int] | None:
    """Let the user choose which 96×96 of a larger picture the model sees; None is the centre."""
    width, height = size
    centre = (width - PATCH_SIZE) // 2, (height - PATCH_SIZE) // 2
    with st.expander(f"The picture has {width:,}×{height:,} pixels: the model sees the box", expanded=True):
        picture, sliders = st.columns(2)
        with sliders:
            x, y = (
                st.slider(label, 0, length - PATCH_SIZE, middle, key=f"{key}-{name}-{length}")
                if length > PATCH_SIZE
                else 0
                for label, length, middle, key in (
                    ("From the left (px)", width, centre[0], state.CUT_X),
                    ("From the top (px)", height, centre[1], state.CUT_Y),
                )
            )
            st.caption(
                "Nothing is shrunk: a picture at another scale than about 0.97 µm per pixel has to be rescaled first."
            )
        whole = overview(data, name=name, page=page).copy()
        _draw_box(whole, x=x, y=y, scale=whole.shape[1] / width)
        picture.image(to_png(whole), alt="The whole picture, with a box around what the model sees")
    return None if (x, y) == centre else (x, y)


def _draw_box(picture: np.ndarray, *, x: int, y: int, scale: float) -> None:
    left, top, side = round(x * scale), round(y * scale), max(3, round(PATCH_SIZE * scale))
    box = picture[top : top + side, left : left + side]
    inner = box[2:-2, 2:-2].copy()
    box[:] = (215, 38, 61)
    box[2:-2, 2:-2] = inner


def from_row(dataset: Dataset, row: int) -> Chosen:
    """Return a patch of the data set. Raises :class:`PatchError` if it cannot be read."""
    loaded = dataset.store.load([row])
    if loaded.unreadable:
        raise PatchError(loaded.unreadable[0])
    label = dataset.table["label"].iloc[row]
    known = label is not None and label == label  # a missing label is not equal to itself
    return Chosen(
        str(dataset.table["id"].iloc[row]),
        DecodedPatch(loaded.pixels[0], (), (PATCH_SIZE, PATCH_SIZE)),
        int(label) if known and str(label) != "<NA>" else None,
        row,
    )


def _examples(*, has_upload: bool) -> Chosen | None:
    try:
        dataset = frame.dataset()
    except NodescopeError as error:
        st.caption(f"No examples: {error}")
        return None
    rows = example_rows(dataset)
    if not len(rows):
        return None
    if has_upload:
        st.caption("Remove the upload to go back to the examples.")
        return None
    ids = dataset.table["id"].iloc[rows].tolist()
    wanted = str(st.session_state.get(state.PATCH) or "") or str(ids[0])
    note = " (synthetic demo)" if dataset.is_synthetic and "demo" not in dataset.name else ""
    st.markdown(f"Or an example from {dataset.name}{note}")
    _buttons(dataset, rows, ids, wanted)
    st.text_input(
        "Or the id of any patch of this data set", key=state.PATCH, bind="query-params", placeholder=str(ids[0]),
        label_visibility="collapsed", help="The address of this page keeps the id: share it to show the same patch.",
    )  # fmt: skip
    places = np.flatnonzero((dataset.table["id"] == wanted).to_numpy())
    if not len(places):
        st.warning(f"{dataset.name} holds no patch with the id {wanted}. Copy one from Browse, or press an example.")
        return None
    return from_row(dataset, int(places[0]))


def _buttons(dataset: Dataset, rows: np.ndarray, ids: Sequence[Any], wanted: str) -> None:
    loaded = dataset.store.load(rows)
    for number, column in enumerate(st.columns(len(rows))):
        column.image(to_png(enlarge(loaded.pixels[number], 2)), width="stretch", alt=f"Example {number + 1}")
        column.button(
            f"{number + 1}", key=f"example-{number}", on_click=_choose, args=(str(ids[number]),), width="stretch",
            type="primary" if str(ids[number]) == wanted else "secondary", help=f"Predict {ids[number]}",
        )  # fmt: skip


def example_rows(dataset: Dataset) -> np.ndarray:
    """Return the same few rows every time: tumour and normal in turn, from the test part where it has labels."""
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
    each = min(len(pick) for pick in picks)
    return np.stack([pick[:each] for pick in picks], axis=1).ravel()


def _choose(patch_id: str) -> None:
    st.session_state[state.PATCH] = patch_id
