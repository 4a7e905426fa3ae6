"""Several networks that began alike, as one whose weights are the mean of theirs.

Wortsman et al., "Model soups", 2022 (arXiv:2203.05482): networks that were fine-tuned from the same weights lie in one
basin, so that their mean is as good as their ensemble comes near to, at the cost of one.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

import models
from core.bundle import Bundle, Card
from core.data.stored_patches import Pixels
from core.device import resolve_device
from core.errors import BundleError
from core.evaluation import Calibration
from core.prediction import as_input
from core.runs.config import TrainingConfig
from core.training.data import TrainingData
from core.training.export import complete, named, source_notes, versions

PATCHES = 2560
"""Training patches that the norms see."""

BATCH = 128


def average(
    bundles: Sequence[Bundle],
    training_data: TrainingData,
    config: TrainingConfig,
    *,
    name: str,
    notify: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Return a bundle with the mean of the weights, calibrated, measured and thresholded as that of a run is.

    Args:
        bundles: two or more of the same network, that were trained from the same starting weights.
        training_data: what they were trained on, divided.
        config: names that data, and the device.
        name: of the new bundle.
        notify: gets what is being done.

    Raises:
        BundleError: they are not of one network, or the mean of their weights cannot predict.
    """
    first = bundles[0].card
    for each in bundles[1:]:
        if (each.card.model, each.card.arguments) != (first.model, first.arguments):
            raise BundleError(
                f"{each.card.name} is a {each.card.model} and {first.name} a {first.model}, or they differ in their "
                "arguments. Weights are averaged of one network only; to predict with both, give predict two --bundle."
            )
        if each.card.to_json()["preprocessing"] != first.to_json()["preprocessing"]:
            raise BundleError(
                f"{each.card.name} and {first.name} normalise pixels differently; give bundles that agree."
            )
    if len(bundles) < 2:
        raise BundleError("A mean needs two bundles or more, got one.")
    notify("Averaging the weights")
    weights = _with_norms_of(_mean(bundles), first, training_data.seen().train.pixels, device=config.device)
    training = {
        "averaged": named(bundles),
        "data": [source.provenance() for source in training_data.sources],
        "left_out": len(training_data.problems),
        "config": {"preset": "average", "validation_data": config.validation_data},
        "versions": versions(),
    }
    card = first.with_changes(
        name=name, calibration=Calibration(), threshold=0.5, training=training, measured=(), operating=None,
        notes=source_notes(training_data.sources),
    )  # fmt: skip
    return complete(card, weights, training_data, device=config.device, notify=notify)


def _mean(bundles: Sequence[Bundle]) -> dict[str, torch.Tensor]:
    states = [each.network().state_dict() for each in bundles]
    return {
        name.removeprefix("network."): torch.stack([state[name] for state in states]).mean(0)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
        if name not in ("mean", "std")
    }


def _with_norms_of(
    weights: dict[str, torch.Tensor], card: Card, pixels: Pixels, *, device: str
) -> dict[str, torch.Tensor]:
    """Return the weights with the norms' running means and variances found anew: those of a mean are not the mean."""
    network = models.build(card.model, **card.arguments)
    network.load_state_dict(weights)
    whole = models.Normalised(network, mean=card.mean, std=card.std).eval().to(resolve_device(device))
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # the plain mean over all batches
        each.train()
    rows = np.sort(np.random.default_rng(0).permutation(len(pixels))[:PATCHES])
    rows = np.random.default_rng(1).permutation(rows)  # a data set lies in order, and a batch must hold some of all
    with torch.no_grad():
        for start in range(0, len(rows) if norms else 0, BATCH):
            chosen = np.sort(rows[start : start + BATCH])
            if len(chosen) > 1 or len(rows) == 1:  # one patch alone has no variance worth counting
                whole(as_input(pixels[chosen], resolve_device(device)))
    return {name: value.detach().cpu() for name, value in network.state_dict().items()}
