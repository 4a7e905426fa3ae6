"""Is a patch out of distribution for a bundle? Visible artifacts first, then the network's features."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.bundle.bundle import Bundle
from core.bundle.ood import OodModel, fit
from core.prediction.artifacts import Artifact, artifacts
from core.prediction.engine import TORCH
from core.prediction.features import early_features, layers_of
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress, within

MOST = 4000
"""Most patches of a data set that an OOD model is fitted on."""

# The 2.5% are core.bundle.ood.EXCEED, which sets the limit.
_UNLIKE = (
    "Out-of-distribution: to the network this patch is unlike those it was trained on, OOD score {:.2f} (limit 1.0, "
    "which 2.5% of patches like them exceed). Do not rely on the probability."
)


@dataclass(frozen=True)
class OodWarnings:
    """Reasons not to rely on the probability of one patch.

    Attributes:
        artifacts: the reasons; empty where the patch resembles the training patches.
        ood_score: distance to the training patches in units of the limit, above 1 is out of distribution; None where
            the bundle has no OOD model.
    """

    artifacts: tuple[Artifact, ...]
    ood_score: float | None

    def __bool__(self) -> bool:
        """Whether there is any warning."""
        return bool(self.artifacts)

    @property
    def sentence(self) -> str:
        """All warnings, or that there are none."""
        if self.artifacts:
            return " ".join(artifact.sentence for artifact in self.artifacts)
        if self.ood_score is None:
            return (
                "Neither blank nor blurred, and coloured like H&E. The bundle has no OOD model, so it is not known "
                "whether the patch resembles the training patches."
            )
        return f"Like the training patches: OOD score {self.ood_score:.2f} (limit 1.0)."


def examine(
    predictor: Predictor, pixels: npt.NDArray[np.uint8], *, progress: Progress = no_progress
) -> list[OodWarnings]:
    """Return the OOD warnings of each patch.

    Args:
        predictor: the bundle on its device.
        pixels: uint8 N×96×96×3.
        progress: receives the finished share.

    Raises:
        PatchError: the array is of another shape or type.
    """
    found = artifacts(pixels)
    model = predictor.bundle.ood_model
    # Without patches the features have no width, which the OOD model would refuse.
    if model is None or not len(pixels):
        return [OodWarnings(each, None) for each in found]
    scores = model.ood_score(early_features(predictor, pixels, layer=model.layer, progress=progress))
    return [
        OodWarnings((*each, Artifact("network", score, 1.0, _UNLIKE.format(score))) if score > 1 else each, score)
        for each, score in zip(found, scores.tolist(), strict=True)
    ]


def fit_ood_model(
    bundle: Bundle,
    pixels: Mapping[str, npt.NDArray[np.uint8]],
    *,
    slides: Mapping[str, npt.NDArray[np.object_]] | None = None,
    device: str = "auto",
    progress: Progress = no_progress,
) -> OodModel:
    """Fit the OOD model of a bundle's network to its training patches, to be stored in the bundle.

    Args:
        bundle: with its network; its calibration does not matter.
        pixels: name of each training data set -> uint8 N×96×96×3; 1,000 to 4,000 patches are enough.
        slides: name of each data set whose slides are known -> the slide of each patch, (N,).
        device: where the network runs.
        progress: receives the finished share.

    Raises:
        DataError: a data set has fewer than 40 patches.
        BundleError: the network has no suitable feature map.
    """
    predictor = Predictor(bundle, device=f"{device}:{TORCH}")  # the same bundle, whatever is installed
    layer = layers_of(predictor.module).early
    found = {}
    for number, (name, patches) in enumerate(pixels.items()):
        report = within(progress, number / len(pixels), (number + 1) / len(pixels))
        # The first ones will do: the caller hands in a random draw.
        found[name] = early_features(predictor, patches[:MOST], layer=layer, progress=report)
    return fit(found, layer=layer, slides={name: each[:MOST] for name, each in (slides or {}).items()})
