"""All that is said about one patch: probability, verdict, spread over its eight positions, and doubts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.data import CLASS_NAMES
from core.evaluation import Estimate
from core.prediction.ood_warnings import OodWarnings, examine
from core.prediction.predictor import Predictor
from core.prediction.tta import TtaSpread, spread


@dataclass(frozen=True, eq=False)
class PatchResult:
    """What a bundle says of one patch, and how far it can be believed.

    Attributes:
        pixels: uint8 96×96×3, what the model saw.
        logit: before calibration.
        probability: calibrated probability of tumour in the centre.
        threshold: from this probability on the verdict is tumour.
        spread: the probabilities of the eight flips and quarter turns.
        ood: whether the patch is of the known kind.
        operating: sensitivity and specificity at the threshold in validation, or None where they were not kept.
    """

    pixels: npt.NDArray[np.uint8]
    logit: float
    probability: float
    threshold: float
    spread: TtaSpread
    ood: OodWarnings
    operating: tuple[Estimate, Estimate] | None

    @property
    def is_tumour(self) -> bool:
        """The verdict."""
        return self.probability >= self.threshold

    @property
    def verdict(self) -> str:
        """The verdict as a word."""
        return CLASS_NAMES[int(self.is_tumour)]

    @property
    def operating_sentence(self) -> str:
        """What the threshold meant in validation, in plain words."""
        if self.operating is None:
            return "How often this threshold was right in validation, the bundle does not say."
        found, spared = self.operating
        return (
            f"At this threshold, validation found {found.value:.1%} of the tumour patches (sensitivity, 95% CI "
            f"{found.interval('.1%')}) and left {spared.value:.1%} of the normal ones alone (specificity, "
            f"{spared.interval('.1%')})."
        )


def ask(predictor: Predictor, pixels: npt.NDArray[np.uint8], *, threshold: float | None = None) -> PatchResult:
    """Return the answer for one patch.

    Args:
        predictor: the bundle on its device.
        pixels: uint8 96×96×3.
        threshold: in [0, 1]; the bundle's own by default.

    Raises:
        PatchError: the array is of another shape or type.
        EvaluationError: the threshold lies outside [0, 1].
    """
    predictions, card = predictor.predict(pixels[None]), predictor.bundle.card
    line = card.threshold if threshold is None else threshold
    return PatchResult(
        pixels=pixels,
        logit=float(predictions.logits[0]),
        probability=float(predictions.probabilities[0]),
        threshold=line,
        spread=spread(predictor, pixels, threshold=line),
        ood=examine(predictor, pixels[None])[0],
        operating=None if card.operating is None else card.operating.at(line),
    )
