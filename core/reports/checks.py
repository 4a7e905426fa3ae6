"""The trust checks of a saliency map: what each one asks, and a sentence with the result and what it means."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import nn

from core.attribution import Attribution, AttributionOptions, trust
from core.attribution.curves import Curve, deletion_and_insertion
from core.prediction import Predictor
from core.progress import Progress, no_progress, within

Name = Literal["parts", "centre", "blanking", "deletion", "insertion", "noise", "random"]

LABELS: dict[Name, tuple[str, str]] = {
    "parts": ("Do the parts add up?", "completeness gap"),
    "centre": ("Does it look at the centre?", "attribution in the labelled 32×32"),
    "blanking": ("Does the centre decide, or the rim?", "probability without centre or rim"),
    "deletion": ("Does taking it away matter?", "deletion curve"),
    "insertion": ("Does giving it back matter?", "insertion curve"),
    "noise": ("Is it steady?", "sensitivity to noise"),
    "random": ("Does it show what was learnt?", "sanity check against random weights"),
}
"""Name of a check -> its question in plain language and the technical term."""


@dataclass(frozen=True, eq=False)
class Check:
    """One trust check of one saliency map.

    Attributes:
        name: a key of :data:`LABELS`.
        sentence: what was measured and what it means.
        curve: the probabilities along a deletion or insertion, else None.
    """

    name: Name
    sentence: str
    curve: Curve | None = None

    @property
    def question(self) -> str:
        """Its question, in plain language."""
        return LABELS[self.name][0]

    @property
    def term(self) -> str:
        """The technical term."""
        return LABELS[self.name][1]


def quick_checks(predictor: Predictor, pixels: npt.NDArray[np.uint8], attribution: Attribution) -> tuple[Check, ...]:
    """Return the checks that cost no more than three passes; arguments as of :func:`thorough_checks`."""
    found = []
    if attribution.completeness_gap is not None:
        found.append(Check("parts", trust.completeness(attribution).sentence))
    found.append(Check("centre", trust.centre(attribution).sentence))
    calibrate = predictor.bundle.card.calibration.apply
    found.append(Check("blanking", trust.blanking(predictor.module, pixels, calibrate=calibrate).sentence))
    return tuple(found)


def thorough_checks(
    predictor: Predictor,
    pixels: npt.NDArray[np.uint8],
    attribution: Attribution,
    *,
    random_module: nn.Module,
    options: AttributionOptions,
    progress: Progress = no_progress,
) -> tuple[Check, ...]:
    """Return the checks that cost many passes.

    Args:
        predictor: the bundle on its device.
        pixels: the explained patch as the network sees it, uint8 96×96×3, see :meth:`Predictor.seen`.
        attribution: its attribution.
        random_module: from :func:`core.attribution.trust.with_random_weights`, made once for a bundle.
        options: those of the attribution.
        progress: called with the finished share; an exception from it ends the work.
    """
    deletion, insertion = deletion_and_insertion(
        predictor.module,
        pixels,
        attribution,
        calibrate=predictor.bundle.card.calibration.apply,
        progress=within(progress, 0.0, 1 / 3),
    )
    noise = trust.noise_sensitivity(predictor.module, pixels, method=attribution.method, options=options)
    progress(2 / 3)
    random = trust.random_weights(attribution, random_module, pixels, options=options)
    progress(1.0)
    return (
        Check("deletion", deletion.sentence, deletion),
        Check("insertion", insertion.sentence, insertion),
        Check("noise", noise.sentence),
        Check("random", random.sentence),
    )
