"""How far to trust a map: small checks, each with its number and a sentence."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from captum.metrics import sensitivity_max
from scipy.stats import spearmanr
from torch import Tensor, nn

from core.attribution.compute import attribute
from core.attribution.curves import Calibrate, logits_of, probabilities_of
from core.attribution.options import AttributionOptions
from core.attribution.patch import as_tensor, baseline_of
from core.attribution.replica import device_of, full_copy_of
from core.attribution.result import CENTRE_CHANCE, Attribution, centre_share
from core.data.store import CENTRE
from core.errors import AttributionError, ConfigError
from core.formatting import percent

_DEFAULT_OPTIONS = AttributionOptions()


@dataclass(frozen=True)
class Completeness:
    """Whether the attributions add up to the change in logit.

    Attributes:
        gap: Sum of the attribution minus the change in logit, in logits.
        change: Logit of the patch minus logit of the baseline.
        relative: ``abs(gap) / abs(change)``; infinite where the logit does not change but the
            attributions do not cancel.
        sentence: What it means, in plain words.
    """

    gap: float
    change: float
    relative: float
    sentence: str


def completeness(attribution: Attribution) -> Completeness:
    """Return whether an attribution adds up to the change in logit, as its method promises.

    Raises:
        AttributionError: The method does not promise it.
    """
    if attribution.completeness_gap is None or attribution.baseline_logit is None:
        raise AttributionError(
            f"Attributions by {attribution.method} need not add up to the change in logit; there is no gap to measure."
        )
    gap, change = attribution.completeness_gap, attribution.logit - attribution.baseline_logit
    relative = abs(gap) / abs(change) if change else (0.0 if gap == 0 else float("inf"))
    sentence = (
        f"The attributions add up to {change + gap:+.2f} where the logit changes by {change:+.2f}: "
        f"{'a good sum' if relative <= 0.05 else 'more steps or samples would help'}."
    )
    return Completeness(gap, change, relative, sentence)


@dataclass(frozen=True)
class CentreShare:
    """How much of the map lies where the label is decided.

    Attributes:
        share: Share of the absolute attribution in the centre 32×32; NaN for an empty map.
        chance: What an even map gives, 1/9.
        sentence: What it means, in plain words.
    """

    share: float
    chance: float
    sentence: str


def centre(attribution: Attribution) -> CentreShare:
    """Return how much of the attribution lies in the centre, against chance."""
    share = centre_share(attribution)
    if np.isnan(share):
        return CentreShare(share, CENTRE_CHANCE, "The map is empty: this method found nothing to show.")
    times = share / CENTRE_CHANCE
    sentence = (
        f"{share:.0%} of the map lies in the centre that decides the label, "
        f"{times:.1f} times what chance gives ({CENTRE_CHANCE:.0%})."
    )
    return CentreShare(share, CENTRE_CHANCE, sentence)


@dataclass(frozen=True)
class NoiseSensitivity:
    """How much the map changes when the patch hardly does.

    Attributes:
        value: Largest relative change of the attribution (Euclidean norm) among the noisy copies; 0 is
            unmoved.
        radius: Largest change of a pixel, in units of [0, 1].
        sentence: What it means, in plain words.
    """

    value: float
    radius: float
    sentence: str


def noise_sensitivity(
    model: nn.Module,
    patch: npt.NDArray[np.uint8] | Tensor,
    *,
    method: str = "grad-cam",
    options: AttributionOptions = _DEFAULT_OPTIONS,
    radius: float = 0.02,
    samples: int = 4,
) -> NoiseSensitivity:
    """Return the largest relative change of the attribution under small noise (Yeh 2019, arXiv:1901.09392).

    Measured by Captum's ``sensitivity_max`` with noise of our own, from ``options.seed``: the metric draws
    from the random state that all threads share.

    Raises:
        ConfigError: A setting is out of its range.
        AttributionError: The network does not support the method.
    """
    if not 0 < radius <= 1 or samples < 1:
        raise ConfigError(
            f"radius must be above 0 and at most 1, and samples at least 1; got {radius!r} and {samples!r}."
        )
    noise = torch.Generator().manual_seed(options.seed)

    def shaken(pixels: Tensor, reach: float) -> Tensor:
        change = (torch.rand(pixels.shape, generator=noise) * 2 - 1) * reach
        return (pixels + change).clamp(0, 1)

    def explained(given: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        batch = given[0] if isinstance(given, tuple) else given
        values = [attribute(model, pixels, method=method, options=options).values for pixels in batch]
        return (torch.from_numpy(np.stack(values)),)

    found = sensitivity_max(
        explained,
        as_tensor(patch),
        perturb_func=shaken,
        perturb_radius=radius,
        n_perturb_samples=samples,
        max_examples_per_batch=samples,
    )
    value = float(found[0])
    verdict = (
        "it is steady" if value <= 0.3 else "read its details with care" if value <= 1 else "its details are noise"
    )
    sentence = f"Faint noise (up to ±{radius * 255:.0f} of 255) changes the map by up to {value:.0%}: {verdict}."
    return NoiseSensitivity(value, radius, sentence)


@dataclass(frozen=True)
class RandomWeights:
    """Whether the map depends on what the network has learnt.

    Attributes:
        correlation: Spearman's rank correlation between the sizes of the two attributions, summed over
            channels; 0 where one of them is the same everywhere.
        sentence: What it means, in plain words.
    """

    correlation: float
    sentence: str


def random_weights(
    attribution: Attribution,
    random_model: nn.Module,
    patch: npt.NDArray[np.uint8] | Tensor,
    *,
    options: AttributionOptions = _DEFAULT_OPTIONS,
) -> RandomWeights:
    """Compare an attribution with that of a network with random weights (Adebayo 2018, arXiv:1810.03292).

    Args:
        attribution: Of the trained network.
        random_model: The same network from :func:`with_random_weights`; make it once for each bundle.
        patch: The explained patch.
        options: Those of the attribution.
    """
    other = attribute(random_model, patch, method=attribution.method, options=options)
    first, second = (np.abs(item.values).sum(axis=0, dtype=np.float64).ravel() for item in (attribution, other))
    flat = np.ptp(first) == 0 or np.ptp(second) == 0
    correlation = 0.0 if flat else float(spearmanr(first, second).statistic)
    verdict = (
        "the map shows what was learnt"
        if abs(correlation) < 0.3
        else "some of the map is the picture itself, not what was learnt"
        if abs(correlation) < 0.7
        else "the map mostly shows the picture itself, not what was learnt"
    )
    return RandomWeights(
        correlation, f"With random weights the map correlates with this one by {correlation:+.2f}: {verdict}."
    )


def with_random_weights(model: nn.Module, *, seed: int = 0) -> nn.Module:
    """Return a copy of a network whose weights are shuffled within each tensor.

    Shuffling keeps the spread of every layer, so that activations stay in range, and removes all that was
    learnt.
    """
    twin = full_copy_of(model)
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in twin.parameters():
            order = torch.randperm(parameter.numel(), generator=noise).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return twin


@dataclass(frozen=True)
class Blanking:
    """What the probability becomes without the centre and without the rim.

    Attributes:
        probability: Of the patch as it is.
        without_centre: With the labelled centre 32×32 blanked.
        without_rim: With all but the centre blanked.
        sentence: What it means, in plain words.
    """

    probability: float
    without_centre: float
    without_rim: float
    sentence: str


def blanking(
    model: nn.Module,
    patch: npt.NDArray[np.uint8] | Tensor,
    *,
    calibrate: Calibrate | None = None,
) -> Blanking:
    """Return the probability of tumour with the patch as it is, without its centre and without its rim.

    Args:
        model: From pixels in [0, 1] to logits.
        patch: The patch.
        calibrate: From logits to probabilities; the logistic function by default.
    """
    pixels = as_tensor(patch).to(device_of(model))
    blank = baseline_of(pixels, "white")
    without_centre, without_rim = pixels.clone(), blank.clone()
    without_centre[..., CENTRE, CENTRE] = blank[..., CENTRE, CENTRE]
    without_rim[..., CENTRE, CENTRE] = pixels[..., CENTRE, CENTRE]
    variants = torch.cat([pixels, without_centre, without_rim])
    logits = logits_of(model, lambda low, high: variants[low:high], 3, 3)
    whole, rim_only, centre_only = (float(value) for value in probabilities_of(logits, calibrate))
    verdict = _leaning(abs(whole - rim_only), abs(whole - centre_only))
    sentence = (
        f"The probability of {percent(whole)} becomes {percent(rim_only)} without the centre and "
        f"{percent(centre_only)} without the rim: {verdict}."
    )
    return Blanking(whole, rim_only, centre_only, sentence)


def _leaning(by_centre: float, by_rim: float) -> str:
    """Return which changes the probability more, removing the centre or removing the rim."""
    if max(by_centre, by_rim) < 0.05:
        return "neither matters much by itself"
    if abs(by_centre - by_rim) < 0.05:
        return "centre and rim matter about equally"
    if by_centre >= by_rim:
        return "the network leans more on the centre, as it should"
    return "the network leans more on the rim, which the label ignores"
