"""One patch on the Browse page: what the sidebar's model predicts, its stains, and a saliency map."""

import numpy as np
import numpy.typing as npt
import streamlit as st
from scipy.special import logit

from core.attribution import METHODS, overlay, saliency_map
from core.data import Dataset
from core.display import enlarge, mosaic, to_png, with_centre_box
from core.errors import DataError, NodescopeError
from core.formatting import percent
from core.prediction import Predictor
from core.scoring.dataset import use_in_training
from core.stain import STAINS, stain_picture
from pages._ui import cache, layout, results, widgets
from pages._ui.browse.columns import PatchColumns

ZOOM = 3
CONFUSED = 10


def predictor() -> Predictor | None:
    """Return the sidebar's model, or None, with the reason on the page, where it cannot be loaded."""
    try:
        return layout.predictor()
    except NodescopeError as error:
        st.caption(f":material/warning: No model: {error}")
        return None


def draw_prediction(
    predictor: Predictor,
    patches: PatchColumns,
    row: int,
    patch: npt.NDArray[np.uint8],
    *,
    threshold: float | None = None,
) -> None:
    """Draw probability and verdict; a patch without a stored prediction is predicted now.

    Args:
        predictor: the model.
        patches: what is known of the data set.
        row: of the patch.
        patch: uint8 96×96×3.
        threshold: at or above this probability it is called tumour; the model's own by default.
    """
    predicted, label = patches.predicted, patches.label(row)
    if predicted is not None and predicted.label[row] >= 0:
        probability = float(predicted.probability[row])
    else:
        probability = float(predictor.predict(patch[None]).probabilities[0])
    threshold = predictor.bundle.card.threshold if threshold is None else threshold
    called = probability >= threshold
    text = f"Model: :{'red' if called else 'green'}[**{'tumour' if called else 'normal'}**], "
    text += f"probability of tumour **{percent(probability)}** (decision threshold {threshold:.3f})"
    if label >= 0:
        wrong = "false positive" if called else "false negative"
        text += ", which is right" if called == (label == 1) else f": a **{wrong}**"
    if predicted is not None and predicted.known[row]:
        text += f" · loss {predicted.loss[row]:.2f}"
    st.markdown(text)
    draw_used(predictor, patches.dataset, row)


def draw_used(predictor: Predictor, dataset: Dataset, row: int) -> None:
    """Draw that the model was trained or tuned on a patch; nothing where it was not."""
    used = _used(predictor, dataset, row)
    if used:
        st.caption(f":material/school: The model was {used} this patch: on others like it, it is right less often.")


def _used(predictor: Predictor, dataset: Dataset, row: int) -> str:
    """Return what a patch was to the model's training, or "" if it was not used or nobody knows."""
    key = (predictor.bundle.digest, *cache.key_of(dataset))
    try:
        used = cache.recall("use in training", key, lambda: use_in_training(predictor.bundle, dataset), most=4)
    except DataError:
        return "perhaps trained on"  # by slide, and the slides are not known here
    return {"train": "trained on", "valid": "tuned on", "": ""}[str(used[row])]


def draw_confused(patches: PatchColumns, row: int) -> None:
    """Draw the patches of the other label with the closest probability: the model cannot tell them from this one."""
    predicted = patches.predicted
    if predicted is None or not predicted.known[row]:
        return
    other = np.flatnonzero(predicted.known & (predicted.label != predicted.label[row]))
    if not len(other):
        return
    # By the logit, because probabilities near 0 and 1 differ little where the model's answers differ much.
    odds = logit(np.clip(predicted.probability, 1e-12, 1 - 1e-12))
    chosen = other[np.argsort(np.abs(odds[other] - odds[row]), kind="stable")[:CONFUSED]]
    st.markdown(
        f"**Labelled {widgets.label_name(1 - int(predicted.label[row]))}, with nearly the same probability**",
        help="The model can hardly tell these from this patch.",
    )
    picture = mosaic(
        patches.dataset.store.load(chosen).pixels, [int(label) for label in predicted.label[chosen]],
        columns=CONFUSED, background=widgets.background(),
    )  # fmt: skip
    st.image(to_png(picture), alt="Patches of the other label with nearly the same probability")


def draw_channels(predictor: Predictor | None, patch: npt.NDArray[np.uint8], *, box: bool) -> None:
    """Draw the two stains of a patch, and the saliency map of the model's quickest method over it."""
    columns = st.columns(3)
    for column, stain, means in zip(columns, STAINS, ("nuclei", "other tissue"), strict=False):
        with column:
            st.markdown(f"**{stain.capitalize()}**")
            _picture(enlarge(stain_picture(patch, stain), ZOOM), box=box, alt=f"The {stain} of the patch")
            st.caption(means.capitalize(), help="By colour deconvolution (Ruifrok & Johnston 2001).")
    with columns[2]:
        if predictor is not None:
            _saliency(predictor, patch, box=box)


def _saliency(predictor: Predictor, patch: npt.NDArray[np.uint8], *, box: bool) -> None:
    names = results.methods(predictor)
    if not names:
        st.caption("No saliency method is valid for this network; Predict gives the reasons.")
        return
    st.markdown("**Saliency**")
    with st.spinner("Computing the saliency map …"):
        saliency = saliency_map(results.attribution(predictor, patch, names[0]))
    picture = overlay(patch, saliency, opacity=0.6, zoom=ZOOM, fade=True, centre_box=False)
    _picture(picture, box=box, alt="Saliency map over the patch")
    st.caption(
        METHODS[names[0]].label,
        help="A saliency map shows what influenced the model, not where tumour is. Predict has other methods and "
        "checks of how far to trust them.",
    )


def _picture(pixels: npt.NDArray[np.uint8], *, box: bool, alt: str) -> None:
    st.image(to_png(with_centre_box(pixels, zoom=ZOOM) if box else pixels), width="stretch", alt=alt)
