"""Predictions, maps and checks for the pages, made once and shared.

The keys hold a hash of the patch's own pixels, so that nobody gets the prediction for another patch.
"""

import hashlib

import numpy as np

from core.attribution import METHODS, Attribution, AttributionOptions, attribute, available, supports, trust
from core.data import Dataset
from core.features.neighbours import Index, index_path, load_index
from core.images.decode import Whole
from core.images.tiling import tiles as cut_tiles
from core.images.tissue import FEWEST, centre_shares, tissue
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch, score_tiles
from core.prediction.region import RegionMap, read_region
from core.prediction.result import PatchResult, predict_patch
from core.reports.checks import Check, quick_checks, thorough_checks
from pages._ui import cache, widgets

MANY = 128
"""Small results of a kind that are kept."""

SLOW = 30
"""Rough number of forward passes from which on a map shows its progress."""

_DEFAULT = AttributionOptions()


def methods(predictor: Predictor) -> list[str]:
    """Return the methods that are valid for the bundle's network, the fastest first."""
    return cache.recall("methods", predictor.bundle.digest, lambda: available(predictor.module), most=16)


def excluded(predictor: Predictor) -> dict[str, str]:
    """Return the methods that are not valid for the bundle's network, each with the reason."""
    valid = methods(predictor)
    return {name: supports(name, predictor.module) or "" for name in METHODS if name not in valid}


def patch_result(predictor: Predictor, pixels: np.ndarray, threshold: float) -> PatchResult:
    """Return the prediction for a patch, made once whatever the threshold."""
    # The threshold is not part of the key, so that moving its slider runs no network.
    made = cache.recall("result", _about(predictor, pixels), lambda: predict_patch(predictor, pixels), most=MANY)
    return made.at(threshold)


def tiles(predictor: Predictor, name: str, whole: Whole) -> ScoredBatch:
    """Return the predictions and OOD warnings for all tiles of an image, from the memo or made now with progress.

    Raises:
        PatchError: there are too many tiles.
    """
    found = cut_tiles(whole, name=name)

    def make() -> ScoredBatch:
        with widgets.progress(f"Predicting {len(found):,} tiles") as show:
            return score_tiles(predictor, name, found, progress=show)

    return cache.recall("tiles", (*_about(predictor, whole.pixels), name), make, most=8)


def bare_tiles(predictor: Predictor, whole: Whole, corners: list[tuple[int, int]]) -> np.ndarray:
    """Return which tiles of an image, whose corners are given, have no tissue in their centre, bool (N,)."""

    def make() -> np.ndarray:
        return centre_shares(tissue(whole.pixels), np.array(corners)) < FEWEST

    return cache.recall("bare", _about(predictor, whole.pixels), make, most=8)


def attribution(
    predictor: Predictor, pixels: np.ndarray, method: str, options: AttributionOptions = _DEFAULT
) -> Attribution:
    """Return the attribution of one patch, from the memo or made now; slow methods show progress."""

    def make() -> Attribution:
        seen = predictor.seen(pixels)
        cost = METHODS[method].cost * (8 if options.symmetries else 1)  # eight flips and rotations, a map for each
        if cost < SLOW:
            return attribute(predictor.module, seen, method=method, options=options)
        with widgets.progress(METHODS[method].label) as show:
            return attribute(predictor.module, seen, method=method, options=options, progress=show)

    return cache.recall("map", (*_about(predictor, pixels), method, options), make, most=MANY)


def quick(
    predictor: Predictor, pixels: np.ndarray, made: Attribution, options: AttributionOptions
) -> tuple[Check, ...]:
    """Return the checks of a map that take hardly any time."""
    key = (*_about(predictor, pixels), made.method, options)
    return cache.recall("quick", key, lambda: quick_checks(predictor, predictor.seen(pixels), made), most=MANY)


def thorough(
    predictor: Predictor, pixels: np.ndarray, made: Attribution, options: AttributionOptions, *, compute: bool
) -> tuple[Check, ...] | None:
    """Return the checks of a map that take a while: from the memo, computed now if `compute`, else None."""
    key = (*_about(predictor, pixels), made.method, options)

    def make() -> tuple[Check, ...]:
        # The same random network serves every patch and method, so it is made once.
        twin = (predictor.bundle.digest, str(predictor.device))
        random = cache.recall("random", twin, lambda: trust.with_random_weights(predictor.module), most=4)
        with widgets.progress("Checking the map") as show:
            seen = predictor.seen(pixels)
            return thorough_checks(predictor, seen, made, random_module=random, options=options, progress=show)

    return cache.recall("thorough", key, make, most=MANY) if compute else cache.peek("thorough", key)


def index(predictor: Predictor, dataset: Dataset) -> Index | None:
    """Return the stored index of labelled patches, or None if there is none of the data set as it is."""
    path = index_path(dataset, predictor.bundle)
    key = (path, cache.file_stamp(path), *cache.key_of(dataset))
    return cache.recall("index", key, lambda: load_index(dataset, predictor.bundle), most=4)


def region(predictor: Predictor, pixels: np.ndarray) -> RegionMap:
    """Return the probability at every place of an image, from the memo or made now with progress."""

    def make() -> RegionMap:
        with widgets.progress("Predicting the whole image") as show:
            return read_region(predictor, pixels, progress=show)

    return cache.recall("region", _about(predictor, pixels), make, most=8)


def _about(predictor: Predictor, pixels: np.ndarray) -> tuple[str, str, str]:
    # With the shape, because pictures of other proportions can have the same bytes.
    content = hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes())
    return predictor.bundle.digest, str(predictor.device), content.hexdigest()
