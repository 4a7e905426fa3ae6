"""Saliency for the pages: which methods hold for a bundle, and maps that are made once."""

import hashlib

import numpy as np
import streamlit as st

from core.attribution import METHODS, Attribution, attribute, available
from core.prediction import Predictor

SLOW = 30
"""Rough number of forward passes from which on a map shows its progress."""


def methods(predictor: Predictor) -> list[str]:
    """Return the methods that mean something on the bundle's network, the quickest first."""
    return _available(predictor.bundle.digest, _predictor=predictor)


@st.cache_data(show_spinner=False, max_entries=16)
def _available(digest: str, *, _predictor: Predictor) -> list[str]:  # noqa: ARG001 - the digest is the key
    return available(_predictor.module)


def attribution(predictor: Predictor, pixels: np.ndarray, method: str) -> Attribution:
    """Return the attribution of one patch, from the cache or made now; slow methods show progress."""
    key = (predictor.bundle.digest, method, hashlib.sha256(pixels.tobytes()).hexdigest())
    made = _made()
    if key not in made:
        place = st.empty()

        def show(share: float) -> None:
            place.progress(min(share, 1.0), text=f"{METHODS[method].label}: {share:.0%}")

        result = attribute(
            predictor.module, pixels, method=method, progress=show if METHODS[method].cost >= SLOW else None
        )
        place.empty()
        while len(made) >= 64:
            made.pop(next(iter(made)), None)
        made[key] = result
    return made[key]


@st.cache_resource(show_spinner=False)
def _made() -> dict[tuple[str, str, str], Attribution]:
    return {}
