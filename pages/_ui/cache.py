"""Streamlit's caches over core: what is opened once is shared by all sessions."""

from pathlib import Path

import streamlit as st

from core.bundle import load_bundle
from core.data import Dataset, apply_decisions, decisions_of, open_dataset
from core.data.decisions import NONE, decisions_stamp
from core.data.open import recognise
from core.data.pack import made_stamp
from core.prediction import Predictor
from core.progress import Progress

Relabelled = dict[str, tuple[int, int]]
"""Id -> the label that the data give, -1 for none, and the one that was decided."""


def dataset(source: str) -> Dataset:
    """Return the data set at `source` as people decided about its patches; a new decision counts at once.

    A bar shows how far the demo set is, the first time.

    Raises:
        DataError: it cannot be opened, or the decisions cannot be read.
    """
    base, held = _undecided(source), _decided()
    stamp = decisions_stamp(base.source)
    if source not in held or held[source][:2] != (id(base), stamp):
        held[source] = (id(base), stamp, apply_decisions(base, decisions_of(base.source)))
    return held[source][2]


def relabelled(dataset: Dataset) -> Relabelled:
    """Return the patches whose label a decision changes, of a data set with or without the decisions.

    Raises:
        DataError: the decisions cannot be read.
    """
    base, source, held = dataset.base, dataset.source, _relabelled()
    stamp = decisions_stamp(source)
    if not stamp:
        return {}
    if source not in held or held[source][:2] != (id(base), stamp):
        decided = {name: each.label for name, each in decisions_of(source).items() if each.label is not None}
        table = base.table[base.table["id"].isin(list(decided))]
        given = zip(table["id"], table["label"].fillna(-1).astype(int), strict=True)
        held[source] = (id(base), stamp, {name: (was, decided[name]) for name, was in given if was != decided[name]})
    return held[source][2]


def _undecided(source: str) -> Dataset:
    """Return the data set at `source` as it would be without anybody's decisions. Raises :class:`DataError`.

    It is opened anew once it has been packed or checked, here or anywhere else.
    """
    held = _datasets().get(source)
    if held is not None and held[0] == made_stamp(held[1].source):
        return held[1]
    bar = st.empty()
    progress = _bar(bar, "Generating the synthetic demo set, once")
    with st.spinner("Opening the data set …", show_time=True):
        made = made_stamp(str(recognise(source)[1]))
        found = open_dataset(source, progress=progress, decisions=NONE, fresh=source in _to_look_at())
    _datasets()[source] = (made, found)
    _to_look_at().discard(source)
    bar.empty()
    return found


def reload_dataset(source: str) -> None:
    """Open the data set again when it is next needed, and look at every file instead of trusting a glance."""
    _datasets().pop(source, None)
    _to_look_at().add(source)


@st.cache_resource(show_spinner=False)
def _to_look_at() -> set[str]:
    return set()


@st.cache_resource(show_spinner=False)
def _decided() -> dict[str, tuple[int, int, Dataset]]:
    return {}


@st.cache_resource(show_spinner=False)
def _relabelled() -> dict[str, tuple[int, int, Relabelled]]:
    return {}


@st.cache_resource(show_spinner=False)
def _datasets() -> dict[str, tuple[tuple[int, ...], Dataset]]:
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
