"""Whether a patch is the kind that a bundle knows: looks first, then the network's features."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.bundle import ood as familiarities
from core.bundle.bundle import Bundle
from core.bundle.ood import OodModel
from core.prediction.artifacts import Artifact, artifacts
from core.prediction.features import early_features, layers_of
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress, within

MOST = 4000
"""Patches of a data set that familiarity is fitted on at most."""

_UNFAMILIAR = (
    "To the network this patch is unlike those it was trained on ({:.1f} times the distance that only 2.5 % of them "
    "exceed). Do not rely on the probability."
)


@dataclass(frozen=True)
class OodWarnings:
    """What speaks against believing the probability of one patch.

    Attributes:
        artifacts: the reasons; empty where the patch is of the known kind.
        ood_score: distance to the training patches in units of the limit, above 1 is unfamiliar; None where the
            bundle holds no figures on it.
    """

    artifacts: tuple[Artifact, ...]
    ood_score: float | None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.artifacts)

    @property
    def sentence(self) -> str:
        """All reasons, or that there are none, in plain words."""
        if self.artifacts:
            return " ".join(artifact.sentence for artifact in self.artifacts)
        if self.ood_score is None:
            return (
                "Neither blank nor blurred, and coloured like H&E. Whether it resembles the training patches the "
                "bundle cannot tell: it holds no figures on them."
            )
        return f"Like the training patches (at {self.ood_score:.0%} of the distance where doubt begins)."


def examine(
    predictor: Predictor, pixels: npt.NDArray[np.uint8], *, progress: Progress = no_progress
) -> list[OodWarnings]:
    """Return the doubts about each patch.

    Args:
        predictor: the bundle on its device.
        pixels: uint8 N×96×96×3.
        progress: told the finished share.

    Raises:
        PatchError: the array is of another shape or type.
    """
    appearance = artifacts(pixels)
    known = predictor.bundle.ood_model
    if known is None or not len(pixels):
        return [OodWarnings(odd, None) for odd in appearance]
    distances = known.ood_score(early_features(predictor, pixels, layer=known.layer, progress=progress))
    return [_doubts(odd, float(distance)) for odd, distance in zip(appearance, distances, strict=True)]


def _doubts(odd: tuple[Artifact, ...], distance: float) -> OodWarnings:
    if distance > 1:
        odd = (*odd, Artifact("network", distance, 1.0, _UNFAMILIAR.format(distance)))
    return OodWarnings(odd, distance)


def fit_ood_model(
    bundle: Bundle,
    pixels: Mapping[str, npt.NDArray[np.uint8]],
    *,
    slides: Mapping[str, npt.NDArray[np.object_]] | None = None,
    device: str = "auto",
    progress: Progress = no_progress,
) -> OodModel:
    """Return what a bundle's network makes of its training patches, to be stored in the bundle.

    Args:
        bundle: with its network; its calibration does not matter.
        pixels: name of each training data set -> uint8 N×96×96×3; 1,000 to 4,000 patches are enough.
        slides: name of each data set whose slides are known -> the slide of each patch, (N,).
        device: where the network runs.
        progress: told the finished share.

    Raises:
        DataError: a data set has fewer than 40 patches.
        BundleError: the network has no feature map that would do.
    """
    predictor = Predictor(bundle, device=device)
    layer = layers_of(predictor.module).early
    found = {}
    for number, (name, patches) in enumerate(pixels.items()):
        report = within(progress, number / len(pixels), (number + 1) / len(pixels))
        found[name] = early_features(predictor, patches[:MOST], layer=layer, progress=report)
    known = {name: each[:MOST] for name, each in (slides or {}).items()}
    return familiarities.fit(found, layer=layer, slides=known)
