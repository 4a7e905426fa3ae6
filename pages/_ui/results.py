"""Answers, maps and checks for the pages, made once and shared: the keys name bundle, patch and settings."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar, cast

import numpy as np
import streamlit as st
from torch import nn

from core.attribution import METHODS, Attribution, AttributionOptions, attribute, available, supports, trust
from core.data import Dataset
from core.features.neighbours import Index, build_index
from core.images.decode import Whole
from core.images.tiling import tiles as cut_tiles
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch, score_tiles
from core.prediction.region import RegionMap, read_region
from core.prediction.result import PatchResult, predict_patch
from core.progress import Progress
from core.reports.checks import Check, quick_checks, thorough_checks

SLOW = 30
"""Rough number of forward passes from which on a map shows its progress."""

_DEFAULT = AttributionOptions()
_T = TypeVar("_T")


def methods(predictor: Predictor) -> list[str]:
    """Return the methods that mean something on the bundle's network, the quickest first."""
    return available(predictor.module)


def excluded(predictor: Predictor) -> dict[str, str]:
    """Return the methods that the bundle's network does not support, each with the reason."""
    reasons = {name: supports(name, predictor.module) for name in METHODS}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def patch_result(predictor: Predictor, pixels: np.ndarray, threshold: float) -> PatchResult:
    """Return what the bundle says of a patch: predicted once, whatever the threshold."""
    made = _recall("result", _about(predictor, pixels), lambda: predict_patch(predictor, pixels))
    return made.at(threshold)


def tiles(predictor: Predictor, name: str, whole: Whole) -> ScoredBatch:
    """Return the predictions for all tiles of a picture, with their doubts, from the cache or made now with progress.

    Raises:
        PatchError: there are too many tiles.
    """
    found = cut_tiles(whole, name=name)

    def make() -> ScoredBatch:
        with _bar(f"Predicting {len(found):,} tiles") as show:
            return score_tiles(predictor, name, found, progress=show)

    return _recall("tiles", (*_about(predictor, whole.pixels), name), make, most=8)


def attribution(
    predictor: Predictor, pixels: np.ndarray, method: str, options: AttributionOptions = _DEFAULT
) -> Attribution:
    """Return the attribution of one patch, from the cache or made now; slow methods show progress."""

    def make() -> Attribution:
        cost = METHODS[method].cost * (8 if options.symmetries else 1)
        if cost < SLOW:
            return attribute(predictor.module, pixels, method=method, options=options)
        with _bar(METHODS[method].label) as show:
            return attribute(predictor.module, pixels, method=method, options=options, progress=show)

    return _recall("map", (*_about(predictor, pixels), method, options), make)


def quick(
    predictor: Predictor, pixels: np.ndarray, made: Attribution, options: AttributionOptions
) -> tuple[Check, ...]:
    """Return the trust figures that cost next to nothing."""
    key = (*_about(predictor, pixels), made.method, options)
    return _recall("quick", key, lambda: quick_checks(predictor, pixels, made))


def thorough(
    predictor: Predictor, pixels: np.ndarray, made: Attribution, options: AttributionOptions, *, ask_for: bool
) -> tuple[Check, ...] | None:
    """Return the trust figures that take a while: from the cache, made now if asked for, else None."""
    key = (*_about(predictor, pixels), made.method, options)

    def make() -> tuple[Check, ...]:
        with _bar("Measuring") as show:
            return thorough_checks(
                predictor, pixels, made, random_module=_random_twin(predictor), options=options, progress=show
            )

    if not ask_for and not _knows("thorough", key):
        return None
    return _recall("thorough", key, make)


def index(predictor: Predictor, dataset: Dataset, *, ask_for: bool) -> Index | None:
    """Return the index of labelled patches: from the cache, made now if asked for, else None."""
    key = (predictor.bundle.digest, str(predictor.device), dataset.source, dataset.stamp())
    if not ask_for and not _knows("index", key):
        return None

    def make() -> Index:
        with _bar("Looking at labelled patches") as show:
            return build_index(predictor, dataset, progress=show)

    return _recall("index", key, make, most=4)


def region(predictor: Predictor, pixels: np.ndarray) -> RegionMap:
    """Return the probability of every place of a picture, from the cache or made now with progress.

    Raises:
        BundleError: the model's network cannot do that.
    """

    def make() -> RegionMap:
        with _bar("Reading the whole picture") as show:
            return read_region(predictor, pixels, progress=show)

    return _recall("region", _about(predictor, pixels), make, most=8)


def _random_twin(predictor: Predictor) -> nn.Module:
    key = (predictor.bundle.digest, str(predictor.device))
    return _recall("random", key, lambda: trust.with_random_weights(predictor.module), most=4)


def _about(predictor: Predictor, pixels: np.ndarray) -> tuple[str, str, str]:
    content = hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes())
    return predictor.bundle.digest, str(predictor.device), content.hexdigest()


@contextmanager
def _bar(label: str) -> Iterator[Progress]:
    """Give a function that shows progress; the bar goes away when the work is done or broken off."""
    place = st.empty()
    try:
        yield lambda share: _show(place, label, share)
    finally:
        place.empty()


def _show(place: "st.delta_generator.DeltaGenerator", label: str, share: float) -> None:
    place.progress(min(max(share, 0.0), 1.0), text=f"{label}: {share:.0%}")


def _recall(kind: str, key: tuple[Any, ...], make: Callable[[], _T], *, most: int = 128) -> _T:
    """Return what was made for this key, or make it; the oldest goes when there are too many.

    The keys hold the patch's own bytes, so that nobody gets the answer of another patch.
    """
    with _lock():
        made = _made().setdefault(kind, {})
        if key in made:
            return cast(_T, made[key])
    result = make()
    with _lock():
        while len(made) >= most:
            made.pop(next(iter(made)))
        made[key] = result
    return result


def _knows(kind: str, key: tuple[Any, ...]) -> bool:
    with _lock():
        return key in _made().get(kind, {})


@st.cache_resource(show_spinner=False)
def _made() -> dict[str, dict[tuple[Any, ...], Any]]:
    return {}


@st.cache_resource(show_spinner=False)
def _lock() -> Lock:
    return Lock()
