"""What the sidebar's model makes of one patch on the Browse page: its answer, why, and what it takes for alike."""

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.attribution import METHODS, overlay, saliency_map
from core.display import STAINS, enlarge, outlined, stain_picture, to_png, with_centre_box
from core.errors import NodescopeError
from core.features.neighbours import Index, most_like
from core.formatting import percent
from core.prediction import Predictor
from pages._ui import layout, query_params, results, state, widgets
from pages._ui.browse.columns import PatchColumns
from pages._ui.browse.predictions import Predicted

ZOOM = 3
COUNT = 6


def verdict(predicted: Predicted, row: int) -> str:
    """Return how the model judged a patch that it predicted, against the label."""
    called, tumour = bool(predicted.called[row]), int(predicted.label[row]) == 1
    if called == tumour:
        return "right"
    return "false positive" if called else "false negative"


def predictor() -> Predictor | None:
    """Return the sidebar's model, or None, with the reason on the page, where it cannot be loaded."""
    try:
        return layout.predictor()
    except NodescopeError as error:
        st.caption(f":material/warning: No model: {error}")
        return None


def draw_prediction(predictor: Predictor, known: PatchColumns, row: int, patch: npt.NDArray[np.uint8]) -> None:
    """Draw probability and verdict; a patch that was not predicted yet is predicted now."""
    predicted, label = known.predicted, known.label(row)
    if predicted is not None and predicted.label[row] >= 0:
        probability = float(predicted.probability[row])
    else:
        probability = float(predictor.predict(patch[None]).probabilities[0])
    threshold = predictor.bundle.card.threshold
    called = probability >= threshold
    words = f"Model: :{'red' if called else 'green'}[**{'tumour' if called else 'normal'}**], "
    words += f"probability of tumour **{percent(probability)}** (threshold {threshold:.1%})"
    if label >= 0:
        wrong = "false positive" if called else "false negative"
        words += ", which is right" if called == (label == 1) else f": a **{wrong}**"
    st.markdown(words)


def draw_channels(predictor: Predictor | None, patch: npt.NDArray[np.uint8], *, box: bool) -> None:
    """Draw the two stains of a patch, and the saliency map of the model's quickest method over it."""
    columns = st.columns(3)
    for column, stain, means in zip(columns, STAINS, ("nuclei", "the rest"), strict=False):
        with column:
            st.markdown(f"**{stain.capitalize()}**")
            _picture(enlarge(stain_picture(patch, stain), ZOOM), box=box, alt=f"The {stain} of the patch")
            st.caption(means.capitalize(), help="By colour deconvolution (Ruifrok & Johnston 2001)")
    with columns[2]:
        if predictor is not None:
            _saliency(predictor, patch, box=box)


def _saliency(predictor: Predictor, patch: npt.NDArray[np.uint8], *, box: bool) -> None:
    names = results.methods(predictor)
    if not names:
        st.caption("No saliency method holds for this network; see Predict.")
        return
    st.markdown("**Saliency**")
    with st.spinner("Explaining …"):
        saliency = saliency_map(results.attribution(predictor, patch, names[0]))
    picture = overlay(patch, saliency, opacity=0.6, zoom=ZOOM, fade=True, centre_box=False)
    _picture(picture, box=box, alt="Saliency map over the patch")
    st.caption(
        METHODS[names[0]].label,
        help="What moved the model, not where tumour is. Predict has other methods and says how far to trust them.",
    )


def _picture(pixels: npt.NDArray[np.uint8], *, box: bool, alt: str) -> None:
    st.image(to_png(with_centre_box(pixels, zoom=ZOOM) if box else pixels), width="stretch", alt=alt)


def draw_neighbours(predictor: Predictor, known: PatchColumns, row: int, patch: npt.NDArray[np.uint8]) -> None:
    """Draw the labelled patches that are most like this one to the model; the first time on request."""
    if not (known.fixed.label >= 0).any():
        return
    st.markdown("**Labelled patches that look most alike to the model**")
    place = st.empty()
    index = results.index(predictor, known.dataset, ask_for=False)
    if index is None:
        pressed = place.button(
            "Find them", icon=":material/image_search:", key="detail-find",
            help="Takes a while, once for each model and data set: it looks at labelled patches, of many at a sample.",
        )  # fmt: skip
        if not pressed:
            return
        with place.container():
            index = results.index(predictor, known.dataset, ask_for=True)
    if index is not None:
        _alike(predictor, known, row, patch, index)


def _alike(predictor: Predictor, known: PatchColumns, row: int, patch: npt.NDArray[np.uint8], index: Index) -> None:
    found = most_like(predictor, index, patch, count=COUNT, leave_out=row)
    pixels = known.dataset.store.load([each.row for each in found]).pixels
    labels = [known.label(each.row) for each in found]
    for column, each, label, shown in zip(st.columns(COUNT), found, labels, pixels, strict=False):
        patch_id = str(known.fixed.ids[each.row])
        picture = outlined(enlarge(shown, 2), label, widgets.background())
        column.image(to_png(picture), width="stretch", alt=f"{widgets.label_name(label)} patch")
        column.caption(f"**{widgets.label_name(label)}** {each.similarity:.2f}")
        column.button(
            "Open", key=f"alike-{each.row}", on_click=query_params.write, args=(state.DETAIL, [patch_id]),
            width="stretch", help=patch_id,
        )  # fmt: skip
    st.caption(
        f"{labels.count(1)} of {len(found)} are tumour. The number is the cosine between what the network's last layer "
        f"sees of two patches. Searched: {len(index.rows):,} patches, {index.description}."
    )
