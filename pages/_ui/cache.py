"""Streamlit's caches over core: what is opened once is shared by all sessions."""

from pathlib import Path

import streamlit as st

from core.data import Dataset, open_dataset
from core.data.store import Progress
from core.prediction import Predictor, load_bundle


def dataset(source: str) -> Dataset:
    """Return the data set at `source`; a bar shows how far the demo set is, the first time. Raises `DataError`."""
    opened = _datasets()
    if source not in opened:
        bar = st.empty()
        progress = _bar(bar, "Generating the synthetic demo set, once")
        opened[source] = open_dataset(source, progress=progress)
        bar.empty()
    return opened[source]


def forget_dataset(source: str) -> None:
    """Open the data set anew when it is next wanted, for a folder that has changed."""
    _datasets().pop(source, None)


@st.cache_resource(show_spinner=False)
def _datasets() -> dict[str, Dataset]:
    return {}


def predictor(path: Path, device: str) -> Predictor:
    """Return the bundle at `path` on `device`, loaded once for all sessions; again when the file has changed.

    Raises:
        BundleError: it cannot be read.
        DeviceError: there is no such device.
    """
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _predictor(path, stamp, device)


@st.cache_resource(show_spinner="Loading the model …", max_entries=4)
def _predictor(path: Path, stamp: int, device: str) -> Predictor:  # noqa: ARG001 - the stamp is part of the key
    return Predictor(load_bundle(path), device=device)


def _bar(place: "st.delta_generator.DeltaGenerator", label: str) -> Progress:
    def show(share: float) -> None:
        place.progress(min(max(share, 0.0), 1.0), text=f"{label}: {share:.0%}")

    return show
