"""The result for one patch: probability, verdict, test-time augmentation, and OOD warnings."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core import d4
from core.bundle.operating_curve import OperatingCurve
from core.data import CLASS_NAMES
from core.errors import EvaluationError
from core.formatting import percent
from core.prediction.ood_warnings import OodWarnings, examine
from core.prediction.predictor import Predictor


@dataclass(frozen=True, eq=False)
class TtaSpread:
    """Probabilities of the eight flips and rotations of one patch: tissue has no up, so they should agree.

    Attributes:
        probabilities: float64 (8,), calibrated; the first is that of the patch as it is.
        threshold: from this probability on the verdict is tumour.
    """

    probabilities: npt.NDArray[np.float64]
    threshold: float

    @property
    def lowest(self) -> float:
        """The lowest of the eight."""
        return float(self.probabilities.min())

    @property
    def highest(self) -> float:
        """The highest of the eight."""
        return float(self.probabilities.max())

    @property
    def mean(self) -> float:
        """The mean of the eight."""
        return float(self.probabilities.mean())

    @property
    def agreeing(self) -> int:
        """How many of the eight give the verdict of the patch as it is."""
        verdicts = self.probabilities >= self.threshold
        return int((verdicts == verdicts[0]).sum())

    @property
    def sentence(self) -> str:
        """What it means."""
        # Half of the last digit shown: a range from 12.3% to 12.3% would say nothing.
        if self.highest - self.lowest < 0.0005:
            return f"All eight flips and rotations of the patch get the same probability: {percent(self.mean)}."
        lowest, highest, mean = (percent(each) for each in (self.lowest, self.highest, self.mean))
        found = f"Flipped and rotated, the patch gets {lowest} to {highest} (mean {mean})"
        if self.agreeing == d4.COUNT:
            return f"{found}; all eight give the same verdict."
        return f"{found}; only {self.agreeing} of 8 give the same verdict: the model is undecided."


@dataclass(frozen=True, eq=False)
class PatchResult:
    """What a bundle says of one patch, and how reliable it is.

    Attributes:
        pixels: uint8 96×96×3, what the model saw.
        logit: before calibration.
        probability: calibrated probability of tumour in the centre.
        threshold: from this probability on the verdict is tumour, in [0, 1].
        tta: the probabilities of the eight flips and rotations.
        ood: whether the patch resembles the training patches.
        curve: sensitivity and specificity in validation at every threshold, or None where they were not kept.

    Raises:
        EvaluationError: the threshold lies outside [0, 1].
    """

    pixels: npt.NDArray[np.uint8]
    logit: float
    probability: float
    threshold: float
    tta: TtaSpread
    ood: OodWarnings
    curve: OperatingCurve | None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise EvaluationError(f"threshold must be 0 to 1, got {self.threshold!r}.")

    def at(self, threshold: float) -> "PatchResult":
        """Return the result at another threshold; nothing is predicted again. Raises :class:`EvaluationError`."""
        return replace(self, threshold=threshold, tta=replace(self.tta, threshold=threshold))

    @property
    def is_tumour(self) -> bool:
        """The verdict."""
        return self.probability >= self.threshold

    @property
    def verdict(self) -> str:
        """The verdict as a class name."""
        return CLASS_NAMES[int(self.is_tumour)]

    @property
    def operating_sentence(self) -> str:
        """What the threshold meant in validation."""
        if self.curve is None:
            return "The bundle does not say how often this threshold was right in validation."
        found, spared = self.curve.at(self.threshold)
        return (
            f"At this threshold, validation found {found.value:.1%} of the tumour patches (sensitivity, 95% CI "
            f"{found.interval('.1%')}) and called {spared.value:.1%} of the normal ones normal (specificity, 95% CI "
            f"{spared.interval('.1%')})."
        )


def predict_patch(
    predictor: Predictor, pixels: npt.NDArray[np.uint8], *, threshold: float | None = None
) -> PatchResult:
    """Return the result for one patch: probability and TTA spread from one pass of its eight views.

    Args:
        predictor: the bundle on its device.
        pixels: uint8 96×96×3.
        threshold: in [0, 1]; the bundle's own by default.

    Raises:
        PatchError: the array is of another shape or type.
        EvaluationError: the threshold lies outside [0, 1].
    """
    # View 0 is the patch as it is. It gets the same bits as by itself.
    predictions, card = predictor.predict(np.stack(d4.views(pixels, axes=(0, 1)))), predictor.bundle.card
    line = card.threshold if threshold is None else threshold
    return PatchResult(
        pixels=predictor.seen(pixels),
        logit=float(predictions.logits[0]),
        probability=float(predictions.probabilities[0]),
        threshold=line,
        tta=TtaSpread(predictions.probabilities, line),
        ood=examine(predictor, pixels[None])[0],
        curve=card.operating,
    )
