"""Predict: an image larger than a patch is cropped to one patch or cut into tiles, and rescaled where needed."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.data import PATCH_SIZE
from core.display import MICROMETRES_PER_PIXEL as MPP
from core.display import TUMOUR, rgb, to_png
from core.errors import ConfigError, PatchError
from core.images.decode import DecodedPatch, LoadedPicture, Whole, shrink
from core.images.mpp import LEAST_MPP
from core.images.tiling import COARSEST, Sizing, at_model_scale, crop, places
from pages._ui import layout, state, widgets

CUTS = {"crop": "One patch", "tiles": "All tiles"}


@dataclass(frozen=True, eq=False)
class Tiled:
    """An image whose tiles are all predicted.

    Attributes:
        name: for people.
        whole: the image at the model's scale.
    """

    name: str
    whole: Whole


def choose(loaded: LoadedPicture, file_mpp: tuple[float | None, str], page: int | None) -> DecodedPatch | Tiled | None:
    """Draw the choice of scale and cut for a larger image; return a patch or all tiles, None after an error.

    Args:
        loaded: the image.
        file_mpp: µm per pixel in the file, or None and what it says instead.
        page: of a TIFF with several, counted from 0.
    """
    name, size = loaded.name, loaded.size
    with st.expander(f"The image has {size[0]:,}×{size[1]:,} pixels: choose what the model sees", expanded=True):
        cut = widgets.choice("Predict", CUTS, key=state.CUT_WAY, in_address=False)
        mpp = _scale(file_mpp, name, page)
        place = widgets.place_for(cut, "cut")
        try:
            whole = at_model_scale(loaded.whole(), name=name, mpp=mpp)
            if cut == "tiles":
                count = len(places(whole.size))
                place.caption(f"{count:,} tiles. The prediction for a tile is about its centre 32×32 only.")
                chosen: DecodedPatch | Tiled = Tiled(name, whole)
            else:
                with place:
                    at = _place(whole, name)
                    outlined = _outlined(whole, at or _centre(whole))
                    st.image(to_png(outlined), alt="The whole image, with what the model sees outlined")
                # Without rescaling, cut as from a file of 96×96: the pixels and notes are the same to the last bit.
                chosen = loaded.patch(at) if mpp is None else crop(whole, at=at)
        except PatchError as error:
            layout.show_error(error)
            return None
        for note in whole.notes if mpp is not None else ():
            st.caption(f":material/info: {note}")
    return chosen


def sizing() -> Sizing:
    """Draw the choices for a batch in a popover; return them."""
    with st.popover("Other sizes", icon=":material/aspect_ratio:", help="What happens to images that are not 96×96."):
        options = {"crop": "its centre", "tiles": "all tiles"}
        cut = widgets.choice("From a larger image, use", options, key=state.BATCH_CUT, in_address=False)
        scale = widgets.choice(
            "µm per pixel", {name: name for name in _SCALES}, key=state.BATCH_SCALE, in_address=False,
            help=f"The model was trained at {MPP} µm per pixel. Images at another scale are rescaled to that.",
        )  # fmt: skip
        mpp = None
        if scale == "all have":
            mpp = st.number_input(
                "µm per pixel of these images", LEAST_MPP, COARSEST, 0.5, 0.01, format="%.3f", key=state.BATCH_MPP,
                persist_state="session",
            )  # fmt: skip
        st.caption(_SCALES[scale])
    try:
        return Sizing("tiles" if cut == "tiles" else "crop", "file" if scale == "the file says" else mpp)
    except ConfigError as error:
        layout.show_error(error)
        return Sizing()


_SCALES = {
    "as it is": f"All images count as {MPP} µm per pixel, whatever the file says.",
    "the file says": "The resolution in a TIFF file. An image without one cannot be used.",
    "all have": "The same for all images of this batch.",
}


def _scale(said: tuple[float | None, str], name: str, page: int | None) -> float | None:
    file_mpp, instead = said
    usable = file_mpp if file_mpp is not None and file_mpp <= COARSEST else None
    # Name and page are in the key, so that another image starts with the scale of its own file.
    value = st.number_input(
        "µm per pixel of this image", LEAST_MPP, COARSEST, usable, 0.01, format="%.3f",
        key=f"{state.CUT_MPP}-{name}-{page}", placeholder="as it is",
        help=f"The model was trained at {MPP}. A scan at 40× has about 0.25, at 20× about 0.5. Leave it empty to keep "
        "the pixels as they are.",
    )  # fmt: skip
    if file_mpp is not None and file_mpp > COARSEST:
        st.caption(f"The file says {file_mpp:.3g}, which is too coarse for the model.")
    elif file_mpp is not None:
        st.caption(f"The file says {file_mpp:.3g}.")
    else:
        st.caption(f"{instead}.")
    # At the model's own scale nothing is resampled, so that the pixels stay those of the file.
    return None if value is None or abs(value - MPP) < 1e-9 else float(value)


def _place(whole: Whole, name: str) -> tuple[int, int] | None:
    """Draw the sliders and return the upper left corner, or None for the centre."""
    centre = _centre(whole)
    # The length is in the key: after rescaling a slider has another range, and Streamlit refuses a value outside of it.
    x, y = (
        st.slider(label, 0, length - PATCH_SIZE, middle, key=f"{key}-{name}-{length}") if length > PATCH_SIZE else 0
        for label, length, middle, key in (
            ("From the left (px)", whole.size[0], centre[0], state.CUT_X),
            ("From the top (px)", whole.size[1], centre[1], state.CUT_Y),
        )
    )
    return None if (x, y) == centre else (x, y)


def _centre(whole: Whole) -> tuple[int, int]:
    width, height = whole.size
    return (width - PATCH_SIZE) // 2, (height - PATCH_SIZE) // 2


def _outlined(whole: Whole, at: tuple[int, int]) -> np.ndarray:
    """Return the image, made smaller, with a frame around the patch at x and y."""
    # A copy: a small image comes back as it is, and the frame must not be drawn into the pixels that are predicted.
    picture = shrink(whole.pixels, side=480).copy()
    scale = picture.shape[1] / whole.size[0]
    left, top, side = round(at[0] * scale), round(at[1] * scale), max(5, round(PATCH_SIZE * scale))
    box = picture[top : top + side, left : left + side]
    inner = box[2:-2, 2:-2].copy()
    box[:] = rgb(TUMOUR)
    box[2:-2, 2:-2] = inner
    return picture
