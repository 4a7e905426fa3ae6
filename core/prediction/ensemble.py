"""Several bundles that predict as one, such as those of the folds of a cross-validation."""

from collections.abc import Sequence

import numpy as np

from core import d4
from core.bundle.bundle import Bundle
from core.errors import BundleError
from core.evaluation import Calibration
from core.prediction.predictor import Predictions, Predictor
from core.progress import Progress, no_progress, within


class Ensemble:
    """Bundles on a device that predict as one.

    The members' calibrated logits are averaged, not their probabilities: the mean of calibrated probabilities is less
    sure than it should be (Ranjan & Gneiting, J R Stat Soc B 72:71, 2010), and with the folds of the demo it did worse,
    see docs/RESULTS.md. In return a member that is very sure, and wrong, counts for more.

    Attributes:
        members: the predictors, in the order given.
        tta: whether each predicts all eight flips and rotations of a patch (test-time augmentation).
        threshold: the mean of the members' thresholds.

    Args:
        bundles: two or more that were trained for the same data, none of them twice.
        device: "auto", "cpu" or "cuda".
        tta: each member predicts all eight flips and rotations of a patch; then one bundle will do.

    Raises:
        BundleError: they do not fit together.
        DeviceError: there is no such device.
    """

    def __init__(self, bundles: Sequence[Bundle], *, device: str = "auto", tta: bool = False):
        _check(bundles, fewest=1 if tta else 2)
        self.members = tuple(Predictor(bundle, device=device) for bundle in bundles)
        self.tta = tta
        self.threshold = sum(bundle.card.threshold for bundle in bundles) / len(bundles)

    def predict(self, pixels: np.ndarray, *, progress: Progress = no_progress) -> Predictions:
        """Return the mean of the members' calibrated logits, which needs no further calibration, and its probability.

        Args:
            pixels: uint8 N×96×96×3.
            progress: receives the finished share.

        Raises:
            PatchError: the array is of another shape or type.
        """
        passes = [(member, index) for member in self.members for index in range(d4.COUNT if self.tta else 1)]
        count = len(passes)
        logits = np.zeros(len(pixels))
        for number, (member, index) in enumerate(passes):
            report = within(progress, number / count, (number + 1) / count)
            calibration = member.bundle.card.calibration
            view = np.ascontiguousarray(d4.view(pixels, index, axes=(1, 2)))
            found = member.predict(view, progress=report).logits.astype(np.float64)
            # Calibrated first, because the members' temperatures differ and raw logits have no common scale.
            logits += (found / calibration.temperature + calibration.bias) / count
        # The members are calibrated already; the calibration here is the identity, which leaves only the sigmoid.
        return Predictions(logits.astype(np.float32), Calibration().apply(logits), self.threshold)


def first_member(predictor: Predictor | Ensemble) -> Predictor:
    """Return the predictor, of an ensemble the first member: all members were trained for the same data."""
    return predictor.members[0] if isinstance(predictor, Ensemble) else predictor


def _check(bundles: Sequence[Bundle], *, fewest: int) -> None:
    if len(bundles) < fewest:
        raise BundleError(
            f"An ensemble needs {'one bundle' if fewest == 1 else 'two bundles'} or more, got {len(bundles)}."
        )
    names: dict[str, str] = {}
    for bundle in bundles:
        if bundle.digest in names:
            raise BundleError(
                f"{bundle.card.name} and {names[bundle.digest]} are the same bundle ({bundle.digest}); each counts "
                "once, so give it once."
            )
        names[bundle.digest] = bundle.card.name
    first = bundles[0]
    for bundle in bundles[1:]:
        one, two = _data(first), _data(bundle)
        # Kaggle's patches and PatchCamelyon's are labelled by the same rule, whatever the layout; the demo's are drawn.
        if one and two and (one["kind"] == "demo") != (two["kind"] == "demo"):
            raise BundleError(
                f"{first.card.name} was trained for {one['name']} and {bundle.card.name} for {two['name']}, so that "
                "their probabilities do not mean the same. Give bundles that were validated on the same data."
            )


def _data(bundle: Bundle) -> dict[str, str] | None:
    """Return the data set that calibrated a bundle, as far as its card tells."""
    sources = bundle.card.training.get("data") or [None]
    number = bundle.card.training.get("config", {}).get("validation_data", 1)
    found: dict[str, str] | None = sources[min(number, len(sources)) - 1]
    return found
