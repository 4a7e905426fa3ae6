"""Is a patch of the kind that the model was trained on? Distances in feature space, stored in the bundle.

Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", 2018 (arXiv:1807.03888): the
Mahalanobis distance of a patch's features to those of the training patches; here one Gaussian for each training data
set and no classes. The limit of each is the distance that 2.5% of patches held back from the fit exceed; whole slides
are held back where they are known.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from core.errors import BundleError, DataError
from core.storage.schema import Listed, Number, Table, Text, parse

PREFIX = "familiarity."
"""Begins the names of its tensors in a bundle."""

EXCEED = 0.025
"""Share of patches held back from the fit that lie beyond the limit."""

FEWEST = 40
"""Patches of a data set that a fit needs."""

FEWEST_SLIDES = 8
"""Slides of a data set from which on whole ones are held back; fewer would leave the limit to two or three."""

_HEADER = Table(
    {
        "layer": Text(may_be_empty=False),
        "names": Listed(Text(), fewest=1),
        "limits": Listed(Number(1e-9, 1e9), fewest=1),
        "patches": Listed(Number(1, 10**9, whole=True), fewest=1),
    }
)
_HELD_BACK = 0.25
_RIDGE = 0.01  # times the mean variance


@dataclass(frozen=True, eq=False)
class OodModel:
    """The distribution of the training patches' features.

    Attributes:
        layer: whose early features (:func:`core.prediction.features.early_features`).
        names: the G training data sets.
        centres: float32 (G, D), mean features.
        whitening: float32 (G, D, D): (features - centre) @ whitening has unit variance in every direction.
        limits: float64 (G,), distance from which on a patch is out of distribution.
        patches: how many patches each was fitted on.
    """

    layer: str
    names: tuple[str, ...]
    centres: npt.NDArray[np.float32]
    whitening: npt.NDArray[np.float32]
    limits: npt.NDArray[np.float64]
    patches: tuple[int, ...]

    def __post_init__(self) -> None:
        groups, width = self.centres.shape if self.centres.ndim == 2 else (0, 0)
        if (
            not groups
            or self.whitening.shape != (groups, width, width)
            or self.limits.shape != (groups,)
            or len(self.names) != groups
            or len(self.patches) != groups
            or not (np.isfinite(self.limits) & (self.limits > 0)).all()
            or not (np.isfinite(self.centres).all() and np.isfinite(self.whitening).all())
        ):
            raise BundleError("The bundle's OOD model does not fit together; copy the bundle again.")

    def ood_score(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return float64 (N,): distance in units of the limit, to the nearest data set; above 1 is too far."""
        if features.shape[1] != self.centres.shape[1]:
            raise BundleError(
                f"The bundle's OOD model has {self.centres.shape[1]} features, its network {features.shape[1]}; copy "
                "the bundle again."
            )
        nearest = np.full(len(features), np.inf)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            for centre, whitening, limit in zip(self.centres, self.whitening, self.limits, strict=True):
                distance = _distances(features, centre.astype(np.float64), whitening.astype(np.float64))
                nearest = np.minimum(nearest, distance / limit)
        if not np.isfinite(nearest).all():  # NaN is not above the limit and would pass for a familiar patch
            raise BundleError(
                "The bundle's OOD model gives a score that is not finite (NaN or infinity): the file is damaged or its "
                "training diverged. Copy it again, or choose another model."
            )
        return nearest

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors that are stored beside the weights in a bundle."""
        return {
            f"{PREFIX}centres": torch.from_numpy(self.centres),
            f"{PREFIX}whitening": torch.from_numpy(self.whitening),
        }

    def header(self) -> str:
        """Return the JSON for the bundle's header."""
        values = {
            "layer": self.layer,
            "names": list(self.names),
            "limits": self.limits.tolist(),
            "patches": list(self.patches),
            "exceed": EXCEED,
        }
        return json.dumps(values, allow_nan=False, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_parts(cls, header: str | None, tensors: Mapping[str, torch.Tensor]) -> "OodModel | None":
        """Return what :meth:`header` and :meth:`tensors` gave; None where a bundle has neither.

        Raises:
            BundleError: an entry is missing, one too many, out of its range or of another kind.
        """
        if header is None and not tensors:
            return None
        try:
            if header is None or tensors.keys() != {f"{PREFIX}centres", f"{PREFIX}whitening"}:
                found = ", ".join(sorted(tensors)) or "none"
                raise ValueError(f"its header and two tensors belong together, got the tensors {found}")
            if not all(value.is_floating_point() for value in tensors.values()):
                raise ValueError("its tensors hold no decimal numbers")
            values = _HEADER.read(parse(header), "")
        except ValueError as error:
            raise BundleError(f"The bundle's OOD model is damaged: {error}. Copy the bundle again.") from error
        return cls(
            layer=values["layer"],
            names=tuple(values["names"]),
            centres=tensors[f"{PREFIX}centres"].float().numpy(),
            whitening=tensors[f"{PREFIX}whitening"].float().numpy(),
            limits=np.asarray(values["limits"], np.float64),
            patches=tuple(values["patches"]),
        )


def fit(
    features: Mapping[str, npt.NDArray[np.float32]],
    *,
    layer: str,
    slides: Mapping[str, npt.NDArray[np.object_]] | None = None,
    seed: int = 0,
) -> OodModel:
    """Fit a Gaussian and its limit to the features of each data set.

    Args:
        features: name of the data set -> float32 (N, D), at least 40 patches.
        layer: where they come from.
        slides: name of the data set -> the slide of each patch, (N,), where they are known: then whole slides are held
            back, since patches of one slide look alike and a limit found on them is too narrow for new slides.
        seed: of the draw of patches that are held back to find the limit.

    Raises:
        DataError: there is no data set, or one has too few patches.
    """
    if not features or min(map(len, features.values())) < FEWEST:
        counts = ", ".join(f"{name}: {len(values)}" for name, values in features.items()) or "no data set"
        raise DataError(f"The OOD model is fitted on at least {FEWEST} patches of a data set, got {counts}.")
    known = slides or {}
    groups = [_fit(values.astype(np.float64), known.get(name), seed) for name, values in features.items()]
    return OodModel(
        layer=layer,
        names=tuple(features),
        centres=np.stack([centre for centre, _, _ in groups]).astype(np.float32),
        whitening=np.stack([whitening for _, whitening, _ in groups]).astype(np.float32),
        limits=np.array([limit for _, _, limit in groups]),
        patches=tuple(map(len, features.values())),
    )


def _fit(
    values: npt.NDArray[np.float64], slides: npt.NDArray[np.object_] | None, seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    held_back = _held_back(len(values), slides, np.random.default_rng(seed))
    held, used = values[held_back], values[~held_back]
    centre = used.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(used.T))
    # The ridge keeps directions in which the training patches hardly differ from deciding by nothing but rounding.
    ridge = _RIDGE * max(float(variances.mean()), 1e-12)
    whitening = directions / np.sqrt(np.maximum(variances, 0) + ridge)
    limit = float(np.quantile(_distances(held, centre, whitening), 1 - EXCEED))
    return centre, whitening, limit


def _held_back(
    count: int, slides: npt.NDArray[np.object_] | None, random: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return a mask (N,) of about a quarter of the patches: whole slides, if there are enough of them."""
    names = [] if slides is None else sorted(set(slides.tolist()))
    if slides is None or len(names) < FEWEST_SLIDES:
        mask = np.zeros(count, bool)
        mask[random.permutation(count)[: int(count * _HELD_BACK)]] = True
        return mask
    chosen = random.permutation(np.array(names, dtype=object))[: max(1, round(len(names) * _HELD_BACK))]
    return np.isin(slides.astype(str), chosen.astype(str))


def _distances(
    features: npt.NDArray[Any], centre: npt.NDArray[np.float64], whitening: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    distances: npt.NDArray[np.float64] = np.linalg.norm((features - centre) @ whitening, axis=1)
    return distances
