"""A copy of a bundle for data in which tumour is rarer or more frequent."""

from dataclasses import replace

from core.bundle.bundle import Bundle
from core.errors import BundleError
from core.evaluation import Calibration, at_prevalence, log_odds_shift


def with_prevalence(bundle: Bundle, prevalence: float) -> Bundle:
    """Return a copy whose probabilities are for this share of tumour.

    The decision threshold stays: it says which error is worse, and that does not depend on how often tumour occurs. The
    thresholds for slides and the validation curve move along, so that they go on calling the same patches tumour.

    Args:
        bundle: where it comes from.
        prevalence: share of tumour among the patches that are predicted, above 0 and below 1.

    Raises:
        BundleError: the bundle does not say how much tumour there was in validation.
        EvaluationError: the prevalence is out of range.
    """
    card = bundle.card
    if not card.prevalence:
        raise BundleError(
            f"{card.name} does not say how much tumour there was among its validation patches, so its probabilities "
            "cannot be moved to a prevalence. Leave the prevalence out, or choose another model."
        )
    before, share = card.calibration, card.prevalence

    def moved(*probabilities: float) -> tuple[float, ...]:
        return tuple(at_prevalence(probabilities, calibrated=share, wanted=prevalence).tolist())

    shift = log_odds_shift(calibrated=share, wanted=prevalence)
    curve = card.operating
    card = card.with_changes(
        calibration=Calibration(before.temperature, before.bias + shift),
        operating=None if curve is None else replace(curve, thresholds=moved(*curve.thresholds)),
        slide_threshold=None,
    )
    return replace(bundle, card=card)
