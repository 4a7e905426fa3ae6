"""Predict: the patch in the stains of a reference patch, a view beside what the model sees."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.data import Dataset
from core.display import enlarge, to_png
from core.errors import NodescopeError, PatchError
from core.formatting import percent
from core.prediction import Predictor
from core.stain import METHODS, Method, normalise, reference_of, typical
from pages._ui import cache, layout, results, state
from pages._ui.browse.columns import fixed
from pages._ui.predict.upload import Chosen, from_row

LOOKED_AT = 200
"""Patches of the data set among which a typical one is looked for."""


@dataclass(frozen=True)
class StainView:
    """What is shown: a method of :data:`core.stain.METHODS`, and the id of the reference; empty is a typical patch."""

    method: Method
    reference: str = ""


def controls() -> StainView | None:
    """Draw the choice; return None where no view is wanted."""
    method = st.selectbox(
        "View with normalised stains", list(METHODS), format_func=METHODS.__getitem__, index=None, placeholder="off",
        key=state.STAIN_VIEW, persist_state="session",
        help="Shows the patch in the colours of a reference patch, and what the model would predict then. The result "
        "stays that of the patch as it is. To train with normalised stains, see *Stain normalisation* on Train.",
    )  # fmt: skip
    if method is None:
        return None
    reference = st.text_input(
        "Reference patch", key=state.STAIN_REFERENCE, persist_state="session", placeholder="a typical patch",
        help="The id of a patch of the open data set. Without one, the most typical of 200 is taken.",
    )  # fmt: skip
    return StainView(method, reference.strip())


def draw(predictor: Predictor, chosen: Chosen, view: StainView | None) -> None:
    """Draw the reference, the patch in its stains, and what the model predicts for that."""
    if view is None:
        return
    try:
        name, reference = _reference(layout.dataset(), view.reference)
        measured = reference_of(reference, view.method)
    except NodescopeError as error:
        layout.show_error(error)
        return
    pixels = chosen.decoded.pixels
    moved = normalise(pixels, measured)
    before, after = (results.patch_result(predictor, each, 0.5).probability for each in (pixels, moved))
    with st.container(border=True):
        first, second, words = st.columns([1, 1, 2])
        first.image(to_png(enlarge(reference, 3)), alt="The reference patch", caption=f"Reference: {name}")
        second.image(to_png(enlarge(moved, 3)), alt="The patch with normalised stains", caption=METHODS[view.method])
        if moved is pixels:
            words.markdown("The stains of this patch cannot be measured: too little tissue, or only one colour.")
        else:
            words.markdown(
                f"In the colours of the reference this patch would get **{percent(after)}** instead of "
                f"{percent(before)}. Where the two differ much, the result depends on the staining."
            )


def _reference(dataset: Dataset, wanted: str) -> tuple[str, np.ndarray]:
    """Return name and pixels of the reference. Raises :class:`PatchError` if there is none."""
    if wanted:
        row = fixed(dataset).row(wanted)
    else:
        row = cache.recall("typical", cache.key_of(dataset), lambda: _typical_row(dataset), most=4)
    if row is None:
        raise PatchError(f"{dataset.name} has no patch with the id {wanted}. Copy one from Browse.")
    return str(dataset.table["id"].iloc[row]), from_row(dataset, row).decoded.pixels


def _typical_row(dataset: Dataset) -> int:
    rows = np.sort(np.random.default_rng(0).permutation(len(dataset.table))[:LOOKED_AT])
    loaded = dataset.store.load(rows)
    usable = rows[loaded.readable]
    return int(usable[typical(loaded.pixels[loaded.readable])])
