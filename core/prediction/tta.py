"""What a bundle says of the eight flips and quarter turns of a patch: tissue has no up, so they should agree."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core import d4
from core.formatting import percent
from core.prediction.predictor import Predictor


@dataclass(frozen=True, eq=False)
class TtaSpread:
    """Probabilities of one patch in its eight positions.

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
        """What it means, in plain words."""
        if self.highest - self.lowest < 0.0005:
            return f"Flipped and turned, the patch gets the same in all eight positions: {percent(self.mean)}."
        lowest, highest, mean = (percent(each) for each in (self.lowest, self.highest, self.mean))
        found = f"Flipped and turned, the patch gets {lowest} to {highest} (mean {mean})"
        if self.agreeing == d4.COUNT:
            return f"{found}; all eight give the same verdict."
        return f"{found}; only {self.agreeing} of 8 give the same verdict: the model is undecided."


def spread(predictor: Predictor, patch: npt.NDArray[np.uint8], *, threshold: float | None = None) -> TtaSpread:
    """Return the probabilities of the eight positions.

    Args:
        predictor: the bundle on its device.
        patch: uint8 96×96×3.
        threshold: for the verdicts; the bundle's own by default.

    Raises:
        PatchError: the array is of another shape or type.
    """
    predictions = predictor.predict(np.stack(d4.views(patch, axes=(0, 1))))
    return TtaSpread(predictions.probabilities, predictions.threshold if threshold is None else threshold)
